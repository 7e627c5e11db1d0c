//! Remembers what happened. Nothing is decided here: an event is a fact, and is never refused.

use std::sync::Arc;

use cutover_model::{
    Duration, GateId, Timestamp,
    event::{self, RunEvent},
    gate::{Answer, Approval},
    plan::StepBody,
    run::{Attempt, JobKey, Outcome, State, StepPath, WaitingOn},
};

use crate::{
    background, call, expression, group,
    job::{Leg, Stop},
    post, retry,
    run::{Cancel, Group, Head, Question, Run, Settled},
    scope::Scope,
    step::{self, Step},
};

/// Makes the run what it is after this event.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each kind of event, none of which decides anything"
)]
pub fn evolve(run: &mut Run, at: Timestamp, event: &RunEvent) {
    run.version += 1;
    let version = run.version;
    match event {
        RunEvent::RunCreated {
            run: id,
            number,
            plan,
            trigger,
            vars,
            secrets,
        } => {
            run.head = Some(Arc::new(Head {
                id: id.clone(),
                number: *number,
                plan: plan.as_ref().clone(),
                trigger: trigger.as_ref().clone(),
                vars: vars.clone(),
                secrets: secrets.clone(),
                created_at: at,
            }));
            run.title = title(run);
        }
        RunEvent::RunTainted { taint } => run.taints.push(taint.clone()),
        RunEvent::RunStarted => run.state = State::Running { since: at },
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
            let attempt = run.attempt;
            run.legs
                .extend(legs.iter().map(|leg| new_leg(leg, attempt)));
        }
        RunEvent::JobSkipped { job, reason } => {
            end_group(run, at, job, [Outcome::Skipped; 2], reason);
        }
        RunEvent::JobWaiting { job, on } => job_waiting(run, at, job, on),
        RunEvent::JobCalled { job, inputs } => {
            if let Some(call) = call::called(run, job, inputs) {
                run.calls.insert(job.clone(), Arc::new(call));
            }
            if let Some(leg) = run.leg_mut(job) {
                leg.started_at = Some(at);
                leg.state = State::Running { since: at };
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
                leg.stop = Some(Stop {
                    outcome: *outcome,
                    force: *force,
                    reason: reason.clone(),
                    since: leg.stop.as_ref().map_or(at, |stop| stop.since),
                });
            }
        }
        RunEvent::JobFinished {
            job,
            outcome,
            conclusion,
            outputs,
            environment_url,
            reason,
        } => {
            if let Some(leg) = run.leg_mut(job) {
                leg.environment_url.clone_from(environment_url);
                leg.state = finished(*outcome, at);
                leg.conclusion = Some(*conclusion);
                leg.outputs.clone_from(outputs);
                leg.reason.clone_from(reason);
            } else {
                let why = reason.as_deref().unwrap_or_default();
                end_group(run, at, job.job(), [*outcome, *conclusion], why);
            }
        }
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
                skipped.state = finished(Outcome::Skipped, at);
                skipped.conclusion = Some(Outcome::Skipped);
                skipped.reason = Some(reason.clone());
                skipped.ended = version;
                skipped.shown = Some((version, 0));
                leg.steps.insert(step.clone(), skipped);
            }
        }
        RunEvent::FilesAsked {
            job,
            step,
            patterns,
        } => {
            if let Some(leg) = run.leg_mut(job) {
                leg.hashes.insert((step.clone(), patterns.clone()), None);
            }
        }
        RunEvent::FilesHashed {
            job,
            step,
            patterns,
            digest,
            reason,
        } => {
            let known = digest
                .clone()
                .ok_or_else(|| reason.clone().unwrap_or_default());
            if let Some(leg) = run.leg_mut(job) {
                leg.hashes
                    .insert((step.clone(), patterns.clone()), Some(known));
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
            if let Some(step) = ending_step(run, at, job, step, *attempt) {
                step.attempt = *attempt;
                step.state = finished(*outcome, at);
                step.conclusion = Some(*conclusion);
                step.report = report.clone();
            }
            background::show(run, job, step);
        }
        RunEvent::StepQueued { job, step, name } => {
            if let Some(leg) = run.leg_mut(job) {
                let mut queued = Step::running(name.clone(), Attempt::FIRST, at);
                queued.state = State::Waiting {
                    on: WaitingOn::Background,
                    since: at,
                };
                leg.steps.insert(step.clone(), queued);
            }
        }
        RunEvent::GroupAsked { .. }
        | RunEvent::GroupAwaited { .. }
        | RunEvent::GroupTaken { .. } => group::evolve(run, at, event),
        RunEvent::StepTimedOut {
            job,
            step,
            attempt: _,
            after,
        } => {
            if let Some(step) = run.leg_mut(job).and_then(|leg| leg.steps.get_mut(step)) {
                step.timed_out = Some(*after);
            }
        }
        // What follows from them is said by the event after them.
        RunEvent::StepLost { .. } | RunEvent::StepRetried { .. } => {}
        RunEvent::ApprovalRequested {
            gate,
            job,
            step,
            subject,
            rule,
        } => {
            let approval = Approval {
                gate: gate.clone(),
                subject: subject.clone(),
                rule: rule.clone(),
                asked_at: at,
                given: Vec::new(),
            };
            asked(run, at, job, step.as_ref(), approval);
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
            let (by, comment) = (by.clone(), comment.clone());
            settle(run, gate, Settled::Refused { by, comment });
        }
        RunEvent::ApprovalExpired { gate } => settle(run, gate, Settled::Expired),
        RunEvent::CancelRequested { by, reason } => run.cancels.push(Cancel {
            by: by.clone(),
            reason: reason.clone(),
        }),
        RunEvent::RunFinished { outcome } => run.state = finished(*outcome, at),
        RunEvent::RunRetried {
            by,
            attempt,
            legs,
            jobs,
        } => retry::retried(run, at, (by, *attempt), legs, jobs),
    }
}

