//! Whether a job or a step is done: its `if:`, what went before it, and who wants the run ended.

use cutover_model::{
    plan::{Expression, JobSpec, StepBody, Template},
    run::{JobKey, Outcome, Phase, State, StepPath},
};

use crate::{
    Fault, background, call, expression, job, post,
    run::{Group, Run},
    scope::Scope,
    step,
};

/// What `success()`, `failure()` and `cancelled()` ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// All that went before succeeded.
    Success,
    /// Something before failed.
    Failure,
    /// Nothing before failed, but something was skipped: neither success nor failure.
    Skipped,
    /// Somebody wants it ended.
    Cancelled,
}

/// What to do with a step whose turn has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do it.
    Run,
    /// Do not; why.
    Skip(String),
    /// That hangs on the digest of these files.
    Ask(Vec<String>),
}

/// Whether an `if:` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    /// That hangs on the digest of these files.
    Ask(Vec<String>),
}

/// Whether a step whose turn has come is done.
pub(crate) fn of_step(run: &Run, key: &JobKey, path: &StepPath) -> Result<Verdict, Fault> {
    let Some(leg) = run.leg(key) else {
        return Ok(Verdict::Skip("its job is gone".to_owned()));
    };
    if let Some(stop) = leg.stop.as_ref().filter(|stop| stop.force) {
        return Ok(Verdict::Skip(stop.reason.clone()));
    }
    if let Some(why) = around_is_ending(run, key, path) {
        return Ok(Verdict::Skip(why.to_owned()));
    }
    // They have no `if:`, and without them what goes in the background would not end.
    if step_spec(run, key, path).is_some_and(background::is_control) {
        return Ok(Verdict::Run);
    }
    // As on GitHub, what goes in the background ends with its job, whatever its condition says.
    let stop = leg.stop.as_ref();
    if let Some(stop) = stop.filter(|_| background::is_background(run, key, path)) {
        return Ok(Verdict::Skip(stop.reason.clone()));
    }
    match ask_step(run, key, path)? {
        Holds::Yes => return Ok(Verdict::Run),
        Holds::Ask(patterns) => return Ok(Verdict::Ask(patterns)),
        Holds::No => {}
    }
    let level = level_of(path);
    let written = written(run, key, path);
    Ok(Verdict::Skip(match (written, status(run, key, &level)) {
        (Some(condition), _) => format!("`if: {}` does not hold", condition.text),
        (None, Status::Cancelled) => leg
            .stop
            .as_ref()
            .map_or_else(|| "cancelled".to_owned(), |stop| stop.reason.clone()),
        (None, _) => "an earlier step failed".to_owned(),
    }))
}

/// Whether a step that runs is to be ended now.
pub(crate) fn is_stopping(run: &Run, key: &JobKey, path: &StepPath) -> bool {
    let Some(leg) = run.leg(key) else {
        return false;
    };
    let timed_out = leg
        .steps
        .get(path)
        .is_some_and(|step| step.timed_out.is_some());
    let called_off = background::is_called_off(run, key, path);
    if leg.is_forced() || timed_out || called_off || around_is_ending(run, key, path).is_some() {
        return true;
    }
    if leg.stop.is_some() && background::is_background(run, key, path) {
        return true;
    }
    // As on GitHub: the conditions of what runs are asked again, and what wants to run then may.
    leg.stop.is_some() && !step_holds(run, key, path).unwrap_or(false)
}

/// Why an action around this step is being ended, if it is: it has had its time, or a later step ends
/// it.
pub(crate) fn around_is_ending(run: &Run, key: &JobKey, path: &StepPath) -> Option<&'static str> {
    if path.phase() != Phase::Main {
        return None;
    }
    let mut around = path.parent();
    while let Some(outer) = around {
        if run
            .step(key, &outer)
            .is_some_and(|step| step.timed_out.is_some())
        {
            return Some("the action around it timed out");
        }
        if background::is_called_off(run, key, &outer) {
            return Some("a later step ended the action around it");
        }
        around = outer.parent();
    }
    None
}

/// The level whose course a step asks for: what is done before and after all steps asks for the job's.
pub(crate) fn level_of(path: &StepPath) -> StepPath {
    match path.phase() {
        Phase::Main => path.parent().unwrap_or_default(),
        Phase::Pre | Phase::Post => StepPath::default(),
    }
}

