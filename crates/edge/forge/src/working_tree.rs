//! What a person is working on: looked at and copied as it stands, never written to.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::{self, fs::MetadataExt as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::source::Revision;

use crate::{
    Error, Files,
    checkout::blocking,
    files,
    git::{self, Git, Place},
    origin,
};

/// Where the repository of a working tree is.
pub(crate) const DOT_GIT: &str = ".git";

/// The working tree of a person.
#[derive(Debug, Clone)]
pub struct WorkingTree {
    root: Utf8PathBuf,
}

impl WorkingTree {
    /// The working tree that a path is in.
    pub async fn open(path: &Utf8Path) -> Result<Self, Error> {
        if let Some(plain) = Self::plain(path) {
            return Ok(plain);
        }
        let root = ask(path, "--show-toplevel").await?;
        Ok(Self { root: root.into() })
    }

    /// The same when that is plain to see: the nearest directory above with a repository in it that is
    /// neither linked nor told to be elsewhere. All else is for git to find.
    pub fn plain(path: &Utf8Path) -> Option<Self> {
        let real = path.canonicalize_utf8().ok()?;
        if !real.is_dir() || real.iter().any(|part| part == DOT_GIT) {
            return None;
        }
        let device = real.metadata().ok()?.dev();
        let root = real.ancestors().find(|at| at.join(DOT_GIT).exists())?;
        let git_dir = root.join(DOT_GIT);
        let data = git_dir.symlink_metadata().ok()?;
        let config = fs::read_to_string(git_dir.join("config")).ok()?;
        let is_plain = data.is_dir()
            && data.dev() == device
            && git_dir.join("HEAD").is_file()
            && git_dir.join("objects").is_dir()
            && !["worktree", "bare = true", "[include"]
                .iter()
                .any(|word| config.contains(word));
        let root = root.to_owned();
        is_plain.then_some(Self { root })
    }

    /// Its topmost directory.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// `OWNER/NAME` of the repository that it was cloned from, when the address of its `origin` has one.
    pub fn origin(&self) -> Option<String> {
        origin::name(&self.root)
    }

    /// The commit that is checked out; `None` before the first.
    pub async fn head(&self) -> Result<Option<Revision>, Error> {
        let head = self
            .git("rev-parse")
            .args(["--verify", "--quiet", "HEAD^{commit}"]);
        head.answer()
            .await?
            .map(|text| git::revision("rev-parse", &text))
            .transpose()
    }

    /// The branch that is checked out; `None` when it is a bare revision.
    pub async fn branch(&self) -> Result<Option<String>, Error> {
        let head = fs::read_to_string(self.root.join(DOT_GIT).join("HEAD")).ok();
        let name = head
            .as_deref()
            .and_then(|head| head.strip_prefix("ref: refs/heads/"));
        // Repositories that keep their refs in tables have a file of that name, too.
        if let Some(name) = name.map(str::trim_end).filter(|name| *name != ".invalid") {
            return Ok(Some(name.to_owned()));
        }
        self.git("symbolic-ref")
            .args(["--quiet", "--short", "HEAD"])
            .answer()
            .await
    }

    /// Whether something differs from the commit, or is new and not ignored.
    pub async fn is_dirty(&self) -> Result<bool, Error> {
        let status = self
            .git("status")
            .args(["--porcelain", "-z", "--untracked-files=normal"]);
        Ok(!status.bytes().await?.is_empty())
    }

    /// The files as they stand that compiling needs: tracked or new, not ignored. Links are not
    /// followed.
    pub async fn tree(&self) -> Result<Files, Error> {
        let (root, paths) = (self.root.clone(), self.paths().await?);
        blocking(move || read_wanted(&root, &paths)).await
    }

    /// Copies the files as they stand (tracked or new, not ignored; modes and links kept) into a
    /// directory, which is emptied first, with a `.git` in which git works. The copy borrows the
    /// history: it is of use as long as the original is there. Files of submodules are not copied.
    pub async fn copy_to(&self, into: &Utf8Path) -> Result<(), Error> {
        let target = into.to_owned();
        let from = self.root.clone();
        blocking(move || prepare(&from, &target)).await?;
        let paths = self.paths().await?;
        self.lend_history(into).await?;
        let (from, target) = (self.root.clone(), into.to_owned());
        blocking(move || copy_files(&from, &target, &paths)).await
    }

    /// A repository that finds its objects in the original, with the same commit checked out.
    async fn lend_history(&self, into: &Utf8Path) -> Result<(), Error> {
        let clone = self
            .git("clone")
            .args(["--quiet", "--shared", "--no-checkout", "--template="]);
        clone
            .arg("--")
            .args([self.root.as_str(), into.as_str()])
            .run()
            .await?;
        if self.head().await?.is_none() {
            return Ok(());
        }
        // The files come from the original as they stand; git must only know what they differ from.
        let git_dir = into.join(".git");
        let place = Place::Ours {
            git_dir: &git_dir,
            work_tree: Some(into),
        };
        Git::new(&place, "read-tree").arg("HEAD").run().await
    }

