//! A repository of others as a working copy, with a `.git` of its own: for a checkout of it, not for an
//! action. What is in it was asked for by the workflow, and is held against no lock.

use camino::Utf8Path;
use cutover_model::{Timestamp, source::GitRef, source::Revision};

use super::{ActionError, ActionStore, Reach, git, remote::is_id};
use crate::{
    Repository, WorkingCopy,
    git::{Git, Place},
    repository::{Person, signed_by},
};

impl ActionStore {
    /// The working copy in this directory, which git may ask for more with the token for actions.
    pub fn working_copy(&self, root: &Utf8Path) -> WorkingCopy {
        WorkingCopy::at(root).lent(self.0.token.clone())
    }

    /// Makes a working copy of what a ref of a repository names, by its commit alone. `git_ref` may be `HEAD`: the
    /// default branch. Without `depth` all history comes, which only the network has.
    pub async fn check_out(
        &self,
        repository: &str,
        git_ref: &str,
        into: &Utf8Path,
        depth: Option<u32>,
        reach: Reach,
    ) -> Result<Revision, ActionError> {
        let found = self.find(repository, git_ref, None, reach).await?.tree;
        let bare = self.bare(repository).await?;
        let commit = commit_of(&bare, &found.commit, &found.tree).await?;
        let revision = Revision(commit.clone());
        let detached = GitRef(commit);
        Repository::bare(bare)
            .checkout(&revision, &detached, into, Some(1))
            .await?;
        if self.is_local(repository, git_ref) {
            return Ok(revision);
        }
        let git_dir = into.join(".git");
        let place = Place::Ours {
            git_dir: &git_dir,
            work_tree: Some(into),
        };
        let url = format!("{}/{repository}", self.0.address);
        Git::new(&place, "remote")
            .args(["set-url", "origin", &url])
            .run()
            .await?;
        if depth == Some(1) {
            return Ok(revision);
        }
        if reach == Reach::Here {
            return Err(ActionError::NotHere(format!("the history of {repository}")));
        }
        let fetch = git(&git_dir, "fetch").args(["--quiet", "--no-auto-maintenance"]);
        let fetch = match &self.0.token {
            Some(token) => token.lend(fetch),
            None => fetch,
        };
        let fetch = match depth {
            Some(depth) => fetch.arg(format!("--depth={depth}")),
            None => fetch.args(["--unshallow", "--tags"]),
        };
        fetch
            .args(["--", "origin", "+refs/heads/*:refs/remotes/origin/*"])
            .run()
            .await?;
        Ok(revision)
    }
}

/// The commit when its objects are here; else one of the same files, always the same.
async fn commit_of(bare: &Utf8Path, commit: &str, tree: &str) -> Result<String, ActionError> {
    let known = git(bare, "cat-file").args(["-e", &format!("{commit}^{{commit}}")]);
    if is_id(commit) && known.answer().await?.is_some() {
        return Ok(commit.to_owned());
    }
    let nobody = Person {
        name: "cutover".to_owned(),
        email: "cutover@localhost".to_owned(),
    };
    let made = signed_by(git(bare, "commit-tree"), &nobody, Timestamp(0))
        .args([tree, "-m", "a directory as it stands"])
        .text()
        .await?;
    Ok(made.trim().to_owned())
}