fn finished(outcome: Outcome, at: Timestamp) -> State {
    State::Finished { outcome, at }
}

fn new_leg(spec: &event::Leg, attempt: Attempt) -> (JobKey, Arc<Leg>) {
    (spec.key.clone(), Arc::new(Leg::new(spec.clone(), attempt)))
}

fn end_group(
    run: &mut Run,
    at: Timestamp,
    job: &str,
    [outcome, conclusion]: [Outcome; 2],
    reason: &str,
) {
    let group = Group::Ended {
        outcome,
        conclusion,
        reason: reason.to_owned(),
        at,
    };
    run.groups.insert(job.to_owned(), group);
}

fn job_waiting(run: &mut Run, at: Timestamp, job: &JobKey, on: &WaitingOn) {
    if let Some(leg) = run.leg_mut(job) {
        leg.asked_runner |= matches!(on, WaitingOn::Runner { .. });
        leg.state = State::Waiting {
            on: on.clone(),
            since: at,
        };
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
    let ends = run
        .spec(job.job())
        .filter(|spec| {
            let spec = step::spec(&spec.steps, path);
            spec.is_some_and(|spec| matches!(spec.body, StepBody::CancelStep { .. }))
        })
        .map(|spec| background::targets(spec, path));
    let version = run.version;
    let Some(leg) = run.leg_mut(job) else {
        return;
    };
    let before = leg.steps.get(path).filter(|step| step.gate.is_some());
    if let Some(State::Waiting { since, .. }) = before.map(|step| &step.state) {
        leg.waited = Duration(leg.waited.0.saturating_add(at.since(*since).0));
    }
    let mut step = Step::running(name.to_owned(), attempt, at);
    step.begun = version;
    leg.steps.insert(path.clone(), step);
    for target in ends.unwrap_or_default() {
        if let Some(step) = leg.steps.get_mut(&target) {
            step.called_off = !step.state.is_finished();
        }
    }
    post::owe(run, job, path);
}

/// The step that ends; one whose condition could not be evaluated ends without having started.
fn ending_step<'a>(
    run: &'a mut Run,
    at: Timestamp,
    job: &JobKey,
    path: &StepPath,
    attempt: Attempt,
) -> Option<&'a mut Step> {
    let known = run.step(job, path).is_some();
    if !known {
        let spec = run
            .spec(job.job())
            .and_then(|spec| step::spec(&spec.steps, path));
        let name = spec.map(|spec| step::plain_name_at(spec, path));
        let name = name.unwrap_or_default();
        let step = Step::running(name, attempt, at);
        run.leg_mut(job)?.steps.insert(path.clone(), step);
    }
    run.leg_mut(job)?.steps.get_mut(path)
}

fn asked(run: &mut Run, at: Timestamp, job: &JobKey, step: Option<&StepPath>, approval: Approval) {
    let waiting = step.and_then(|path| run.leg_mut(job)?.steps.get_mut(path));
    if let Some(step) = waiting {
        step.gate = Some(approval.gate.clone());
        step.state = State::Waiting {
            on: WaitingOn::Approval {
                gate: approval.gate.clone(),
                subject: approval.subject.clone(),
            },
            since: at,
        };
    }
    let question = Question {
        job: job.clone(),
        step: step.cloned(),
        answer: Settled::Open,
        approval,
    };
    run.questions
        .insert(question.approval.gate.clone(), question);
}

fn settle(run: &mut Run, gate: &GateId, answer: Settled) {
    if let Some(question) = run.questions.get_mut(gate) {
        question.answer = answer;
    }
}

/// What `run-name:` comes to, if that is anything. As written when it cannot be evaluated: a name must
/// not stop a run.
fn title(run: &Run) -> Option<String> {
    let written = run.plan()?.run_name.as_ref()?;
    let text = expression::text(&Scope::workflow(run), written, "");
    let text = text.unwrap_or_else(|_| written.text.clone());
    let line = text.trim().lines().next().unwrap_or_default();
    (!line.is_empty()).then(|| line.to_owned())
}
