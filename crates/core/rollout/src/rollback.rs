//! The way back: traffic first, then the candidate's instances.
//!
//! While the current side has at least half of its instances it takes all the traffic at once, and is
//! filled up behind; with fewer it is brought back first, since a flood would end it too. If it does
//! not come back in [`RESTORES`] tries, the traffic stays where it is: half an answer is better than
//! none, and a person must look. Without a current side there is no way back once traffic has moved:
//! the candidate keeps it, because nothing else exists.

use cutover_model::delivery::{Side, Weight};

use crate::progress::{Move, Progress};

/// How often the current side is asked to come back before we give up.
const RESTORES: u32 = 3;

/// What to do next; `None` when all that can be done is done.
pub(crate) fn next(progress: &Progress) -> Option<Move> {
    if !progress.has_current {
        return if progress.has_traffic() {
            hold(progress)
        } else {
            progress.reduce(Side::Candidate, 0)
        };
    }
    // Whoever has all the traffic and is well need not keep it waiting while the other one comes back.
    let serves = progress.weight == Weight::ALL && progress.requested == Weight::ALL;
    if progress.is_parked && serves && !progress.candidate_is_sick {
        return Some(Move::Park(false));
    }
    let lost = progress.failed_restores >= RESTORES;
    let restore = Move::Ensure {
        side: Side::Current,
        count: progress.before,
    };
    if progress.has_traffic() {
        if can_take_all(progress) {
            return Some(Move::Shift(Weight::NONE));
        }
        return if lost {
            hold(progress)
                .or_else(|| let_go(progress))
                .or_else(|| give_up_current(progress))
        } else {
            Some(restore)
        };
    }
    if !is_whole(progress) && !lost {
        return Some(restore);
    }
    let_go(progress).or_else(|| progress.reduce(Side::Candidate, 0))
}

/// Requests wait no longer: for the current side, or for nobody.
fn let_go(progress: &Progress) -> Option<Move> {
    progress.is_parked.then_some(Move::Park(false))
}

/// Whether the traffic could not be brought back, so that the candidate's instances must stay.
pub(crate) fn is_held(progress: &Progress) -> bool {
    progress.has_traffic()
}

/// Whether the current side is as it was.
pub(crate) fn is_whole(progress: &Progress) -> bool {
    progress.current.serving >= progress.before && !progress.current_is_sick
}

fn can_take_all(progress: &Progress) -> bool {
    let serving = progress.current.serving;
    !progress.current_is_sick && serving > 0 && serving >= progress.before.div_ceil(2)
}

/// A candidate that has everything is current from now on; what is left of the side before it would
/// never be found again.
fn give_up_current(progress: &Progress) -> Option<Move> {
    let has_all = progress.weight == Weight::ALL;
    has_all.then(|| progress.reduce(Side::Current, 0)).flatten()
}

/// Makes sure of one share, since the answer to the last ask may have been cut short by what sent us
/// back: the one in force; but if the candidate has nothing yet and is the only one that is well, the
/// one that was asked for.
fn hold(progress: &Progress) -> Option<Move> {
    let is_alone = progress.weight == Weight::NONE && !progress.candidate_is_sick;
    let share = if is_alone {
        progress.requested
    } else {
        progress.weight
    };
    let is_sure = progress.weight == share && progress.requested == share;
    (!is_sure).then_some(Move::Shift(share))
}
