//! What looks at the balancer's samples during a deployment and says when it must be taken back.
//!
//! It decides nothing. It keeps at most what its triggers need, and after a restart it begins anew,
//! which can only make it slower, never rash.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, JudgeSpec, RollbackTrigger},
};

use crate::{Judge, Sample, Verdict, alarm::Alarm};

/// Something that must be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The trigger as people read it, or `judge`.
    pub trigger: String,
    /// What it saw.
    pub observed: String,
}

/// Looks at samples, in order.
#[derive(Debug, Clone)]
pub struct Watch {
    last: Option<Timestamp>,
    alarms: Vec<Alarm>,
    judge: Option<Judge>,
}

impl Watch {
    /// One that looks for these triggers, and judges by these parameters if any. Both have passed
    /// their check.
    pub fn new(triggers: &[RollbackTrigger], judge: Option<&JudgeSpec>) -> Self {
        Self {
            last: None,
            alarms: triggers.iter().cloned().map(Alarm::new).collect(),
            judge: judge.filter(|spec| spec.enabled).map(Judge::new),
        }
    }

    /// One as this deployment wants it: its triggers and its judge.
    pub fn of(spec: &DeploymentSpec) -> Self {
        Self::new(&spec.triggers, spec.judged_by().as_ref())
    }

    /// Looks at one more second. A sample that is not later than the last is ignored. As long as a
    /// trigger's condition holds it fires with every sample, and the judge does for ever once it has,
    /// so that losing one answer loses nothing.
    pub fn sample(&mut self, sample: &Sample) -> Option<Fired> {
        if self.last.is_some_and(|last| sample.at <= last) {
            return None;
        }
        self.last = Some(sample.at);
        let mut fired = None;
        for alarm in &mut self.alarms {
            // Each has to see each sample, also after one has fired.
            let seen = alarm.sample(sample);
            fired = fired.or(seen);
        }
        let judged = self.judge.as_mut().and_then(|judge| judge.sample(sample));
        fired.or_else(|| {
            judged.map(|why| Fired {
                trigger: "judge".to_owned(),
                observed: why.to_owned(),
            })
        })
    }

    /// How strong the judge's evidence against the candidate is, if there is a judge: 1 at the
    /// beginning.
    pub fn evidence(&self) -> Option<f64> {
        self.judge.as_ref().map(Judge::evidence)
    }

    /// What the judge says, if there is one; `at_limit` when the time of the step is over.
    pub fn verdict(&self, at_limit: bool) -> Option<Verdict> {
        self.judge.as_ref().map(|judge| judge.verdict(at_limit))
    }
}
