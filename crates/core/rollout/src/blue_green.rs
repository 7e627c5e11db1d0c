//! Blue-green: a whole candidate beside the whole current side, one switch, and the old side kept
//! until the bake is over. A first deployment goes this way too, whatever its strategy: there is
//! nothing to share the traffic with.

use cutover_model::delivery::{Side, Weight};

use crate::progress::{Move, Progress};

/// What to do next; `None` when all is done.
pub(crate) fn next(progress: &Progress) -> Option<Move> {
    if progress.candidate.serving < progress.instances {
        return Some(Move::Ensure {
            side: Side::Candidate,
            count: progress.instances,
        });
    }
    if progress.weight != Weight::ALL {
        return Some(Move::Shift(Weight::ALL));
    }
    if progress.baked == 0 {
        return Some(Move::Bake { step: 0 });
    }
    progress.reduce(Side::Current, 0)
}
