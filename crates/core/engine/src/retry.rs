//! Doing more of a run that has ended: which legs, from which step, and what becomes of what there was.
//!
//! Whether the files of a step's border are still there is known at the edge; it says so by asking for
//! a leg from its beginning.

use std::{collections::BTreeMap, sync::Arc};

use cutover_model::{
    Duration, Timestamp,
    event::{RetriedLeg, RunEvent},
    plan::{JobSpec, StepBody, StepSpec},
    run::{Attempt, JobKey, Phase, State, StepPath},
};

use crate::{
    Refusal, background, condition,
    decide::Draft,
    group,
    job::{self, Leg},
    run::{Group, Run},
    step,
};

/// The tries that steps of a leg have had before it was done once more.
pub(crate) type Tries = Arc<BTreeMap<StepPath, Attempt>>;

/// What a person wants done once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// What failed, each leg from the step that failed first.
    Failed,
    /// All legs of a job, or one leg, from the beginning.
    Job(String),
    /// From one step on.
    From {
        /// Its place, its id or its name.
        step: String,
        /// The job or the leg; absent: all that failed and have such a step.
        job: Option<String>,
    },
}

/// Which try of the run a leg belongs to, and where in its steps that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption<'a> {
    /// The try of the run.
    pub attempt: Attempt,
    /// The step at which it went on; absent when it began at its beginning.
    pub from: Option<&'a StepPath>,
}

impl Run {
    /// Which try of the run this is.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Who wanted this try: who made the run start, or who wanted more of it.
    pub fn wanted_by(&self) -> Option<&str> {
        let actor = self.trigger().map(|trigger| trigger.actor.as_str());
        self.retried_by.as_deref().or(actor)
    }

