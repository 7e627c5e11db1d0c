//! `actions/checkout`: the sources of the run's revision into the workspace.

use cutover_executor::BuiltinLog;
use cutover_forge::WorkingTree;
use cutover_model::source::{GitRef, Revision};

use super::{Context, Done, Left};
use crate::{Error, Sources};

pub(super) async fn perform(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let trigger = context.trigger()?;
    refuse_what_is_not_done(context)?;
    let into = match context.input("path") {
        Some(path) => inside(&context.place.workspace, path)?,
        None => context.place.workspace.clone(),
    };
    match &context.control.options().sources {
        Sources::WorkingTree(path) => {
            if let Some(wanted) = context.input("ref") {
                return Err(Error::Refused(format!(
                    "`ref: {wanted}` cannot be had here: `cutover run` works on the tree as it stands"
                )));
            }
            log.line(&format!("the working tree of {path}, as it stands"));
            WorkingTree::open(path).await?.copy_to(&into).await?;
        }
        Sources::Hosted => {
            let repository = context.control.host().repository(&trigger.repository)?;
            let (revision, git_ref) = match context.input("ref") {
                Some(wanted) => repository.find(wanted).await?,
                None => (trigger.revision.clone(), trigger.git_ref.clone()),
            };
            let depth = depth(context)?;
            log.line(&format!("{} at {revision} ({git_ref})", trigger.repository));
            repository
                .checkout(&revision, &git_ref, &into, depth)
                .await?;
            return Ok(Done::Succeeded(left(&revision, &git_ref)));
        }
    }
    Ok(Done::Succeeded(left(&trigger.revision, &trigger.git_ref)))
}

fn left(revision: &Revision, git_ref: &GitRef) -> Left {
    Left::default()
        .output("commit", revision.0.as_str())
        .output("ref", git_ref.0.as_str())
}

/// Inputs whose other value would be a promise that is not kept.
fn refuse_what_is_not_done(context: &Context) -> Result<(), Error> {
    let done = [
        ("clean", "true", "the workspace is always a fresh one"),
        (
            "persist-credentials",
            "false",
            "no credential is ever written into a workspace",
        ),
    ];
    for (name, value, why) in done {
        if let Some(said) = context.input(name).filter(|said| *said != value) {
            return Err(Error::Refused(format!(
                "`{name}: {said}` cannot be done: {why}; write `{name}: {value}`, or leave it out"
            )));
        }
    }
    Ok(())
}

/// `fetch-depth`: 1 by default, 0 for everything.
fn depth(context: &Context) -> Result<Option<u32>, Error> {
    let text = context.input("fetch-depth").unwrap_or("1");
    let depth: u32 = text
        .parse()
        .map_err(|_| Error::Refused(format!("`fetch-depth: {text}` is not a number from 0")))?;
    Ok((depth > 0).then_some(depth))
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
