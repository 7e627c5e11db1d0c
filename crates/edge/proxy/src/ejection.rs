//! Passive checks: an upstream whose answers to users fail in a row is left out for a while.
//!
//! Only advice to whoever chooses: when all upstreams of a side are left out, all are asked again.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::control::Passive;

/// How one upstream fares with users.
#[derive(Debug)]
pub(crate) struct Ejection {
    born: Instant,
    /// Failures in a row.
    failures: AtomicU32,
    /// Until when it is left out, in milliseconds since it was born. 0: it never was.
    until_ms: AtomicU64,
    /// How often it was left out in short order; each time lasts twice as long.
    times: AtomicU32,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            failures: AtomicU32::new(0),
            until_ms: AtomicU64::new(0),
            times: AtomicU32::new(0),
        }
    }
}

impl Ejection {
    /// Notes how a request fared.
    pub(crate) fn note(&self, rule: &Passive, failed: bool) {
        if !failed {
            if self.failures.load(Ordering::Relaxed) > 0 {
                self.failures.store(0, Ordering::Relaxed);
            }
            return;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        // Those that were under way when it was left out tell nothing new.
        if failures < rule.failures || self.left_ms() > 0 {
            return;
        }
        self.failures.store(0, Ordering::Relaxed);
        let (now, last) = (self.now(), self.until_ms.load(Ordering::Relaxed));
        if now.saturating_sub(last) > rule.at_most_ms {
            self.times.store(0, Ordering::Relaxed);
        }
        let times = self.times.fetch_add(1, Ordering::Relaxed).min(16);
        let pause = rule.for_ms.saturating_mul(1 << times).min(rule.at_most_ms);
        self.until_ms.store(now + pause, Ordering::Relaxed);
    }

    /// Whether it is left out now.
    pub(crate) fn is_out(&self) -> bool {
        self.left_ms() > 0
    }

    /// For how much longer it is left out.
    pub(crate) fn left_ms(&self) -> u64 {
        match self.until_ms.load(Ordering::Relaxed) {
            // The usual case reads no clock.
            0 => 0,
            until => until.saturating_sub(self.now()),
        }
    }

    fn now(&self) -> u64 {
        let elapsed: Duration = self.born.elapsed();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const RULE: Passive = Passive {
        failures: 3,
        for_ms: 1_000,
        at_most_ms: 3_000,
    };

    fn fail(ejection: &Ejection, times: u32) {
        for _ in 0..times {
            ejection.note(&RULE, true);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_leave_it_out_longer_each_time() {
        let ejection = Ejection::default();
        fail(&ejection, 2);
        ejection.note(&RULE, false);
        fail(&ejection, 2);
        assert!(!ejection.is_out());
        fail(&ejection, 1);
        assert_eq!(ejection.left_ms(), 1_000);
        fail(&ejection, 9);
        assert_eq!(ejection.left_ms(), 1_000, "stragglers change nothing");
        for pause in [2_000, 3_000, 3_000] {
            advance(Duration::from_millis(ejection.left_ms())).await;
            assert!(!ejection.is_out());
            ejection.note(&RULE, false);
            fail(&ejection, 3);
            assert_eq!(ejection.left_ms(), pause);
        }
        advance(Duration::from_secs(7)).await;
        ejection.note(&RULE, false);
        fail(&ejection, 3);
        assert_eq!(ejection.left_ms(), 1_000, "it was well for long enough");
    }
}
