//! Steps in the background: how many go at once, who waits for them or ends them, and from when on
//! what they left is seen. As with the official runner, that is when somebody has waited for them.

use cutover_model::{
    event::RunEvent,
    plan::{JobSpec, MAX_BACKGROUND, StepBody, StepSpec},
    run::{Attempt, JobKey, Outcome, State, StepPath, StepReport, WaitingOn},
};

use crate::{
    condition,
    decide::Draft,
    job,
    run::Run,
    step::{self, Step},
};

/// Whether a step only waits for others, or ends one: nothing of it is done at the edge.
pub(crate) fn is_control(spec: &StepSpec) -> bool {
    match &spec.body {
        StepBody::Wait { .. } | StepBody::WaitAll | StepBody::CancelStep { .. } => true,
        StepBody::Run { .. }
        | StepBody::Builtin { .. }
        | StepBody::Composite { .. }
        | StepBody::Lacking { .. }
        | StepBody::Action(_)
        | StepBody::Container(_)
        | StepBody::SetUpContainers => false,
    }
}

/// The job's own step in which this one lies, or which it is.
fn root(path: &StepPath) -> StepPath {
    StepPath(path.0.first().copied().into_iter().collect())
}

/// Whether the steps after it do not wait for it, or for the one around it.
pub(crate) fn is_background(run: &Run, key: &JobKey, path: &StepPath) -> bool {
    let top = path.0.first().map(|index| usize::from(*index));
    run.spec(key.job())
        .zip(top)
        .and_then(|(spec, top)| spec.steps.get(top))
        .is_some_and(|spec| spec.background)
}

/// Whether somebody has ended it, or the action around it, by a step of the job.
pub(crate) fn is_called_off(run: &Run, key: &JobKey, path: &StepPath) -> bool {
    run.step(key, &root(path))
        .is_some_and(|step| step.called_off)
}

/// Whether it waits for a place among the steps in the background.
pub(crate) fn is_queued(step: &Step) -> bool {
    matches!(
        step.state,
        State::Waiting {
            on: WaitingOn::Background,
            ..
        }
    )
}

/// The steps in the background that a step of the job waits for or ends: only those before it.
pub(crate) fn targets(spec: &JobSpec, path: &StepPath) -> Vec<StepPath> {
    let [index] = path.0.as_slice() else {
        return Vec::new();
    };
    let index = usize::from(*index);
    let before = || {
        let steps = spec.steps.iter().take(index).enumerate();
        steps.filter(|(_, step)| step.background)
    };
    let named = |id: &String| {
        let found = before().find(|(_, step)| step.id.as_ref() == Some(id));
        found.map(|(index, _)| StepPath::top(index))
    };
    match spec.steps.get(index).map(|step| &step.body) {
        Some(StepBody::Wait { steps }) => steps.iter().filter_map(named).collect(),
        Some(StepBody::CancelStep { step }) => named(step).into_iter().collect(),
        Some(StepBody::WaitAll) => before().map(|(index, _)| StepPath::top(index)).collect(),
        Some(
            StepBody::Run { .. }
            | StepBody::Builtin { .. }
            | StepBody::Composite { .. }
            | StepBody::Lacking { .. }
            | StepBody::Action(_)
            | StepBody::Container(_)
            | StepBody::SetUpContainers,
        )
        | None => Vec::new(),
    }
}

/// Whether as many steps go in the background as may.
pub(crate) fn is_full(run: &Run, key: &JobKey) -> bool {
    let going = |(path, step): &(&StepPath, &Step)| {
        !step.state.is_finished() && !is_queued(step) && is_background(run, key, path)
    };
    let steps = job::steps_of(run, key, &StepPath::default());
    steps.filter(going).count() >= MAX_BACKGROUND
}

/// Lets a step go on that waits for a place, or ends it.
pub(crate) fn leave_queue(draft: &mut Draft, key: &JobKey, path: &StepPath) {
    let run = &draft.run;
    let Some(step) = run.step(key, path) else {
        return;
    };
    let stop = run.leg(key).and_then(|leg| leg.stop.as_ref());
    let ended = match stop {
        Some(stop) => Some((stop.outcome, stop.reason.clone())),
        None if step.called_off => Some((Outcome::Cancelled, CALLED_OFF.to_owned())),
        None => None,
    };
    if let Some((outcome, reason)) = ended {
        let (attempt, report) = (run.next_try(key, path), step::because(&reason));
        step::end(draft, key, path, attempt, outcome, report);
    } else if !is_full(run, key) {
        let name = step.name.clone();
        let attempt = run.next_try(key, path);
        draft.say(RunEvent::StepStarted {
            job: key.clone(),
            step: path.clone(),
            attempt,
            name,
        });
    }
}

/// Why a step has ended that somebody has ended by a step of the job.
pub(crate) const CALLED_OFF: &str = "a later step ended it";

