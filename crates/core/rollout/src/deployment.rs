//! What is known of a deployment: the sum of its events, and the questions it answers.
//!
//! How an event changes it stands in `evolve.rs`.

use std::{collections::BTreeSet, sync::Arc};

use cutover_model::{
    Duration, Timestamp,
    delivery::{DeploymentSpec, DeploymentState, Release, Side, Weight},
    event::Check,
    gate::Approval,
    run::Outcome,
};

use crate::{progress::Progress, strategy};

/// One deployment. The default is one that has not been created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployment {
    pub(crate) spec: Option<Arc<DeploymentSpec>>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) phase: Phase,
    pub(crate) approval: Option<Approval>,
    pub(crate) lock: Option<Lock>,
    pub(crate) progress: Progress,
    pub(crate) generation: u64,
    pub(crate) candidate_generation: u64,
    pub(crate) current_generation: u64,
    pub(crate) ask: Option<Ask>,
    /// Since when the open ask is waited for, pauses taken away.
    pub(crate) asked_at: Timestamp,
    /// What has had its say, or is not to be asked any more.
    pub(crate) passed: BTreeSet<Check>,
    /// What has been said, oldest first.
    pub(crate) said: Vec<Said>,
    pub(crate) shifts: Vec<Shift>,
    pub(crate) cut_off: u64,
    pub(crate) paused: Option<Paused>,
    pub(crate) undo: Option<Undo>,
    /// The step that the judge has held in its middle: once is enough.
    pub(crate) held_step: Option<u32>,
    /// The ask that has been told to take too long.
    pub(crate) overdue: Option<u64>,
    /// Sides whose instances did not leave in time.
    pub(crate) left_behind: BTreeSet<Side>,
    pub(crate) detail: Vec<String>,
}

/// The state as others see it. A newtype only so that it has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phase(pub(crate) DeploymentState);

impl Default for Phase {
    fn default() -> Self {
        Self(DeploymentState::Pending)
    }
}

/// The environment is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) fence: u64,
    pub(crate) current: Option<Release>,
}

/// What was asked for last and has not been answered. There is one at a time: a rollback drops the
/// one that is open, and its answer no longer matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Instances {
        side: Side,
        count: u32,
        generation: u64,
        /// When patience ends.
        until: Timestamp,
    },
    Shift {
        weight: Weight,
        generation: u64,
    },
    Drain {
        side: Side,
        keep: u32,
        generation: u64,
    },
    Stop {
        side: Side,
        keep: u32,
        generation: u64,
    },
    Bake {
        step: u32,
        until: Timestamp,
    },
    Check {
        check: Check,
        attempt: u32,
        errors: u32,
        generation: u64,
    },
    /// A check that has answered "later" or erred is to be asked again.
    CheckAgain {
        check: Check,
        attempt: u32,
        errors: u32,
        generation: u64,
        at: Timestamp,
    },
    Park {
        parked: bool,
        generation: u64,
    },
}

/// What a hook or the smoke test said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// What was asked.
    pub check: Check,
    /// Which try, from 1.
    pub attempt: u32,
    /// What came of it.
    pub verdict: cutover_model::guard::HookVerdict,
    /// Why, for people.
    pub reason: String,
}

/// It is held where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Who wants it so.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

/// A share of traffic that was in force from some time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Since when.
    pub at: Timestamp,
    /// The candidate's share.
    pub weight: Weight,
}

/// Why it goes back, or does not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undo {
    /// How it ends, when traffic is back or never moved; `None` where that depends on traffic.
    pub(crate) outcome: Option<Outcome>,
    /// For people.
    pub(crate) reason: String,
}

impl Deployment {
    /// What it was created with; `None` before that.
    pub fn spec(&self) -> Option<&DeploymentSpec> {
        self.spec.as_deref()
    }

    /// Since when there is a deployment; `None` before it is created.
    pub const fn created_at(&self) -> Option<Timestamp> {
        self.created_at
    }

    /// Where it stands.
    pub const fn state(&self) -> &DeploymentState {
        &self.phase.0
    }

    /// Whether it has ended.
    pub const fn is_finished(&self) -> bool {
        self.state().outcome().is_some()
    }

    /// The candidate's share of traffic in force.
    pub const fn weight(&self) -> Weight {
        self.progress.weight
    }

    /// The candidate's share that was asked for last.
    pub const fn requested_weight(&self) -> Weight {
        self.progress.requested
    }

