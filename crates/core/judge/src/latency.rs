//! Times of answers, counted by steps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many answers took up to so many milliseconds and more than the step before; as many steps as
/// whoever counts has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latency(BTreeMap<u32, u64>);

impl Latency {
    /// From the upper bounds of the steps, in milliseconds, and their counts. What is counted beyond
    /// the last bound took longer than any.
    pub fn of_steps(bounds_ms: &[u64], counts: &[u32]) -> Self {
        let bounds = bounds_ms
            .iter()
            .map(|&bound| u32::try_from(bound).unwrap_or(u32::MAX));
        let mut latency = Self::default();
        for (bound, &count) in bounds.chain(std::iter::repeat(u32::MAX)).zip(counts) {
            latency.record(bound, u64::from(count));
        }
        latency
    }

    /// Counts so many answers more in the step that ends at `bound_ms`.
    pub fn record(&mut self, bound_ms: u32, count: u64) {
        if count > 0 {
            *self.0.entry(bound_ms).or_default() += count;
        }
    }

    /// Counts all of another as well.
    pub fn add(&mut self, other: &Self) {
        for (&bound, &count) in &other.0 {
            self.record(bound, count);
        }
    }

    /// Takes all of another away, which was added before.
    pub(crate) fn remove(&mut self, other: &Self) {
        for (bound, count) in &other.0 {
            if let Some(there) = self.0.get_mut(bound) {
                *there = there.saturating_sub(*count);
                if *there == 0 {
                    self.0.remove(bound);
                }
            }
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many answers were counted.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The bound below or at which so many percent of the answers are: the upper end of a step, in
    /// milliseconds. `None` when nothing was counted.
    pub fn quantile(&self, percent: u64) -> Option<u32> {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (&bound, &count) in &self.0 {
            seen += count;
            if seen >= wanted {
                return Some(bound);
            }
        }
        None
    }

    /// How many took longer than the step that ends at `bound_ms`.
    pub fn slower_than(&self, bound_ms: u32) -> u64 {
        let beyond = (
            std::ops::Bound::Excluded(bound_ms),
            std::ops::Bound::Unbounded,
        );
        self.0.range(beyond).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_and_beyond_the_last_is_longest() {
        let latency = Latency::of_steps(&[1, 10, 100], &[50, 45, 4, 1]);
        assert_eq!(latency.count(), 100);
        assert_eq!(latency.quantile(50), Some(1));
        assert_eq!(latency.quantile(95), Some(10));
        assert_eq!(latency.quantile(99), Some(100));
        assert_eq!(latency.quantile(100), Some(u32::MAX));
        assert_eq!(latency.slower_than(10), 5);
        assert_eq!(Latency::default().quantile(95), None);
    }

    #[test]
    fn what_is_added_can_be_taken_away() {
        let (one, two) = (
            Latency::of_steps(&[1, 2], &[3, 1]),
            Latency::of_steps(&[1, 5], &[0, 2]),
        );
        let mut both = one.clone();
        both.add(&two);
        assert_eq!(both.count(), 6);
        both.remove(&two);
        assert_eq!(both, one);
    }
}
