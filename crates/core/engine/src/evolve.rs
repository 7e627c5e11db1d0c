//! Remembers what happened. Nothing is decided here: an event is a fact, and is never refused.

use std::sync::Arc;

use cutover_model::{
    Timestamp,
    event::RunEvent,
    gate::{Answer, Approval},
    run::{Attempt, JobKey, Outcome, State, StepPath, StepReport, WaitingOn},
};

use crate::{
    job::{Leg, Stop},
    run::{Cancel, Group, Head, Question, Run, Settled},
    step::Step,
};

/// Makes the run what it is after this event.
pub fn evolve(run: &mut Run, at: Timestamp, event: &RunEvent) {
    run.version += 1;
    match event {
        RunEvent::RunCreated {
            run: id,
            number,
            plan,
            trigger,
            vars,
        } => {
            run.head = Some(Arc::new(Head {
                id: id.clone(),
                number: *number,
                plan: plan.as_ref().clone(),
                trigger: trigger.as_ref().clone(),
                vars: vars.clone(),
                created_at: at,
            }));
        }
        RunEvent::RunTainted { taint } => run.taints.push(taint.clone()),
        RunEvent::RunStarted => run.state = State::Running { since: at },
        RunEvent::CancelRequested { by, reason } => run.cancels.push(Cancel {
            by: by.clone(),
            reason: reason.clone(),
        }),
        RunEvent::RunFinished { outcome } => {
            run.state = State::Finished {
                outcome: *outcome,
                at,
            };
        }
        RunEvent::JobExpanded { .. }
        | RunEvent::JobSkipped { .. }
        | RunEvent::JobWaiting { .. }
        | RunEvent::JobStarted { .. }
        | RunEvent::JobStopRequested { .. }
        | RunEvent::JobFinished { .. } => job_event(run, at, event),
        RunEvent::StepStarted { .. }
        | RunEvent::StepSkipped { .. }
        | RunEvent::StepFinished { .. }
        | RunEvent::StepTimedOut { .. }
        | RunEvent::StepLost { .. } => step_event(run, at, event),
        RunEvent::ApprovalRequested { .. }
        | RunEvent::ApprovalGiven { .. }
        | RunEvent::ApprovalRefused { .. }
        | RunEvent::ApprovalExpired { .. } => approval_event(run, at, event),
    }
}

fn job_event(run: &mut Run, at: Timestamp, event: &RunEvent) {
    match event {
        RunEvent::JobExpanded {
            job,
            legs,
            fail_fast,
            max_parallel,
        } => {
            let group = Group::Expanded {
                legs: legs.iter().map(|leg| leg.key.clone()).collect(),
                fail_fast: *fail_fast,
                max_parallel: *max_parallel,
            };
            run.groups.insert(job.clone(), group);
            for leg in legs {
                let state = Arc::new(Leg::new(leg.clone()));
                run.legs.insert(leg.key.clone(), state);
            }
        }
        RunEvent::JobSkipped { job, reason } => {
            let group = Group::Ended {
                outcome: Outcome::Skipped,
                conclusion: Outcome::Skipped,
                reason: reason.clone(),
                at,
            };
            run.groups.insert(job.clone(), group);
        }
        RunEvent::JobWaiting { job, on } => {
            if let Some(leg) = run.leg_mut(job) {
                leg.asked_runner |= matches!(on, WaitingOn::Runner { .. });
                leg.state = State::Waiting {
                    on: on.clone(),
                    since: at,
                };
            }
        }
        RunEvent::JobStarted {
            job,
            attempt,
            runner,
        } => {
            if let Some(leg) = run.leg_mut(job) {
                leg.attempt = *attempt;
                leg.runner = Some(runner.clone());
                leg.started_at = Some(at);
                leg.state = State::Running { since: at };
            }
        }
        RunEvent::JobStopRequested {
            job,
            outcome,
            force,
            reason,
        } => {
            if let Some(leg) = run.leg_mut(job) {
                let since = leg.stop.as_ref().map_or(at, |stop| stop.since);
                leg.stop = Some(Stop {
                    outcome: *outcome,
                    force: *force,
                    reason: reason.clone(),
                    since,
                });
            }
        }
        RunEvent::JobFinished { .. } => job_finished(run, at, event),
        _ => {}
    }
}

fn job_finished(run: &mut Run, at: Timestamp, event: &RunEvent) {
    let RunEvent::JobFinished {
        job,
        outcome,
        conclusion,
        outputs,
        reason,
    } = event
    else {
        return;
    };
    if let Some(leg) = run.leg_mut(job) {
        leg.state = State::Finished {
            outcome: *outcome,
            at,
        };
        leg.conclusion = Some(*conclusion);
        leg.outputs.clone_from(outputs);
        leg.reason.clone_from(reason);
    } else {
        let group = Group::Ended {
            outcome: *outcome,
            conclusion: *conclusion,
            reason: reason.clone().unwrap_or_default(),
            at,
        };
        run.groups.insert(job.job().to_owned(), group);
    }
}