/// The `if:` that is written for this step in this phase.
fn written<'a>(run: &'a Run, key: &JobKey, path: &StepPath) -> Option<&'a Expression> {
    post::part(step_spec(run, key, path)?, path.phase())?.condition
}

fn step_spec<'a>(
    run: &'a Run,
    key: &JobKey,
    path: &StepPath,
) -> Option<&'a cutover_model::plan::StepSpec> {
    step::spec(&run.spec(key.job())?.steps, path)
}

/// Whether a step's `if:` holds as things stand; one that hangs on files nobody has looked at does
/// not.
fn step_holds(run: &Run, key: &JobKey, path: &StepPath) -> Result<bool, Fault> {
    Ok(ask_step(run, key, path)? == Holds::Yes)
}

fn ask_step(run: &Run, key: &JobKey, path: &StepPath) -> Result<Holds, Fault> {
    let known = |holds| if holds { Holds::Yes } else { Holds::No };
    let status = status(run, key, &level_of(path));
    let Some(condition) = written(run, key, path) else {
        // What an action does before and after all steps is done whatever happens; what built-in ones do
        // then is to keep something, which is worth keeping only when all went well.
        let is_builtin = step_spec(run, key, path)
            .is_some_and(|spec| matches!(spec.body, StepBody::Builtin { .. }));
        let is_always = path.phase() != Phase::Main && !is_builtin;
        return Ok(known(is_always || status == Status::Success));
    };
    let scope = Scope::step(run, key, path, None)?
        .with_status(status)
        .asking_for(path);
    let found = expression::condition(&scope, condition, &step::file(run, key, path));
    match (found, scope.asked.take()) {
        (Err(_), Some(patterns)) => Ok(Holds::Ask(patterns)),
        (found, _) => found.map(known),
    }
}

/// How things stand for the steps of a level. A composite action has its own: one that cleans up
/// after a failure starts with a clean slate.
pub(crate) fn status(run: &Run, key: &JobKey, level: &StepPath) -> Status {
    let stopped = run.leg(key).is_some_and(|leg| leg.stop.is_some());
    let top = level.0.is_empty();
    if stopped && (top || !step_holds(run, key, level).unwrap_or(false)) {
        return Status::Cancelled;
    }
    if job::is_failing(job::level_outcome(run, key, level)) {
        Status::Failure
    } else {
        Status::Success
    }
}

/// How things stand for a job: all jobs before it count, also those further back.
pub(crate) fn job_status(run: &Run, spec: &JobSpec) -> Status {
    if !run.cancels.is_empty() || call::stopping(run, &spec.id).is_some() {
        return Status::Cancelled;
    }
    let mut status = Status::Success;
    for conclusion in ancestors(run, spec)
        .iter()
        .filter_map(|job| conclusion(run, job))
    {
        match conclusion {
            Outcome::Succeeded => {}
            // What somebody ended, or its time, has not failed: nobody asks for that with `failure()`.
            Outcome::Skipped | Outcome::Cancelled | Outcome::TimedOut | Outcome::Superseded => {
                status = Status::Skipped;
            }
            Outcome::Failed | Outcome::Faulted | Outcome::RolledBack => {
                return Status::Failure;
            }
        }
    }
    status
}

/// The jobs before this one, near and far.
fn ancestors<'a>(run: &'a Run, spec: &'a JobSpec) -> Vec<&'a str> {
    let mut found: Vec<&str> = spec.needs.iter().map(String::as_str).collect();
    let mut next = 0;
    while let Some(job) = found.get(next).copied() {
        next += 1;
        for need in run.spec(job).into_iter().flat_map(|spec| &spec.needs) {
            if !found.contains(&need.as_str()) {
                found.push(need);
            }
        }
    }
    found
}

/// How a whole job counts, once all its legs have ended.
pub(crate) fn conclusion(run: &Run, job: &str) -> Option<Outcome> {
    match run.groups.get(job)? {
        Group::Ended { conclusion, .. } => Some(*conclusion),
        Group::Expanded { legs, .. } => {
            let mut worst = Outcome::Succeeded;
            for key in legs {
                let leg = run.leg(key)?;
                leg.state.outcome()?;
                worst = worse(worst, leg.conclusion?);
            }
            Some(worst)
        }
    }
}

