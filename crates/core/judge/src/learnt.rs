//! What the current side was like before it could be compared: how long its answers take, and how
//! many of them are bad.

use crate::{Latency, SideSample, guard::upper_bound};

/// So many answers make a 95th percentile.
const ENOUGH: u64 = 200;

/// Learnt until the candidate gets traffic; or a little longer, if that was too little.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learnt {
    requests: u64,
    bad: u64,
    latency: Latency,
    /// The bound beyond which an answer is slow, once it is known; it never changes.
    slow: Option<u32>,
}

impl Learnt {
    /// One more second of the current side. Rates are learnt as long as it serves, the limit of what
    /// is slow until it is known: what comes later is measured by it.
    pub(crate) fn learn(&mut self, current: &SideSample, bad: u64) {
        self.requests += current.requests;
        self.bad += bad;
        if self.slow.is_none() {
            self.latency.add(&current.latency);
        }
    }

    /// The bound in milliseconds, if enough is known. From here on it is fixed.
    pub(crate) fn slow(&mut self) -> Option<u32> {
        if self.slow.is_none() && self.latency.count() >= ENOUGH {
            self.slow = self.latency.quantile(95);
            self.latency = Latency::default();
        }
        self.slow
    }

    /// The same, if it is fixed already.
    pub(crate) const fn known_slow(&self) -> Option<u32> {
        self.slow
    }

    /// Requests and bad ones.
    pub(crate) const fn rate(&self) -> (u64, u64) {
        (self.requests, self.bad)
    }

    /// The share of bad answers that is accepted of a candidate that is alone: so many times what
    /// current did at most. `None` when too little is known to refuse anything.
    pub(crate) fn accepted(&self, min_ratio: f64, alpha: f64) -> Option<f64> {
        let accepted = min_ratio * upper_bound(self.bad, self.requests, alpha);
        (accepted < 0.9).then_some(accepted)
    }
}
