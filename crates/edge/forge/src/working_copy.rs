//! What is done to a working copy after it was made: parts of it are left out, tags and submodules come.

use std::{collections::BTreeSet, fs};

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    Error,
    actions::Token,
    checkout::blocking,
    git::{self, Git, Place},
    working_tree::{Folders, WorkingTree},
};

/// A working copy with its own `.git`.
#[derive(Debug, Clone)]
pub struct WorkingCopy {
    root: Utf8PathBuf,
    git_dir: Utf8PathBuf,
    /// For what asks who is there.
    token: Option<Token>,
}

/// Which submodules come, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Submodules<'a> {
    /// Those of submodules, too.
    pub is_recursive: bool,
    /// So many commits; without one all history.
    pub depth: Option<u32>,
    /// A working tree in which they may be already: then they are copied from there as they stand.
    pub beside: Option<&'a WorkingTree>,
    /// Whether addresses may lead into this machine.
    pub may_be_here: bool,
}

impl WorkingCopy {
    /// The one in this directory.
    pub fn at(root: &Utf8Path) -> Self {
        Self {
            root: root.to_owned(),
            git_dir: root.join(".git"),
            token: None,
        }
    }

    /// The same, with a token that git may have when it fetches. Nothing of the copy keeps it.
    pub(crate) fn lent(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// A call that may speak to another side.
    fn asking(&self, verb: &'static str) -> Git {
        let git = self.git(verb);
        match &self.token {
            Some(token) => token.lend(git),
            None => git,
        }
    }

    /// Whether git works in it.
    pub fn is_there(&self) -> bool {
        self.git_dir.is_dir()
    }

    /// The paths that git knows of.
    pub async fn tracked(&self) -> Result<BTreeSet<Utf8PathBuf>, Error> {
        let list = self.git("ls-files").args(["-z"]).bytes().await?;
        let names = list
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        let text = |name: &[u8]| match std::str::from_utf8(name) {
            Ok(name) => Ok(Utf8PathBuf::from(name)),
            Err(_) => Err(git::strange("ls-files", name)),
        };
        names.map(text).collect()
    }

    fn git(&self, verb: &'static str) -> Git {
        let place = Place::Ours {
            git_dir: &self.git_dir,
            work_tree: Some(&self.root),
        };
        Git::new(&place, verb)
    }

    /// Leaves the files of these folders and those at the top (`is_cone`), or what these patterns name. A file
    /// that differs from its commit stays.
    pub async fn narrow(&self, patterns: &[String], is_cone: bool) -> Result<(), Error> {
        // Git must know which files are as in the commit; that some are not is no fault.
        self.git("update-index")
            .args(["-q", "--refresh"])
            .finish()
            .await?;
        let form = if is_cone { "--cone" } else { "--no-cone" };
        self.git("sparse-checkout")
            .args(["set", form, "--stdin"])
            .input(patterns.join("\n") + "\n")
            .run()
            .await
    }

    /// Takes what it borrows from another repository for its own: where only the copy is seen, git finds all of
    /// its history.
    pub async fn stand_alone(&self) -> Result<(), Error> {
        let borrowed = self.git_dir.join("objects/info/alternates");
        if !borrowed.exists() {
            return Ok(());
        }
        self.git("repack")
            .args(["-a", "-d", "--quiet"])
            .run()
            .await?;
        blocking(move || fs::remove_file(&borrowed).map_err(Error::file("remove", borrowed))).await
    }

    /// Notes in a file of settings that git may trust the directory of this name, whoever owns it.
    pub async fn note_as_safe(settings: &Utf8Path, name: &str) -> Result<(), Error> {
        Git::new(&Place::Nowhere, "config")
            .args([
                "--file",
                settings.as_str(),
                "--fixed-value",
                "--replace-all",
            ])
            .args(["safe.directory", name, name])
            .run()
            .await
    }

    /// Brings all tags of where it came from, with `depth` commits of each.
    pub async fn fetch_tags(&self, depth: Option<u32>) -> Result<(), Error> {
        let mut fetch = self
            .asking("fetch")
            .args(["--quiet", "--force", "--no-tags"]);
        if let Some(depth) = depth {
            fetch = fetch.arg(format!("--depth={}", depth.max(1)));
        }
        fetch
            .args(["--", "origin", "+refs/tags/*:refs/tags/*"])
            .run()
            .await
    }

    /// Brings the submodules. Tells those that were copied as they stand.
    pub async fn submodules(&self, how: Submodules<'_>) -> Result<Vec<String>, Error> {
        let mut copied = Vec::new();
        let mut lacking = Vec::new();
        for path in self.links().await? {
            let there = how.beside.map(|tree| tree.root().join(&path));
            match there.filter(|there| there.join(".git").exists()) {
                Some(there) => {
                    Box::pin(self.copy(&there, &path, how)).await?;
                    copied.push(path);
                }
                None => lacking.push(path),
            }
        }
        if lacking.is_empty() {
            return Ok(copied);
        }
        let origin = match how.beside {
            Some(tree) => {
                tree.git("config")
                    .args(["--get", "remote.origin.url"])
                    .answer()
                    .await?
            }
            None => None,
        };
        // Relative addresses begin where the sources really come from.
        if let Some(origin) = origin {
            let origin = origin.trim_end_matches('\n');
            self.git("remote")
                .args(["set-url", "origin", origin])
                .run()
                .await?;
        }
        let ways = if how.may_be_here {
            "https:http:file"
        } else {
            "https:http"
        };
        let mut update = self
            .asking("submodule")
            .env("GIT_ALLOW_PROTOCOL", ways)
            .args(["--quiet", "update", "--init", "--force"]);
        if how.is_recursive {
            update = update.arg("--recursive");
        }
        if let Some(depth) = how.depth {
            update = update.arg(format!("--depth={depth}"));
        }
        update.arg("--").args(&lacking).run().await?;
        Ok(copied)
    }

    async fn copy(&self, there: &Utf8Path, path: &str, how: Submodules<'_>) -> Result<(), Error> {
        let (root, name) = (self.root.clone(), Utf8PathBuf::from(path));
        // A link in the way would lead the copy elsewhere.
        let is_free = blocking(move || {
            let is_link = root.join(&name).is_symlink();
            Ok(!is_link && Folders::default().lead_to(&root, &name))
        });
        if !is_free.await? {
            return Err(Error::SubmoduleLink(path.to_owned()));
        }
        let tree = WorkingTree::open(there).await?;
        let into = self.root.join(path);
        tree.copy_to(&into).await?;
        if how.is_recursive {
            let beside = Some(&tree);
            let how = Submodules { beside, ..how };
            let inner = Self::at(&into).lent(self.token.clone());
            inner.submodules(how).await?;
        }
        Ok(())
    }

    /// The paths of submodules, by the index: what stands there cannot have a link above it.
    async fn links(&self) -> Result<Vec<String>, Error> {
        let list = self.git("ls-files").args(["-z", "--stage"]).bytes().await?;
        let lines = list.split(|byte| *byte == 0);
        let links = lines.filter_map(|line| {
            let tab = line.iter().position(|byte| *byte == b'\t')?;
            line.starts_with(b"160000 ").then(|| &line[tab + 1..])
        });
        let text = |name: &[u8]| {
            let name = std::str::from_utf8(name);
            name.map(ToOwned::to_owned)
        };
        links
            .map(|name| text(name).map_err(|_| git::strange("ls-files", name)))
            .collect()
    }
}
