//! Hooks and the smoke test: which of them has the word, and what its answer means.
//!
//! What is due follows from the numbers and from the next move, so that the preview finds the same.

use std::collections::BTreeSet;

use cutover_model::{
    Duration,
    delivery::{Side, Weight},
    event::Check,
    guard::{Guards, HookPoint, HookVerdict, OnError},
};

use crate::progress::{Move, Progress};

/// The shortest and the longest time after which something is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));
/// How long to wait after the first error; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What has the word before this move on the way forward; `None` as move is the end.
pub(crate) fn due(
    guards: &Guards,
    progress: &Progress,
    next: Option<Move>,
    passed: &BTreeSet<Check>,
) -> Option<Check> {
    let mut due = Vec::new();
    let begins = matches!(
        next,
        Some(
            Move::Ensure {
                side: Side::Candidate,
                ..
            } | Move::Park(true)
        )
    );
    if begins && progress.candidate.running == 0 {
        due.extend(hooks(guards, HookPoint::BeforeStart, Weight::NONE));
    }
    if progress.weight > Weight::NONE && !matches!(next, Some(Move::Park(_))) {
        due.extend(after(guards, progress, next));
    }
    if let Some(Move::Shift(weight)) = next {
        due.extend(before(guards, progress, weight));
    }
    due.into_iter().find(|check| !passed.contains(check))
}

fn after(guards: &Guards, progress: &Progress, next: Option<Move>) -> Vec<Check> {
    let mut due = Vec::new();
    if progress.weight == Weight::ALL {
        due.extend(hooks(guards, HookPoint::AfterPromotion, Weight::ALL));
    }
    // A rolling deployment fills the candidate up within a step.
    if !matches!(next, Some(Move::Bake { .. })) {
        due.extend(hooks(guards, HookPoint::AfterStep, progress.weight));
    }
    due
}

fn before(guards: &Guards, progress: &Progress, weight: Weight) -> Vec<Check> {
    let mut due = Vec::new();
    // Passed it has until there are new instances: none of them gets traffic unasked.
    due.extend(guards.smoke.is_some().then_some(Check::Smoke));
    if progress.weight == Weight::NONE {
        due.extend(hooks(guards, HookPoint::AfterStart, Weight::NONE));
    }
    due.extend(hooks(guards, HookPoint::BeforeStep, weight));
    if weight == Weight::ALL {
        due.extend(hooks(guards, HookPoint::BeforePromotion, weight));
    }
    due
}

/// What is told at the end of a way back.
pub(crate) fn due_at_end(
    guards: &Guards,
    had_traffic: bool,
    has_failed: bool,
    passed: &BTreeSet<Check>,
) -> Option<Check> {
    let mut due = Vec::new();
    if had_traffic {
        due.extend(hooks(guards, HookPoint::AfterRollback, Weight::NONE));
    }
    if has_failed {
        due.extend(hooks(guards, HookPoint::OnFailure, Weight::NONE));
    }
    due.into_iter().find(|check| !passed.contains(check))
}

fn hooks(guards: &Guards, point: HookPoint, weight: Weight) -> impl Iterator<Item = Check> {
    (0..)
        .zip(&guards.hooks)
        .filter(move |(_, hook)| hook.on == point)
        .map(move |(index, _)| Check::Hook {
            point,
            weight,
            index,
        })
}

/// How a check is to be asked, and what its errors mean.
pub(crate) struct Terms {
    pub(crate) name: String,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) required: bool,
    pub(crate) on_error: OnError,
}

/// The terms of a check. One that is not in the list any more counts for nothing; lists do not change.
pub(crate) fn terms(guards: &Guards, check: &Check) -> Terms {
    let hook = match check {
        Check::Smoke => None,
        Check::Hook { index, .. } => usize::try_from(*index)
            .ok()
            .and_then(|index| guards.hooks.get(index)),
    };
    match (hook, &guards.smoke) {
        (Some(hook), _) => Terms {
            name: format!("hook `{}` ({})", hook.name, hook.on),
            timeout: hook.timeout,
            retries: hook.retries,
            required: hook.required && !hook.on.only_tells(),
            on_error: hook.on_error,
        },
        (None, Some(smoke)) if *check == Check::Smoke => Terms {
            name: "the smoke test".to_owned(),
            timeout: smoke.timeout,
            retries: smoke.retries,
            required: true,
            on_error: smoke.on_error,
        },
        (None, _) => Terms {
            name: "nothing".to_owned(),
            timeout: Duration::ZERO,
            retries: 0,
            required: false,
            on_error: OnError::Continue,
        },
    }
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    GoOn,
    GoBack,
    Pause,
    AskAgain(Duration),
}

/// What an answer means. `errors` counts those before this one.
pub(crate) fn consequence(
    terms: &Terms,
    verdict: HookVerdict,
    errors: u32,
    after: Option<Duration>,
) -> Consequence {
    match verdict {
        HookVerdict::Later => {
            let pause = after.unwrap_or(Duration::from_secs(10));
            Consequence::AskAgain(pause.clamp(PAUSES.0, PAUSES.1))
        }
        HookVerdict::Error if errors < terms.retries => {
            let pause = Duration::from_millis(FIRST_PAUSE.as_millis() << errors.min(10));
            Consequence::AskAgain(pause.min(PAUSES.1))
        }
        _ if !terms.required => Consequence::GoOn,
        HookVerdict::Success => Consequence::GoOn,
        HookVerdict::Failure => Consequence::GoBack,
        HookVerdict::Inconclusive => Consequence::Pause,
        HookVerdict::Error => match terms.on_error {
            OnError::Rollback => Consequence::GoBack,
            OnError::Pause => Consequence::Pause,
            OnError::Continue => Consequence::GoOn,
        },
    }
}