fn step_event(run: &mut Run, at: Timestamp, event: &RunEvent) {
    match event {
        RunEvent::StepStarted {
            job,
            step,
            attempt,
            name,
        } => step_started(run, at, job, step, *attempt, name),
        RunEvent::StepSkipped {
            job,
            step,
            name,
            reason,
        } => {
            if let Some(leg) = run.leg_mut(job) {
                let mut skipped = Step::running(name.clone(), Attempt::FIRST, at);
                skipped.state = State::Finished {
                    outcome: Outcome::Skipped,
                    at,
                };
                skipped.conclusion = Some(Outcome::Skipped);
                skipped.reason = Some(reason.clone());
                leg.steps.insert(step.clone(), skipped);
            }
        }
        RunEvent::StepFinished {
            job,
            step,
            attempt,
            outcome,
            conclusion,
            report,
        } => {
            let ends = [*outcome, *conclusion];
            step_finished(run, at, job, step, *attempt, ends, report);
        }
        RunEvent::StepTimedOut {
            job, step, after, ..
        } => {
            if let Some(step) = run.leg_mut(job).and_then(|leg| leg.steps.get_mut(step)) {
                step.timed_out = Some(*after);
            }
        }
        // What follows from it is said by the event after it.
        RunEvent::StepLost { .. } => {}
        _ => {}
    }
}

fn step_started(
    run: &mut Run,
    at: Timestamp,
    job: &JobKey,
    path: &StepPath,
    attempt: Attempt,
    name: &str,
) {
    let Some(leg) = run.leg_mut(job) else {
        return;
    };
    if let Some(State::Waiting { since, .. }) = leg.steps.get(path).map(|step| &step.state) {
        leg.waited = cutover_model::Duration(leg.waited.0.saturating_add(at.since(*since).0));
    }
    let step = Step::running(name.to_owned(), attempt, at);
    leg.steps.insert(path.clone(), step);
}

fn step_finished(
    run: &mut Run,
    at: Timestamp,
    job: &JobKey,
    path: &StepPath,
    attempt: Attempt,
    [outcome, conclusion]: [Outcome; 2],
    report: &StepReport,
) {
    let name = run
        .spec(job.job())
        .and_then(|spec| crate::step::spec(&spec.steps, path))
        .map(crate::step::plain_name)
        .unwrap_or_default();
    let Some(leg) = run.leg_mut(job) else {
        return;
    };
    // A step whose condition cannot be evaluated ends without having started.
    let step = leg
        .steps
        .entry(path.clone())
        .or_insert_with(|| Step::running(name, attempt, at));
    step.attempt = attempt;
    step.state = State::Finished { outcome, at };
    step.conclusion = Some(conclusion);
    step.report = report.clone();
}

fn approval_event(run: &mut Run, at: Timestamp, event: &RunEvent) {
    match event {
        RunEvent::ApprovalRequested {
            gate,
            job,
            step,
            subject,
            rule,
        } => {
            let question = Question {
                approval: Approval {
                    gate: gate.clone(),
                    subject: subject.clone(),
                    rule: rule.clone(),
                    asked_at: at,
                    given: Vec::new(),
                },
                job: job.clone(),
                step: step.clone(),
                answer: Settled::Open,
            };
            run.questions.insert(gate.clone(), question);
            let waiting = step
                .as_ref()
                .and_then(|path| run.leg_mut(job)?.steps.get_mut(path));
            if let Some(step) = waiting {
                step.gate = Some(gate.clone());
                step.state = State::Waiting {
                    on: WaitingOn::Approval {
                        gate: gate.clone(),
                        subject: subject.clone(),
                    },
                    since: at,
                };
            }
        }
        RunEvent::ApprovalGiven { gate, by, comment } => {
            if let Some(question) = run.questions.get_mut(gate) {
                question.approval.given.push(Answer {
                    by: by.clone(),
                    at,
                    comment: comment.clone(),
                });
            }
        }
        RunEvent::ApprovalRefused { gate, by, comment } => {
            settle(
                run,
                gate,
                Settled::Refused {
                    by: by.clone(),
                    comment: comment.clone(),
                },
            );
        }
        RunEvent::ApprovalExpired { gate } => settle(run, gate, Settled::Expired),
        _ => {}
    }
}

fn settle(run: &mut Run, gate: &cutover_model::GateId, answer: Settled) {
    if let Some(question) = run.questions.get_mut(gate) {
        question.answer = answer;
    }
}
