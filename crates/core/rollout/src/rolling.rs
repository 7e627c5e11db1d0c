//! Rolling: a few instances at a time, each batch getting its part of the traffic before as many of
//! the current side go.
//!
//! The candidate's new instances come before the old ones leave, so capacity never falls below a
//! whole side; the price is a rollback that must start instances of the current side again.

use cutover_model::delivery::{Side, Weight};

use crate::progress::{Move, Progress};

/// What to do next; `None` when all is done.
pub(crate) fn next(progress: &Progress, batch: u32) -> Option<Move> {
    let (there, all) = (progress.candidate.serving, progress.instances);
    let share = share(there, all);
    if progress.weight != share {
        return Some(Move::Shift(share));
    }
    if let Some(reduction) = progress.reduce(Side::Current, all.saturating_sub(there)) {
        return Some(reduction);
    }
    if there < all {
        let count = all.min(there.saturating_add(batch));
        let side = Side::Candidate;
        return Some(Move::Ensure { side, count });
    }
    (progress.baked == 0).then_some(Move::Bake { step: 0 })
}

/// The share of `part` instances among `all`, rounded to the nearest hundredth of a percent.
fn share(part: u32, all: u32) -> Weight {
    let (part, all) = (u64::from(part), u64::from(all.max(1)));
    let points = (part * 10_000 + all / 2) / all;
    u16::try_from(points)
        .ok()
        .and_then(Weight::from_basis_points)
        .unwrap_or(Weight::ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_of_a_whole() {
        let points = |part, all| share(part, all).basis_points();
        assert_eq!(points(0, 3), 0);
        assert_eq!(points(1, 3), 3_333);
        assert_eq!(points(2, 3), 6_667);
        assert_eq!(points(3, 3), 10_000);
        assert_eq!(points(u32::MAX, u32::MAX), 10_000);
    }
}
