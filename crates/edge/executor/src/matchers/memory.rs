//! The matchers of a job beside its records, so that they hold when the job is gone on with.

use camino::Utf8Path;
use cutover_supervisor::{Error, record, record::Survives};
use serde::{Deserialize, Serialize};

use super::{Change, Matchers};

/// What a step of the job has changed.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Its place in the job.
    step: u16,
    changes: Vec<Change>,
}

/// As the steps before have left them.
pub(crate) fn recall(path: &Utf8Path) -> Result<Matchers, Error> {
    let kept: Option<Vec<Kept>> = record::read(path)?;
    let changes = kept
        .unwrap_or_default()
        .into_iter()
        .map(|kept| kept.changes);
    Ok(Matchers::after(changes.flatten()))
}

/// What a step has changed is remembered, by the step's name. Most change nothing, and that costs nothing.
pub(crate) fn remember(
    path: &Utf8Path,
    step: &str,
    matchers: &Matchers,
    survives: Survives,
) -> Result<(), Error> {
    if matchers.changes().is_empty() {
        return Ok(());
    }
    let mut kept: Vec<Kept> = record::read(path)?.unwrap_or_default();
    kept.push(Kept {
        step: place_of(step),
        changes: matchers.changes().to_vec(),
    });
    record::write_for(path, &kept, survives)
}

/// Forgets what the step of this place and those behind it have changed: they come anew.
pub(crate) fn forget_from(path: &Utf8Path, step: u16, survives: Survives) -> Result<(), Error> {
    let Some(mut kept) = record::read::<Vec<Kept>>(path)? else {
        return Ok(());
    };
    kept.retain(|kept| kept.step < step);
    record::write_for(path, &kept, survives)
}

/// What comes before the steps is before the first, what cleans up behind the last.
fn place_of(step: &str) -> u16 {
    match step.split('.').next().unwrap_or_default() {
        "pre" => 0,
        "post" => u16::MAX,
        index => index.parse().unwrap_or(u16::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_its_place_by_its_name() {
        for (name, place) in [
            ("0.1", 0),
            ("12.3.2", 12),
            ("pre.4.1", 0),
            ("post.4.1", u16::MAX),
        ] {
            assert_eq!(place_of(name), place, "{name}");
        }
    }
}
