//! How an event changes what is known. Nothing is decided here: an event that was stored happened.

use std::sync::Arc;

use cutover_model::{
    GateId, Timestamp,
    delivery::{DeploymentSpec, DeploymentState, Judgement, Release, Side, Weight},
    event::{Check, DeploymentEvent as Event},
    gate::{Answer, Approval, ApprovalRule},
    guard::HookVerdict,
    run::{Outcome, WaitingOn},
};

use crate::{
    approval, check,
    deployment::{Ask, Deployment, Lock, Paused, Said, Shift, Undo},
    progress::Progress,
};

/// Remembers an event.
pub fn evolve(deployment: &mut Deployment, at: Timestamp, event: &Event) {
    match event {
        Event::DeploymentCreated { spec } => {
            deployment.create(spec);
            deployment.created_at = Some(at);
        }
        Event::ApprovalRequested {
            gate,
            subject,
            rule,
        } => deployment.ask_people(at, gate, subject, rule),
        Event::ApprovalGiven { by, comment, .. } => deployment.approve(Answer {
            by: by.clone(),
            at,
            comment: comment.clone(),
        }),
        Event::ApprovalRefused { by, comment, .. } => {
            deployment.go_back(None, approval::refused(by, comment.as_deref()));
        }
        Event::ApprovalExpired { .. } => {
            deployment.go_back(None, approval::expired(deployment.approval.as_ref()));
        }
        Event::LockAwaited { holder } => deployment.wait_for_lock(at, holder),
        Event::FreezeAwaited { reason, until } => deployment.wait_for_thaw(at, reason, *until),
        Event::LockTaken {
            fence,
            current,
            instances,
        } => deployment.take_lock(*fence, current.as_deref(), *instances),
        Event::HoldMet { reason } | Event::CheckFailed { reason } => {
            deployment.go_back(None, reason.clone());
        }
        Event::InstancesRequested {
            side,
            count,
            generation,
        } => deployment.request_instances(at, *side, *count, *generation),
        Event::InstancesReady { side, count } => deployment.have_instances(*side, *count),
        Event::InstancesFailed { side, detail } => deployment.miss_instances(*side, detail),
        Event::CheckStarted {
            check,
            attempt,
            generation,
        } => deployment.ask_check(at, check, *attempt, *generation),
        Event::CheckEnded {
            check,
            attempt,
            verdict,
            reason,
            again_at,
        } => deployment.hear_check(at, check, *attempt, *verdict, reason, *again_at),
        Event::ParkRequested { parked, generation } => {
            deployment.request_park(at, *parked, *generation);
        }
        Event::Parked { parked } => {
            deployment.ask = None;
            deployment.progress.is_parked = *parked;
        }
        Event::ShiftRequested { weight, generation } => {
            deployment.request_shift(at, *weight, *generation);
        }
        Event::Shifted { weight, .. } => deployment.shift(at, *weight),
        Event::BakeStarted { step, until } => deployment.bake(*step, *until),
        Event::BakeEnded { step } => deployment.end_bake(*step),
        Event::StepJudged {
            step,
            judgement,
            reason,
        } => deployment.hear_judge(*step, *judgement, reason),
        Event::Overdue { left_behind, .. } => deployment.give_up(*left_behind),
        Event::TriggerFired { .. }
        | Event::DeadlinePassed { .. }
        | Event::Superseded { .. }
        | Event::AbortRequested { .. } => deployment.turn_round(event),
        Event::Paused { by } => deployment.pause(at, by),
        Event::Resumed { .. } => deployment.go_on(at),
        Event::Promoted { full, .. } => deployment.promote(at, *full),
        Event::RollbackStarted { .. } => deployment.enter(DeploymentState::Shifting {
            weight: Weight::NONE,
            since: at,
        }),
        Event::DrainStarted { side, count } => deployment.start_drain(at, *side, *count),
        Event::Drained { cut_off, .. } => {
            deployment.ask = None;
            deployment.cut_off = deployment.cut_off.saturating_add(*cut_off);
        }
        Event::StopRequested {
            side,
            remaining,
            generation,
        } => deployment.request_stop(at, *side, *remaining, *generation),
        Event::InstancesStopped { side, remaining } => {
            deployment.ask = None;
            deployment.progress.side_mut(*side).running = *remaining;
        }
        Event::DeploymentFinished { outcome, reason } => deployment.finish(at, *outcome, reason),
    }
}

impl Deployment {
    fn enter(&mut self, state: DeploymentState) {
        self.phase.0 = state;
    }

    fn number(&mut self, generation: u64) {
        self.generation = self.generation.max(generation);
    }

    fn create(&mut self, spec: &DeploymentSpec) {
        self.progress = Progress::new(spec.target.instances());
        self.spec = Some(Arc::new(spec.clone()));
    }

