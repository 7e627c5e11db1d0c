//! Active health checks: one task per upstream, which never stops while the upstream is known.
//!
//! One function per state; `Checker::run` names their order. Draining is not a state here: whether
//! an upstream accepts is the table's matter, whether it is well is decided all the same.

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use rand::Rng as _;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use crate::{
    connection::KeepFor,
    control::Health,
    probe::{Probe, Seen},
    service::Origin,
    upstream::{Condition, Upstream},
};

/// Longest pause between the checks of an upstream that was never healthy yet.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long an upstream may take to get healthy before it is checked at the usual interval.
const PATIENCE: Duration = Duration::from_mins(1);
/// Shortest pause between two checks, however often one is asked for.
const BREATH: Duration = Duration::from_millis(50);

/// Checks an upstream until nobody knows it any more.
pub(crate) fn watch(
    upstream: &Arc<Upstream>,
    health: watch::Receiver<Health>,
    origin: Origin,
) -> impl Future<Output = ()> + Send + use<> {
    let probe = crate::probe::Http(upstream.connections.protocol());
    watch_with(upstream, health, origin, probe)
}

fn watch_with<P: Probe>(
    upstream: &Arc<Upstream>,
    health: watch::Receiver<Health>,
    origin: Origin,
    probe: P,
) -> impl Future<Output = ()> + Send + use<P> {
    let checker = Checker {
        upstream: Arc::downgrade(upstream),
        address: upstream.address.clone(),
        recheck: Arc::clone(&upstream.recheck),
        health,
        origin,
        probe,
    };
    async move {
        let _gone = checker.run().await;
    }
}

/// The upstream is not known any more.
struct Gone;

struct Checker<P> {
    upstream: Weak<Upstream>,
    address: String,
    recheck: Arc<Notify>,
    health: watch::Receiver<Health>,
    origin: Origin,
    probe: P,
}

impl<P: Probe> Checker<P> {
    async fn run(mut self) -> Result<(), Gone> {
        if self.adding().await? {
            self.decide(Condition::Healthy)?;
        }
        loop {
            if self.upstream()?.condition() == Condition::Healthy {
                self.healthy().await?;
                self.decide(Condition::Unhealthy)?;
            } else {
                self.decide(Condition::Unhealthy)?;
                self.unhealthy().await?;
                self.decide(Condition::Healthy)?;
            }
        }
    }

    /// Until enough checks in a row passed: true; or for as long as patience lasts: false.
    async fn adding(&mut self) -> Result<bool, Gone> {
        let began = Instant::now();
        let mut passed = 0;
        while began.elapsed() < PATIENCE {
            passed = if self.check().await? { passed + 1 } else { 0 };
            let needed = match self.origin {
                Origin::Told => self.health.borrow().healthy,
                Origin::Restored => 1,
            };
            if passed >= needed.max(1) {
                return Ok(true);
            }
            let pause = self.interval().min(FIRST_PAUSE);
            self.pause(pause).await?;
        }
        Ok(false)
    }

    /// Until enough checks in a row failed, or requests found it gone.
    async fn healthy(&mut self) -> Result<(), Gone> {
        let mut failed = 0;
        // Upstreams that were added together shall not be checked together for ever.
        let mut pause = self.interval().mul_f64(rand::rng().random_range(0.1..1.0));
        while failed < self.health.borrow().unhealthy.max(1) {
            self.pause(pause).await?;
            failed = if self.check().await? { 0 } else { failed + 1 };
            if self.upstream()?.condition() != Condition::Healthy {
                return Ok(());
            }
            pause = self.interval();
        }
        Ok(())
    }

    /// Until enough checks in a row passed.
    async fn unhealthy(&mut self) -> Result<(), Gone> {
        let mut passed = 0;
        while passed < self.health.borrow().healthy.max(1) {
            self.pause(self.interval()).await?;
            passed = if self.check().await? { passed + 1 } else { 0 };
        }
        Ok(())
    }

    /// Waits, but not when a check is asked for now.
    async fn pause(&mut self, pause: Duration) -> Result<(), Gone> {
        sleep(BREATH.min(pause)).await;
        tokio::select! {
            () = sleep(pause.saturating_sub(BREATH)) => {}
            () = self.recheck.notified() => {}
            changed = self.health.changed() => changed.map_err(|_| Gone)?,
        }
        self.upstream().map(|_upstream| ())
    }

