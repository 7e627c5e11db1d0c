//! What looks at the balancer's samples during a deployment and says when it must be taken back.
//!
//! It decides nothing: what it says becomes [`crate::Input::TriggerFired`]. It keeps at most a minute
//! of samples, and after a restart it begins anew, which can only make it slower, never rash.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, RollbackTrigger, Strategy, Weight},
};

use crate::{judge::Judge, trigger::Alarm};

pub use crate::judge::Settings;

/// How long a bucket is.
pub(crate) const BUCKET_MS: i64 = 1_000;

/// What the balancer counted in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The end of the second: a whole number of seconds.
    pub at: Timestamp,
    /// The new side.
    pub candidate: SideSample,
    /// The serving side; `None` for a first deployment.
    pub current: Option<SideSample>,
    /// The candidate's share in force.
    pub weight: Weight,
}

/// What one side did in that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SideSample {
    /// Requests that were answered, or that nobody answered.
    pub requests: u64,
    /// Answers 500–599.
    pub errors_5xx: u64,
    /// Requests that went badly in any way: 5xx, no answer, no connection, too slow. At most as many
    /// as `requests`.
    pub bad: u64,
    /// The time of all answers together, in milliseconds.
    pub time_ms_sum: u64,
    /// Instances that were healthy at the end of the second.
    pub healthy_hosts: u32,
    /// Instances that there should be.
    pub expected_hosts: u32,
}

/// Something that must be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The trigger as people read it, or `judge`.
    pub trigger: String,
    /// What it saw.
    pub observed: String,
}

/// Whether a strategy has both sides under traffic for long enough to compare them.
pub(crate) fn is_judged(strategy: &Strategy) -> bool {
    match strategy {
        Strategy::Canary { .. } | Strategy::Linear { .. } => true,
        Strategy::BlueGreen { canary, .. } => !canary.is_empty(),
        Strategy::Rolling { .. } | Strategy::Recreate { .. } => false,
    }
}

/// Looks at samples, in order.
#[derive(Debug, Clone)]
pub struct Watch {
    last: Option<Timestamp>,
    alarms: Vec<Alarm>,
    judge: Option<Judge>,
}

impl Watch {
    /// One that looks for these triggers, and judges by these settings if any.
    pub fn new(triggers: &[RollbackTrigger], judge: Option<Settings>) -> Self {
        Self {
            last: None,
            alarms: triggers.iter().cloned().map(Alarm::new).collect(),
            judge: judge.map(Judge::new),
        }
    }

    /// One as this deployment wants it: its triggers, and the judge for a canary, which alone has
    /// both sides under traffic for long enough to compare them.
    pub fn of(spec: &DeploymentSpec) -> Self {
        let judge = is_judged(&spec.strategy).then(Settings::default);
        Self::new(&spec.triggers, judge)
    }

    /// Looks at one more second. A sample that is not later than the last is ignored. As long as a
    /// trigger's condition holds it fires with every sample, so that losing one answer loses nothing.
    pub fn sample(&mut self, sample: &Sample) -> Option<Fired> {
        if self.last.is_some_and(|last| sample.at <= last) {
            return None;
        }
        let is_gap = self
            .last
            .is_some_and(|last| sample.at.0 - last.0 > BUCKET_MS);
        self.last = Some(sample.at);
        let mut fired = None;
        for alarm in &mut self.alarms {
            // Each has to see each sample, also after one has fired.
            let seen = alarm.sample(sample, is_gap);
            fired = fired.or(seen);
        }
        let judged = self.judge.as_mut().and_then(|judge| judge.sample(sample));
        fired.or(judged)
    }

    /// How strong the judge's evidence against the candidate is, if there is a judge: 1 at the
    /// beginning, fires at 1/α.
    pub fn evidence(&self) -> Option<f64> {
        self.judge.as_ref().map(Judge::evidence)
    }
}
