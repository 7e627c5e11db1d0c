//! A working copy with its own `.git`, as a job finds it.

use camino::Utf8Path;
use cutover_model::source::{GitRef, Revision};

use crate::{
    Error, Repository, files,
    git::{Git, Place, hex},
};

impl Repository {
    /// Makes a working copy of a revision in `into`, which is emptied first: it may hold what a crash
    /// has left. A branch is checked out under its name, a tag under its own, anything else as the
    /// bare revision. `depth` is the number of commits; without one all history comes, with all
    /// branches and tags. No network; `origin` is this repository.
    pub async fn checkout(
        &self,
        revision: &Revision,
        git_ref: &GitRef,
        into: &Utf8Path,
        depth: Option<u32>,
    ) -> Result<(), Error> {
        let id = hex(revision)?;
        let target = into.to_owned();
        blocking(move || files::make_empty(&target)).await?;
        let init = Git::new(&Place::Nowhere, "init");
        init.args(["--quiet", "--template=", "--initial-branch=main", "--"])
            .arg(into)
            .run()
            .await?;

        let git_dir = into.join(".git");
        let git = |verb| {
            Git::new(
                &Place::Ours {
                    git_dir: &git_dir,
                    work_tree: Some(into),
                },
                verb,
            )
        };
        let origin = self.git_dir.as_str();
        git("config").args(["gc.auto", "0"]).run().await?;
        git("remote")
            .args(["add", "--", "origin", origin])
            .run()
            .await?;

        let local = local_ref(git_ref);
        let mut fetch = git("fetch").args(["--quiet", "--no-tags", "--force", "--update-head-ok"]);
        fetch = match depth {
            Some(depth) => fetch.arg(format!("--depth={}", depth.max(1))),
            None => fetch,
        };
        fetch = fetch.args(["--", "origin"]);
        if depth.is_none() {
            fetch = fetch.args([
                "+refs/heads/*:refs/remotes/origin/*",
                "+refs/tags/*:refs/tags/*",
            ]);
        }
        // The ref may have moved on since the trigger, or be gone: the revision is asked for by its
        // id, and put where the ref would be.
        fetch
            .arg(format!("+{id}:refs/cutover/checkout"))
            .run()
            .await?;
        if let Some(local) = &local {
            git("update-ref").args([local, id]).run().await?;
        }
        git("update-ref")
            .args(["-d", "refs/cutover/checkout"])
            .run()
            .await?;

        let checkout = git("checkout").args(["--quiet", "--force"]);
        match git_ref.branch() {
            Some(branch) => {
                checkout.args(["-B", branch, &format!("refs/remotes/origin/{branch}"), "--"])
            }
            None => checkout.args(["--detach", id, "--"]),
        }
        .run()
        .await
    }
}

/// Where a ref of the server stands in a working copy.
fn local_ref(git_ref: &GitRef) -> Option<String> {
    if let Some(branch) = git_ref.branch() {
        return Some(format!("refs/remotes/origin/{branch}"));
    }
    if git_ref.tag().is_some() {
        return Some(git_ref.0.clone());
    }
    let pull = git_ref.0.strip_prefix("refs/pull/")?;
    Some(format!("refs/remotes/pull/{pull}"))
}

/// Work with the file system, where it stops nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Pipe {
            verb: "init",
            source: error.into(),
        }),
    }
}