    /// In which try a leg was, or is, done, and from where.
    pub fn resumption(&self, key: &JobKey) -> Option<Resumption<'_>> {
        let leg = self.leg(key)?;
        Some(Resumption {
            attempt: leg.attempt,
            from: leg.from.as_ref(),
        })
    }

    /// The legs that a wish is about; a leg that would go on at its first step begins anew.
    pub fn wished(&self, wish: &Wish) -> Result<Vec<RetriedLeg>, Refusal> {
        let legs = match wish {
            Wish::Failed => callers(self.failed_keys())
                .into_iter()
                .map(|key| self.leg_from_failure(key))
                .collect(),
            Wish::Job(name) => {
                let anew = |key| RetriedLeg { key, from: None };
                let keys = self.keys_of(name)?;
                callers(keys.into_iter()).into_iter().map(anew).collect()
            }
            Wish::From { step, job } => self.legs_from_step(step, job.as_deref())?,
        };
        if legs.is_empty() {
            return Err(Refusal(
                "nothing failed in it; name a job to have it done once more all the same"
                    .to_owned(),
            ));
        }
        Ok(legs)
    }

    /// The legs that count as failed, and the jobs that ended so without legs.
    fn failed_keys(&self) -> impl Iterator<Item = JobKey> {
        let failed = self
            .jobs()
            .filter(|job| job.conclusion.is_some_and(job::is_failing));
        failed.map(|job| job.key)
    }

    fn leg_from_failure(&self, key: JobKey) -> RetriedLeg {
        let top = StepPath::default();
        let first = job::steps_of(self, &key, &top)
            .filter(|(path, _)| path.phase() == Phase::Main)
            .find(|(_, step)| step.conclusion.is_some_and(job::is_failing))
            .map(|(path, _)| path.clone());
        let anew = self.spec(key.job()).is_some_and(begins_anew);
        RetriedLeg {
            from: first.filter(|path| *path != StepPath::top(0) && !anew),
            key,
        }
    }

    /// The legs of a job, by its id, by the key of one of them, or by its name.
    fn keys_of(&self, name: &str) -> Result<Vec<JobKey>, Refusal> {
        let is_it = |key: &JobKey, shown: &str| key.job() == name || key.0 == name || shown == name;
        let found: Vec<JobKey> = self
            .jobs()
            .filter(|job| is_it(&job.key, job.name))
            .map(|job| job.key)
            .collect();
        if found.is_empty() {
            let known: Vec<String> = self.jobs().map(|job| job.key.0).collect();
            return Err(Refusal(format!(
                "there is no job `{name}` in it; there is `{}`",
                known.join("`, `")
            )));
        }
        Ok(found)
    }

    fn legs_from_step(&self, step: &str, job: Option<&str>) -> Result<Vec<RetriedLeg>, Refusal> {
        if step
            .parse()
            .is_ok_and(|path: StepPath| path.parent().is_some())
        {
            return Err(Refusal(format!(
                "step {step} is inside of an action, which is done whole; take {}",
                step.split('.').next().unwrap_or_default()
            )));
        }
        let keys = match job {
            Some(job) => self.keys_of(job)?,
            None => self.failed_keys().collect(),
        };
        let mut legs = Vec::new();
        for key in keys.iter().filter(|key| key.caller().is_none()) {
            let Some(spec) = self.spec(key.job()) else {
                continue;
            };
            let Some(index) = self.place_of(key, &spec.steps, step) else {
                continue;
            };
            legs.push(RetriedLeg {
                key: key.clone(),
                from: (index > 0).then(|| StepPath::top(index)),
            });
        }
        if legs.is_empty() {
            let place = job.map_or_else(|| "what failed".to_owned(), |job| format!("`{job}`"));
            return Err(Refusal(format!(
                "{place} has no step `{step}`; say its place from 0, its id or its name{}",
                if job.is_some() {
                    ""
                } else {
                    ", and the job if another one is meant"
                }
            )));
        }
        Ok(legs)
    }

    fn place_of(&self, key: &JobKey, specs: &[StepSpec], wanted: &str) -> Option<usize> {
        if let Ok(index) = wanted.parse::<usize>() {
            return (index < specs.len()).then_some(index);
        }
        let is_it = |(index, spec): (usize, &StepSpec)| {
            let shown = self.step(key, &StepPath::top(index));
            spec.id.as_deref() == Some(wanted)
                || step::plain_name(spec) == wanted
                || shown.is_some_and(|step| step.name == wanted)
        };
        specs.iter().enumerate().position(is_it)
    }

    /// The try that comes next for a step: the first, unless the leg was done before.
    pub(crate) fn next_try(&self, key: &JobKey, path: &StepPath) -> Attempt {
        let before = self.tries.get(key).and_then(|tries| tries.get(path));
        before.map_or(Attempt::FIRST, |attempt| attempt.next())
    }

    /// How long this try of the run has lasted, for the texts that people read.
    pub(crate) fn lasted(&self, at: Timestamp) -> Duration {
        let begin = self.attempt_at.or(self.created_at());
        begin.map_or(Duration::ZERO, |begin| at.since(begin))
    }
}

/// A person wants more of a run that has ended.
pub(crate) fn retry(draft: &mut Draft, by: String, legs: Vec<RetriedLeg>) -> Result<(), Refusal> {
    let run = &draft.run;
    let Some(id) = run.id() else {
        return Err(Refusal("there is no such run".to_owned()));
    };
    if !run.state().is_finished() {
        return Err(Refusal(format!("`{id}` has not ended yet")));
    }
    if legs.is_empty() {
        return Err(Refusal(
            "nothing is named that could be done once more".to_owned(),
        ));
    }
    for leg in &legs {
        may_go_on(run, leg)?;
    }
    let jobs = behind(run, &legs);
    let legs = legs
        .into_iter()
        .filter(|leg| !jobs.iter().any(|job| job == leg.key.job()))
        .collect();
    let attempt = run.attempt.next();
    draft.say(RunEvent::RunRetried {
        by,
        attempt,
        legs,
        jobs,
    });
    if group::begin(draft) {
        draft.say(RunEvent::RunStarted);
    }
    Ok(())
}

