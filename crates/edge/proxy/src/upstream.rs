//! One address that requests are sent to: whether it takes them, and how many it holds.
//!
//! Claim, then look again: a request first raises the in-flight count, then reads the accepting
//! flag. Whoever drains first clears the flag, then waits for the count. Both are sequentially
//! consistent, so either the request sees the flag cleared, or the drain sees the request.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
};

use tokio::sync::{Notify, watch};

use crate::{
    clock,
    connection::Connections,
    control::{Protocol, UpstreamReport, UpstreamState, UpstreamStatus},
    ejection::Ejection,
    farewell::Farewell,
    lock::locked,
};

/// What the health checks have decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Condition {
    Adding,
    Healthy,
    Unhealthy,
}

/// One upstream, for as long as any table or request knows it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) id: String,
    pub(crate) address: String,
    /// The connections to it.
    pub(crate) connections: Connections,
    /// Tells the checker to look at once.
    pub(crate) recheck: Arc<Notify>,
    /// Its long streams.
    pub(crate) farewell: Arc<Farewell>,
    accepting: AtomicBool,
    condition: AtomicU8,
    in_flight: AtomicU64,
    emptied: Notify,
    strikes: AtomicU32,
    /// How it fares with users, where the table has it looked at.
    pub(crate) ejection: Ejection,
    report: Mutex<UpstreamReport>,
    /// Counts the changes of health in the whole service.
    changes: watch::Sender<u64>,
}

impl Upstream {
    pub(crate) fn new(id: &str, address: &str, changes: watch::Sender<u64>) -> Self {
        Self {
            id: id.to_owned(),
            address: address.to_owned(),
            connections: Connections::default(),
            recheck: Arc::default(),
            farewell: Arc::default(),
            accepting: AtomicBool::new(false),
            condition: AtomicU8::new(Condition::Adding as u8),
            in_flight: AtomicU64::new(0),
            emptied: Notify::new(),
            strikes: AtomicU32::new(0),
            ejection: Ejection::default(),
            report: Mutex::new(UpstreamReport {
                id: id.to_owned(),
                since_unix_ms: clock::unix_ms(),
                ..UpstreamReport::default()
            }),
            changes,
        }
    }

    /// The same, for an upstream that speaks this.
    pub(crate) fn speaking(mut self, protocol: Protocol) -> Self {
        self.connections = Connections::new(protocol);
        self
    }

    /// Whether it takes requests, as far as one can know without a claim.
    pub(crate) fn takes_requests(&self) -> bool {
        self.condition() == Condition::Healthy && self.is_accepting()
    }

