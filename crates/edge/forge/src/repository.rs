//! One repository: what it is made of, and making one for a demonstration or a test.

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::{Timestamp, source::Revision};

use crate::{
    Error, RefUpdate,
    git::{self, Git, Place},
    working_tree::ask,
};

/// A repository that we may write to: a hosted one, one that we made, or the one a job works in.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) git_dir: Utf8PathBuf,
    work_tree: Option<Utf8PathBuf>,
}

/// Who wrote a commit or set a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

impl Repository {
    pub(crate) fn bare(git_dir: Utf8PathBuf) -> Self {
        Self {
            git_dir,
            work_tree: None,
        }
    }

    /// Makes a repository with files, on branch `main`; what is in the directory stays.
    pub async fn init(path: &Utf8Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(Error::file("create", path))?;
        Git::new(&Place::Nowhere, "init")
            .args(["--quiet", "--template=", "--initial-branch=main", "--"])
            .arg(path)
            .run()
            .await?;
        Ok(Self {
            git_dir: path.join(".git"),
            work_tree: Some(path.to_owned()),
        })
    }

    /// The repository that a path is in, with or without files.
    pub async fn open(path: &Utf8Path) -> Result<Self, Error> {
        let git_dir = ask(path, "--absolute-git-dir").await?.into();
        let bare = ask(path, "--is-bare-repository").await? == "true";
        let work_tree = if bare {
            None
        } else {
            Some(ask(path, "--show-toplevel").await?.into())
        };
        Ok(Self { git_dir, work_tree })
    }

    /// Commits all files as they are, also when nothing has changed.
    pub async fn commit_all(
        &self,
        message: &str,
        author: &Person,
        at: Timestamp,
    ) -> Result<Revision, Error> {
        self.git("add").args(["--all", "--", "."]).run().await?;
        let commit = self.git("commit").args([
            "--quiet",
            "--allow-empty",
            "--allow-empty-message",
            "--cleanup=verbatim",
            "--file=-",
        ]);
        signed_by(commit, author, at).input(message).run().await?;
        self.head().await
    }

    /// The commit that is checked out.
    pub async fn head(&self) -> Result<Revision, Error> {
        let text = self
            .git("rev-parse")
            .args(["--verify", "HEAD^{commit}"])
            .text()
            .await?;
        git::revision("rev-parse", &text)
    }

    /// The branch that a clone gets, be there a commit on it or not; `None` when a bare revision is
    /// checked out.
    pub async fn default_branch(&self) -> Result<Option<String>, Error> {
        self.git("symbolic-ref")
            .args(["--quiet", "--short", "HEAD"])
            .answer()
            .await
    }

    /// Sends a ref to another repository. The address is printed when that fails: no secrets in it.
    pub async fn push(&self, url: &str, refspec: &str) -> Result<(), Error> {
        self.git("push")
            .args(["--quiet", "--end-of-options", url, refspec])
            .run()
            .await
    }

    /// Whether there is such a commit.
    pub async fn has(&self, revision: &Revision) -> Result<bool, Error> {
        let commit = format!("{}^{{commit}}", git::hex(revision)?);
        Ok(self
            .git("cat-file")
            .args(["-e", &commit])
            .answer()
            .await?
            .is_some())
    }

    /// The paths that differ between two revisions; `None` when `before` is not there any more (a
    /// forced push, then `git gc`), so that nobody can know.
    pub async fn changed_paths(
        &self,
        before: &Revision,
        after: &Revision,
    ) -> Result<Option<Vec<String>>, Error> {
        if !self.has(before).await? {
            return Ok(None);
        }
        let diff = self
            .git("diff-tree")
            .args(["-r", "-z", "--name-only", "--no-renames"]);
        let bytes = diff
            .args([git::hex(before)?, git::hex(after)?, "--"])
            .bytes()
            .await?;
        let paths = bytes
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty());
        Ok(Some(
            paths
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect(),
        ))
    }

    /// Whether a push took something away from a ref: what was there before is not behind what is there
    /// now, or is gone. A tag that moves is always forced.
    pub async fn is_forced(&self, update: &RefUpdate) -> Result<bool, Error> {
        let (Some(before), Some(after)) = (&update.before, &update.after) else {
            return Ok(false);
        };
        if update.git_ref.tag().is_some() || !self.has(before).await? {
            return Ok(true);
        }
        let is_behind = self
            .git("merge-base")
            .args(["--is-ancestor", git::hex(before)?, git::hex(after)?])
            .answer()
            .await?;
        Ok(is_behind.is_none())
    }

    /// A call of git in this repository.
    pub(crate) fn git(&self, verb: &'static str) -> Git {
        let place = Place::Ours {
            git_dir: &self.git_dir,
            work_tree: self.work_tree.as_deref(),
        };
        Git::new(&place, verb)
    }
}

/// Says who does it, and when.
pub(crate) fn signed_by(git: Git, person: &Person, at: Timestamp) -> Git {
    let date = format!("@{} +0000", at.0.div_euclid(1_000));
    git.env("GIT_AUTHOR_NAME", &person.name)
        .env("GIT_AUTHOR_EMAIL", &person.email)
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_NAME", &person.name)
        .env("GIT_COMMITTER_EMAIL", &person.email)
        .env("GIT_COMMITTER_DATE", &date)
}