/// Of two ways to end, the one that names both.
pub(crate) fn worse(one: Outcome, other: Outcome) -> Outcome {
    let rank = |outcome| match outcome {
        Outcome::Skipped => 0,
        Outcome::Succeeded => 1,
        Outcome::Superseded => 2,
        Outcome::Cancelled => 3,
        Outcome::RolledBack => 4,
        Outcome::TimedOut => 5,
        Outcome::Faulted => 6,
        Outcome::Failed => 7,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// Whether a job whose needs have all ended is done.
pub(crate) fn of_job(run: &Run, spec: &JobSpec) -> Result<bool, Fault> {
    let status = job_status(run, spec);
    match &spec.condition {
        None => Ok(status == Status::Success),
        Some(condition) => job_holds(run, spec, condition, status),
    }
}

/// Whether a job that has begun may go on although somebody wants the run ended.
pub(crate) fn job_is_spared(run: &Run, spec: &JobSpec) -> bool {
    spec.condition
        .as_ref()
        .is_some_and(|text| job_holds(run, spec, text, Status::Cancelled).unwrap_or(false))
}

fn job_holds(
    run: &Run,
    spec: &JobSpec,
    condition: &Expression,
    status: Status,
) -> Result<bool, Fault> {
    let scope = Scope::before_job(run, spec).with_status(status);
    expression::condition(&scope, condition, run.file_of(&spec.id))
}

/// Whether this end of a step does not count.
pub(crate) fn step_continues_on_error(
    run: &Run,
    key: &JobKey,
    path: &StepPath,
    outcome: Outcome,
) -> Result<bool, Fault> {
    let spec = step_spec(run, key, path);
    let Some(template) = spec.and_then(|spec| spec.continue_on_error.as_ref()) else {
        return Ok(false);
    };
    if !can_be_forgiven(outcome) {
        return Ok(false);
    }
    let scope = Scope::step(run, key, path, None)?;
    truth(&scope, template, &step::file(run, key, path))
}

/// Whether this end of a leg does not count.
pub(crate) fn job_continues_on_error(
    run: &Run,
    spec: &JobSpec,
    key: &JobKey,
    outcome: Outcome,
) -> Result<bool, Fault> {
    match &spec.continue_on_error {
        Some(template) if can_be_forgiven(outcome) => {
            truth(&Scope::job(run, key)?, template, run.file_of(&spec.id))
        }
        Some(_) | None => Ok(false),
    }
}

/// What a person ended is not an error that could be passed over.
fn can_be_forgiven(outcome: Outcome) -> bool {
    job::is_failing(outcome) && !matches!(outcome, Outcome::Cancelled | Outcome::Superseded)
}

/// A template that must be `true` or `false`.
pub(crate) fn truth(scope: &Scope<'_>, template: &Template, file: &str) -> Result<bool, Fault> {
    let value = expression::json(scope, template, file)?;
    match &value {
        serde_json::Value::Bool(truth) => Ok(*truth),
        serde_json::Value::String(text) if text == "true" => Ok(true),
        serde_json::Value::String(text) if text == "false" => Ok(false),
        serde_json::Value::Null
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => Err(Fault::of(
            file,
            template,
            format!("`{}` is `{value}`, not `true` or `false`", template.text),
        )),
    }
}

/// Whether all jobs before this one have ended.
pub(crate) fn needs_are_met(run: &Run, spec: &JobSpec) -> bool {
    unmet(run, spec).next().is_none()
}

/// The jobs directly before this one that have not ended.
pub(crate) fn unmet<'a>(run: &'a Run, spec: &'a JobSpec) -> impl Iterator<Item = &'a String> {
    spec.needs
        .iter()
        .filter(|job| conclusion(run, job).is_none())
}

/// Whether a leg waits for people, in itself or in a step of it.
pub(crate) fn waits_for_people(run: &Run, key: &JobKey) -> bool {
    run.leg(key).is_some_and(|leg| {
        let mut steps = leg.steps.values();
        steps
            .any(|step| matches!(step.state, State::Waiting { .. }) && !background::is_queued(step))
    })
}
