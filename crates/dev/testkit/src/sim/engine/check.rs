//! What must hold after everything that happens.

use std::collections::{BTreeMap, BTreeSet};

use cutover_engine::{Effect, Run, TimerKey, outstanding};
use cutover_model::{
    event::{Recorded, RunEvent},
    plan::{Plan, StepBody},
    run::{Attempt, JobKey, Outcome, Phase, State, StepPath, WaitingOn},
};

use super::edge::{Edge, Process};

/// The log tells a possible story: no gap, no attempt twice, nothing after the end.
#[derive(Debug)]
pub(super) struct Story {
    version: u64,
    attempts: BTreeMap<(JobKey, StepPath), Attempt>,
    ended: Option<Outcome>,
    cancelled: bool,
    tries: Attempt,
    /// What is to be done after the last step of a leg, because the step has begun.
    posts: BTreeSet<(JobKey, StepPath)>,
    /// Those that have had their time.
    late: BTreeSet<JobKey>,
    plan: Option<Plan>,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            version: 0,
            attempts: BTreeMap::new(),
            ended: None,
            cancelled: false,
            tries: Attempt::FIRST,
            posts: BTreeSet::new(),
            late: BTreeSet::new(),
            plan: None,
        }
    }
}

impl Story {
    pub(super) fn hear(&mut self, recorded: &Recorded<RunEvent>) -> Result<(), String> {
        let event = &recorded.event;
        if recorded.version != self.version + 1 {
            return Err(format!(
                "version {} follows {}",
                recorded.version, self.version
            ));
        }
        self.version = recorded.version;
        let is_retried = matches!(event, RunEvent::RunRetried { .. });
        match (self.ended, is_retried) {
            (Some(_), false) => return Err(format!("after the end: {event:?}")),
            (None, true) => return Err("it is done once more before its end".to_owned()),
            (Some(_), true) => self.ended = None,
            (None, false) => {}
        }
        match event {
            RunEvent::StepStarted {
                job, step, attempt, ..
            } => {
                let before = self.attempts.insert((job.clone(), step.clone()), *attempt);
                let expected = before.map_or(Attempt::FIRST, Attempt::next);
                if *attempt != expected {
                    return Err(format!("{job}/{step}: attempt {attempt}, not {expected}"));
                }
                if self.has_post(job, step) {
                    self.posts.insert((job.clone(), step.in_phase(Phase::Post)));
                }
            }
            RunEvent::RunCreated { plan, .. } => self.plan = Some(plan.as_ref().clone()),
            RunEvent::StepSkipped { job, step, .. } | RunEvent::StepFinished { job, step, .. } => {
                self.posts.remove(&(job.clone(), step.clone()));
            }
            RunEvent::JobStopRequested {
                job,
                outcome: Outcome::TimedOut,
                ..
            } => {
                self.late.insert(job.clone());
            }
            RunEvent::JobFinished { job, outcome, .. } => {
                let is_call = self
                    .plan
                    .as_ref()
                    .and_then(|plan| plan.job(job.job()))
                    .is_some_and(|spec| spec.call.is_some());
                if *outcome == Outcome::TimedOut && !is_call && !self.late.contains(job) {
                    return Err(format!("{job} timed out before its time was over"));
                }
                if let Some((_, post)) = self.posts.iter().find(|(leg, _)| leg == job) {
                    return Err(format!("{job} has ended without {post}"));
                }
            }
            RunEvent::RunRetried { attempt, .. } => {
                if *attempt != self.tries.next() {
                    return Err(format!("try {attempt} of the run follows {}", self.tries));
                }
                self.tries = *attempt;
                self.cancelled = false;
                self.late.clear();
            }
            RunEvent::CancelRequested { .. } => self.cancelled = true,
            RunEvent::RunFinished { outcome } => {
                if self.cancelled && *outcome != Outcome::Cancelled {
                    return Err(format!("it was cancelled, and ended as {outcome}"));
                }
                self.ended = Some(*outcome);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether something is to be done after the last step when this one has begun.
    fn has_post(&self, job: &JobKey, step: &StepPath) -> bool {
        let plan = self.plan.as_ref();
        let Some(spec) = plan.and_then(|plan| plan.job(job.job())) else {
            return false;
        };
        let mut level = spec.steps.as_slice();
        for (place, index) in (1..).zip(step.indices()) {
            match level.get(usize::from(*index)).map(|spec| &spec.body) {
                Some(StepBody::Composite { steps, .. }) => level = steps,
                Some(StepBody::Action(action)) => {
                    let is_it = place == step.indices().len();
                    return is_it && step.phase() != Phase::Post && action.post.is_some();
                }
                Some(_) | None => return false,
            }
        }
        false
    }
}

/// The state is one that may be.
pub(super) fn state(run: &Run) -> Result<(), String> {
    let jobs: Vec<_> = run.jobs().collect();
    for job in &jobs {
        let running = job
            .steps
            .iter()
            .filter(|step| matches!(step.state, State::Running { .. }));
        // An action runs around its steps: what runs must be one chain, each inside the one before. So
        // it is for each step in the background.
        let chain: Vec<(&StepPath, bool)> =
            running.map(|step| (&step.path, step.background)).collect();
        let top = |path: &StepPath| path.0.first().copied();
        for pair in chain.windows(2) {
            let [(before, beside), (after, _)] = [pair[0], pair[1]];
            if top(before) != top(after) && beside {
                continue;
            }
            if after.parent().as_ref() != Some(before) {
                return Err(format!("{} runs {} and {} at once", job.key, before, after));
            }
        }
        if job.state.is_finished() && !chain.is_empty() {
            return Err(format!("{} has ended, and a step of it runs", job.key));
        }
        let State::Waiting { on, .. } = &job.state else {
            continue;
        };
        let real = match on {
            WaitingOn::Needs { jobs: needs } => {
                !needs.is_empty()
                    && needs.iter().all(|need| {
                        jobs.iter()
                            .any(|other| other.key.job() == need && !other.state.is_finished())
                    })
            }
            WaitingOn::Runner { labels } => !labels.is_empty(),
            WaitingOn::MaxParallel => jobs.iter().any(|other| {
                let sibling = other.key != job.key && other.key.job() == job.key.job();
                let on_runner = matches!(
                    other.state,
                    State::Running { .. }
                        | State::Waiting {
                            on: WaitingOn::Runner { .. },
                            ..
                        }
                );
                sibling && on_runner
            }),
            WaitingOn::Approval { gate, .. } => {
                run.approvals().any(|open| &open.approval.gate == gate)
            }
            WaitingOn::Group { .. } => true,
            WaitingOn::Lock { .. } | WaitingOn::Freeze { .. } | WaitingOn::Background => false,
        };
        if !real && !run.state().is_finished() {
            return Err(format!("{} waits on nothing real: {on}", job.key));
        }
    }
    Ok(())
}

/// All that is owed has been asked of the edge.
pub(super) fn owed(run: &Run, edge: &Edge) -> Result<(), String> {
    match outstanding(run).iter().find(|effect| !edge.knows(effect)) {
        Some(effect) => Err(format!("owed and never asked: {effect}")),
        None => Ok(()),
    }
}

/// What was not done before the server died has been done since, unless it means nothing any more.
pub(super) fn made_good(
    run: &Run,
    edge: &Edge,
    undone: impl Iterator<Item = Effect>,
) -> Result<(), String> {
    for effect in undone {
        let moot = match &effect {
            Effect::AcquireGroup { job, .. } => edge.released.contains(job),
            Effect::AcquireRunner { job, .. } => edge.finished.contains(job),
            Effect::StartStep { job, step, .. } | Effect::CancelStep { job, step, .. } => {
                !runs(run, job, Some(step))
            }
            Effect::HashFiles { job, .. } => !runs(run, job, None),
            Effect::ReleaseGroup { .. } | Effect::FinishJob { .. } | Effect::Notify { .. } => false,
            Effect::WakeAt { timer, .. } => match timer {
                TimerKey::JobTimeout { job } | TimerKey::StopGrace { job } => !runs(run, job, None),
                TimerKey::StepTimeout { job, step, .. } => !runs(run, job, Some(step)),
                TimerKey::ApprovalExpiry { gate } => {
                    !run.approvals().any(|open| &open.approval.gate == gate)
                }
            },
        };
        if !moot && !edge.knows(&effect) {
            return Err(format!("lost in a crash: {effect}"));
        }
    }
    Ok(())
}

/// Whether a leg runs, or a step of it.
fn runs(run: &Run, key: &JobKey, path: Option<&StepPath>) -> bool {
    let is_running = |state: &State| matches!(state, State::Running { .. });
    run.jobs().filter(|job| &job.key == key).any(|job| {
        is_running(&job.state)
            && path.is_none_or(|path| {
                job.steps
                    .iter()
                    .any(|step| &step.path == path && is_running(&step.state))
            })
    })
}

/// After the end nothing runs, and all runners are back.
pub(super) fn end(run: &Run, edge: &Edge) -> Result<(), String> {
    owed(run, edge)?;
    for (address, process) in &edge.processes {
        if matches!(process, Process::Running { .. }) {
            return Err(format!("the run has ended, and {address:?} runs"));
        }
    }
    if let Some(job) = edge.runners.keys().next() {
        return Err(format!("the run has ended, and {job} holds a runner"));
    }
    if let Some(job) = edge.groups.keys().next() {
        return Err(format!("the run has ended, and {job:?} holds a group"));
    }
    for job in run.jobs() {
        if !job.state.is_finished() {
            return Err(format!("the run has ended, and {} has not", job.key));
        }
    }
    let told = edge
        .outbox
        .iter()
        .filter(|(topic, _)| topic.starts_with("run."));
    match u32::try_from(told.count()) {
        Ok(count) if count == run.attempt().0 => Ok(()),
        count => Err(format!("the end was told {count:?} times")),
    }
}
