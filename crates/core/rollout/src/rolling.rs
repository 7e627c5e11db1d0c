//! Rolling: a few instances at a time, each batch getting its part of the traffic before as many of
//! the current side go.
//!
//! With `surge` new instances come before old ones leave, so that capacity never falls below a whole
//! side; with `max_unavailable` so many old ones leave first. The price of both is a rollback that
//! must start instances of the current side again.

use cutover_model::delivery::{Side, Weight};

use crate::progress::{Move, Progress};

/// What to do next; `None` when all is done.
pub(crate) fn next(progress: &Progress, surge: u32, max_unavailable: u32) -> Option<Move> {
    let (there, all) = (progress.candidate.serving, progress.instances);
    // One of the current side serves until the candidate does.
    let missing = max_unavailable.min(all.saturating_sub(1));
    let share = share(there, all - missing);
    if progress.weight != share {
        return Some(Move::Shift(share));
    }
    let left = all.saturating_sub(there).saturating_sub(missing);
    let keep = scale(left, progress.before, all);
    if let Some(reduction) = progress.reduce(Side::Current, keep) {
        return Some(reduction);
    }
    if there < all {
        let count = all.min(there.saturating_add(surge).saturating_add(missing));
        let side = Side::Candidate;
        return Some(Move::Ensure { side, count });
    }
    (progress.baked == 0 && !progress.is_full).then_some(Move::Bake { step: 0 })
}

/// Why these figures would never end, if they would not.
pub(crate) fn objection(instances: u32, surge: u32, max_unavailable: u32) -> Option<String> {
    if surge > 0 || (max_unavailable > 0 && instances > 1) {
        return None;
    }
    Some(if max_unavailable == 0 {
        "a rolling deployment in batches of 0 never ends; use at least 1".to_owned()
    } else {
        "a single instance cannot leave before another one serves; use a `surge` of at least 1"
            .to_owned()
    })
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

/// As much of `whole` as `part` is of `all`, rounded up.
fn scale(part: u32, whole: u32, all: u32) -> u32 {
    let scaled = (u64::from(part) * u64::from(whole)).div_ceil(u64::from(all.max(1)));
    u32::try_from(scaled).unwrap_or(u32::MAX)
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
        assert_eq!(points(4, 3), 10_000);
        assert_eq!(points(u32::MAX, u32::MAX), 10_000);
    }

    #[test]
    fn sides_of_different_sizes_are_exchanged_by_parts() {
        assert_eq!(scale(3, 4, 4), 3);
        assert_eq!(scale(3, 1, 4), 1);
        assert_eq!(scale(1, 8, 2), 4);
        assert_eq!(scale(0, 8, 2), 0);
    }
}
