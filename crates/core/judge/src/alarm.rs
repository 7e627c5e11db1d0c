//! `rollback_triggers:`, to the letter: a metric beyond its threshold for a whole duration.
//!
//! Time is looked at in buckets of one second. At a sample at `t` a trigger fires when each bucket of
//! [t − duration, t] was beyond the threshold: n seconds need n buckets, and n − 1 do not fire.
//!
//! A second without data (no traffic for a response time, no instances that there should be, no sample
//! at all) is what the trigger says of missing data. Unless it says something, it ends a breach: the
//! mean of nothing is no reason to roll back.

use std::collections::VecDeque;

use cutover_model::{
    Duration, Timestamp,
    delivery::{Metric, Missing, RollbackTrigger, Scope, Statistic},
};

use crate::{
    Fired, Latency, Sample, SideSample,
    sample::BUCKET_MS,
    window::{Second, Window},
    words::real,
};

/// One trigger and what it has seen.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    trigger: RollbackTrigger,
    window: Window,
    traffic: Traffic,
    /// The beginning of the first bucket of the breach that lasts.
    breached_since: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Alarm {
    pub(crate) fn new(trigger: RollbackTrigger) -> Self {
        Self {
            window: Window::new(&trigger),
            traffic: Traffic::new(trigger.duration),
            trigger,
            breached_since: None,
            last: None,
        }
    }

    /// Looks at one more bucket, later than the last.
    pub(crate) fn sample(&mut self, sample: &Sample) -> Option<Fired> {
        let begin = Timestamp(sample.at.0 - BUCKET_MS);
        let last = self.last.replace(sample.at);
        let is_gap = last.is_some_and(|last| last < begin);
        if let Some(last) = last.filter(|_| is_gap) {
            self.breached_since = match self.trigger.missing {
                Missing::NotBreaching => None,
                Missing::Breaching => Some(self.breached_since.unwrap_or(last)),
                Missing::Ignore => self.breached_since,
            };
        }
        if self.trigger.min_requests > 0 {
            self.traffic
                .add(sample.at, requests(sample, self.trigger.scope));
        }
        let second = self.second(sample);
        self.window.add(sample.at, is_gap, second);
        let value = self.window.value();
        if !self.is_breach(value) {
            self.breached_since = None;
            return None;
        }
        let since = *self.breached_since.get_or_insert(begin);
        let is_held = sample.at.since(since) >= self.trigger.duration;
        let is_busy = self.traffic.sum >= self.trigger.min_requests;
        (is_held && is_busy).then(|| Fired {
            trigger: self.trigger.to_string(),
            observed: self.observed(value, sample),
        })
    }

    fn is_breach(&self, value: Option<f64>) -> bool {
        let threshold = real(self.trigger.threshold_milli);
        match (value, self.trigger.missing) {
            (Some(value), _) => self.trigger.operator().is_beyond(value, threshold),
            (None, Missing::NotBreaching) => false,
            (None, Missing::Breaching) => true,
            (None, Missing::Ignore) => self.breached_since.is_some(),
        }
    }

    /// What is to be seen of a second.
    fn second(&self, sample: &Sample) -> Second {
        let of = |amount: fn(&SideSample) -> u64| self.sum(sample, amount);
        let requests = of(|side| side.requests);
        match self.trigger.metric {
            Metric::TargetResponseTime => Second {
                requests,
                amount: of(|side| side.time_ms_sum),
                latency: self.latency(sample),
                value: None,
            },
            Metric::Target5xxCount => Second::counted(requests, of(|side| side.errors_5xx)),
            Metric::RequestCount => Second::counted(requests, requests),
            Metric::ErrorRate => {
                let errors = of(|side| side.errors_5xx);
                let rate = real(errors) * 100_000.0 / real(requests);
                Second {
                    value: (requests > 0).then_some(rate),
                    ..Second::counted(requests, errors)
                }
            }
            Metric::HealthyHostCount => {
                let expected = of(|side| u64::from(side.expected_hosts));
                if expected == 0 {
                    return Second::default();
                }
                Second::counted(expected, of(|side| u64::from(side.healthy_hosts)))
            }
            Metric::External => Second {
                value: sample
                    .external
                    .get(self.trigger.name())
                    .filter(|value| value.is_finite())
                    .map(|value| value * 1_000.0),
                ..Second::default()
            },
        }
    }

    /// The histogram, if a percentile is asked for; adding it up costs something.
    fn latency(&self, sample: &Sample) -> Latency {
        let mut all = Latency::default();
        match self.trigger.statistic() {
            Statistic::Mean | Statistic::Sum | Statistic::Count | Statistic::Rate => {}
            Statistic::P50 | Statistic::P90 | Statistic::P95 | Statistic::P99 | Statistic::Max => {
                for side in sides(sample, self.trigger.scope) {
                    all.add(&side.latency);
                }
            }
        }
        all
    }

    fn sum(&self, sample: &Sample, amount: fn(&SideSample) -> u64) -> u64 {
        sides(sample, self.trigger.scope).map(amount).sum()
    }

    /// What was seen, for people.
    fn observed(&self, value: Option<f64>, sample: &Sample) -> String {
        let Some(milli) = value else {
            return "no data".to_owned();
        };
        let window = match self.trigger.window().as_millis() {
            1_000 => "second".to_owned(),
            60_000 => "minute".to_owned(),
            _ => self.trigger.window().to_string(),
        };
        let statistic = self.trigger.statistic();
        match (self.trigger.metric, statistic) {
            (Metric::HealthyHostCount, Statistic::Mean) if window == "second" => format!(
                "{:.0} of {} healthy",
                milli / 1_000.0,
                self.sum(sample, |side| u64::from(side.expected_hosts))
            ),
            (Metric::Target5xxCount | Metric::RequestCount, Statistic::Sum) => {
                format!("{:.0} in the last {window}", milli / 1_000.0)
            }
            (Metric::ErrorRate, _) => {
                format!("{:.3} % in the last {window}", milli / 1_000.0)
            }
            (Metric::TargetResponseTime, Statistic::Count | Statistic::Rate)
            | (
                Metric::HealthyHostCount
                | Metric::Target5xxCount
                | Metric::RequestCount
                | Metric::External,
                _,
            ) => format!(
                "a {} of {:.3} in the last {window}",
                statistic.word(),
                milli / 1_000.0
            ),
            (Metric::TargetResponseTime, _) => format!(
                "a {} of {:.3} s in the last {window}",
                statistic.word(),
                milli.floor() / 1_000.0
            ),
        }
    }
}