    /// Each share that was in force, in order.
    pub fn shifts(&self) -> &[Shift] {
        &self.shifts
    }

    /// The release that served when the lock was taken.
    pub fn current(&self) -> Option<&Release> {
        self.lock.as_ref().and_then(|lock| lock.current.as_ref())
    }

    /// The number that the lock gave; `None` while the environment is not ours.
    pub fn fence(&self) -> Option<u64> {
        self.lock.as_ref().map(|lock| lock.fence)
    }

    /// Who holds it, when somebody does.
    pub fn paused_by(&self) -> Option<&str> {
        self.paused.as_ref().map(|paused| paused.by.as_str())
    }

    /// The pause that lasts, when one does.
    pub const fn paused(&self) -> Option<&Paused> {
        self.paused.as_ref()
    }

    /// What hooks and the smoke test have said, oldest first.
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Whether requests wait in the balancer, or may.
    pub const fn is_parked(&self) -> bool {
        self.progress.is_parked
    }

    /// The question that was put to people, answered or not.
    pub const fn approval(&self) -> Option<&Approval> {
        self.approval.as_ref()
    }

    /// The step of the strategy that is under way, from 0; with all steps done, their number.
    pub const fn step(&self) -> u32 {
        self.progress.baked
    }

    /// How many asks so far; each effect's generation is at most this.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The latest ask for instances of a side: what an observation of its instances must carry. 0 for
    /// a current side that has not been asked for.
    pub const fn instances_generation(&self, side: Side) -> u64 {
        match side {
            Side::Current => self.current_generation,
            Side::Candidate => self.candidate_generation,
        }
    }

    /// How many instances of a side may be given traffic.
    pub const fn serving(&self, side: Side) -> u32 {
        self.progress.side(side).serving
    }

    /// How many instances of a side may exist.
    pub const fn running(&self, side: Side) -> u32 {
        self.progress.side(side).running
    }

    /// How many requests its drains have cut off.
    pub const fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// Whether it is on its way back, or went back.
    pub const fn is_going_back(&self) -> bool {
        self.undo.is_some()
    }

    /// Why it ended, or why it goes back; for people.
    pub fn reason(&self) -> Option<&str> {
        match self.state() {
            DeploymentState::Finished { reason, .. } => Some(reason),
            DeploymentState::Pending
            | DeploymentState::Waiting { .. }
            | DeploymentState::Provisioning { .. }
            | DeploymentState::Checking { .. }
            | DeploymentState::Shifting { .. }
            | DeploymentState::Baking { .. }
            | DeploymentState::Draining { .. } => {
                self.undo.as_ref().map(|undo| undo.reason.as_str())
            }
        }
    }

    /// Sides whose instances did not stop in time: a person must look after them.
    pub fn left_behind(&self) -> impl Iterator<Item = Side> {
        self.left_behind.iter().copied()
    }

    /// What was found out about instances that did not become healthy: last status, head of the
    /// body, log lines, exit code, port.
    pub fn detail(&self) -> &[String] {
        &self.detail
    }

    /// Whether a request may have been answered by the candidate.
    pub fn had_traffic(&self) -> bool {
        self.progress.has_traffic() || self.shifts.iter().any(|shift| shift.weight > Weight::NONE)
    }

    /// Whether the last word on approval has been said and is a yes, or none is asked for.
    pub(crate) fn may_begin(&self) -> bool {
        match &self.approval {
            Some(approval) => approval.is_open(),
            None => self.approval_rule().is_none(),
        }
    }

    /// Whether the judge is asked what follows when this step has been watched. Without a side to
    /// compare with, or without time to look, there is nothing to ask; parameters that nobody wrote
    /// let every step go on.
    pub(crate) fn is_judged(&self, step: u32) -> bool {
        let Some(spec) = self.spec() else {
            return false;
        };
        let length = strategy::bake_length(&spec.strategy, self.progress.has_current, step);
        let is_asked = spec.judge.is_some_and(|judge| judge.enabled);
        is_asked && self.progress.has_current && length > Duration::ZERO
    }

    /// Whether the triggers look.
    pub(crate) fn is_watched(&self) -> bool {
        self.undo.is_none() && !self.is_finished() && self.progress.weight > Weight::NONE
    }

    /// Whether the candidate has all the traffic for good: it is current then, however it ended.
    pub(crate) fn has_taken_over(&self) -> bool {
        self.lock.is_some() && self.progress.weight == Weight::ALL
    }
}
