//! By steps: traffic in growing shares, each watched before the next; the old side stays until the
//! last has been watched.
//!
//! Canary, linear and blue-green differ only in their [`Stage`]s. A first deployment goes this way too,
//! whatever its strategy, with a single stage: there is nothing to share the traffic with.

use cutover_model::{
    Duration,
    delivery::{Side, Step, Weight},
};

use crate::progress::{Move, Progress};

/// How long a step before the switch of blue-green is watched that does not say it itself.
const USUAL_LENGTH: Duration = Duration::from_mins(5);

/// One step, with all that a strategy says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The candidate's share.
    pub(crate) weight: Weight,
    /// How long it is watched.
    pub(crate) length: Duration,
    /// Whether a person must then let it go on.
    pub(crate) pause: bool,
}

impl Stage {
    pub(crate) const fn all(bake: Duration) -> Self {
        Self {
            weight: Weight::ALL,
            length: bake,
            pause: false,
        }
    }

    fn of(step: &Step, usual: Duration) -> Self {
        Self {
            weight: step.weight,
            length: step.length.unwrap_or(usual),
            pause: step.pause,
        }
    }
}

/// The stage of a canary; its last step is watched for `bake`.
pub(crate) fn canary(
    steps: &[Step],
    interval: Duration,
    bake: Duration,
    place: usize,
) -> Option<Stage> {
    let is_last = place + 1 == steps.len();
    let usual = if is_last { bake } else { interval };
    steps.get(place).map(|step| Stage::of(step, usual))
}

/// The stage of a linear rollout.
pub(crate) fn linear(
    increment: Weight,
    interval: Duration,
    bake: Duration,
    place: usize,
) -> Option<Stage> {
    let (more, all) = (usize::from(increment.basis_points()), 10_000);
    if more == 0 || place * more >= all {
        return None;
    }
    let points = u16::try_from((place + 1) * more).unwrap_or(u16::MAX);
    Some(match Weight::from_basis_points(points) {
        Some(weight) if weight < Weight::ALL => Stage {
            weight,
            length: interval,
            pause: false,
        },
        _ => Stage::all(bake),
    })
}

/// The stage of blue-green: smaller shares first, if any, then the switch.
pub(crate) fn blue_green(canary: &[Step], bake: Duration, place: usize) -> Option<Stage> {
    match canary.get(place) {
        Some(step) => Some(Stage::of(step, USUAL_LENGTH)),
        None => (place == canary.len()).then(|| Stage::all(bake)),
    }
}

/// What to do next; `None` when all is done. With `scaled` the candidate has as many instances as its
/// share asks for.
pub(crate) fn next(
    progress: &Progress,
    stage: impl Fn(u32) -> Option<Stage>,
    scaled: bool,
) -> Option<Move> {
    let step = progress.baked;
    let stage = if progress.is_full {
        (progress.weight != Weight::ALL).then(|| Stage::all(Duration::ZERO))
    } else {
        stage(step)
    };
    let Some(stage) = stage else {
        return progress.reduce(Side::Current, 0);
    };
    let count = if scaled {
        part(progress.instances, stage.weight)
    } else {
        progress.instances
    };
    if progress.candidate.serving < count {
        let side = Side::Candidate;
        return Some(Move::Ensure { side, count });
    }
    if progress.weight != stage.weight {
        return Some(Move::Shift(stage.weight));
    }
    Some(Move::Bake { step })
}

/// So many of `all` instances that each carries as much as it would in the end; at least one.
fn part(all: u32, weight: Weight) -> u32 {
    let part = (u64::from(all) * u64::from(weight.basis_points())).div_ceil(10_000);
    u32::try_from(part).unwrap_or(all).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(stage: impl Fn(usize) -> Option<Stage>) -> Vec<u16> {
        (0..)
            .map_while(stage)
            .map(|stage| stage.weight.basis_points())
            .collect()
    }

    #[test]
    fn a_linear_way_ends_with_everything() {
        let percent = |value| Weight::from_percent(value).unwrap();
        let way = |increment| weights(|at| linear(increment, Duration::ZERO, Duration::ZERO, at));
        assert_eq!(way(percent(25)), [2_500, 5_000, 7_500, 10_000]);
        assert_eq!(way(percent(40)), [4_000, 8_000, 10_000]);
        assert_eq!(way(Weight::ALL), [10_000]);
        assert!(way(Weight::NONE).is_empty());
    }

    #[test]
    fn instances_follow_the_share() {
        let percent = |value| Weight::from_percent(value).unwrap();
        assert_eq!(part(4, percent(10)), 1);
        assert_eq!(part(4, percent(50)), 2);
        assert_eq!(part(4, percent(51)), 3);
        assert_eq!(part(4, Weight::ALL), 4);
        assert_eq!(part(1, percent(1)), 1);
    }
}