impl Second {
    /// Something that is counted, also when it is none.
    fn counted(requests: u64, amount: u64) -> Self {
        Self {
            requests,
            amount,
            latency: Latency::default(),
            value: Some(real(amount) * 1_000.0),
        }
    }
}

fn requests(sample: &Sample, scope: Scope) -> u64 {
    sides(sample, scope).map(|side| side.requests).sum()
}

fn sides(sample: &Sample, scope: Scope) -> impl Iterator<Item = &SideSample> {
    let current = match scope {
        Scope::Candidate => None,
        Scope::All => sample.current.as_ref(),
    };
    std::iter::once(&sample.candidate).chain(current)
}

/// Requests in the whole duration.
#[derive(Debug, Clone)]
struct Traffic {
    length: Duration,
    /// Only seconds that have some.
    counts: VecDeque<(Timestamp, u64)>,
    sum: u64,
}

impl Traffic {
    const fn new(length: Duration) -> Self {
        Self {
            length,
            counts: VecDeque::new(),
            sum: 0,
        }
    }

    fn add(&mut self, at: Timestamp, count: u64) {
        if count > 0 {
            self.counts.push_back((at, count));
            self.sum = self.sum.saturating_add(count);
        }
        while let Some(&(old, count)) = self.counts.front()
            && at > old
            && at.since(old) >= self.length
        {
            self.counts.pop_front();
            self.sum = self.sum.saturating_sub(count);
        }
    }
}

#[cfg(test)]
mod tests;
