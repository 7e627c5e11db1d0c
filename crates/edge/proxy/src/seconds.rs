//! The seconds of a service: what was counted, closed once a second and remembered for a while.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use crate::{
    clock,
    control::{Bucket, Dropped, SideSample, Totals},
    distinct::Witnesses,
    lock::locked,
    metrics::{Counts, SideMetrics},
    service::Service,
};

/// Seconds remembered: the 15 minutes that are promised and a little.
const KEPT_SECONDS: usize = 960;
/// Sides remembered after they left the table.
const KEPT_SIDES: usize = 32;

/// What happened in a service, by side.
#[derive(Debug)]
pub(crate) struct History {
    witnesses: Arc<Witnesses>,
    sides: Mutex<Vec<Remembered>>,
    seconds: Mutex<VecDeque<Arc<Bucket>>>,
    /// The last second that is complete.
    closed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Remembered {
    name: String,
    metrics: Arc<SideMetrics>,
    /// Of the preview and of copies; never closed into seconds.
    aside: Arc<SideMetrics>,
    sums: Counts,
}

/// All that was counted of a side since the start.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) name: String,
    pub(crate) totals: Totals,
    pub(crate) aside: Totals,
    pub(crate) drops: Vec<Dropped>,
    pub(crate) histogram: Vec<u64>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            witnesses: Arc::default(),
            sides: Mutex::default(),
            seconds: Mutex::default(),
            closed: watch::Sender::new(0),
        }
    }
}

impl History {
    /// The counters of a side, and those of what is counted apart; the same as before, if it was
    /// there before.
    pub(crate) fn side(&self, name: &str) -> (Arc<SideMetrics>, Arc<SideMetrics>) {
        let mut sides = locked(&self.sides);
        if let Some(side) = sides.iter().find(|side| side.name == name) {
            return (Arc::clone(&side.metrics), Arc::clone(&side.aside));
        }
        let metrics = Arc::new(SideMetrics::among(&self.witnesses));
        let aside = Arc::default();
        let (name, sums) = (name.to_owned(), Counts::default());
        sides.push(Remembered {
            name,
            metrics: Arc::clone(&metrics),
            aside: Arc::clone(&aside),
            sums,
        });
        (metrics, aside)
    }

    /// The sums since the start of every side remembered, oldest first.
    pub(crate) fn totals(&self) -> Vec<Counted> {
        let sides = locked(&self.sides);
        let total = |side: &Remembered| {
            let mut counts = side.sums;
            counts += side.metrics.peek();
            Counted {
                name: side.name.clone(),
                totals: counts.totals(),
                aside: side.aside.peek().totals(),
                drops: side.metrics.drops.entries(),
                histogram: counts.histogram(),
            }
        };
        sides.iter().map(total).collect()
    }

    /// The complete seconds from `since` on.
    pub(crate) fn since(&self, since: u64) -> Vec<Arc<Bucket>> {
        let seconds = locked(&self.seconds);
        let first = seconds.partition_point(|bucket| bucket.second < since);
        seconds.iter().skip(first).cloned().collect()
    }

    /// Hears of every second that is closed from now on.
    pub(crate) fn closed(&self) -> watch::Receiver<u64> {
        self.closed.subscribe()
    }

    /// Closes a second. `present` are the sides of the table, with the number of upstreams that
    /// take requests and that should; `drops` are requests that were lost without a side.
    fn close(&self, second: u64, present: &[(&str, u32, u32)], drops: BTreeMap<String, u64>) {
        let sides = self.close_sides(present);
        let mut seconds = locked(&self.seconds);
        // A clock that was set back must not make seconds twice.
        let second = seconds
            .back()
            .map_or(second, |last| second.max(last.second + 1));
        seconds.push_back(Arc::new(Bucket {
            second,
            sides,
            drops,
        }));
        if seconds.len() > KEPT_SECONDS {
            seconds.pop_front();
        }
        drop(seconds);
        self.closed.send_replace(second);
    }

