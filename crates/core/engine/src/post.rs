//! What actions do before the first step of a job and after the last one: `pre`, in the order of the
//! steps; `post`, the other way round, of every step that has begun. Each is a step with a place, a log
//! and an end of its own; what it runs is in `resolve`.

use cutover_model::{
    plan::{Expression, StepBody, StepSpec},
    run::{JobKey, Phase, StepPath},
};

use crate::{decide::Draft, job::Leg, run::Run, step};

/// What a step does in a phase.
pub(crate) struct Part<'a> {
    /// On which condition.
    pub(crate) condition: Option<&'a Expression>,
}

/// What a step does in this phase, if anything.
pub(crate) fn part(spec: &StepSpec, phase: Phase) -> Option<Part<'_>> {
    let hook = match (&spec.body, phase) {
        (_, Phase::Main) => {
            let condition = spec.condition.as_ref();
            return Some(Part { condition });
        }
        (StepBody::Action(action), Phase::Pre) => action.pre.as_ref(),
        (StepBody::Action(action), Phase::Post) => action.post.as_ref(),
        (StepBody::Builtin { action, .. }, Phase::Post) => {
            return action.has_post().then_some(Part { condition: None });
        }
        (StepBody::Container(step), Phase::Pre) => {
            let condition = step.pre_if.as_ref();
            return step.pre_entrypoint.as_ref().map(|_| Part { condition });
        }
        (StepBody::Container(step), Phase::Post) => {
            let condition = step.post_if.as_ref();
            return step.post_entrypoint.as_ref().map(|_| Part { condition });
        }
        (
            StepBody::Run { .. }
            | StepBody::Builtin { .. }
            | StepBody::Composite { .. }
            | StepBody::Lacking { .. }
            | StepBody::SetUpContainers
            | StepBody::Wait { .. }
            | StepBody::WaitAll
            | StepBody::CancelStep { .. },
            Phase::Pre | Phase::Post,
        ) => None,
    };
    hook.map(|hook| Part {
        condition: hook.condition.as_ref(),
    })
}

/// Goes as far as it can through what comes before the first step; whether all of it has ended. Only the
/// job's containers come before that.
pub(crate) fn before(draft: &mut Draft, key: &JobKey, steps: &[StepSpec]) -> bool {
    let set_up = steps
        .first()
        .filter(|first| matches!(first.body, StepBody::SetUpContainers));
    let first = StepPath::top(usize::from(set_up.is_some()));
    let has_begun = |leg: &Leg| leg.steps.range(first..).next().is_some();
    if draft.run.leg(key).is_some_and(has_begun) {
        return true;
    }
    if let Some(set_up) = set_up
        && !step::advance_one(draft, key, &StepPath::top(0), set_up)
    {
        return false;
    }
    let mut found = Vec::new();
    with_pre(&StepPath::default(), steps, &mut found);
    found
        .into_iter()
        .all(|(path, spec)| step::advance_one(draft, key, &path.in_phase(Phase::Pre), spec))
}

/// The steps that do something before the first one, those in actions included.
fn with_pre<'a>(
    level: &StepPath,
    steps: &'a [StepSpec],
    found: &mut Vec<(StepPath, &'a StepSpec)>,
) {
    for (index, spec) in steps.iter().enumerate() {
        let path = level.child(index);
        if let Some(children) = step::children(spec) {
            with_pre(&path, children, found);
        } else if part(spec, Phase::Pre).is_some() {
            found.push((path, spec));
        }
    }
}

/// Goes as far as it can through what comes after the last step; whether all of it has ended.
pub(crate) fn after(draft: &mut Draft, key: &JobKey, steps: &[StepSpec]) -> bool {
    let owed = draft.run.leg(key).map(|leg| leg.posts.clone());
    owed.unwrap_or_default().iter().rev().all(|path| {
        step::spec(steps, path).is_none_or(|spec| step::advance_one(draft, key, path, spec))
    })
}

/// A step begins: what it does at the end is owed from now on, once.
pub(crate) fn owe(run: &mut Run, key: &JobKey, path: &StepPath) {
    let spec = run
        .spec(key.job())
        .and_then(|spec| step::spec(&spec.steps, path));
    let has_post = spec.is_some_and(|spec| part(spec, Phase::Post).is_some());
    if !has_post || path.phase() == Phase::Post {
        return;
    }
    let post = path.in_phase(Phase::Post);
    if let Some(leg) = run.leg_mut(key).filter(|leg| !leg.posts.contains(&post)) {
        leg.posts.push(post);
    }
}
