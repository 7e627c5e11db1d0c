//! What is counted on the way of a request: atomics only, emptied once a second by `seconds`.

use std::{
    collections::BTreeMap,
    ops::AddAssign,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;

use crate::{
    control::{ErrorTotals, LATENCY_BOUNDS_MS, SideSample, Totals},
    distinct::{Client, Witnesses},
    drops::Drops,
};

const STEPS: usize = LATENCY_BOUNDS_MS.len() + 1;

/// What can go wrong between balancer and upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Connect,
    Timeout,
    Reset,
}

/// The counts of one side in the current second.
#[derive(Debug, Default)]
pub(crate) struct SideMetrics {
    requests: AtomicU64,
    classes: [AtomicU64; 4],
    bad: AtomicU64,
    connect: AtomicU64,
    timeout: AtomicU64,
    reset: AtomicU64,
    client_gone: AtomicU64,
    time_us: AtomicU64,
    histogram: [AtomicU64; STEPS],
    slow: AtomicU64,
    distinct_bad: AtomicU64,
    distinct_slow: AtomicU64,
    /// Those of all sides.
    witnesses: Arc<Witnesses>,
    /// Requests that were lost.
    pub(crate) drops: Drops,
}

impl SideMetrics {
    /// Of a side that shares its witnesses with the others of its service.
    pub(crate) fn among(witnesses: &Arc<Witnesses>) -> Self {
        Self {
            witnesses: Arc::clone(witnesses),
            ..Self::default()
        }
    }

    /// A request was answered with this status, by the upstream or for want of it.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        // Other than the usual classes only 101 gets here: a switch of protocol, so a success.
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        if class == 3 {
            self.bad.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.time_us.fetch_add(micros, Ordering::Relaxed);
        let step = LATENCY_BOUNDS_MS.partition_point(|bound| bound * 1_000 < micros);
        self.histogram[step].fetch_add(1, Ordering::Relaxed);
    }