    fn close_sides(&self, present: &[(&str, u32, u32)]) -> Vec<SideSample> {
        let mut sides = locked(&self.sides);
        let mut samples = Vec::new();
        for side in sides.iter_mut() {
            let counts = side.metrics.take();
            side.sums += counts;
            let drops = side.metrics.drops.take();
            let gauge = present.iter().find(|(name, ..)| *name == side.name);
            if gauge.is_none() && counts.is_zero() && drops.is_empty() {
                continue;
            }
            let (healthy, expected) =
                gauge.map_or((0, 0), |(_, healthy, expected)| (*healthy, *expected));
            samples.push(SideSample {
                drops,
                ..counts.sample(&side.name, healthy, expected)
            });
        }
        forget(&mut sides, present);
        samples
    }
}

/// Forgets the oldest sides that left, when they are too many.
fn forget(sides: &mut Vec<Remembered>, present: &[(&str, u32, u32)]) {
    let mut too_many = sides.len().saturating_sub(present.len() + KEPT_SIDES);
    sides.retain(|side| {
        // One that still counts for a request or a table is not forgotten.
        let used = [&side.metrics, &side.aside].map(|counts| Arc::strong_count(counts) > 1);
        let forget = too_many > 0 && used == [false, false];
        too_many -= usize::from(forget);
        !forget
    });
}

/// Closes the seconds of all services, each just after its end, for ever.
pub(crate) async fn tick(services: impl Fn() -> Vec<Arc<Service>>) {
    loop {
        let now = clock::since_epoch();
        let second = now.as_secs();
        sleep(Duration::from_secs(second + 1).saturating_sub(now)).await;
        for service in services() {
            close(&service, second);
        }
        // The timer may be a little early by the wall clock; then the rest of this second would
        // be closed as a second one.
        let early = Duration::from_secs(second + 1).saturating_sub(clock::since_epoch());
        sleep(early.min(Duration::from_secs(1))).await;
    }
}

fn close(service: &Service, second: u64) {
    let routes = service.routes();
    let gauge = |side: &'_ crate::service::Side| {
        let healthy = side
            .upstreams
            .iter()
            .filter(|upstream| upstream.takes_requests())
            .count();
        let expected = side
            .upstreams
            .iter()
            .filter(|upstream| upstream.is_accepting())
            .count();
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (small(healthy), small(expected))
    };
    let present: Vec<_> = routes
        .sides
        .iter()
        .map(|side| {
            let (healthy, expected) = gauge(side);
            (side.name.as_str(), healthy, expected)
        })
        .collect();
    service
        .history
        .close(second, &present, service.drops.take());
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn seconds_are_complete_and_bounded() {
        let history = History::default();
        let (side, _) = history.side("1.0.0");
        for second in 0..2_000 {
            side.answered(StatusCode::OK, Duration::ZERO);
            history.close(second, &[("1.0.0", 1, 2)], BTreeMap::new());
        }
        side.answered(StatusCode::OK, Duration::ZERO);
        let all = history.since(0);
        assert_eq!(all.len(), KEPT_SECONDS);
        assert_eq!(history.since(1_990).len(), 10);
        assert!(history.since(2_000).is_empty());
        let sample = &all[0].sides[0];
        assert_eq!(
            (sample.requests, sample.healthy, sample.expected),
            (1, 1, 2)
        );
        assert_eq!(history.totals()[0].totals.requests, 2_001);
    }

    #[test]
    fn sides_that_left_are_remembered_but_not_all() {
        let history = History::default();
        for release in 0..100 {
            let name = format!("1.{release}.0");
            history
                .side(&name)
                .0
                .answered(StatusCode::OK, Duration::ZERO);
            history.close(release, &[(&name, 1, 1)], BTreeMap::new());
        }
        let totals = history.totals();
        assert_eq!(totals.len(), KEPT_SIDES + 1);
        assert_eq!(totals.last().unwrap().name, "1.99.0");
        let last = history.since(99);
        assert_eq!(last[0].sides.len(), 1, "sides at rest are not sampled");
    }

    #[test]
    fn a_clock_set_back_makes_no_second_twice() {
        let history = History::default();
        for second in [10, 11, 5, 12] {
            history.close(second, &[], BTreeMap::new());
        }
        let seconds: Vec<_> = history
            .since(0)
            .iter()
            .map(|bucket| bucket.second)
            .collect();
        assert_eq!(seconds, [10, 11, 12, 13]);
    }
}