    fn ask_people(&mut self, at: Timestamp, gate: &GateId, subject: &str, rule: &ApprovalRule) {
        let approval = Approval {
            gate: gate.clone(),
            subject: subject.to_owned(),
            rule: rule.clone(),
            asked_at: at,
            given: Vec::new(),
        };
        self.enter(DeploymentState::Waiting {
            on: WaitingOn::Approval {
                gate: approval.gate.clone(),
                subject: approval.subject.clone(),
            },
            since: approval.asked_at,
        });
        self.approval = Some(approval);
    }

    fn approve(&mut self, answer: Answer) {
        if let Some(approval) = &mut self.approval {
            approval.given.push(answer);
            if approval.is_open() {
                self.enter(DeploymentState::Pending);
            }
        }
    }

    fn wait_for_lock(&mut self, at: Timestamp, holder: &str) {
        let since = if let DeploymentState::Waiting {
            on: WaitingOn::Lock { .. },
            since,
        } = self.state()
        {
            *since
        } else {
            at
        };
        let environment = self.spec().map(|spec| spec.environment.clone());
        self.enter(DeploymentState::Waiting {
            on: WaitingOn::Lock {
                environment: environment.unwrap_or_default(),
                holder: holder.to_owned(),
            },
            since,
        });
    }

    fn wait_for_thaw(&mut self, at: Timestamp, reason: &str, until: Option<Timestamp>) {
        let environment = self.spec().map(|spec| spec.environment.clone());
        self.enter(DeploymentState::Waiting {
            on: WaitingOn::Freeze {
                environment: environment.unwrap_or_default(),
                reason: reason.to_owned(),
                until,
            },
            since: at,
        });
    }

    fn take_lock(&mut self, fence: u64, current: Option<&Release>, instances: Option<u32>) {
        if current.is_some() {
            // None of them would be no side at all; what was not counted was as large as ours.
            let before = instances.unwrap_or(self.progress.instances).max(1);
            self.progress.meet_current(before);
        }
        self.lock = Some(Lock {
            fence,
            current: current.cloned(),
        });
        self.enter(DeploymentState::Pending);
    }

    fn request_instances(&mut self, at: Timestamp, side: Side, count: u32, generation: u64) {
        self.number(generation);
        let patience = self.spec().map(|spec| spec.start_timeout);
        let until = at + patience.unwrap_or_default();
        let ask = Ask::Instances {
            side,
            count,
            generation,
            until,
        };
        self.expect(at, ask);
        let known = self.progress.side_mut(side);
        known.accepting = known.accepting.max(count);
        known.running = known.running.max(count);
        match side {
            // Bringing the current side back is a part of shifting to it.
            Side::Current => self.current_generation = generation,
            Side::Candidate => {
                self.candidate_generation = generation;
                // It was said of others.
                self.passed.remove(&Check::Smoke);
                self.enter(DeploymentState::Provisioning { since: at });
            }
        }
    }

    fn have_instances(&mut self, side: Side, count: u32) {
        self.ask = None;
        self.progress.side_mut(side).serving = count;
        if side == Side::Current {
            self.progress.current_is_sick = false;
        }
    }

    fn miss_instances(&mut self, side: Side, detail: &[String]) {
        let was_asked =
            matches!(&self.ask, Some(Ask::Instances { side: asked, .. }) if *asked == side);
        match side {
            Side::Current => {
                self.progress.current_is_sick = true;
                if was_asked {
                    self.ask = None;
                    self.progress.failed_restores += 1;
                }
            }
            Side::Candidate => {
                self.progress.candidate_is_sick = true;
                let first = detail.first().map(String::as_str);
                let reason = format!(
                    "the candidate's instances are not healthy: {}",
                    first.unwrap_or("nothing more is known")
                );
                self.detail = detail.to_vec();
                self.go_back(None, reason);
            }
        }
    }

    fn request_shift(&mut self, at: Timestamp, weight: Weight, generation: u64) {
        self.number(generation);
        self.progress.requested = weight;
        self.expect(at, Ask::Shift { weight, generation });
        self.enter(DeploymentState::Shifting { weight, since: at });
    }

    fn shift(&mut self, at: Timestamp, weight: Weight) {
        self.ask = None;
        self.progress.weight = weight;
        self.shifts.push(Shift { at, weight });
    }

    fn bake(&mut self, step: u32, until: Timestamp) {
        self.ask = Some(Ask::Bake { step, until });
        let weight = self.progress.weight;
        self.enter(DeploymentState::Baking { weight, until });
    }

    fn ask_check(&mut self, at: Timestamp, check: &Check, attempt: u32, generation: u64) {
        self.number(generation);
        let errors = match &self.ask {
            Some(Ask::CheckAgain { errors, .. }) => *errors,
            _ => 0,
        };
        let is_first = !matches!(self.ask, Some(Ask::CheckAgain { .. }));
        let ask = Ask::Check {
            check: check.clone(),
            attempt,
            errors,
            generation,
        };
        if is_first {
            self.expect(at, ask);
        } else {
            // All tries together have the time of one question.
            self.ask = Some(ask);
        }
        let guards = self.spec().map(|spec| spec.guards.clone());
        let what = check::terms(&guards.unwrap_or_default(), check).name;
        self.enter(DeploymentState::Checking { what, since: at });
    }

