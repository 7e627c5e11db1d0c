//! How an event changes what is known. Nothing is decided here: an event that was stored happened.

use std::sync::Arc;

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, DeploymentState, Release, Side, Weight},
    event::DeploymentEvent as Event,
    gate::{Answer, Approval},
    run::{Outcome, WaitingOn},
};

use crate::{
    approval,
    deployment::{Ask, Deployment, Lock, Shift, Undo},
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
        } => deployment.ask_people(Approval {
            gate: gate.clone(),
            subject: subject.clone(),
            rule: rule.clone(),
            asked_at: at,
            given: Vec::new(),
        }),
        Event::ApprovalGiven { by, comment, .. } => deployment.approve(Answer {
            by: by.clone(),
            at,
            comment: comment.clone(),
        }),
        Event::ApprovalRefused { by, comment, .. } => {
            deployment.go_back(false, approval::refused(by, comment.as_deref()));
        }
        Event::ApprovalExpired { .. } => {
            deployment.go_back(false, approval::expired(deployment.approval.as_ref()));
        }
        Event::LockAwaited { holder } => deployment.wait_for_lock(at, holder),
        Event::LockTaken { fence, current } => deployment.take_lock(*fence, current.as_ref()),
        Event::InstancesRequested {
            side,
            count,
            generation,
        } => deployment.request_instances(at, *side, *count, *generation),
        Event::InstancesReady { side, count } => deployment.have_instances(*side, *count),
        Event::InstancesFailed { side, detail } => deployment.miss_instances(*side, detail),
        Event::ShiftRequested { weight, generation } => {
            deployment.request_shift(at, *weight, *generation);
        }
        Event::Shifted { weight, .. } => deployment.shift(at, *weight),
        Event::BakeStarted { step, until } => deployment.bake(*step, *until),
        Event::BakeEnded { step } => {
            deployment.ask = None;
            deployment.progress.baked = step.saturating_add(1);
        }
        Event::TriggerFired { trigger, observed } => {
            deployment.go_back(false, format!("{trigger}: {observed}"));
        }
        Event::AbortRequested { by } => deployment.go_back(true, format!("aborted by `{by}`")),
        Event::Paused { by } => deployment.paused_by = Some(by.clone()),
        Event::Resumed { .. } => deployment.paused_by = None,
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
        } => deployment.request_stop(*side, *remaining, *generation),
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

    fn ask_people(&mut self, approval: Approval) {
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

    fn take_lock(&mut self, fence: u64, current: Option<&Release>) {
        if current.is_some() {
            self.progress.meet_current();
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
        self.ask = Some(Ask::Instances {
            side,
            count,
            generation,
            until: at + patience.unwrap_or_default(),
        });
        let known = self.progress.side_mut(side);
        known.accepting = known.accepting.max(count);
        known.running = known.running.max(count);
        match side {
            // Bringing the current side back is a part of shifting to it.
            Side::Current => self.current_generation = generation,
            Side::Candidate => {
                self.candidate_generation = generation;
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
                // All of it: the last line alone is seldom the one that explains it.
                let lines: Vec<&str> = detail.iter().map(|line| line.trim()).collect();
                let reason = if lines.is_empty() {
                    "the candidate's instances are not healthy: nothing more is known".to_owned()
                } else {
                    format!(
                        "the candidate's instances are not healthy: {}",
                        lines.join("; ")
                    )
                };
                self.go_back(false, reason);
            }
        }
    }

    fn request_shift(&mut self, at: Timestamp, weight: Weight, generation: u64) {
        self.number(generation);
        self.progress.requested = weight;
        self.ask = Some(Ask::Shift { weight, generation });
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

    /// A drain has no number in the log: it takes the next one.
    fn start_drain(&mut self, at: Timestamp, side: Side, count: Option<u32>) {
        let generation = self.generation + 1;
        self.number(generation);
        let known = self.progress.side_mut(side);
        let keep = count.map_or(0, |count| known.accepting.saturating_sub(count));
        known.accepting = keep;
        known.serving = known.serving.min(keep);
        self.ask = Some(Ask::Drain {
            side,
            keep,
            generation,
        });
        self.enter(DeploymentState::Draining { side, since: at });
    }

    fn request_stop(&mut self, side: Side, keep: u32, generation: u64) {
        self.number(generation);
        self.ask = Some(Ask::Stop {
            side,
            keep,
            generation,
        });
    }

    fn finish(&mut self, at: Timestamp, outcome: Outcome, reason: &str) {
        self.ask = None;
        self.paused_by = None;
        self.enter(DeploymentState::Finished {
            outcome,
            reason: reason.to_owned(),
            at,
        });
    }

    /// The first reason stays: what follows from it is not news.
    fn go_back(&mut self, aborted: bool, reason: String) {
        if self.undo.is_none() {
            self.undo = Some(Undo { aborted, reason });
            self.ask = None;
            self.paused_by = None;
        }
    }
}
