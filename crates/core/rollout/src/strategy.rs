//! Which strategy says what comes next, and how long its steps are watched.

use cutover_model::{
    Duration,
    delivery::{Step, Strategy, Weight},
};

use crate::{
    progress::{Move, Progress},
    recreate, rolling,
    steps::{self, Stage},
};

/// How long a first deployment is watched at most. It cannot be taken back, so the only use is to
/// fail loudly when it breaks at once.
const FIRST_BAKE: Duration = Duration::from_secs(10);

/// What to do next on the way forward; `None` when the candidate has taken over.
pub(crate) fn next(strategy: &Strategy, progress: &Progress) -> Option<Move> {
    let stage = |step| stage(strategy, progress.has_current, step);
    if !progress.has_current {
        return steps::next(progress, stage, false);
    }
    match strategy {
        Strategy::Rolling {
            batch,
            max_unavailable,
            ..
        } => rolling::next(progress, *batch, *max_unavailable),
        Strategy::Recreate { .. } => recreate::next(progress),
        Strategy::Canary { scaled, .. } => steps::next(progress, stage, *scaled),
        Strategy::BlueGreen { .. } | Strategy::Linear { .. } => steps::next(progress, stage, false),
    }
}

/// Why a strategy cannot be carried out, if it cannot.
pub(crate) fn objection(strategy: &Strategy, instances: u32) -> Option<String> {
    if instances == 0 {
        return Some("a target of 0 instances cannot serve; ask for at least 1".to_owned());
    }
    match strategy {
        Strategy::Rolling {
            batch,
            max_unavailable,
            ..
        } => rolling::objection(instances, *batch, *max_unavailable),
        Strategy::Canary { steps, .. } => {
            objection_to_growth(steps).or_else(|| objection_to_end(steps))
        }
        Strategy::BlueGreen { canary, .. } => {
            let has_all = canary.iter().any(|step| step.weight == Weight::ALL);
            objection_to_growth(canary).or_else(|| {
                has_all.then(|| {
                    "a step of `100 %` before the switch leaves nothing to switch".to_owned()
                })
            })
        }
        Strategy::Linear {
            increment: Weight::NONE,
            ..
        } => Some("steps of `0 %` never end; use an `increment` of more".to_owned()),
        Strategy::Linear { .. } | Strategy::Recreate { .. } => None,
    }
}

/// Going down again is what a rollback is for, and only that looks whether current can take it.
fn objection_to_growth(steps: &[Step]) -> Option<String> {
    steps
        .array_windows()
        .find(|[before, after]| after.weight <= before.weight)
        .map(|[before, after]| {
            format!(
                "a step of `{}` follows one of `{}`; each step of a canary must be larger than the \
                 one before",
                after.weight, before.weight
            )
        })
}

fn objection_to_end(steps: &[Step]) -> Option<String> {
    match steps.last().map(|step| step.weight) {
        Some(Weight::ALL) => None,
        Some(last) => Some(format!(
            "the last step of a canary is `{last}`; it must be `100 %`"
        )),
        None => Some("a canary without steps moves no traffic; end with `100`".to_owned()),
    }
}

/// A step of the way, from 0; `None` after the last. Rolling and recreate have one, at their end.
pub(crate) fn stage(strategy: &Strategy, has_current: bool, step: u32) -> Option<Stage> {
    let place = usize::try_from(step).unwrap_or(usize::MAX);
    if !has_current {
        return (place == 0).then(|| Stage::all(bake(strategy).min(FIRST_BAKE)));
    }
    match strategy {
        Strategy::Rolling { bake, .. } | Strategy::Recreate { bake, .. } => {
            (place == 0).then(|| Stage::all(*bake))
        }
        Strategy::BlueGreen { canary, bake } => steps::blue_green(canary, *bake, place),
        Strategy::Canary {
            steps,
            interval,
            bake,
            ..
        } => steps::canary(steps, *interval, *bake, place),
        Strategy::Linear {
            increment,
            interval,
            bake,
        } => steps::linear(*increment, *interval, *bake, place),
    }
}

/// How long a step is watched.
pub(crate) fn bake_length(strategy: &Strategy, has_current: bool, step: u32) -> Duration {
    stage(strategy, has_current, step).map_or(Duration::ZERO, |stage| stage.length)
}

const fn bake(strategy: &Strategy) -> Duration {
    match strategy {
        Strategy::Rolling { bake, .. }
        | Strategy::BlueGreen { bake, .. }
        | Strategy::Canary { bake, .. }
        | Strategy::Linear { bake, .. }
        | Strategy::Recreate { bake, .. } => *bake,
    }
}
