//! The last seconds of what a trigger looks at, and the number that its statistic makes of them.

use std::collections::VecDeque;

use cutover_model::{
    Timestamp,
    delivery::{Metric, Operator, RollbackTrigger, Statistic},
};

use crate::{Latency, sample::BUCKET_MS, words::real};

/// What a trigger sees of one second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Second {
    /// Requests; for hosts, how many there should be.
    pub(crate) requests: u64,
    /// Milliseconds, errors, hosts: what is added up.
    pub(crate) amount: u64,
    /// The times of answers, if they are needed.
    pub(crate) latency: Latency,
    /// The value of this second by itself, in thousandths of the metric's unit; `None` without data.
    pub(crate) value: Option<f64>,
}

/// A window that moves.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    metric: Metric,
    statistic: Statistic,
    length_ms: i64,
    /// What is too little must not be so only because looking has just begun.
    needs_all: bool,
    seconds: VecDeque<(Timestamp, Second)>,
    /// Since when each second was seen.
    since: Option<Timestamp>,
    requests: u64,
    amount: u64,
    latency: Latency,
}

impl Window {
    pub(crate) fn new(trigger: &RollbackTrigger) -> Self {
        let statistic = trigger.statistic();
        let is_sum = matches!(statistic, Statistic::Sum | Statistic::Count);
        let is_minimum = matches!(trigger.operator(), Operator::Below | Operator::AtMost);
        Self {
            metric: trigger.metric,
            statistic,
            length_ms: i64::try_from(trigger.window().as_millis()).unwrap_or(i64::MAX),
            needs_all: is_sum && is_minimum,
            seconds: VecDeque::new(),
            since: None,
            requests: 0,
            amount: 0,
            latency: Latency::default(),
        }
    }

    /// Takes one more second in, and forgets what is too old.
    pub(crate) fn add(&mut self, at: Timestamp, is_gap: bool, second: Second) {
        if is_gap {
            self.since = None;
        }
        self.since.get_or_insert(Timestamp(at.0 - BUCKET_MS));
        self.requests = self.requests.saturating_add(second.requests);
        self.amount = self.amount.saturating_add(second.amount);
        self.latency.add(&second.latency);
        self.seconds.push_back((at, second));
        while let Some((old, _)) = self.seconds.front()
            && at.0 - old.0 >= self.length_ms
        {
            if let Some((_, second)) = self.seconds.pop_front() {
                self.requests = self.requests.saturating_sub(second.requests);
                self.amount = self.amount.saturating_sub(second.amount);
                self.latency.remove(&second.latency);
            }
        }
    }

    /// The number, in thousandths of the metric's unit; `None` when there is no data.
    pub(crate) fn value(&self) -> Option<f64> {
        if self.needs_all {
            let (&(last, _), since) = (self.seconds.back()?, self.since?);
            if last.0 - since.0 < self.length_ms {
                return None;
            }
        }
        match self.metric {
            Metric::TargetResponseTime => self.time(),
            Metric::ErrorRate => self.error_rate(),
            Metric::Target5xxCount
            | Metric::RequestCount
            | Metric::HealthyHostCount
            | Metric::External => self.of_values(),
        }
    }

    fn length_secs(&self) -> f64 {
        real(self.length_ms.unsigned_abs()) / 1_000.0
    }

    /// Of single answers: their mean is exact, percentiles are the upper ends of steps.
    fn time(&self) -> Option<f64> {
        if self.requests == 0 {
            return None;
        }
        let (answers, sum) = (real(self.requests), real(self.amount));
        let quantile = |percent| self.latency.quantile(percent).map(f64::from);
        match self.statistic {
            Statistic::Mean => Some(sum / answers),
            Statistic::Sum => Some(sum),
            Statistic::Count => Some(answers * 1_000.0),
            Statistic::Rate => Some(answers * 1_000.0 / self.length_secs()),
            Statistic::P50 => quantile(50),
            Statistic::P90 => quantile(90),
            Statistic::P95 => quantile(95),
            Statistic::P99 => quantile(99),
            Statistic::Max => quantile(100),
        }
    }

    /// Of the window's answers as a whole, unless a percentile of the seconds is wanted.
    fn error_rate(&self) -> Option<f64> {
        match self.statistic {
            Statistic::Mean | Statistic::Rate => {
                (self.requests > 0).then(|| real(self.amount) * 100_000.0 / real(self.requests))
            }
            Statistic::P50
            | Statistic::P90
            | Statistic::P95
            | Statistic::P99
            | Statistic::Max
            | Statistic::Sum
            | Statistic::Count => self.of_values(),
        }
    }

    /// Of the values of single seconds.
    fn of_values(&self) -> Option<f64> {
        let values = || self.seconds.iter().filter_map(|(_, second)| second.value);
        let count = real(values().count() as u64);
        if count < 1.0 {
            return None;
        }
        // Counts are added up as whole numbers on the way.
        let sum = || match self.metric {
            Metric::External | Metric::ErrorRate => values().sum::<f64>(),
            Metric::TargetResponseTime
            | Metric::Target5xxCount
            | Metric::RequestCount
            | Metric::HealthyHostCount => real(self.amount) * 1_000.0,
        };
        Some(match self.statistic {
            Statistic::Mean => sum() / count,
            Statistic::Sum => sum(),
            Statistic::Count => count * 1_000.0,
            Statistic::Rate => sum() / self.length_secs(),
            Statistic::P50 => percentile(values(), 50),
            Statistic::P90 => percentile(values(), 90),
            Statistic::P95 => percentile(values(), 95),
            Statistic::P99 => percentile(values(), 99),
            Statistic::Max => percentile(values(), 100),
        })
    }
}

/// The least value that so many percent of all do not exceed. There must be one.
fn percentile(values: impl Iterator<Item = f64>, percent: usize) -> f64 {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let place = (all.len() * percent).div_ceil(100).max(1) - 1;
    all.get(place).copied().unwrap_or_default()
}
