//! What looks at the balancer's samples during a deployment and says when it must be taken back.
//!
//! It decides nothing. It keeps at most what its triggers need, and after a restart it begins anew,
//! which can only make it slower, never rash.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, JudgeSpec, RollbackTrigger, Weight},
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
    /// Whether the candidate has had anything to do.
    has_begun: bool,
    alarms: Vec<Alarm>,
    judge: Option<Judge>,
}

impl Watch {
    /// One that looks for these triggers, and judges by these parameters if any. Both have passed
    /// their check.
    pub fn new(triggers: &[RollbackTrigger], judge: Option<&JudgeSpec>) -> Self {
        Self {
            last: None,
            has_begun: false,
            alarms: triggers.iter().cloned().map(Alarm::new).collect(),
            judge: judge.filter(|spec| spec.enabled).map(Judge::new),
        }
    }

    /// One as this deployment wants it: its triggers and its judge.
    pub fn of(spec: &DeploymentSpec) -> Self {
        Self::new(&spec.triggers, spec.judged_by().as_ref())
    }

    /// Looks at one more second. Before the candidate has a share the judge learns what the current side
    /// is like, and no trigger looks: what was wrong before cannot be its fault. A sample that is not later than the last is ignored. As long as a
    /// trigger's condition holds it fires with every sample, and the judge does for ever once it has,
    /// so that losing one answer loses nothing.
    pub fn sample(&mut self, sample: &Sample) -> Option<Fired> {
        if self.last.is_some_and(|last| sample.at <= last) {
            return None;
        }
        self.last = Some(sample.at);
        let mut fired = None;
        self.has_begun |= sample.weight > Weight::NONE || sample.candidate.requests > 0;
        for alarm in self.alarms.iter_mut().filter(|_| self.has_begun) {
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

    /// The bound in milliseconds beyond which an answer is slow, once the judge has learnt it.
    pub fn slow_ms(&self) -> Option<u32> {
        self.judge.as_ref().and_then(Judge::slow_ms)
    }

    /// What the judge says, if there is one; `at_limit` when the time of the step is over.
    pub fn verdict(&self, at_limit: bool) -> Option<Verdict> {
        self.judge.as_ref().map(|judge| judge.verdict(at_limit))
    }
}

#[cfg(test)]
mod tests {
    use cutover_model::{Duration, delivery::Metric};

    use super::*;
    use crate::{Latency, SideSample, Word};

    fn side(requests: u64, bad: u64, ms: u32) -> SideSample {
        let mut latency = Latency::default();
        latency.record(ms, requests);
        SideSample {
            requests,
            errors_5xx: bad,
            bad,
            latency,
            ..SideSample::default()
        }
    }

    fn second(at: i64, percent: u16, candidate: SideSample, current: SideSample) -> Sample {
        Sample {
            at: Timestamp(at * 1_000),
            candidate,
            current: Some(current),
            weight: Weight::from_percent(percent).unwrap(),
            external: std::collections::BTreeMap::new(),
        }
    }

    fn before(at: i64) -> Sample {
        second(at, 0, SideSample::default(), side(100, 100, 30))
    }

    #[test]
    fn what_was_wrong_before_the_first_share_is_learnt_and_nobody_is_blamed() {
        let trigger = RollbackTrigger {
            scope: cutover_model::delivery::Scope::All,
            ..RollbackTrigger::bare(Metric::Target5xxCount, 10_000, Duration::from_secs(3))
        };
        let mut watch = Watch::new(&[trigger], Some(&JudgeSpec::default()));
        for at in 1..=60 {
            assert_eq!(watch.sample(&before(at)), None);
        }
        assert_eq!(
            watch.slow_ms(),
            Some(30),
            "learnt before there is a candidate"
        );
        let verdict = watch.verdict(true).unwrap();
        assert_eq!(
            verdict.word,
            Word::Error,
            "nobody has looked at the candidate"
        );
        let shared = |at| second(at, 10, side(10, 0, 30), side(90, 90, 30));
        assert_eq!(watch.sample(&shared(61)), None);
        assert_eq!(watch.sample(&shared(62)), None);
        assert!(
            watch.sample(&shared(63)).is_some(),
            "three seconds of its own"
        );
    }

    #[test]
    fn a_client_that_is_slow_again_and_again_is_one_witness_where_both_sides_are_counted_so() {
        let spec = JudgeSpec::default();
        let run = |slow: Option<(u64, u64)>| {
            let mut watch = Watch::new(&[], Some(&spec));
            for at in 1..=10 {
                watch.sample(&before(at));
            }
            let mut fired = None;
            for at in 11..=40 {
                let mut sample = second(at, 50, side(50, 0, 300), side(50, 0, 30));
                sample.candidate.slow_distinct = slow.map(|(one, _)| one);
                if let Some(current) = &mut sample.current {
                    current.slow_distinct = slow.map(|(_, other)| other);
                }
                fired = fired.or(watch.sample(&sample));
            }
            fired
        };
        assert!(run(None).is_some(), "by the times alone it is slower");
        assert!(run(Some((50, 0))).is_some());
        assert_eq!(run(Some((0, 0))), None, "all of them from one client");
    }
}