    fn hear_check(
        &mut self,
        at: Timestamp,
        check: &Check,
        attempt: u32,
        verdict: HookVerdict,
        reason: &str,
        again_at: Option<Timestamp>,
    ) {
        let asked = self.ask.take();
        self.said.push(Said {
            at,
            check: check.clone(),
            attempt,
            verdict,
            reason: reason.to_owned(),
        });
        let Some(at) = again_at else {
            self.passed.insert(check.clone());
            return;
        };
        let errors = match asked {
            Some(Ask::Check { errors, .. }) => errors,
            _ => 0,
        };
        self.ask = Some(Ask::CheckAgain {
            check: check.clone(),
            attempt: attempt.saturating_add(1),
            errors: errors + u32::from(verdict == HookVerdict::Error),
            generation: self.generation,
            at,
        });
    }

    fn request_park(&mut self, at: Timestamp, parked: bool, generation: u64) {
        self.number(generation);
        // Until the answer has come, they may wait.
        self.progress.is_parked = true;
        self.expect(at, Ask::Park { parked, generation });
        let weight = self.progress.weight;
        self.enter(DeploymentState::Shifting { weight, since: at });
    }

    fn pause(&mut self, at: Timestamp, by: &str) {
        self.paused = Some(Paused {
            by: by.to_owned(),
            since: at,
        });
    }

    fn promote(&mut self, at: Timestamp, full: bool) {
        self.go_on(at);
        self.progress.is_full |= full;
    }

    /// What was waited for when a pause began has had the time that passed before it.
    fn go_on(&mut self, at: Timestamp) {
        if let Some(paused) = self.paused.take() {
            self.asked_at = self.asked_at + at.since(paused.since);
        }
    }

    fn expect(&mut self, at: Timestamp, ask: Ask) {
        self.ask = Some(ask);
        self.asked_at = at;
    }

    fn end_bake(&mut self, step: u32) {
        self.ask = None;
        self.progress.baked = step.saturating_add(1);
    }

    /// A drain has no number in the log: it takes the next one.
    fn start_drain(&mut self, at: Timestamp, side: Side, count: Option<u32>) {
        let generation = self.generation + 1;
        self.number(generation);
        let known = self.progress.side_mut(side);
        let keep = count.map_or(0, |count| known.accepting.saturating_sub(count));
        known.accepting = keep;
        known.serving = known.serving.min(keep);
        let ask = Ask::Drain {
            side,
            keep,
            generation,
        };
        self.expect(at, ask);
        self.enter(DeploymentState::Draining { side, since: at });
    }

    fn request_stop(&mut self, at: Timestamp, side: Side, keep: u32, generation: u64) {
        self.number(generation);
        let ask = Ask::Stop {
            side,
            keep,
            generation,
        };
        self.expect(at, ask);
    }

    fn hear_judge(&mut self, step: u32, judgement: Judgement, reason: &str) {
        match judgement {
            Judgement::Promote => {}
            Judgement::Pause => self.held_step = Some(step),
            Judgement::Rollback => self.go_back(None, format!("the judge: {reason}")),
        }
    }

    /// Something or somebody wants it taken back.
    fn turn_round(&mut self, event: &Event) {
        let (outcome, reason) = match event {
            Event::TriggerFired { trigger, observed } => (None, format!("{trigger}: {observed}")),
            Event::DeadlinePassed { waited_for } => {
                (None, format!("no progress: it waited for {waited_for}"))
            }
            Event::Superseded { by } => (Some(Outcome::Superseded), format!("superseded by {by}")),
            Event::AbortRequested { by } => {
                (Some(Outcome::Cancelled), format!("aborted by `{by}`"))
            }
            _ => return,
        };
        self.go_back(outcome, reason);
    }

    /// What leaves too slowly is not waited for any longer; all else still is.
    fn give_up(&mut self, left_behind: Option<Side>) {
        self.overdue = Some(self.generation);
        if let Some(side) = left_behind {
            self.left_behind.insert(side);
        }
        // A drain is the balancer's, which keeps its own time: what has not drained is not stopped.
        if let Some(Ask::Stop { side, keep, .. }) = self.ask {
            self.ask = None;
            self.progress.side_mut(side).running = keep;
        }
    }

    fn finish(&mut self, at: Timestamp, outcome: Outcome, reason: &str) {
        self.ask = None;
        self.paused = None;
        self.enter(DeploymentState::Finished {
            outcome,
            reason: reason.to_owned(),
            at,
        });
    }

    /// The first reason stays: what follows from it is not news.
    fn go_back(&mut self, outcome: Option<Outcome>, reason: String) {
        if self.undo.is_none() {
            self.undo = Some(Undo { outcome, reason });
            self.ask = None;
            self.paused = None;
        }
    }
}