    /// Takes a place for one request. `None` when it was closed meanwhile.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Claim> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let claim = Claim {
            upstream: Arc::clone(self),
            cuts: self.connections.cuts(),
        };
        self.accepting.load(Ordering::SeqCst).then_some(claim)
    }

    /// Opens or closes it for new requests.
    pub(crate) fn set_accepting(&self, accepting: bool) {
        if accepting {
            self.farewell.stay();
        }
        self.accepting.store(accepting, Ordering::SeqCst);
    }

    pub(crate) fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::SeqCst)
    }

    /// Requests that hold a claim.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Waits until no request holds a claim. To be called after it was closed.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.in_flight() == 0 {
                return;
            }
            emptied.await;
        }
    }

    pub(crate) fn condition(&self) -> Condition {
        match self.condition.load(Ordering::Acquire) {
            0 => Condition::Adding,
            1 => Condition::Healthy,
            _ => Condition::Unhealthy,
        }
    }

    /// Decides about its health, and wakes those who wait for it.
    pub(crate) fn set_condition(&self, condition: Condition) {
        self.strikes.store(0, Ordering::Relaxed);
        let before = self.condition.swap(condition as u8, Ordering::AcqRel);
        if before != condition as u8 {
            locked(&self.report).since_unix_ms = clock::unix_ms();
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// A request found no connection. As many in a row as checks may fail make it unhealthy, at
    /// once and not only after that many checks; in any case it is checked now.
    pub(crate) fn strike(&self, allowed: u32) {
        let strikes = self.strikes.fetch_add(1, Ordering::Relaxed) + 1;
        if strikes >= allowed && self.condition() == Condition::Healthy {
            self.set_condition(Condition::Unhealthy);
        }
        self.recheck.notify_one();
    }

    /// A request found a connection.
    pub(crate) fn forgive(&self) {
        if self.strikes.load(Ordering::Relaxed) > 0 {
            self.strikes.store(0, Ordering::Relaxed);
        }
    }

    /// What the checks saw last.
    pub(crate) fn report(&self) -> UpstreamReport {
        let mut report = locked(&self.report).clone();
        report.healthy = self.condition() == Condition::Healthy;
        report
    }

    /// Notes what a check saw.
    pub(crate) fn note(&self, note: impl FnOnce(&mut UpstreamReport)) {
        let mut report = locked(&self.report);
        let passed_before = (report.checks > 0).then_some(report.last_error.is_none());
        note(&mut report);
        let passed = report.last_error.is_none();
        report.checks += 1;
        report.failed += u64::from(!passed);
        let same = passed_before == Some(passed);
        report.in_a_row = if same { report.in_a_row + 1 } else { 1 };
        report.checked_unix_ms = clock::unix_ms();
    }

    pub(crate) fn state(&self) -> UpstreamState {
        if !self.is_accepting() {
            return UpstreamState::Draining;
        }
        match self.condition() {
            Condition::Adding => UpstreamState::Adding,
            Condition::Healthy => UpstreamState::Healthy,
            Condition::Unhealthy => UpstreamState::Unhealthy,
        }
    }

    pub(crate) fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            id: self.id.clone(),
            address: self.address.clone(),
            state: self.state(),
            in_flight: self.in_flight(),
            connections: self.connections.open_now(),
            ejected_ms: self.ejection.left_ms(),
            report: self.report(),
        }
    }
}

impl Drop for Upstream {
    /// The checker wakes, finds nothing left to check, and ends.
    fn drop(&mut self) {
        self.recheck.notify_one();
    }
}

/// The place of one request at one upstream, held to the last byte of its answer.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) upstream: Arc<Upstream>,
    cuts: u64,
}

impl Claim {
    /// Whether the connections were cut since; then the drain has entered this request.
    pub(crate) fn was_cut(&self) -> bool {
        self.upstream.connections.cuts() != self.cuts
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let last = self.upstream.in_flight.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && !self.upstream.is_accepting() {
            self.upstream.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Arc<Upstream> {
        Arc::new(Upstream::new("u", "127.0.0.1:1", watch::Sender::new(0)))
    }

    #[test]
    fn a_closed_upstream_gives_no_claim() {
        let upstream = upstream();
        assert!(upstream.claim().is_none());
        assert_eq!(upstream.in_flight(), 0);
        upstream.set_accepting(true);
        let claim = upstream.claim();
        assert!(claim.is_some());
        assert_eq!(upstream.in_flight(), 1);
        drop(claim);
        assert_eq!(upstream.in_flight(), 0);
    }

    #[tokio::test]
    async fn emptied_waits_for_the_last_claim() {
        let upstream = upstream();
        upstream.set_accepting(true);
        let claims = [upstream.claim(), upstream.claim()];
        upstream.set_accepting(false);
        let waiting = Arc::clone(&upstream);
        let waiting = tokio::spawn(async move { waiting.emptied().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(claims);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn strikes_in_a_row_make_it_unhealthy_and_a_connection_forgives() {
        let upstream = upstream();
        upstream.set_condition(Condition::Healthy);
        upstream.strike(2);
        upstream.forgive();
        upstream.strike(2);
        assert_eq!(upstream.condition(), Condition::Healthy);
        upstream.strike(2);
        assert_eq!(upstream.condition(), Condition::Unhealthy);
        upstream.recheck.notified().await;
    }
}