    /// A request of this client went badly; counted besides, as one of independent events.
    pub(crate) fn bad_for(&self, client: Client) {
        if self.witnesses.bad.is_first(client) {
            self.distinct_bad.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request of this client took longer than the table allows.
    pub(crate) fn slow_for(&self, client: Client) {
        self.slow.fetch_add(1, Ordering::Relaxed);
        if self.witnesses.slow.is_first(client) {
            self.distinct_slow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request had to be given to another side. That it was answered there does not help this
    /// side: for the judge it went badly here.
    pub(crate) fn gave_up(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bad.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer that had begun was cut.
    pub(crate) fn cut(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
    }

    /// Something went wrong with the upstream, whether or not a retry helped.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        let counter = match trouble {
            Trouble::Connect => &self.connect,
            Trouble::Timeout => &self.timeout,
            Trouble::Reset => &self.reset,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The client left before its answer was complete.
    pub(crate) fn client_gone(&self) {
        self.client_gone.fetch_add(1, Ordering::Relaxed);
    }

    /// Empties the counters.
    pub(crate) fn take(&self) -> Counts {
        self.collect(|counter| counter.swap(0, Ordering::Relaxed))
    }

    /// Reads the counters.
    pub(crate) fn peek(&self) -> Counts {
        self.collect(|counter| counter.load(Ordering::Relaxed))
    }

    fn collect(&self, read: impl Fn(&AtomicU64) -> u64) -> Counts {
        Counts {
            requests: read(&self.requests),
            classes: self.classes.each_ref().map(&read),
            bad: read(&self.bad),
            connect: read(&self.connect),
            timeout: read(&self.timeout),
            reset: read(&self.reset),
            client_gone: read(&self.client_gone),
            time_us: read(&self.time_us),
            histogram: self.histogram.each_ref().map(&read),
            slow: read(&self.slow),
            distinct_bad: read(&self.distinct_bad),
            distinct_slow: read(&self.distinct_slow),
        }
    }
}

/// Counts, taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    requests: u64,
    classes: [u64; 4],
    bad: u64,
    connect: u64,
    timeout: u64,
    reset: u64,
    client_gone: u64,
    time_us: u64,
    histogram: [u64; STEPS],
    slow: u64,
    distinct_bad: u64,
    distinct_slow: u64,
}

impl Counts {
    /// Whether nothing happened.
    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// As sums since the start.
    pub(crate) fn totals(&self) -> Totals {
        let [status_2xx, status_3xx, status_4xx, status_5xx] = self.classes;
        Totals {
            requests: self.requests,
            status_2xx,
            status_3xx,
            status_4xx,
            status_5xx,
            bad: self.bad,
            errors: self.errors(),
            client_gone: self.client_gone,
            time_ms_sum: self.time_us / 1_000,
            slow: self.slow,
            distinct_bad: self.distinct_bad,
            distinct_slow: self.distinct_slow,
        }
    }

    /// The steps of the histogram.
    pub(crate) fn histogram(&self) -> Vec<u64> {
        self.histogram.to_vec()
    }

    fn errors(&self) -> ErrorTotals {
        ErrorTotals {
            connect: self.connect,
            timeout: self.timeout,
            reset: self.reset,
        }
    }

    /// As one second of a side.
    pub(crate) fn sample(&self, name: &str, healthy: u32, expected: u32) -> SideSample {
        let used = self
            .histogram
            .iter()
            .rposition(|count| *count > 0)
            .map_or(0, |last| last + 1);
        let step = |count: &u64| u32::try_from(*count).unwrap_or(u32::MAX);
        SideSample {
            name: name.to_owned(),
            requests: self.requests,
            errors_5xx: self.classes[3],
            bad: self.bad,
            time_ms_sum: self.time_us / 1_000,
            healthy,
            expected,
            histogram: self.histogram[..used].iter().map(step).collect(),
            errors: self.errors(),
            slow: self.slow,
            distinct_bad: self.distinct_bad,
            distinct_slow: self.distinct_slow,
            drops: BTreeMap::new(),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        for (sum, count) in self.classes.iter_mut().zip(other.classes) {
            *sum += count;
        }
        self.bad += other.bad;
        self.connect += other.connect;
        self.timeout += other.timeout;
        self.reset += other.reset;
        self.client_gone += other.client_gone;
        self.time_us += other.time_us;
        self.slow += other.slow;
        self.distinct_bad += other.distinct_bad;
        self.distinct_slow += other.distinct_slow;
        for (sum, count) in self.histogram.iter_mut().zip(other.histogram) {
            *sum += count;
        }
    }
}

/// What befell a request that did not go the straight way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No side had an upstream that takes requests: 503.
    NoUpstream,
    /// Its side had none, or none that answered; another side took it.
    OtherSide,
    /// Sent anew, over another connection or to another upstream.
    Retried,
    /// No connection to any upstream: 502.
    ConnectFailed,
    /// The answer did not begin in time: 504.
    TimedOut,
    /// The upstream closed without an answer: 502.
    Reset,
    /// The answer ended before its end.
    AnswerCut,
    /// Still in flight at the end of a drain.
    DrainCut,
    /// A WebSocket or a stream of events, asked to part by a drain. No failure.
    ClosedAfterGrace,
    /// More requests waited for a side than may: 503.
    HoldFull,
    /// Waited for a side in vain: 503.
    HoldTimedOut,
    /// More often than its client may ask: 429.
    RateLimited,
    /// Not wanted by a rule: 403 or 414.
    Denied,
    /// Refused for what the client sent.
    BadRequest,
}

impl Cause {
    /// All of them, in the order of the ledger.
    const ALL: [Self; 14] = [
        Self::NoUpstream,
        Self::OtherSide,
        Self::Retried,
        Self::ConnectFailed,
        Self::TimedOut,
        Self::Reset,
        Self::AnswerCut,
        Self::DrainCut,
        Self::ClosedAfterGrace,
        Self::HoldFull,
        Self::HoldTimedOut,
        Self::RateLimited,
        Self::Denied,
        Self::BadRequest,
    ];

    /// Its name in the ledger and in answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoUpstream => "no_upstream",
            Self::OtherSide => "other_side",
            Self::Retried => "retried",
            Self::ConnectFailed => "connect_failed",
            Self::TimedOut => "timed_out",
            Self::Reset => "reset",
            Self::AnswerCut => "answer_cut",
            Self::DrainCut => "drain_cut",
            Self::ClosedAfterGrace => "closed_after_grace",
            Self::HoldFull => "hold_full",
            Self::HoldTimedOut => "hold_timed_out",
            Self::RateLimited => "rate_limited",
            Self::Denied => "denied",
            Self::BadRequest => "bad_request",
        }
    }
}

/// The drop ledger: requests by what befell them.
#[derive(Debug, Default)]
pub(crate) struct Ledger([AtomicU64; Cause::ALL.len()]);

impl Ledger {
    /// Enters requests.
    pub(crate) fn enter(&self, cause: Cause, requests: u64) {
        self.0[cause as usize].fetch_add(requests, Ordering::Relaxed);
    }

    /// All entries, zeros included: "none was lost" is a statement too.
    pub(crate) fn entries(&self) -> BTreeMap<String, u64> {
        let entry = |cause: Cause| {
            (
                cause.name().to_owned(),
                self.0[cause as usize].load(Ordering::Relaxed),
            )
        };
        Cause::ALL.into_iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_what_happened_in_it() {
        let side = SideMetrics::default();
        side.answered(StatusCode::OK, Duration::from_millis(4));
        side.answered(StatusCode::SWITCHING_PROTOCOLS, Duration::from_micros(300));
        side.answered(StatusCode::BAD_GATEWAY, Duration::from_millis(12));
        side.cut();
        side.trouble(Trouble::Timeout);
        let counts = side.take();
        assert!(side.peek().is_zero());
        let sample = counts.sample("1.0.0", 2, 3);
        let (requests, errors_5xx, bad) = (sample.requests, sample.errors_5xx, sample.bad);
        assert_eq!((requests, errors_5xx, bad), (3, 1, 2));
        assert_eq!(sample.histogram, [1, 0, 0, 1, 0, 0, 1]);
        assert_eq!(sample.time_ms_sum, 16);
        let totals = counts.totals();
        assert_eq!(
            (totals.status_2xx, totals.status_5xx, totals.errors.timeout),
            (2, 1, 1)
        );
    }

    #[test]
    fn slow_answers_have_their_own_step() {
        let side = SideMetrics::default();
        side.answered(StatusCode::OK, Duration::from_mins(1));
        side.answered(StatusCode::OK, Duration::from_secs(10));
        let sample = side.take().sample("1", 0, 0);
        assert_eq!(sample.histogram[STEPS - 2..], [1, 1]);
    }

    #[test]
    fn the_ledger_names_every_cause() {
        let ledger = Ledger::default();
        for (count, cause) in (1..).zip(Cause::ALL) {
            ledger.enter(cause, count);
        }
        let entries = ledger.entries();
        assert_eq!(entries.len(), Cause::ALL.len());
        assert_eq!(entries["no_upstream"], 1);
        assert_eq!(entries["bad_request"], 14);
    }
}
