//! `actions/checkout`: the sources of the run's revision into the workspace, or those of another repository.

mod kept;
mod wanted;

use camino::Utf8Path;
use cutover_executor::BuiltinLog;
use cutover_forge::{Reach, Repository, Submodules, WorkingCopy, WorkingTree};
use cutover_model::source::{GitRef, Revision, Trigger};

use self::wanted::{Wanted, Which};
use super::{Context, Done, Left, inside::Files};
use crate::{Error, Sources};

pub(super) async fn perform(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let trigger = context.trigger()?;
    let wanted = Wanted::read(context, &trigger.repository)?;
    wanted::say_what_is_not_needed(context, &wanted, log);
    let into = match context.input("path") {
        Some(path) => inside(&context.place.workspace, path)?,
        None => context.place.workspace.clone(),
    };
    let kept = if wanted.cleans {
        None
    } else {
        kept::put_aside(context, &into, log).await?
    };
    let left = match (&wanted.other, &context.control.options().sources) {
        (Some(name), _) => other(context, name, &wanted, &into, log).await,
        (None, Sources::WorkingTree(path)) => {
            let tree = WorkingTree::open(path).await?;
            let ours = (&tree, trigger);
            own(context, ours, &wanted, &into, log).await
        }
        (None, Sources::Hosted) => {
            let repository = context.control.host().repository(&trigger.repository)?;
            hosted(context, &repository, &wanted, &into, log).await
        }
    };
    // Also when nothing new has come: it is not ours to lose.
    if let Some(kept) = kept {
        kept.bring_back().await?;
    }
    let left = left?;
    if context.container.is_some() {
        ready_for_container(context, &into).await?;
    }
    Ok(Done::Succeeded(left))
}

/// For git in the container of the job: nothing that it needs lies elsewhere, and it may be of another user.
async fn ready_for_container(context: &Context, into: &Utf8Path) -> Result<(), Error> {
    WorkingCopy::at(into).stand_alone().await?;
    let files = Files::of(context);
    if let Some(home) = &files.home
        && context.flag("set-safe-directory", true)?
    {
        let settings = home.join(".gitconfig");
        WorkingCopy::note_as_safe(&settings, &files.inside(into)).await?;
    }
    Ok(())
}

/// A working copy that may be asked for more: with the token for actions, but not for strangers.
fn copy(context: &Context, into: &Utf8Path) -> WorkingCopy {
    if context.run.may_see_secrets() {
        context.control.actions().working_copy(into)
    } else {
        WorkingCopy::at(into)
    }
}

/// Of the tree that somebody works on: as it stands, unless another ref of its repository is asked for.
async fn own(
    context: &Context,
    (tree, trigger): (&WorkingTree, &Trigger),
    wanted: &Wanted,
    into: &Utf8Path,
    log: &mut BuiltinLog,
) -> Result<Left, Error> {
    let root = tree.root();
    if let Some(name) = context.input("ref").filter(|name| !is_of(trigger, name)) {
        let repository = Repository::open(root).await?;
        return at(context, &repository, Some(name), wanted, into, log).await;
    }
    log.line(&format!("the working tree of {root}, as it stands"));
    tree.copy_to(into).await?;
    if wanted.has_lfs {
        log.line("files of LFS are as they stand, too");
    }
    narrow(wanted, into, log).await?;
    submodules(context, wanted, into, Some(tree), log).await?;
    Ok(left(&trigger.revision, &trigger.git_ref))
}

/// Whether a ref that is asked for is the one that the run is of.
fn is_of(trigger: &Trigger, name: &str) -> bool {
    let GitRef(full) = &trigger.git_ref;
    [full, trigger.git_ref.short(), &trigger.revision.0].contains(&name)
}

/// Of a repository of this server.
async fn hosted(
    context: &Context,
    repository: &Repository,
    wanted: &Wanted,
    into: &Utf8Path,
    log: &mut BuiltinLog,
) -> Result<Left, Error> {
    let name = context.input("ref");
    at(context, repository, name, wanted, into, log).await
}

/// A commit of a repository that is here; that of the run when none is named.
async fn at(
    context: &Context,
    repository: &Repository,
    name: Option<&str>,
    wanted: &Wanted,
    into: &Utf8Path,
    log: &mut BuiltinLog,
) -> Result<Left, Error> {
    refuse_lfs(wanted)?;
    let trigger = context.trigger()?;
    let (revision, git_ref) = match (name, &wanted.other) {
        (Some(name), _) => repository.find(name).await.map_err(|error| match error {
            cutover_forge::Error::Revision(_) => {
                Error::Refused(format!("`ref: {name}` is no branch, tag or commit there"))
            }
            error => error.into(),
        })?,
        (None, None) => (trigger.revision.clone(), trigger.git_ref.clone()),
        (None, Some(other)) => {
            let branch = repository.default_branch().await?;
            let branch =
                branch.ok_or_else(|| Error::Refused(format!("`{other}` has no default branch")))?;
            repository.find(&branch).await?
        }
    };
    let whose = wanted.other.as_ref().unwrap_or(&trigger.repository);
    log.line(&format!("{whose} at {revision} ({git_ref})"));
    repository
        .checkout(&revision, &git_ref, into, wanted.depth)
        .await?;
    if wanted.has_tags && wanted.depth.is_some() {
        copy(context, into).fetch_tags(wanted.depth).await?;
    }
    narrow(wanted, into, log).await?;
    submodules(context, wanted, into, None, log).await?;
    Ok(left(&revision, &git_ref))
}