/// Whether a leg can be done from there.
fn may_go_on(run: &Run, wanted: &RetriedLeg) -> Result<(), Refusal> {
    let key = &wanted.key;
    let unknown = || Refusal(format!("there is no job `{key}` in this run"));
    if let Some(caller) = key.caller() {
        return Err(Refusal(format!(
            "`{key}` is of a workflow that is called, which begins anew as a whole; take `{caller}`"
        )));
    }
    let Some(leg) = run.leg(key) else {
        return match run.groups.get(&key.0) {
            Some(Group::Ended { .. }) if wanted.from.is_none() => Ok(()),
            Some(Group::Ended { .. }) => Err(Refusal(format!("`{key}` never had a step"))),
            Some(Group::Expanded { .. }) | None => Err(unknown()),
        };
    };
    let Some(from) = &wanted.from else {
        return Ok(());
    };
    let spec = run.spec(key.job()).ok_or_else(unknown)?;
    let [index] = from.0.as_slice() else {
        return Err(Refusal(format!(
            "step {from} of `{key}` is inside of an action"
        )));
    };
    let index = usize::from(*index);
    if begins_anew(spec) {
        return Err(Refusal(format!(
            "`{key}` has containers, which have ended with it, or calls a workflow: it begins anew"
        )));
    }
    if index >= spec.steps.len() {
        return Err(Refusal(format!("`{key}` has no step {from}")));
    }
    for before in (0..index).map(StepPath::top) {
        let Some(step) = leg.steps.get(&before) else {
            return Err(Refusal(format!(
                "`{key}` never came as far as step {from}: it ended before step {before}"
            )));
        };
        if step.conclusion.is_some_and(job::is_failing) {
            return Err(Refusal(format!(
                "step {before} of `{key}`, `{}`, comes before step {from} and failed; take it instead",
                step.name
            )));
        }
    }
    Ok(())
}

/// The jobs that need one of these, near and far, in the order of the plan.
fn behind(run: &Run, legs: &[RetriedLeg]) -> Vec<String> {
    let specs = run.plan().map_or(&[][..], |plan| plan.jobs.as_slice());
    let mut found: Vec<&str> = Vec::new();
    loop {
        let before = found.len();
        for spec in specs {
            let needs = |spec: &JobSpec| {
                spec.needs.iter().any(|need| {
                    found.contains(&need.as_str()) || legs.iter().any(|leg| leg.key.job() == need)
                })
            };
            if !found.contains(&spec.id.as_str()) && needs(spec) {
                found.push(&spec.id);
            }
        }
        if found.len() == before {
            break;
        }
    }
    let in_order = specs
        .iter()
        .filter(|spec| found.contains(&spec.id.as_str()));
    in_order.map(|spec| spec.id.clone()).collect()
}

/// A person wants a step that failed done once more, here and now.
pub(crate) fn again(
    draft: &mut Draft,
    key: &JobKey,
    path: &StepPath,
    attempt: Attempt,
    by: String,
) {
    let Some(step) = draft.run.step(key, path) else {
        return;
    };
    let name = step.name.clone();
    draft.say(RunEvent::StepRetried {
        job: key.clone(),
        step: path.clone(),
        attempt,
        by,
    });
    draft.say(RunEvent::StepStarted {
        job: key.clone(),
        step: path.clone(),
        attempt: attempt.next(),
        name,
    });
}

/// Remembers that a run is done once more.
pub(crate) fn retried(
    run: &mut Run,
    at: Timestamp,
    (by, attempt): (&str, Attempt),
    legs: &[RetriedLeg],
    jobs: &[String],
) {
    run.attempt = attempt;
    run.attempt_at = Some(at);
    run.retried_by = Some(by.to_owned());
    run.cancels.clear();
    run.state = State::Pending;
    // What was held has been given back at the end, and is asked for again.
    run.group = None;
    for job in jobs {
        for key in run.legs_of(job).to_vec() {
            forget_called(run, &key);
            remember(run, &key, None);
            run.legs.remove(&key);
        }
        run.groups.remove(job);
    }
    for RetriedLeg { key, from } in legs {
        remember(run, key, from.as_ref());
        forget_called(run, key);
        match (run.leg_mut(key), from) {
            (Some(leg), Some(from)) => {
                leg.goes_on(attempt, from);
                hide(run, key, from);
            }
            (Some(leg), None) => *leg = Leg::new(leg.spec.clone(), attempt),
            // It ended before it had legs, and is expanded again.
            (None, _) => drop(run.groups.remove(&key.0)),
        }
    }
}

