//! What the edge owes: after one event, and after a replay, when nobody knows what was done.

use cutover_model::{
    GateId, Timestamp,
    event::RunEvent,
    run::{Attempt, JobKey, Outcome, State, StepPath, WaitingOn},
};

use crate::{
    Effect, TimerKey, approval, condition, group::Claim, job::Leg, run::Run, step, timeout,
};

/// What is to be done because of this event. `run` is the state after it.
pub fn effects(run: &Run, at: Timestamp, event: &RunEvent) -> Vec<Effect> {
    match event {
        RunEvent::JobWaiting {
            job,
            on: WaitingOn::Runner { labels },
        } => vec![Effect::AcquireRunner {
            job: job.clone(),
            labels: labels.clone(),
        }],
        RunEvent::ApprovalRequested { gate, .. } => question(run, gate),
        RunEvent::JobStarted { job, .. } => job_timer(run, job),
        RunEvent::StepStarted {
            job, step, attempt, ..
        } => {
            let mut effects = started(run, at, job, step, *attempt);
            // A step that ends others.
            if !is_leaf(run, job, step) && run.leg(job).is_some_and(|leg| leg.stop.is_none()) {
                effects.extend(stopping_steps(run, job));
            }
            effects
        }
        RunEvent::FilesAsked {
            job,
            step,
            patterns,
        } => vec![Effect::HashFiles {
            job: job.clone(),
            step: step.clone(),
            patterns: patterns.clone(),
        }],
        RunEvent::StepTimedOut { job, .. } => stopping_steps(run, job),
        RunEvent::JobStopRequested { job, .. } => stopped(run, at, job),
        RunEvent::JobFinished { job, .. } => finished(run, job),
        RunEvent::RunFinished { outcome } => {
            let told = std::iter::once(told(run, at, *outcome));
            whole_group(run).into_iter().chain(told).collect()
        }
        RunEvent::GroupAsked { job, group } => vec![Effect::AcquireGroup {
            job: job.clone(),
            group: group.clone(),
        }],
        RunEvent::RunCreated { .. }
        | RunEvent::RunTainted { .. }
        | RunEvent::RunStarted
        | RunEvent::JobExpanded { .. }
        | RunEvent::JobSkipped { .. }
        | RunEvent::JobWaiting { .. }
        | RunEvent::JobCalled { .. }
        | RunEvent::ApprovalGiven { .. }
        | RunEvent::ApprovalRefused { .. }
        | RunEvent::ApprovalExpired { .. }
        | RunEvent::StepSkipped { .. }
        | RunEvent::FilesHashed { .. }
        | RunEvent::StepFinished { .. }
        | RunEvent::StepLost { .. }
        | RunEvent::StepQueued { .. }
        | RunEvent::GroupAwaited { .. }
        | RunEvent::GroupTaken { .. }
        | RunEvent::RunRetried { .. }
        | RunEvent::StepRetried { .. }
        | RunEvent::CancelRequested { .. } => Vec::new(),
    }
}

/// All that is owed as things stand: asked twice, done once.
pub fn outstanding(run: &Run) -> Vec<Effect> {
    // Who holds a group says so before anybody asks for it.
    let (holds, waits): (Vec<Claim>, Vec<Claim>) = run
        .claims()
        .into_iter()
        .partition(|claim| claim.waits_since.is_none());
    let claims = holds.into_iter().chain(waits);
    let mut owed: Vec<Effect> = claims
        .map(|Claim { job, group, .. }| Effect::AcquireGroup { job, group })
        .collect();
    for (key, leg) in &run.legs {
        match &leg.state {
            State::Finished { .. } => owed.extend(finished(run, key)),
            State::Waiting {
                on: WaitingOn::Runner { labels },
                ..
            } => owed.push(Effect::AcquireRunner {
                job: key.clone(),
                labels: labels.clone(),
            }),
            State::Running { .. } => of_running_leg(run, key, leg, &mut owed),
            State::Pending | State::Waiting { .. } => {}
        }
    }
    for gate in run.questions.keys() {
        if approval::is_awaited(run, gate) {
            owed.extend(question(run, gate));
        }
    }
    if let State::Finished { outcome, at } = run.state {
        owed.extend(whole_group(run));
        owed.push(told(run, at, outcome));
    }
    owed
}

fn of_running_leg(run: &Run, key: &JobKey, leg: &Leg, owed: &mut Vec<Effect>) {
    owed.extend(job_timer(run, key));
    let unanswered = leg.hashes.iter().filter(|(_, known)| known.is_none());
    owed.extend(unanswered.map(|((step, patterns), _)| Effect::HashFiles {
        job: key.clone(),
        step: step.clone(),
        patterns: patterns.clone(),
    }));
    for (path, step) in &leg.steps {
        if let State::Running { since } = step.state {
            owed.extend(started(run, since, key, path, step.attempt));
        }
    }
    match &leg.stop {
        Some(stop) => owed.extend(stopped(run, stop.since, key)),
        None => owed.extend(stopping_steps(run, key)),
    }
}

