//! Recreate: the old side goes before the new one comes, and requests wait in the balancer meanwhile.
//! For what cannot run twice.

use cutover_model::delivery::{Side, Weight};

use crate::progress::{Move, Progress};

/// What to do next; `None` when all is done.
pub(crate) fn next(progress: &Progress) -> Option<Move> {
    if progress.weight != Weight::ALL {
        if !progress.is_parked {
            return Some(Move::Park(true));
        }
        if let Some(reduction) = progress.reduce(Side::Current, 0) {
            return Some(reduction);
        }
        if progress.candidate.serving < progress.instances {
            return Some(Move::Ensure {
                side: Side::Candidate,
                count: progress.instances,
            });
        }
        return Some(Move::Shift(Weight::ALL));
    }
    if progress.is_parked {
        return Some(Move::Park(false));
    }
    (progress.baked == 0 && !progress.is_full).then_some(Move::Bake { step: 0 })
}