/// Ends a step that waits for others, once they have ended.
pub(crate) fn go_on(draft: &mut Draft, key: &JobKey, path: &StepPath) {
    let run = &draft.run;
    let Some(spec) = run.spec(key.job()) else {
        return;
    };
    let targets = targets(spec, path);
    let found = || targets.iter().filter_map(|target| run.step(key, target));
    if found().any(|step| !step.state.is_finished()) {
        return;
    }
    let ends = step::spec(&spec.steps, path)
        .is_some_and(|spec| matches!(spec.body, StepBody::CancelStep { .. }));
    let mut outcome = Outcome::Succeeded;
    let mut report = StepReport::default();
    if !ends {
        for step in found().filter(|step| weighs(step)) {
            let Some(conclusion) = step.conclusion.filter(|end| job::is_failing(*end)) else {
                continue;
            };
            outcome = condition::worse(outcome, as_of_a_wait(conclusion));
            report.reasons.push(job::why_failed(step, conclusion));
        }
    }
    let attempt = run
        .step(key, path)
        .map_or(Attempt::FIRST, |step| step.attempt);
    step::end(draft, key, path, attempt, outcome, report);
}

/// How a wait ends for one that ended so. Time ran out for the step, and not for the wait.
fn as_of_a_wait(conclusion: Outcome) -> Outcome {
    match conclusion {
        Outcome::Cancelled | Outcome::Superseded => Outcome::Cancelled,
        Outcome::Faulted => Outcome::Faulted,
        Outcome::Failed | Outcome::TimedOut | Outcome::RolledBack => Outcome::Failed,
        Outcome::Succeeded | Outcome::Skipped => Outcome::Succeeded,
    }
}

/// To end what a later step has ended is no failure; to fail before that is one.
fn weighs(step: &Step) -> bool {
    !(step.called_off && step.conclusion == Some(Outcome::Cancelled))
}

/// Whether how a step ended says something about its level. What goes in the background speaks by
/// those who wait for it, and for itself when all steps have ended.
pub(crate) fn counts(run: &Run, key: &JobKey, path: &StepPath, step: &Step) -> bool {
    if path.0.len() > 1 || !is_background(run, key, path) {
        return true;
    }
    weighs(step) && all_have_ended(run, key)
}

fn all_have_ended(run: &Run, key: &JobKey) -> bool {
    let count = run.spec(key.job()).map_or(0, |spec| spec.steps.len());
    let steps = job::steps_of(run, key, &StepPath::default());
    let ended = steps.filter(|(_, step)| step.state.is_finished());
    ended.count() >= count
}

/// What a step left is now seen by the steps after this event.
pub(crate) fn show(run: &mut Run, key: &JobKey, path: &StepPath) {
    let version = run.version;
    let Some(spec) = run.spec(key.job()) else {
        return;
    };
    let targets = targets(spec, path);
    let itself = !is_background(run, key, path) || path.0.len() > 1;
    let Some(leg) = run.leg_mut(key) else {
        return;
    };
    if let Some(step) = leg.steps.get_mut(path) {
        step.ended = version;
        if itself {
            step.shown = Some((version, 0));
        }
    }
    for (place, target) in (1..).zip(targets) {
        if let Some(step) = leg.steps.get_mut(&target) {
            step.shown.get_or_insert((version, place));
        }
    }
}

/// When what a step left came to be seen from another place of its leg: as an order, `None` while it
/// is not. Without a place it is looked at from behind the last step.
pub(crate) fn seen(
    run: &Run,
    key: &JobKey,
    from: Option<&StepPath>,
    path: &StepPath,
) -> Option<(u64, u16)> {
    let step = run.step(key, path)?;
    step.state.outcome()?;
    let around = root(path);
    let inside = from.is_some_and(|from| root(from) == around);
    if inside || !is_background(run, key, path) {
        let shown = (step.ended, 0);
        // What goes in the background sees what was there when it began: whatever the others do
        // meanwhile, a second look finds the same.
        let limit = from
            .filter(|from| !inside && is_background(run, key, from))
            .and_then(|from| run.step(key, from))
            .filter(|from| !is_queued(from));
        return limit
            .is_none_or(|from| shown.0 < from.begun)
            .then_some(shown);
    }
    let shown = run.step(key, &around)?.shown;
    match from {
        None => Some(shown.unwrap_or((step.ended, 0))),
        Some(from) => {
            let observer = run
                .step(key, from)
                .filter(|step| is_background(run, key, from) && !is_queued(step));
            shown.filter(|shown| observer.is_none_or(|step| shown.0 < step.begun))
        }
    }
}

/// The steps of a leg that have something for those after them, in the order in which that counts.
pub(crate) fn in_order<'a>(
    run: &'a Run,
    key: &JobKey,
    from: Option<&StepPath>,
) -> Vec<(&'a StepPath, &'a Step)> {
    let mut found: Vec<((u64, u16), &StepPath, &Step)> = run
        .leg(key)
        .into_iter()
        .flat_map(|leg| &leg.steps)
        .filter(|(_, step)| !(step.report.env.is_empty() && step.report.path.is_empty()))
        .filter_map(|(path, step)| Some((seen(run, key, from, path)?, path, step)))
        .collect();
    found.sort_by_key(|(order, _, _)| *order);
    found
        .into_iter()
        .map(|(_, path, step)| (path, step))
        .collect()
}
