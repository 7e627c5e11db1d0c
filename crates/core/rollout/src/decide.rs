//! What an input means: a command is carried out or refused, an observation is believed or is stale.
//!
//! What follows from it without anybody saying more stands in `advance.rs`.

use cutover_model::{
    Duration, Timestamp,
    delivery::{DeploymentSpec, DeploymentState, Release, Side},
    event::DeploymentEvent as Event,
    guard::{Hold, HookVerdict},
    run::WaitingOn,
};

use crate::{
    Input, Refusal, TimerKey, advance, approval,
    check::{self, Consequence},
    command,
    deployment::{Ask, Deployment},
    evolve::evolve,
    hold, strategy,
};

/// Says what has happened. The events are to be stored together; then each is remembered by
/// [`crate::evolve`], and what [`crate::effects`] says after each is to be done.
pub fn decide(deployment: &Deployment, at: Timestamp, input: Input) -> Result<Vec<Event>, Refusal> {
    if command::notice(deployment, &input).is_some() {
        return Ok(Vec::new());
    }
    let mut draft = Draft {
        deployment: deployment.clone(),
        at,
        events: Vec::new(),
    };
    draft.hear(input)?;
    // A stale observation must change nothing, so nothing may follow from it.
    if !draft.events.is_empty() {
        advance::advance(&mut draft);
    }
    Ok(draft.events)
}

/// The events so far, and the deployment as it is after them.
pub(crate) struct Draft {
    pub(crate) deployment: Deployment,
    pub(crate) at: Timestamp,
    events: Vec<Event>,
}

impl Draft {
    pub(crate) fn push(&mut self, event: Event) {
        evolve(&mut self.deployment, self.at, &event);
        self.events.push(event);
    }

    fn hear(&mut self, input: Input) -> Result<(), Refusal> {
        match input {
            Input::Create { spec } => self.create(spec)?,
            Input::Approve { gate, by, comment } => {
                self.push(approval::give(&self.deployment, gate, by, comment)?);
            }
            Input::Reject { gate, by, comment } => {
                self.push(approval::refuse(&self.deployment, gate, by, comment)?);
            }
            Input::Abort { by } => self.abort(by)?,
            Input::Pause { by } => self.pause(by)?,
            Input::Resume { by } => self.resume(by)?,
            Input::Promote { by, full } => self.promote(by, full)?,
            Input::Supersede { by } => self.supersede(by),
            Input::LockBusy { holder } => self.lock_busy(holder),
            Input::Frozen { reason, until } => self.frozen(reason, until),
            Input::LockTaken {
                fence,
                current,
                instances,
                hold,
            } => self.lock_taken(fence, current, instances, hold.as_deref()),
            Input::CheckEnded {
                generation,
                verdict,
                reason,
                after,
            } => self.check_ended(generation, verdict, reason, after),
            Input::Parked { generation } => {
                if let Some(Ask::Park { parked, .. }) = self.answered(generation) {
                    self.push(Event::Parked { parked });
                }
            }
            Input::InstancesReady { side, generation } => self.instances_ready(side, generation),
            Input::InstancesFailed {
                side,
                generation,
                detail,
            } => self.instances_failed(side, generation, detail),
            Input::Shifted { generation } => {
                if let Some(Ask::Shift { weight, .. }) = self.answered(generation) {
                    self.push(Event::Shifted { weight, generation });
                }
            }
            Input::Drained {
                side,
                generation,
                cut_off,
            } => {
                if let Some(Ask::Drain { side: asked, .. }) = self.answered(generation)
                    && asked == side
                {
                    self.push(Event::Drained { side, cut_off });
                }
            }
            Input::InstancesStopped { side, generation } => {
                if let Some(Ask::Stop {
                    side: asked, keep, ..
                }) = self.answered(generation)
                    && asked == side
                {
                    self.push(Event::InstancesStopped {
                        side,
                        remaining: keep,
                    });
                }
            }
            Input::TriggerFired { trigger, observed } => {
                if self.may_go_back() {
                    self.push(Event::TriggerFired { trigger, observed });
                    self.turn_back();
                }
            }
            Input::Judged {
                step,
                until,
                judgement,
                reason,
            } => self.judged(step, until, judgement, &reason),
            Input::GuardHeld { reason } => self.guard_held(&reason),
            Input::Woke { timer } => self.woke(&timer),
        }
        Ok(())
    }