/// What went on in the background before the step at which a leg goes on is seen when somebody has
/// waited for it, and whoever did that behind that step has yet to do it.
fn hide(run: &mut Run, key: &JobKey, from: &StepPath) {
    let Some(spec) = run.spec(key.job()) else {
        return;
    };
    let before = from.0.first().copied().unwrap_or_default();
    let waited_for: Vec<StepPath> = (0..usize::from(before))
        .flat_map(|index| background::targets(spec, &StepPath::top(index)))
        .collect();
    let unseen: Vec<StepPath> = (0..usize::from(before))
        .filter(|index| spec.steps.get(*index).is_some_and(|spec| spec.background))
        .map(StepPath::top)
        .filter(|path| !waited_for.contains(path))
        .collect();
    let Some(leg) = run.leg_mut(key) else {
        return;
    };
    for path in unseen {
        if let Some(step) = leg.steps.get_mut(&path) {
            step.shown = None;
        }
    }
}

/// Whether a job can only begin anew: its containers have ended with it, or it is a workflow that is
/// called.
fn begins_anew(spec: &JobSpec) -> bool {
    let first = spec.steps.first();
    let contained = first.is_some_and(|first| matches!(first.body, StepBody::SetUpContainers));
    contained || spec.call.is_some()
}

/// Each leg, or the one of the run's own workflow that has called it; each once.
fn callers(keys: impl Iterator<Item = JobKey>) -> Vec<JobKey> {
    let mut found = Vec::new();
    for mut key in keys {
        while let Some(caller) = key.caller() {
            key = caller;
        }
        if !found.contains(&key) {
            found.push(key);
        }
    }
    found
}

/// What a leg has called is as if it had never been.
fn forget_called(run: &mut Run, key: &JobKey) {
    let behind = format!("{key}.");
    let inside = |key: &JobKey| key.0.starts_with(&behind);
    let keys: Vec<JobKey> = run.legs.keys().filter(|key| inside(key)).cloned().collect();
    for key in keys {
        remember(run, &key, None);
        run.legs.remove(&key);
    }
    run.groups.retain(|job, _| !job.starts_with(&behind));
    run.calls
        .retain(|caller, _| caller != key && !inside(caller));
}

/// Notes the tries of the steps that are dropped, and drops the questions that were asked there: a yes
/// to them was one to what was done then.
fn remember(run: &mut Run, key: &JobKey, from: Option<&StepPath>) {
    let is_dropped = |path: &StepPath| from.is_none_or(|from| path >= from);
    run.questions.retain(|_, question| {
        let stays = match &question.step {
            Some(path) => !is_dropped(path),
            None => from.is_some(),
        };
        question.job != *key || stays
    });
    let Some(leg) = run.leg(key) else {
        return;
    };
    let mut tries = run
        .tries
        .get(key)
        .map(|tries| tries.as_ref().clone())
        .unwrap_or_default();
    let begun = leg
        .steps
        .iter()
        .filter(|(path, step)| step.begun > 0 && is_dropped(path));
    tries.extend(begun.map(|(path, step)| (path.clone(), step.attempt)));
    run.tries.insert(key.clone(), Arc::new(tries));
}

/// Whether something of a leg belongs to the try of the run that goes on now.
pub(crate) fn is_of_now(run: &Run, leg: &Leg) -> bool {
    leg.attempt == run.attempt
}

/// Whether a step that has just failed may be done once more.
pub(crate) fn may_again(run: &Run, key: &JobKey, path: &StepPath) -> bool {
    !condition::is_stopping(run, key, path)
}
