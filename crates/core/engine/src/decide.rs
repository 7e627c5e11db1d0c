//! Says what happens: an input meets the state of a run, and becomes events.

use cutover_model::{
    Timestamp,
    event::RunEvent,
    gate::ApprovalRule,
    plan::Plan,
    run::{Attempt, JobKey, Outcome, State, StepPath, StepReport, WaitingOn},
    source::{Taint, Trust},
};

use crate::{
    Input, Refusal, approval, condition, evolve, group, job, retry, run::Run, schedule, step,
    timeout,
};

/// A run as it will be, and the events that make it so.
pub(crate) struct Draft {
    pub(crate) run: Run,
    pub(crate) at: Timestamp,
    pub(crate) events: Vec<RunEvent>,
}

impl Draft {
    /// Says that something happens; from now on it has.
    pub(crate) fn say(&mut self, event: RunEvent) {
        evolve(&mut self.run, self.at, &event);
        self.events.push(event);
    }
}

/// What happens because of this input. Commands may be refused; an observation that tells nothing
/// new gives no events.
pub fn decide(run: &Run, at: Timestamp, input: Input) -> Result<Vec<RunEvent>, Refusal> {
    let mut draft = Draft {
        run: run.clone(),
        at,
        events: Vec::new(),
    };
    hear(&mut draft, input)?;
    if !draft.events.is_empty() {
        schedule::advance(&mut draft);
    }
    Ok(draft.events)
}

fn hear(draft: &mut Draft, input: Input) -> Result<(), Refusal> {
    match input {
        Input::Create {
            run,
            number,
            plan,
            trigger,
            vars,
            secrets,
        } => {
            may_begin(draft, &plan)?;
            begin(
                draft,
                RunEvent::RunCreated {
                    run,
                    number,
                    plan,
                    trigger,
                    vars,
                    secrets: Some(secrets),
                },
            );
        }
        Input::Approve { gate, by, comment } => {
            return approval::answer(draft, &gate, true, by, comment);
        }
        Input::Reject { gate, by, comment } => {
            return approval::answer(draft, &gate, false, by, comment);
        }
        Input::Cancel { by, reason } => {
            must_be_live(&draft.run)?;
            schedule::cancel(draft, by, reason);
        }
        Input::Retry { by, legs } => return retry::retry(draft, by, legs),
        Input::StepAgain {
            job,
            step,
            attempt,
            by,
        } => {
            if is_done_at_the_edge(&draft.run, &job, &step, attempt) {
                again(draft, &job, &step, attempt, by);
            }
        }
        Input::RunnerAssigned { job, runner } => {
            let waits = draft.run.leg(&job).filter(|leg| {
                let on_runner = matches!(
                    leg.state,
                    State::Waiting {
                        on: WaitingOn::Runner { .. },
                        ..
                    }
                );
                on_runner && leg.stop.is_none()
            });
            if let Some(attempt) = waits.map(|leg| leg.attempt) {
                draft.say(RunEvent::JobStarted {
                    job,
                    attempt,
                    runner,
                });
            }
        }
        Input::StepExited {
            job,
            step,
            attempt,
            outcome,
            report,
        } => {
            if is_done_at_the_edge(&draft.run, &job, &step, attempt) {
                exited(draft, &job, &step, attempt, outcome, report);
            }
        }
        Input::StepLost {
            job,
            step,
            attempt,
            retry_safe,
            reason,
        } => {
            if is_done_at_the_edge(&draft.run, &job, &step, attempt) {
                lost(draft, &job, &step, attempt, retry_safe, &reason);
            }
        }
        Input::ApprovalNeeded {
            job,
            step,
            attempt,
            subject,
            rule,
        } => {
            if is_done_at_the_edge(&draft.run, &job, &step, attempt) {
                asked(draft, &job, &step, attempt, subject, rule);
            }
        }
        Input::FilesHashed {
            job,
            step,
            patterns,
            digest,
        } => hashed(draft, job, (step, patterns), digest),
        Input::GroupTaken { job } => group::taken(draft, job),
        Input::GroupHeld { job, holder } => group::held(draft, job, holder),
        Input::GroupLost { job, by } => group::lost(draft, job, &by),
        Input::Woke { timer } => timeout::woke(draft, &timer),
    }
    Ok(())
}

/// A person wants a step that failed done once more. What is being ended anyway is not begun again.
fn again(draft: &mut Draft, job: &JobKey, step: &StepPath, attempt: Attempt, by: String) {
    if retry::may_again(&draft.run, job, step) {
        retry::again(draft, job, step, attempt, by);
    } else {
        let report = StepReport::default();
        exited(draft, job, step, attempt, Outcome::Cancelled, report);
    }
}