    /// All that is tracked or new and not ignored, also what is no longer there.
    async fn paths(&self) -> Result<BTreeSet<Utf8PathBuf>, Error> {
        let list = self.git("ls-files").args([
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--full-name",
        ]);
        let bytes = list.bytes().await?;
        let names = bytes
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        let names = names.map(|name| {
            let name = std::str::from_utf8(name).map_err(|_| git::strange("ls-files", name))?;
            Ok(Utf8PathBuf::from(name))
        });
        names.collect()
    }

    pub(crate) fn git(&self, verb: &'static str) -> Git {
        Git::new(&Place::Theirs(&self.root), verb)
    }
}

/// Asks git about the repository that a path is in.
pub(crate) async fn ask(path: &Utf8Path, question: &str) -> Result<String, Error> {
    const VERB: &str = "rev-parse";
    let nowhere = || Error::NoWorkingTree(path.to_owned());
    if !path.is_dir() {
        return Err(nowhere());
    }
    let output = Git::new(&Place::Theirs(path), VERB)
        .arg(question)
        .finish()
        .await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end_matches('\n')
            .to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let outside = ["not a git repository", "must be run in a work tree"];
    if outside.iter().any(|words| said.contains(words)) {
        return Err(nowhere());
    }
    Err(git::failed(VERB, &output.stderr))
}

/// Empties the target, unless that would take the original with it.
fn prepare(from: &Utf8Path, into: &Utf8Path) -> Result<(), Error> {
    fs::create_dir_all(into).map_err(Error::file("create", into))?;
    let real_into = into
        .canonicalize_utf8()
        .map_err(Error::file("find", into))?;
    let real_from = from
        .canonicalize_utf8()
        .map_err(Error::file("find", from))?;
    if real_from.starts_with(&real_into) {
        return Err(Error::Overlap {
            into: real_into,
            from: real_from,
        });
    }
    files::make_empty(into)
}

/// Directories that were seen to be directories and not links to somewhere else.
#[derive(Default)]
pub(crate) struct Folders(BTreeSet<Utf8PathBuf>);

impl Folders {
    /// Whether every directory above a path is a directory in the tree itself: git lists a file also
    /// when a link has taken the place of its directory.
    pub(crate) fn lead_to(&mut self, root: &Utf8Path, path: &Utf8Path) -> bool {
        let Some(parent) = path.parent().filter(|parent| !parent.as_str().is_empty()) else {
            return true;
        };
        if self.0.contains(parent) {
            return true;
        }
        let real = self.lead_to(root, parent)
            && root
                .join(parent)
                .symlink_metadata()
                .is_ok_and(|data| data.is_dir());
        if real {
            self.0.insert(parent.to_owned());
        }
        real
    }
}

fn read_wanted(root: &Utf8Path, paths: &BTreeSet<Utf8PathBuf>) -> Result<Files, Error> {
    let mut folders = Folders::default();
    let mut found = Files::new();
    for path in paths.iter().filter(|path| files::is_wanted(path.as_str())) {
        let full = root.join(path);
        let Some(data) = there(&full)? else { continue };
        let regular = data.is_file() && folders.lead_to(root, path);
        if regular && files::is_taken(path.as_str(), data.len())? {
            let bytes = fs::read(&full).map_err(Error::file("read", &full))?;
            files::add(&mut found, path.to_string(), bytes)?;
        }
    }
    Ok(found)
}

fn copy_files(
    from: &Utf8Path,
    into: &Utf8Path,
    paths: &BTreeSet<Utf8PathBuf>,
) -> Result<(), Error> {
    let mut folders = Folders::default();
    for path in paths {
        let (source, target) = (from.join(path), into.join(path));
        let Some(data) = there(&source)? else {
            continue;
        };
        if !folders.lead_to(from, path) {
            continue;
        }
        let copied = copy_one(&source, &target, &data);
        copied.map_err(Error::file("copy", source))?;
    }
    Ok(())
}

fn copy_one(source: &Utf8Path, target: &Utf8Path, data: &fs::Metadata) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    if data.is_symlink() {
        unix::fs::symlink(fs::read_link(source)?, target)
    } else if data.is_file() {
        // Modes come along.
        fs::copy(source, target).map(drop)
    } else if data.is_dir() {
        // A submodule, or a repository inside this one.
        fs::create_dir_all(target)
    } else {
        // A pipe or a socket: nothing that sources are made of.
        Ok(())
    }
}

/// What is at a path, without following it; `None` when it is gone.
fn there(path: &Utf8Path) -> Result<Option<fs::Metadata>, Error> {
    match path.symlink_metadata() {
        Ok(data) => Ok(Some(data)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::file("look at", path)(error)),
    }
}
