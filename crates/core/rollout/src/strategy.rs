//! Which strategy says what comes next, and how long its steps are watched.

use cutover_model::{
    Duration,
    delivery::{Strategy, Weight},
};

use crate::{
    blue_green, canary,
    progress::{Move, Progress},
    rolling,
};

/// How long a first deployment is watched at most. It cannot be taken back, so the only use is to
/// fail loudly when it breaks at once.
const FIRST_BAKE: Duration = Duration::from_secs(10);

/// What to do next on the way forward; `None` when the candidate has taken over.
pub(crate) fn next(strategy: &Strategy, progress: &Progress) -> Option<Move> {
    if !progress.has_current {
        return blue_green::next(progress);
    }
    match strategy {
        Strategy::Rolling { batch, .. } => rolling::next(progress, *batch),
        Strategy::BlueGreen { .. } => blue_green::next(progress),
        Strategy::Canary { steps, .. } => canary::next(progress, steps),
    }
}

/// Why a strategy cannot be carried out, if it cannot.
pub(crate) fn objection(strategy: &Strategy, instances: u32) -> Option<String> {
    if instances == 0 {
        return Some("a target of 0 instances cannot serve; ask for at least 1".to_owned());
    }
    match strategy {
        Strategy::Rolling { batch: 0, .. } => {
            Some("a rolling deployment in batches of 0 never ends; use at least 1".to_owned())
        }
        Strategy::Canary { steps, .. } => objection_to_steps(steps),
        Strategy::Rolling { .. } | Strategy::BlueGreen { .. } => None,
    }
}

fn objection_to_steps(steps: &[Weight]) -> Option<String> {
    // Going down again is what a rollback is for, and only that looks whether current can take it.
    if let Some([before, after]) = steps
        .array_windows()
        .find(|[before, after]| after <= before)
    {
        return Some(format!(
            "a step of `{after}` follows one of `{before}`; each step of a canary must be larger than \
             the one before"
        ));
    }
    match steps.last() {
        Some(&Weight::ALL) => None,
        Some(last) => Some(format!(
            "the last step of a canary is `{last}`; it must be `100 %`"
        )),
        None => Some("a canary without steps moves no traffic; end with `100`".to_owned()),
    }
}

/// How long a step is watched.
pub(crate) fn bake_length(strategy: &Strategy, has_current: bool, step: u32) -> Duration {
    match strategy {
        _ if !has_current => bake(strategy).min(FIRST_BAKE),
        Strategy::Canary {
            steps, interval, ..
        } if usize::try_from(step).is_ok_and(|step| step + 1 < steps.len()) => *interval,
        Strategy::Rolling { .. } | Strategy::BlueGreen { .. } | Strategy::Canary { .. } => {
            bake(strategy)
        }
    }
}

const fn bake(strategy: &Strategy) -> Duration {
    match strategy {
        Strategy::Rolling { bake, .. }
        | Strategy::BlueGreen { bake }
        | Strategy::Canary { bake, .. } => *bake,
    }
}
