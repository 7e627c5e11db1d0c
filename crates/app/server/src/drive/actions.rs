//! The files of the actions that a step needs, put where the step looks for them: written out for each
//! job, and held against their ids on the way. What a job makes of its copy is its own affair.

use camino::Utf8Path;
use cutover_engine::Run;
use cutover_executor::{JobPlace, StepKey};
use cutover_forge::WorkingTree;
use cutover_model::plan::ActionSource;

use crate::{Control, Error, Sources};

/// Sees that all of these are there.
pub(super) async fn put_in_place(
    control: &Control,
    run: &Run,
    key: &StepKey,
    place: &JobPlace,
    sources: &[ActionSource],
) -> Result<(), String> {
    for source in sources {
        let Some(name) = source.place() else {
            continue;
        };
        let into = place.actions.join(name);
        if into.exists() {
            continue;
        }
        match source {
            ActionSource::Workspace => {}
            ActionSource::Foreign(tree) => {
                let placed = control.actions().place(tree, &into).await;
                placed.map_err(|error| {
                    let name = tree.name();
                    format!("`{name}` could not be put in place: {}", error.in_full())
                })?;
            }
            ActionSource::Own => {
                let beside = place.actions.join(format!(".own-{}", key.step));
                own(control, run, &beside)
                    .await
                    .map_err(|error| error.to_string())?;
                let moved = tokio::fs::rename(&beside, &into).await;
                // Another step may have been quicker, with the same.
                if let Err(error) = moved
                    && !into.exists()
                {
                    return Err(format!("could not move `{beside}` to its place: {error}"));
                }
            }
        }
    }
    Ok(())
}

/// The sources of the run itself.
async fn own(control: &Control, run: &Run, into: &Utf8Path) -> Result<(), Error> {
    let unborn = || Error::Refused("the run has not begun".to_owned());
    let trigger = run.trigger().ok_or_else(unborn)?;
    match &control.options().sources {
        Sources::WorkingTree(path) => WorkingTree::open(path).await?.copy_to(into).await?,
        Sources::Hosted => {
            let repository = control.host().repository(&trigger.repository)?;
            let (revision, git_ref) = (&trigger.revision, &trigger.git_ref);
            repository
                .checkout(revision, git_ref, into, Some(1))
                .await?;
        }
    }
    Ok(())
}