/// A built-in action wants a person's yes. Nobody is asked for what is being ended anyway.
fn asked(
    draft: &mut Draft,
    job: &JobKey,
    step: &StepPath,
    attempt: Attempt,
    subject: String,
    rule: ApprovalRule,
) {
    let stop = draft.run.leg(job).and_then(|leg| leg.stop.clone());
    match stop {
        Some(stop) => {
            let report = step::because(&stop.reason);
            exited(draft, job, step, attempt, Outcome::Cancelled, report);
        }
        None if condition::is_stopping(&draft.run, job, step) => {
            let report = StepReport::default();
            exited(draft, job, step, attempt, Outcome::Cancelled, report);
        }
        None => approval::ask(draft, job, step, subject, rule),
    }
}

/// The digest that a condition asked for has come, or the reason why there is none; counts once, and
/// not for a leg that has ended without it.
fn hashed(draft: &mut Draft, job: JobKey, asked: job::Asked, digest: Result<String, String>) {
    let waits = draft
        .run
        .leg(&job)
        .is_some_and(|leg| !leg.state.is_finished() && leg.hashes.get(&asked) == Some(&None));
    if !waits {
        return;
    }
    let (step, patterns) = asked;
    let (digest, reason) = match digest {
        Ok(digest) => (Some(digest), None),
        Err(reason) => (None, Some(reason)),
    };
    draft.say(RunEvent::FilesHashed {
        job,
        step,
        patterns,
        digest,
        reason,
    });
}

/// Whether there may be such a run.
fn may_begin(draft: &Draft, plan: &Plan) -> Result<(), Refusal> {
    if let Some(id) = draft.run.id() {
        return Err(Refusal(format!("`{id}` has already begun")));
    }
    for spec in &plan.jobs {
        if let Some(need) = spec.needs.iter().find(|need| plan.job(need).is_none()) {
            return Err(Refusal(format!(
                "job `{}` needs `{need}`, which the plan does not have",
                spec.id
            )));
        }
    }
    Ok(())
}

fn begin(draft: &mut Draft, created: RunEvent) {
    draft.say(created);
    let taint = draft
        .run
        .trigger()
        .and_then(|trigger| match &trigger.trust {
            Trust::Trusted => None,
            Trust::Untrusted(_) => Some(Taint::Sources {
                git_ref: trigger.git_ref.clone(),
                revision: trigger.revision.clone(),
            }),
        });
    if let Some(taint) = taint {
        draft.say(RunEvent::RunTainted { taint });
    }
    if group::begin(draft) {
        draft.say(RunEvent::RunStarted);
    }
}

fn must_be_live(run: &Run) -> Result<(), Refusal> {
    match (run.id(), run.state().outcome()) {
        (None, _) => Err(Refusal("there is no such run".to_owned())),
        (Some(id), Some(outcome)) => Err(Refusal(format!("`{id}` has already ended: {outcome}"))),
        (Some(_), None) => Ok(()),
    }
}

/// Whether this very try of a step is being done, and not by us: an action made of steps never is.
fn is_done_at_the_edge(run: &Run, key: &JobKey, path: &StepPath, attempt: Attempt) -> bool {
    let running = run
        .step(key, path)
        .is_some_and(|step| step.is_running(attempt));
    running
        && run
            .spec(key.job())
            .and_then(|spec| step::spec(&spec.steps, path))
            .is_some_and(step::is_leaf)
}

fn exited(
    draft: &mut Draft,
    key: &JobKey,
    path: &StepPath,
    attempt: Attempt,
    outcome: Outcome,
    mut report: StepReport,
) {
    let timed_out = draft.run.step(key, path).and_then(|step| step.timed_out);
    let outcome = match timed_out {
        Some(after) => {
            report
                .reasons
                .insert(0, format!("took longer than {after}"));
            Outcome::TimedOut
        }
        // What we asked to end has been ended, whatever its process made of the signal.
        None if outcome != Outcome::Succeeded && condition::is_stopping(&draft.run, key, path) => {
            Outcome::Cancelled
        }
        None => outcome,
    };
    step::end(draft, key, path, attempt, outcome, report);
}

fn lost(
    draft: &mut Draft,
    key: &JobKey,
    path: &StepPath,
    attempt: Attempt,
    retry_safe: bool,
    reason: &str,
) {
    let ending = condition::is_stopping(&draft.run, key, path);
    let name = draft.run.step(key, path).map(|step| step.name.clone());
    draft.say(RunEvent::StepLost {
        job: key.clone(),
        step: path.clone(),
        attempt,
        reason: reason.to_owned(),
    });
    if ending {
        exited(
            draft,
            key,
            path,
            attempt,
            Outcome::Cancelled,
            step::because(reason),
        );
    } else if retry_safe {
        draft.say(RunEvent::StepStarted {
            job: key.clone(),
            step: path.clone(),
            attempt: attempt.next(),
            name: name.unwrap_or_default(),
        });
    } else {
        step::end(
            draft,
            key,
            path,
            attempt,
            Outcome::Faulted,
            step::because(reason),
        );
    }
}
