//! `rollback_triggers:`, to the letter: a metric beyond its threshold for a whole duration.
//!
//! Time is looked at in buckets of one second. At a sample at `t` a trigger fires when each bucket of
//! [t − duration, t] was beyond the threshold: n seconds need n buckets, and n − 1 do not fire.
//!
//! **Missing data is not a breach.** A second without traffic says nothing of the response time, one
//! without expected instances nothing of their health, and a second without a sample nothing at all;
//! each ends a breach. A service that is asked less than once a second needs a check of its own, the
//! mean of nothing is no reason to roll back.

use std::collections::VecDeque;

use cutover_model::{
    Timestamp,
    delivery::{Metric, RollbackTrigger},
};

use crate::watch::{BUCKET_MS, Fired, Sample, SideSample};

/// The window of the count of 5xx: its threshold is in errors a minute.
const MINUTE_MS: i64 = 60_000;

/// One trigger and what it has seen.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    trigger: RollbackTrigger,
    /// The beginning of the first bucket of the breach that lasts.
    breached_since: Option<Timestamp>,
    minute: Minute,
}

impl Alarm {
    pub(crate) fn new(trigger: RollbackTrigger) -> Self {
        Self {
            trigger,
            breached_since: None,
            minute: Minute::default(),
        }
    }

    /// Looks at one more bucket; `is_gap` when there is none for the second before it.
    pub(crate) fn sample(&mut self, sample: &Sample, is_gap: bool) -> Option<Fired> {
        self.minute.add(sample.at, sample.candidate.errors_5xx);
        if is_gap {
            self.breached_since = None;
        }
        let Some(observed) = self.breach(&sample.candidate) else {
            self.breached_since = None;
            return None;
        };
        let begin = Timestamp(sample.at.0 - BUCKET_MS);
        let since = *self.breached_since.get_or_insert(begin);
        (sample.at.since(since) >= self.trigger.duration).then(|| Fired {
            trigger: self.trigger.to_string(),
            observed,
        })
    }

    /// What was seen, when it is beyond the threshold.
    fn breach(&self, candidate: &SideSample) -> Option<String> {
        let threshold = u128::from(self.trigger.threshold_milli);
        match self.trigger.metric {
            Metric::TargetResponseTime => {
                let requests = u128::from(candidate.requests);
                let is_breach = u128::from(candidate.time_ms_sum) > threshold * requests;
                (requests > 0 && is_breach).then(|| {
                    let mean = candidate.time_ms_sum / candidate.requests.max(1);
                    format!(
                        "a mean of {}.{:03} s in the last second",
                        mean / 1_000,
                        mean % 1_000
                    )
                })
            }
            Metric::Target5xxCount => {
                let is_breach = u128::from(self.minute.sum) * 1_000 > threshold;
                is_breach.then(|| format!("{} in the last minute", self.minute.sum))
            }
            Metric::HealthyHostCount => {
                let is_breach = u128::from(candidate.healthy_hosts) * 1_000 < threshold;
                (candidate.expected_hosts > 0 && is_breach).then(|| {
                    format!(
                        "{} of {} healthy",
                        candidate.healthy_hosts, candidate.expected_hosts
                    )
                })
            }
        }
    }
}

/// A sum over the last minute.
#[derive(Debug, Clone, Default)]
struct Minute {
    /// Only buckets that add something; at most sixty.
    counts: VecDeque<(Timestamp, u64)>,
    sum: u64,
}

impl Minute {
    fn add(&mut self, at: Timestamp, count: u64) {
        if count > 0 {
            self.counts.push_back((at, count));
            self.sum = self.sum.saturating_add(count);
        }
        while let Some(&(old, count)) = self.counts.front()
            && at.0 - old.0 >= MINUTE_MS
        {
            self.counts.pop_front();
            self.sum = self.sum.saturating_sub(count);
        }
    }
}

#[cfg(test)]
mod tests;