    /// The open ask, if this generation is its.
    fn answered(&self, generation: u64) -> Option<Ask> {
        let ask = self.deployment.ask.clone()?;
        let asked = match ask {
            Ask::Instances { generation, .. }
            | Ask::Shift { generation, .. }
            | Ask::Drain { generation, .. }
            | Ask::Check { generation, .. }
            | Ask::Park { generation, .. }
            | Ask::Stop { generation, .. } => generation,
            Ask::Bake { .. } | Ask::CheckAgain { .. } => return None,
        };
        (asked == generation).then_some(ask)
    }

    /// Whether it is under way and not yet on its way back.
    pub(crate) fn may_go_back(&self) -> bool {
        let deployment = &self.deployment;
        deployment.lock.is_some() && deployment.undo.is_none() && !deployment.is_finished()
    }

    fn wants_lock(&self) -> bool {
        let deployment = &self.deployment;
        deployment.spec.is_some()
            && deployment.lock.is_none()
            && deployment.may_begin()
            && deployment.undo.is_none()
            && !deployment.is_finished()
    }

    fn create(&mut self, spec: Box<DeploymentSpec>) -> Result<(), Refusal> {
        if self.deployment.spec.is_some() {
            return Err(Refusal("it has begun already".to_owned()));
        }
        if let Some(objection) = strategy::objection(&spec.strategy, spec.target.instances()) {
            return Err(Refusal(objection));
        }
        self.push(Event::DeploymentCreated { spec });
        Ok(())
    }

    /// Says that traffic goes back, when some has moved and there is a side to go back to.
    pub(crate) fn turn_back(&mut self) {
        let progress = &self.deployment.progress;
        if !(progress.has_current && progress.has_traffic()) {
            return;
        }
        if let Some(undo) = &self.deployment.undo {
            let reason = undo.reason.clone();
            self.push(Event::RollbackStarted { reason });
        }
    }

    fn lock_busy(&mut self, holder: String) {
        let is_news = !matches!(
            self.deployment.state(),
            DeploymentState::Waiting {
                on: WaitingOn::Lock { holder: known, .. },
                ..
            } if *known == holder
        );
        if self.wants_lock() && is_news {
            self.push(Event::LockAwaited { holder });
        }
    }

    fn frozen(&mut self, reason: String, until: Option<Timestamp>) {
        let is_known = matches!(
            self.deployment.state(),
            DeploymentState::Waiting {
                on: WaitingOn::Freeze { reason: known, until: then, .. },
                ..
            } if *known == reason && *then == until
        );
        if self.wants_lock() && !is_known {
            self.push(Event::FreezeAwaited { reason, until });
        }
    }

    fn lock_taken(
        &mut self,
        fence: u64,
        current: Option<Box<Release>>,
        instances: Option<u32>,
        hold: Option<&Hold>,
    ) {
        let Some(spec) = self.deployment.spec.clone().filter(|_| self.wants_lock()) else {
            return;
        };
        self.push(Event::LockTaken {
            fence,
            current,
            instances,
        });
        if let Some(reason) = hold.and_then(|hold| hold::objection(hold, &spec)) {
            self.push(Event::HoldMet { reason });
        }
    }

    fn check_ended(
        &mut self,
        generation: u64,
        verdict: HookVerdict,
        reason: String,
        after: Option<Duration>,
    ) {
        let Some(Ask::Check {
            check,
            attempt,
            errors,
            ..
        }) = self.answered(generation)
        else {
            return;
        };
        let Some(spec) = self.deployment.spec.clone() else {
            return;
        };
        let terms = check::terms(&spec.guards, &check);
        let consequence = match check::consequence(&terms, verdict, errors, after) {
            Consequence::AskAgain(_) if self.was_told_long_enough(&spec) => Consequence::GoOn,
            consequence => consequence,
        };
        let again_at = match consequence {
            Consequence::AskAgain(pause) => Some(self.at + pause),
            Consequence::GoOn | Consequence::GoBack | Consequence::Pause => None,
        };
        let said = format!("{} says {}: {reason}", terms.name, verdict.word());
        self.push(Event::CheckEnded {
            check,
            attempt,
            verdict,
            reason,
            again_at,
        });
        match consequence {
            Consequence::Pause if self.deployment.paused.is_none() => {
                self.push(Event::Paused { by: said });
            }
            Consequence::GoBack => self.fail(said),
            Consequence::GoOn | Consequence::Pause | Consequence::AskAgain(_) => {}
        }
    }