/// A step begins: what is to be run, and the time it has. An action made of steps only has time.
fn started(
    run: &Run,
    since: Timestamp,
    job: &JobKey,
    path: &StepPath,
    attempt: Attempt,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    if is_leaf(run, job, path) {
        effects.push(Effect::StartStep {
            job: job.clone(),
            step: path.clone(),
            attempt,
        });
    }
    if let Ok(Some(limit)) = timeout::of_step(run, job, path) {
        effects.push(Effect::WakeAt {
            at: since + limit,
            timer: TimerKey::StepTimeout {
                job: job.clone(),
                step: path.clone(),
                attempt,
            },
        });
    }
    // After a wait for people the leg has more time than its first timer knew.
    if attempt > Attempt::FIRST {
        effects.extend(job_timer(run, job));
    }
    effects
}

fn is_leaf(run: &Run, job: &JobKey, path: &StepPath) -> bool {
    run.spec(job.job())
        .and_then(|spec| step::spec(&spec.steps, path))
        .is_some_and(step::is_leaf)
}

fn job_timer(run: &Run, job: &JobKey) -> Vec<Effect> {
    let deadline = timeout::job_deadline(run, job);
    deadline
        .map(|at| Effect::WakeAt {
            at,
            timer: TimerKey::JobTimeout { job: job.clone() },
        })
        .into_iter()
        .collect()
}

/// A leg is to end: what runs in it is told, unless it asks to run just then.
fn stopped(run: &Run, since: Timestamp, job: &JobKey) -> Vec<Effect> {
    let mut effects = stopping_steps(run, job);
    let running = run
        .leg(job)
        .is_some_and(|leg| leg.has_started() && !leg.is_forced() && !leg.state.is_finished());
    if running {
        effects.push(Effect::WakeAt {
            at: since + timeout::cleaning_of(run, job),
            timer: TimerKey::StopGrace { job: job.clone() },
        });
    }
    effects
}

fn stopping_steps(run: &Run, job: &JobKey) -> Vec<Effect> {
    let Some(leg) = run.leg(job) else {
        return Vec::new();
    };
    leg.steps
        .iter()
        .filter(|(path, step)| {
            matches!(step.state, State::Running { .. })
                && is_leaf(run, job, path)
                && condition::is_stopping(run, job, path)
        })
        .map(|(path, step)| Effect::CancelStep {
            job: job.clone(),
            step: path.clone(),
            attempt: step.attempt,
        })
        .collect()
}

/// A leg that never asked for a runner, or for its group, has nothing to give back. With a runner the
/// group goes back when nothing is left of the leg.
fn finished(run: &Run, job: &JobKey) -> Vec<Effect> {
    if run.leg(job).is_some_and(|leg| leg.asked_runner) {
        return vec![Effect::FinishJob { job: job.clone() }];
    }
    // What it has called gives back first.
    let both = [job.frame(), job.clone()].into_iter();
    both.filter_map(|job| {
        let group = run.group_of(&job)?.clone();
        let job = Some(job);
        Some(Effect::ReleaseGroup { job, group })
    })
    .collect()
}

fn whole_group(run: &Run) -> Option<Effect> {
    let group = run.group.clone()?;
    Some(Effect::ReleaseGroup { job: None, group })
}

fn question(run: &Run, gate: &GateId) -> Vec<Effect> {
    let Some(question) = run.questions.get(gate) else {
        return Vec::new();
    };
    let approval = &question.approval;
    vec![
        Effect::WakeAt {
            at: approval::expires_at(approval),
            timer: TimerKey::ApprovalExpiry { gate: gate.clone() },
        },
        Effect::Notify {
            topic: "approval.requested".to_owned(),
            text: format!(
                "{} waits for an approval of {} ({gate})",
                title(run),
                approval.subject
            ),
        },
    ]
}

fn told(run: &Run, at: Timestamp, outcome: Outcome) -> Effect {
    let word = match outcome {
        Outcome::Succeeded | Outcome::Skipped => "succeeded",
        Outcome::Failed | Outcome::TimedOut | Outcome::RolledBack => "failed",
        Outcome::Faulted => "faulted",
        Outcome::Cancelled | Outcome::Superseded => "cancelled",
    };
    Effect::Notify {
        topic: format!("run.{word}"),
        text: format!(
            "{} {outcome} after {}{}",
            title(run),
            run.lasted(at),
            try_of(run)
        ),
    }
}

/// Which try it was, so that the news of one is not taken for that of another.
fn try_of(run: &Run) -> String {
    match run.attempt() {
        Attempt::FIRST => String::new(),
        attempt => format!(" (attempt {attempt})"),
    }
}

fn title(run: &Run) -> String {
    let name = run.plan().map_or("", |plan| plan.name.as_str());
    format!("run #{} of {name}", run.number().unwrap_or_default())
}