    async fn check(&mut self) -> Result<bool, Gone> {
        let health = self.health.borrow().clone();
        let seen = self.probe.probe(&self.address, &health).await;
        let upstream = self.upstream()?;
        let idle = Duration::from_millis(health.interval_ms.max(4_000));
        upstream.connections.prune(KeepFor {
            idle,
            age: Duration::MAX,
        });
        let Seen {
            status,
            error,
            body_head,
        } = seen;
        let passed = error.is_none();
        upstream.note(|report| {
            report.last_status = status;
            report.last_error = error;
            report.body_head = body_head;
        });
        Ok(passed)
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.health.borrow().interval_ms).max(BREATH)
    }

    fn decide(&self, condition: Condition) -> Result<(), Gone> {
        self.upstream()?.set_condition(condition);
        Ok(())
    }

    fn upstream(&self) -> Result<Arc<Upstream>, Gone> {
        self.upstream.upgrade().ok_or(Gone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    /// Passes while the flag is set; remembers when it was asked.
    #[derive(Clone, Default)]
    struct Scripted {
        well: Arc<AtomicBool>,
        asked: Arc<Mutex<Vec<Instant>>>,
    }

    impl Probe for Scripted {
        async fn probe(&self, _address: &str, _health: &Health) -> Seen {
            self.asked.lock().unwrap().push(Instant::now());
            let well = self.well.load(Ordering::SeqCst);
            let error = (!well).then(|| "not now".to_owned());
            Seen {
                status: Some(if well { 200 } else { 503 }),
                error,
                body_head: None,
            }
        }
    }

    struct Setting {
        upstream: Arc<Upstream>,
        changes: watch::Receiver<u64>,
        probe: Scripted,
        _health: watch::Sender<Health>,
        began: Instant,
    }

    fn setting(well: bool, origin: Origin) -> Setting {
        let (changes, heard) = watch::channel(0);
        let upstream = Arc::new(Upstream::new("u", "127.0.0.1:1", changes));
        let health = Health {
            interval_ms: 2_000,
            healthy: 2,
            unhealthy: 3,
            ..Health::default()
        };
        let (sender, receiver) = watch::channel(health);
        let probe = Scripted::default();
        probe.well.store(well, Ordering::SeqCst);
        tokio::spawn(watch_with(&upstream, receiver, origin, probe.clone()));
        Setting {
            upstream,
            changes: heard,
            probe,
            _health: sender,
            began: Instant::now(),
        }
    }

    impl Setting {
        async fn next(&mut self) -> (Condition, Duration) {
            self.changes.changed().await.unwrap();
            (self.upstream.condition(), self.began.elapsed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_decision_is_fast() {
        let mut told = setting(true, Origin::Told);
        assert_eq!(told.next().await, (Condition::Healthy, FIRST_PAUSE));
        let mut restored = setting(true, Origin::Restored);
        assert_eq!(restored.next().await, (Condition::Healthy, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_gets_well_is_given_up_after_a_minute_and_still_checked() {
        let mut setting = setting(false, Origin::Told);
        let (condition, after) = setting.next().await;
        assert_eq!(condition, Condition::Unhealthy);
        assert!(
            after >= PATIENCE && after < PATIENCE + FIRST_PAUSE,
            "{after:?}"
        );
        setting.probe.well.store(true, Ordering::SeqCst);
        let (condition, later) = setting.next().await;
        assert_eq!(condition, Condition::Healthy);
        assert_eq!(later, after + Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_decide() {
        let mut setting = setting(true, Origin::Told);
        setting.next().await;
        setting.probe.well.store(false, Ordering::SeqCst);
        let (condition, after) = setting.next().await;
        assert_eq!(condition, Condition::Unhealthy);
        assert!(
            after > Duration::from_secs(4) && after < Duration::from_secs(7),
            "{after:?}"
        );
        let report = setting.upstream.report();
        assert_eq!(
            (report.last_status, report.last_error),
            (Some(503), Some("not now".to_owned()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_strike_asks_for_a_check_now() {
        let mut setting = setting(true, Origin::Told);
        setting.next().await;
        setting.probe.well.store(false, Ordering::SeqCst);
        setting.upstream.strike(1);
        let (condition, after) = setting.next().await;
        assert_eq!((condition, after), (Condition::Unhealthy, FIRST_PAUSE));
        sleep(BREATH * 2).await;
        let last = *setting.probe.asked.lock().unwrap().last().unwrap();
        assert!(last - setting.began <= FIRST_PAUSE + BREATH);
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_the_upstream() {
        let setting = setting(true, Origin::Told);
        sleep(Duration::from_secs(5)).await;
        let probe = setting.probe.clone();
        drop(setting);
        sleep(Duration::from_mins(1)).await;
        // The task held the last other handle.
        assert_eq!(Arc::strong_count(&probe.well), 1);
    }
}
