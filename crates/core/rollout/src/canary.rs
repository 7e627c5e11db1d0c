//! Canary: a whole candidate, then traffic by steps, each watched before the next.
//!
//! Every step but the last is watched for `interval`; the last, at which the candidate has
//! everything, for `bake`, while the current side still runs.

use cutover_model::delivery::{Side, Weight};

use crate::progress::{Move, Progress};

/// What to do next; `None` when all is done.
pub(crate) fn next(progress: &Progress, steps: &[Weight]) -> Option<Move> {
    if progress.candidate.serving < progress.instances {
        return Some(Move::Ensure {
            side: Side::Candidate,
            count: progress.instances,
        });
    }
    let step = progress.baked;
    let index = usize::try_from(step).unwrap_or(usize::MAX);
    let Some(&weight) = steps.get(index) else {
        return progress.reduce(Side::Current, 0);
    };
    if progress.weight != weight {
        return Some(Move::Shift(weight));
    }
    Some(Move::Bake { step })
}
