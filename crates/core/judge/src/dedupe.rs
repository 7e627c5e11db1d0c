//! One bad event for each client in a while: who tries again and again is one witness, not many.

use std::collections::{BTreeMap, VecDeque};

use cutover_model::{Duration, Timestamp};

/// How many clients are remembered; more than that at once is an incident that needs no counting.
const CAPACITY: usize = 65_536;

/// Says which bad events are the first of their client.
#[derive(Debug, Clone)]
pub struct Distinct {
    window: Duration,
    counted: BTreeMap<u64, Timestamp>,
    order: VecDeque<(Timestamp, u64)>,
}

impl Distinct {
    /// One that counts a client once in so much time; zero counts each event.
    pub const fn new(window: Duration) -> Self {
        Self {
            window,
            counted: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether an event of this client (any stable hash of what tells clients apart) counts: none of
    /// its events has within the window. Instants must not go back. When too many clients are
    /// remembered a new one does not count, which makes the judge slower and never rash.
    pub fn is_first(&mut self, at: Timestamp, client: u64) -> bool {
        while let Some(&(counted, old)) = self.order.front()
            && at.since(counted) >= self.window
        {
            self.order.pop_front();
            self.counted.remove(&old);
        }
        if self.counted.contains_key(&client) || self.counted.len() >= CAPACITY {
            return false;
        }
        self.counted.insert(client, at);
        self.order.push_back((at, client));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_counts_once_in_a_window() {
        let mut distinct = Distinct::new(Duration::from_secs(10));
        let mut at = |ms, client| distinct.is_first(Timestamp(ms), client);
        assert!(at(0, 1));
        assert!(at(1, 2));
        assert!(!at(9_999, 1));
        assert!(at(10_000, 1));
        assert!(at(10_001, 2));
        assert!(!at(19_999, 1));
    }

    #[test]
    fn memory_is_bounded_and_what_does_not_fit_does_not_count() {
        let mut distinct = Distinct::new(Duration::from_secs(10));
        let first = (0..100_000).filter(|&client| distinct.is_first(Timestamp(0), client));
        assert_eq!(first.count(), CAPACITY);
        assert!(distinct.is_first(Timestamp(10_000), 99_999));
    }
}