    /// The way back has no deadline, and what it tells at its end decides nothing: whoever answers
    /// "later" for ever must not keep the lock for ever.
    fn was_told_long_enough(&self, spec: &DeploymentSpec) -> bool {
        let limit = spec.guards.progress_deadline;
        self.deployment.undo.is_some() && self.at >= self.deployment.asked_at + limit
    }

    /// A check said no. What was said stands in the log twice: as an answer, and as the reason.
    fn fail(&mut self, reason: String) {
        if self.may_go_back() {
            self.push(Event::CheckFailed { reason });
            self.turn_back();
        }
    }

    fn instances_ready(&mut self, side: Side, generation: u64) {
        if let Some(Ask::Instances {
            side: asked, count, ..
        }) = self.answered(generation)
            && asked == side
        {
            self.push(Event::InstancesReady { side, count });
        }
    }

    /// Also heard when nothing was asked: an instance may die at any time. Only the latest ask for
    /// instances of that side counts.
    fn instances_failed(&mut self, side: Side, generation: u64, detail: Vec<String>) {
        let deployment = &self.deployment;
        let is_latest = deployment.instances_generation(side) == generation;
        let is_under_way = deployment.lock.is_some() && !deployment.is_finished();
        let is_news = match side {
            Side::Current => deployment.progress.has_current && self.is_news_of_current(),
            Side::Candidate => generation > 0 && !deployment.progress.candidate_is_sick,
        };
        if is_latest && is_under_way && is_news {
            let turns_back = side == Side::Candidate && deployment.undo.is_none();
            self.push(Event::InstancesFailed { side, detail });
            if turns_back {
                self.turn_back();
            }
        }
    }

    /// The answer to an ask always is; a death only when the side was thought to be well.
    fn is_news_of_current(&self) -> bool {
        let asked = matches!(
            self.deployment.ask,
            Some(Ask::Instances {
                side: Side::Current,
                ..
            })
        );
        asked || !self.deployment.progress.current_is_sick
    }

    fn woke(&mut self, timer: &TimerKey) {
        match timer {
            TimerKey::StartTimeout { generation } => {
                if let Some(Ask::Instances { side, .. }) = self.answered(*generation) {
                    let patience = self.deployment.spec().map(|spec| spec.start_timeout);
                    let detail = vec![format!(
                        "not healthy within {}",
                        patience.unwrap_or_default()
                    )];
                    self.instances_failed(side, *generation, detail);
                }
            }
            TimerKey::Bake { step } => self.bake_rang(*step),
            TimerKey::CheckTimeout { generation } => self.check_timed_out(*generation),
            TimerKey::CheckAgain { generation } => self.check_again(*generation),
            TimerKey::Deadline { generation } => self.deadline_rang(*generation),
            TimerKey::PauseLimit { since } => self.pause_rang(*since),
            TimerKey::ApprovalExpiry => {
                if let Some(event) = approval::expire(&self.deployment) {
                    self.push(event);
                }
            }
        }
    }

    fn bake_rang(&mut self, rang: u32) {
        let Some(Ask::Bake { step, until }) = self.deployment.ask else {
            return;
        };
        if step != rang || self.deployment.paused.is_some() {
            return;
        }
        if self.deployment.is_judged(step) {
            // The judge has the word.
        } else if self.at >= until {
            advance::end_bake(self, step);
        } else {
            // The ring belongs to a bake before a pause, or the clock was set back: ring again.
            advance::bake_until(self, step, until);
        }
    }

    fn check_timed_out(&mut self, generation: u64) {
        if let Some(Ask::Check { check, .. }) = self.answered(generation) {
            let guards = self.deployment.spec().map(|spec| spec.guards.clone());
            let terms = check::terms(&guards.unwrap_or_default(), &check);
            let reason = format!("no answer within {}", terms.timeout);
            self.check_ended(generation, HookVerdict::Error, reason, None);
        }
    }

    fn check_again(&mut self, follows: u64) {
        let Some(Ask::CheckAgain {
            check,
            attempt,
            generation,
            ..
        }) = self.deployment.ask.clone()
        else {
            return;
        };
        if generation == follows && self.deployment.paused.is_none() {
            let generation = self.deployment.generation + 1;
            self.push(Event::CheckStarted {
                check,
                attempt,
                generation,
            });
        }
    }
}