/// Of a repository that is not that of the run: one of this server, or one from where actions come from.
async fn other(
    context: &Context,
    name: &str,
    wanted: &Wanted,
    into: &Utf8Path,
    log: &mut BuiltinLog,
) -> Result<Left, Error> {
    let is_trusted = context.run.may_see_secrets();
    let host = context.control.host();
    if let Sources::Hosted = context.control.options().sources
        && host.exists(name).unwrap_or_default()
    {
        if !is_trusted {
            let why =
                format!("an untrusted run reads nothing of `{name}`, only its own repository");
            return Err(Error::Refused(why));
        }
        let repository = host.repository(name)?;
        return hosted(context, &repository, wanted, into, log).await;
    }
    refuse_lfs(wanted)?;
    // Strangers make nobody fetch.
    let reach = if is_trusted {
        Reach::Network
    } else {
        Reach::Here
    };
    let git_ref = context.input("ref").unwrap_or("HEAD");
    let store = context.control.actions();
    let revision = store
        .check_out(name, git_ref, into, wanted.depth, reach)
        .await;
    let revision = revision.map_err(|error| {
        Error::Refused(format!(
            "`{name}` at `{git_ref}` cannot be had: {}; a directory of this machine can stand for it: \
             `--local-repository {name}@{git_ref}=DIR`",
            error.in_full()
        ))
    })?;
    log.line(&format!("{name} at {revision} ({git_ref})"));
    if wanted.has_tags && wanted.depth.is_some() {
        copy(context, into).fetch_tags(wanted.depth).await?;
    }
    narrow(wanted, into, log).await?;
    submodules(context, wanted, into, None, log).await?;
    Ok(left(&revision, &GitRef(git_ref.to_owned())))
}

async fn narrow(wanted: &Wanted, into: &Utf8Path, log: &mut BuiltinLog) -> Result<(), Error> {
    if let Some((patterns, is_cone)) = &wanted.sparse {
        log.line(&format!("only `{}` of it", patterns.join("`, `")));
        WorkingCopy::at(into).narrow(patterns, *is_cone).await?;
    }
    Ok(())
}

async fn submodules(
    context: &Context,
    wanted: &Wanted,
    into: &Utf8Path,
    beside: Option<&WorkingTree>,
    log: &mut BuiltinLog,
) -> Result<(), Error> {
    if wanted.submodules == Which::None {
        return Ok(());
    }
    let how = Submodules {
        is_recursive: wanted.submodules == Which::All,
        depth: wanted.depth,
        beside,
        // What others write into `.gitmodules` does not lead to what this machine has.
        may_be_here: context.run.may_see_secrets(),
    };
    for path in copy(context, into).submodules(how).await? {
        log.line(&format!("submodule `{path}`, as it stands"));
    }
    Ok(())
}

fn refuse_lfs(wanted: &Wanted) -> Result<(), Error> {
    if !wanted.has_lfs {
        return Ok(());
    }
    Err(Error::Refused(
        "`lfs: true` cannot be done: objects of LFS are not kept here; fetch them with `git lfs pull` from \
         where they are, or write `lfs: false`"
            .to_owned(),
    ))
}

fn left(revision: &Revision, git_ref: &GitRef) -> Left {
    Left::default()
        .output("commit", revision.0.as_str())
        .output("ref", git_ref.0.as_str())
}

/// A path below the workspace; nothing that leads out of it.
pub(super) fn inside(
    workspace: &camino::Utf8Path,
    path: &str,
) -> Result<camino::Utf8PathBuf, Error> {
    let path = camino::Utf8Path::new(path);
    let leaves = path.components().any(|part| {
        !matches!(
            part,
            camino::Utf8Component::Normal(_) | camino::Utf8Component::CurDir
        )
    });
    if leaves {
        return Err(Error::Refused(format!(
            "`{path}` leads out of the workspace"
        )));
    }
    Ok(workspace.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_workspace_is_refused() {
        let workspace = camino::Utf8Path::new("/w");
        assert_eq!(inside(workspace, "./a/b").unwrap(), "/w/./a/b");
        for path in ["../x", "/etc", "a/../../x"] {
            assert!(inside(workspace, path).is_err(), "{path}");
        }
    }
}
