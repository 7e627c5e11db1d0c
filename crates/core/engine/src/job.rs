//! A leg of a job: its state, from its first wait to its end.

use std::collections::BTreeMap;

use cutover_model::{
    Duration, Timestamp,
    event::{self, RunEvent},
    plan::JobSpec,
    run::{Attempt, JobKey, Outcome, Phase, Runner, State, StepPath},
};

use crate::{
    Fault,
    approval::{self, Standing},
    background, call, condition, contexts,
    decide::Draft,
    group, post,
    run::Run,
    schedule,
    scope::Scope,
    step::{self, Step},
};

/// The files that the condition of a step asks for.
pub(crate) type Asked = (StepPath, Vec<String>);

/// One leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) spec: event::Leg,
    pub(crate) state: State,
    /// Of which try of the run it is.
    pub(crate) attempt: Attempt,
    /// The try in which its steps began: before the one it is of, when it went on from a step.
    pub(crate) begun_in: Attempt,
    /// The step at which it went on.
    pub(crate) from: Option<StepPath>,
    pub(crate) runner: Option<Runner>,
    /// When its steps began.
    pub(crate) started_at: Option<Timestamp>,
    /// How long its steps have waited for people: that does not count as time it took.
    pub(crate) waited: Duration,
    /// It is to end before its time.
    pub(crate) stop: Option<Stop>,
    /// Whether it has asked for a runner, which must then be given back.
    pub(crate) asked_runner: bool,
    /// Whether it has asked for its concurrency group, and whether it has it.
    pub(crate) asked_group: bool,
    pub(crate) holds_group: bool,
    /// The files whose digest a condition asked for, and what is known of it.
    pub(crate) hashes: BTreeMap<Asked, Option<Result<String, String>>>,
    /// In the order of the plan; only those whose turn has come.
    pub(crate) steps: BTreeMap<StepPath, Step>,
    /// What actions do after the last step, in the order in which they have begun.
    pub(crate) posts: Vec<StepPath>,
    pub(crate) outputs: BTreeMap<String, String>,
    /// Where to look at what was deployed.
    pub(crate) environment_url: Option<String>,
    /// How it counts, once it has ended.
    pub(crate) conclusion: Option<Outcome>,
    pub(crate) reason: Option<String>,
}

/// A wish to end a leg before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) outcome: Outcome,
    pub(crate) force: bool,
    pub(crate) reason: String,
    /// When it was first wished.
    pub(crate) since: Timestamp,
}

impl Leg {
    pub(crate) fn new(spec: event::Leg, attempt: Attempt) -> Self {
        Self {
            spec,
            state: State::Pending,
            attempt,
            begun_in: attempt,
            from: None,
            runner: None,
            started_at: None,
            waited: Duration::ZERO,
            stop: None,
            asked_runner: false,
            asked_group: false,
            holds_group: false,
            hashes: BTreeMap::new(),
            steps: BTreeMap::new(),
            posts: Vec::new(),
            outputs: BTreeMap::new(),
            environment_url: None,
            conclusion: None,
            reason: None,
        }
    }

    /// Makes it what it was before this step, with another try of the run ahead of it.
    pub(crate) fn goes_on(&mut self, attempt: Attempt, from: &StepPath) {
        let anew = Self::new(self.spec.clone(), attempt);
        let before = std::mem::replace(self, anew);
        self.begun_in = before.begun_in;
        self.from = Some(from.clone());
        self.steps = before.steps;
        self.steps.retain(|path, _| path < from);
        self.hashes = before.hashes;
        self.hashes.retain(|(path, _), _| path < from);
        // What is kept owes its end still.
        let steps = &self.steps;
        let is_kept = |post: &StepPath| {
            let phases = [Phase::Pre, Phase::Main].map(|phase| post.in_phase(phase));
            phases.iter().any(|path| steps.contains_key(path))
        };
        self.posts = before.posts;
        self.posts.retain(is_kept);
    }

    pub(crate) fn has_started(&self) -> bool {
        self.started_at.is_some()
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.force)
    }

    /// Whether it uses one of the places that `max-parallel` counts.
    pub(crate) fn takes_a_place(&self) -> bool {
        (self.asked_runner || self.has_started()) && !self.state.is_finished()
    }
}

/// Whether a conclusion makes what is around it fail.
pub(crate) fn is_failing(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Succeeded | Outcome::Skipped => false,
        Outcome::Failed
        | Outcome::Faulted
        | Outcome::Cancelled
        | Outcome::TimedOut
        | Outcome::Superseded
        | Outcome::RolledBack => true,
    }
}

/// Goes as far as it can with one leg.
pub(crate) fn advance(draft: &mut Draft, spec: &JobSpec, key: &JobKey) {
    let Some(leg) = draft.run.leg(key) else {
        return;
    };
    if leg.state.is_finished() {
        return;
    }
    if leg.has_started() && spec.call.is_some() {
        call::advance(draft, spec, key);
        return;
    }
    if leg.has_started() {
        if post::before(draft, key, &spec.steps)
            && step::advance(draft, key, &StepPath::default(), &spec.steps)
            && post::after(draft, key, &spec.steps)
        {
            finish(draft, spec, key);
        }
        return;
    }
    if let Some(stop) = leg.stop.clone() {
        end(draft, spec, key, stop.outcome, Some(stop.reason));
        return;
    }
    if !group::before(draft, spec, key) {
        return;
    }
    match approval::before(draft, key) {
        Standing::Open => {}
        Standing::Granted => schedule::queue(draft, key),
        Standing::Denied(reason) => end(draft, spec, key, Outcome::Failed, Some(reason)),
    }
}

