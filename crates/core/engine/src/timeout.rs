//! How long things may take, and what happens when they take longer.

use cutover_model::{
    Duration, Timestamp,
    event::RunEvent,
    plan::{DEFAULT_CANCEL_TIMEOUT, DEFAULT_JOB_TIMEOUT, JobSpec, Template},
    run::{Attempt, JobKey, Outcome, State, StepPath},
};

use crate::{
    Fault, TimerKey, approval, condition, decide::Draft, expression, run::Run, scope::Scope, step,
};

/// How long a leg that was told to end may clean up.
pub(crate) fn cleaning_of(run: &Run, key: &JobKey) -> Duration {
    let found = run.spec(key.job()).map(|spec| {
        let scope = Scope::job(run, key)?;
        cleaning_of_leg(&scope, spec, run.file_of(&spec.id))
    });
    // It was looked at before the leg was there.
    found.and_then(Result::ok).unwrap_or(DEFAULT_CANCEL_TIMEOUT)
}

/// The same before the leg is there, as with the time that it may take.
pub(crate) fn cleaning_of_leg(
    scope: &Scope<'_>,
    spec: &JobSpec,
    file: &str,
) -> Result<Duration, Fault> {
    match &spec.cancel_timeout_minutes {
        Some(template) => minutes(scope, template, file),
        None => Ok(DEFAULT_CANCEL_TIMEOUT),
    }
}

/// How long a leg may take.
pub(crate) fn of_job(run: &Run, key: &JobKey) -> Result<Duration, Fault> {
    match run.spec(key.job()) {
        Some(spec) => of_leg(&Scope::job(run, key)?, spec, run.file_of(&spec.id)),
        None => Ok(DEFAULT_JOB_TIMEOUT),
    }
}

/// How long a leg may take, also before it is there: a limit that cannot be read is a fault then,
/// and not when it is too late.
pub(crate) fn of_leg(scope: &Scope<'_>, spec: &JobSpec, file: &str) -> Result<Duration, Fault> {
    match &spec.timeout_minutes {
        Some(template) => minutes(scope, template, file),
        None => Ok(DEFAULT_JOB_TIMEOUT),
    }
}

/// How long a step may take, when that is said.
pub(crate) fn of_step(run: &Run, key: &JobKey, path: &StepPath) -> Result<Option<Duration>, Fault> {
    let template = run
        .spec(key.job())
        .and_then(|spec| step::spec(&spec.steps, path))
        .and_then(|spec| spec.timeout_minutes.as_ref());
    let Some(template) = template else {
        return Ok(None);
    };
    let scope = Scope::step(run, key, path, None)?;
    let file = step::file(run, key, path);
    // As on GitHub, what is not above zero sets no limit to a step.
    let text = expression::text(&scope, template, &file)?;
    if text.trim().parse().is_ok_and(|number: f64| number <= 0.0) {
        return Ok(None);
    }
    minutes(&scope, template, &file).map(Some)
}

/// A positive number of minutes, which may have a fraction.
fn minutes(scope: &Scope<'_>, template: &Template, file: &str) -> Result<Duration, Fault> {
    let text = expression::text(scope, template, file)?;
    let wrong = || {
        let message = format!("`{text}` is not a number of minutes above zero");
        Fault::of(file, template, message)
    };
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    // `.5` is a number, too.
    let whole = if whole.is_empty() && !fraction.is_empty() {
        "0"
    } else {
        whole
    };
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let thousandths: u64 = digits.parse().map_err(|_| wrong())?;
    whole
        .checked_mul(60_000)
        .and_then(|sum| sum.checked_add(thousandths * 60))
        .filter(|sum| *sum > 0)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// When a leg has had its time; what its steps wait for people does not count.
pub(crate) fn job_deadline(run: &Run, key: &JobKey) -> Option<Timestamp> {
    let leg = run.leg(key)?;
    // What is called has time limits of its own.
    if run.call(key).is_some() {
        return None;
    }
    let limit = of_job(run, key).unwrap_or(DEFAULT_JOB_TIMEOUT);
    Some(leg.started_at? + limit + leg.waited)
}

/// A timer rang. One that no longer means anything changes nothing.
pub(crate) fn woke(draft: &mut Draft, timer: &TimerKey) {
    match timer {
        TimerKey::JobTimeout { job } => job_is_late(draft, job),
        TimerKey::StopGrace { job } => grace_is_over(draft, job),
        TimerKey::StepTimeout { job, step, attempt } => step_is_late(draft, job, step, *attempt),
        TimerKey::ApprovalExpiry { gate } => approval::expire(draft, gate),
    }
}

fn job_is_late(draft: &mut Draft, key: &JobKey) {
    let run = &draft.run;
    let Some(leg) = run.leg(key) else {
        return;
    };
    let ended = leg.state.is_finished() || leg.stop.is_some() || !leg.has_started();
    // While people are asked no time runs; when they have answered, a later timer is set.
    let paused = condition::waits_for_people(run, key);
    let later = leg.waited > Duration::ZERO
        && job_deadline(run, key).is_some_and(|deadline| draft.at < deadline);
    if ended || paused || later {
        return;
    }
    let limit = of_job(run, key).unwrap_or(DEFAULT_JOB_TIMEOUT);
    draft.say(RunEvent::JobStopRequested {
        job: key.clone(),
        outcome: Outcome::TimedOut,
        force: false,
        reason: format!("took longer than {limit}"),
    });
}

fn grace_is_over(draft: &mut Draft, key: &JobKey) {
    let Some(leg) = draft.run.leg(key).filter(|leg| !leg.state.is_finished()) else {
        return;
    };
    let Some(stop) = leg.stop.clone().filter(|stop| !stop.force) else {
        return;
    };
    draft.say(RunEvent::JobStopRequested {
        job: key.clone(),
        outcome: stop.outcome,
        force: true,
        reason: stop.reason,
    });
}

fn step_is_late(draft: &mut Draft, key: &JobKey, path: &StepPath, attempt: Attempt) {
    let Some(step) = draft.run.step(key, path) else {
        return;
    };
    let running = matches!(step.state, State::Running { .. });
    if !running || step.attempt != attempt || step.timed_out.is_some() {
        return;
    }
    let Ok(Some(after)) = of_step(&draft.run, key, path) else {
        return;
    };
    draft.say(RunEvent::StepTimedOut {
        job: key.clone(),
        step: path.clone(),
        attempt,
        after,
    });
}