/// How the steps of a level have gone: the first that fails says it. What is done before and after all
/// steps counts for the job itself, whichever action it belongs to.
pub(crate) fn level_outcome(run: &Run, key: &JobKey, level: &StepPath) -> Outcome {
    counted_at(run, key, level)
        .filter(|(path, step)| background::counts(run, key, path, step))
        .filter_map(|(_, step)| step.conclusion)
        .find(|conclusion| is_failing(*conclusion))
        .unwrap_or(Outcome::Succeeded)
}

/// What counts for a level, in the order in which it is done.
fn counted_at<'a>(
    run: &'a Run,
    key: &JobKey,
    level: &StepPath,
) -> impl Iterator<Item = (&'a StepPath, &'a Step)> {
    let level = level.clone();
    run.leg(key)
        .into_iter()
        .flat_map(|leg| &leg.steps)
        .filter(move |(path, _)| match path.phase() {
            Phase::Main => is_directly_on(path, &level),
            Phase::Pre | Phase::Post => level.0.is_empty(),
        })
}

fn is_directly_on(path: &StepPath, level: &StepPath) -> bool {
    path.phase() == Phase::Main && path.0.len() == level.0.len() + 1 && path.0.starts_with(&level.0)
}

/// The steps directly on a level, in order, as far as their turn has come.
pub(crate) fn steps_of<'a>(
    run: &'a Run,
    key: &JobKey,
    level: &StepPath,
) -> impl Iterator<Item = (&'a StepPath, &'a Step)> + use<'a> {
    let level = level.clone();
    run.leg(key)
        .into_iter()
        .flat_map(|leg| &leg.steps)
        .filter(move |(path, _)| is_directly_on(path, &level))
}

/// Ends a leg whose steps have all ended.
fn finish(draft: &mut Draft, spec: &JobSpec, key: &JobKey) {
    let run = &draft.run;
    let top = StepPath::default();
    let stop = run.leg(key).and_then(|leg| leg.stop.clone());
    let (outcome, reason) = if let Some(stop) = stop {
        (stop.outcome, Some(stop.reason))
    } else {
        // The time of the step was over, and not that of the job.
        let found = level_outcome(run, key, &top);
        let is_late = found == Outcome::TimedOut;
        let outcome = if is_late { Outcome::Failed } else { found };
        (outcome, failing_step(run, key))
    };
    end(draft, spec, key, outcome, reason);
}

/// Which step made a leg fail, and why.
fn failing_step(run: &Run, key: &JobKey) -> Option<String> {
    let (_, step) = counted_at(run, key, &StepPath::default())
        .filter(|(path, step)| background::counts(run, key, path, step))
        .find(|(_, step)| step.conclusion.is_some_and(is_failing))?;
    Some(why_failed(step, step.conclusion?))
}

/// That a step did not succeed, and why.
pub(crate) fn why_failed(step: &Step, outcome: Outcome) -> String {
    let why = step.report.reasons.first();
    why.map_or_else(
        || format!("step `{}` {outcome}", step.name),
        |why| format!("step `{}` {outcome}: {why}", step.name),
    )
}

/// Says that a leg has ended, with its outputs and how that counts.
pub(crate) fn end(
    draft: &mut Draft,
    spec: &JobSpec,
    key: &JobKey,
    mut outcome: Outcome,
    mut reason: Option<String>,
) {
    let run = &draft.run;
    let started = run.leg(key).is_some_and(Leg::has_started);
    let mut outputs = BTreeMap::new();
    let mut url = None;
    if started {
        match outputs_and_url(run, spec, key) {
            Ok((found, found_url)) => (outputs, url) = (found, found_url),
            Err(fault) => {
                if outcome == Outcome::Succeeded {
                    outcome = Outcome::Faulted;
                    reason = Some(fault.to_string());
                }
            }
        }
    }
    let conclusion = match condition::job_continues_on_error(run, spec, key, outcome) {
        Ok(true) => Outcome::Succeeded,
        Ok(false) => outcome,
        Err(fault) => {
            reason = Some(fault.to_string());
            Outcome::Faulted
        }
    };
    draft.say(RunEvent::JobFinished {
        job: key.clone(),
        outcome,
        conclusion,
        outputs,
        environment_url: url,
        reason,
    });
}

/// The outputs of a leg, and where to look at what it deployed. What holds a secret is not handed on
/// to other jobs, nor shown.
fn outputs_and_url(
    run: &Run,
    spec: &JobSpec,
    key: &JobKey,
) -> Result<(BTreeMap<String, String>, Option<String>), Fault> {
    if let Some(call) = &spec.call {
        return Ok((call::outputs(run, call, key)?, None));
    }
    let scope = Scope::end_of_job(run, key)?;
    let file = run.file_of(&spec.id);
    let mut outputs = BTreeMap::new();
    for (name, template) in &spec.outputs {
        let value = scope.text(template, file)?;
        if !contexts::is_withheld(&value) {
            outputs.insert(name.clone(), value);
        }
    }
    let url = spec.environment.as_ref().and_then(|it| it.url.as_ref());
    let url = url.map(|url| scope.text(url, file)).transpose()?;
    let shown = |url: &String| !url.is_empty() && !contexts::is_withheld(url);
    Ok((outputs, url.filter(shown)))
}
