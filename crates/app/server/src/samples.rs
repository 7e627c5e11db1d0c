//! The balancer's seconds, told to the watch of a deployment.

mod external;
mod live;
mod record;
mod seen;

use std::collections::BTreeMap;

use cutover_model::{
    DeploymentId, Timestamp,
    delivery::{DeploymentSpec, Weight},
};
use cutover_proxy::{Bucket, LATENCY_BOUNDS_MS, SideSample as Seen};
use cutover_rollout::{
    Deployment, Shift,
    watch::{Advice, Fired, Latency, Sample, SideSample, Verdict, Watch, Word},
};
use tokio::sync::watch;

use self::{external::Values, record::Recorder};
pub(crate) use self::{
    record::{Record, Second},
    seen::{Looks, seen},
};
use crate::{
    Control, Error,
    routes::{Route, Slow},
};

/// How many seconds before the first share are learnt from.
const LEARNT: u64 = 600;

/// A clock that is so many seconds behind was set, and did not only drift.
const SET_BACK: u64 = 5;

/// Who looks, at what, and who is told.
pub(crate) struct Watching<'a> {
    pub(crate) control: &'a Control,
    /// `service@environment`.
    pub(crate) route: &'a str,
    pub(crate) deployment: &'a Deployment,
    /// The deployment whose instances are the current side.
    pub(crate) current: Option<DeploymentId>,
    /// What the judge would say if the step were over, after each second.
    pub(crate) verdicts: &'a watch::Sender<Option<Verdict>>,
    /// Hears what holds a step without blame; again with each second.
    pub(crate) held: &'a (dyn Fn(String) + Sync),
}

/// Looks until a trigger fires or the deployment ends. What was seen before a restart is told first, and
/// then the seconds that the balancer kept, so that nothing is overlooked and nothing learnt is lost.
pub(crate) async fn watch(watching: Watching<'_>) -> Option<Fired> {
    let control = watching.control;
    let spec = watching.deployment.spec()?;
    let ended = async {
        match control.drive_deployment(&spec.id).await {
            Ok(driven) => drop(driven.finished().await),
            Err(_) => control.closing().cancelled().await,
        }
    };
    let values = Values::default();
    let metrics = external::metrics(&spec.triggers);
    let looking = async {
        let (mut looker, fired) = Looker::begin(watching, spec, values.clone()).await;
        if fired.is_some() {
            return fired;
        }
        loop {
            match looker.follow().await {
                Ok(fired) => return Some(fired),
                Err(error) => {
                    tracing::warn!(%error, "the balancer's samples stopped; asking again");
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = ended => None,
        fired = looking => fired,
        () = external::ask_all(control, &metrics, &values) => None,
    }
}

struct Looker<'a> {
    watching: Watching<'a>,
    spec: &'a DeploymentSpec,
    watch: Watch,
    recorder: Recorder,
    /// The first second that has not been told.
    next: u64,
    /// The second of the candidate's first share.
    first: u64,
    values: Values,
    /// Whether the balancer counts by the bound that was learnt here.
    counts_slow: bool,
}

impl<'a> Looker<'a> {
    /// One that has seen what was recorded before a restart, and whether that was enough to fire.
    async fn begin(
        watching: Watching<'a>,
        spec: &'a DeploymentSpec,
        values: Values,
    ) -> (Self, Option<Fired>) {
        // The first share of traffic is when looking began, also when that was before a restart.
        let shifts = watching.deployment.shifts().iter();
        let share = shifts.clone().find(|shift| shift.weight > Weight::NONE);
        let first = share.map_or_else(|| watching.control.now(), |shift| shift.at);
        let first = u64::try_from(first.0 / 1_000).unwrap_or_default();
        let since = first.saturating_sub(LEARNT);
        let (recorder, seen) = Recorder::new(watching.control, &spec.id).await;
        let mut watch = Watch::of(spec);
        let mut fired = None;
        for second in &seen {
            fired = fired.or(watch.sample(&told(second)));
        }
        let looker = Self {
            next: seen.last().map_or(since, |last| last.at + 1),
            watching,
            spec,
            watch,
            recorder,
            first,
            values,
            counts_slow: false,
        };
        (looker, fired)
    }

    async fn follow(&mut self) -> Result<Fired, Error> {
        let (control, route) = (self.watching.control, self.watching.route);
        let client = control.balancer().ready().await?;
        let mut stream = client.subscribe(route).await.map_err(Error::balancer)?;
        let kept = client.samples(route, self.next).await;
        let shifts = control.deployment(&self.spec.id).await?.shifts().to_vec();
        for bucket in kept.map_err(Error::balancer)? {
            let weight = weight_at(&shifts, bucket.second);
            if let Some(fired) = self.tell(&bucket, Some(weight)).await {
                return Ok(fired);
            }
        }
        loop {
            let bucket = stream.next().await.map_err(Error::balancer)?;
            if let Some(fired) = self.tell(&bucket, None).await {
                return Ok(fired);
            }
        }
    }

    /// Tells a second: one of now, or with the weight that was in force then.
    async fn tell(&mut self, bucket: &Bucket, then: Option<Weight>) -> Option<Fired> {
        if then.is_none() && is_set_back(self.next, bucket.second) {
            tracing::warn!("the clock was set back: what was seen before is forgotten");
            self.watch = Watch::of(self.spec);
            self.counts_slow = false;
        } else if bucket.second < self.next {
            return None;
        }
        self.next = bucket.second + 1;
        let table = self.watching.control.routes().table().await;
        let route = table.routes.get(self.watching.route)?;
        let seen = self.second(route, bucket, then)?;
        let fired = self.watch.sample(&told(&seen));
        self.recorder.add(seen).await;
        self.watching
            .verdicts
            .send_replace(self.watch.verdict(true));
        if let Some(verdict) = self.watch.verdict(false)
            && (verdict.word, verdict.advice) == (Word::Inconclusive, Advice::Pause)
        {
            (self.watching.held)(verdict.sentence);
        }
        self.count_slow(route).await;
        fired
    }

    fn second(&self, route: &Route, bucket: &Bucket, then: Option<Weight>) -> Option<Second> {
        let candidate = &self.spec.id;
        let side = |deployment: &DeploymentId| {
            let name = &route.side(deployment)?.name;
            bucket.sides.iter().find(|side| side.name == *name).cloned()
        };
        let weight = match then {
            Some(weight) => weight,
            None => route.side(candidate)?.weight,
        };
        // Before its first share there is nothing of the candidate to see.
        let is_before = bucket.second < self.first;
        let seen = side(candidate).or_else(|| is_before.then(Seen::default))?;
        let counted = route.slow.as_ref().filter(|slow| slow.by == *candidate);
        Some(Second {
            at: bucket.second,
            weight,
            candidate: seen,
            current: self.watching.current.as_ref().and_then(side),
            slow_ms: counted
                .filter(|slow| slow.since <= bucket.second)
                .map(|slow| slow.ms),
            drops: bucket.drops.clone(),
            external: match then {
                // Nobody has asked then.
                Some(_) => BTreeMap::new(),
                None => self.values.at(self.watching.control.now()),
            },
        })
    }

    /// Lets the balancer count answers as slow by the bound that was learnt, so that each client is
    /// heard once.
    async fn count_slow(&mut self, route: &Route) {
        let Some(ms) = self.watch.slow_ms().map(u64::from) else {
            return;
        };
        let is_so = |slow: &Slow| slow.by == self.spec.id && slow.ms == ms;
        self.counts_slow |= route.slow.as_ref().is_some_and(is_so);
        if self.counts_slow {
            return;
        }
        let control = self.watching.control;
        let now = u64::try_from(control.now().0 / 1_000).unwrap_or_default();
        let slow = Slow {
            by: self.spec.id.clone(),
            ms,
            // The second that is under way is not counted as a whole, nor may the next be.
            since: now + 2,
        };
        let fence = self.watching.deployment.fence();
        let changed = control.routes().change(|table| {
            let route = table.routes.get_mut(self.watching.route);
            if let Some(route) = route
                && route.admit(fence)
            {
                route.slow = Some(slow);
            }
        });
        match changed.await {
            Ok(_) => self.counts_slow = true,
            Err(error) => tracing::warn!(%error, "slow answers are not counted by client yet"),
        }
    }
}

/// Whether a second of now says that the clock was set back. Nobody would look until it has caught up:
/// to begin anew is slower, and never rash.
const fn is_set_back(next: u64, second: u64) -> bool {
    second + SET_BACK < next
}

/// The candidate's share in force when a second began.
fn weight_at(shifts: &[Shift], second: u64) -> Weight {
    let begin = i64::try_from(second * 1_000).unwrap_or(i64::MAX);
    let before = shifts.iter().rev().find(|shift| shift.at.0 <= begin);
    before.map_or(Weight::NONE, |shift| shift.weight)
}

/// A second in the words of the watch.
pub(crate) fn told(seen: &Second) -> Sample {
    let end = i64::try_from((seen.at + 1) * 1_000).unwrap_or(i64::MAX);
    let side = |side: &Seen| SideSample {
        slow_distinct: seen.slow_ms.map(|_| side.distinct_slow),
        ..sample(side)
    };
    Sample {
        at: Timestamp(end),
        candidate: side(&seen.candidate),
        current: seen.current.as_ref().map(side),
        weight: seen.weight,
        external: seen.external.clone(),
    }
}

fn sample(seen: &Seen) -> SideSample {
    SideSample {
        requests: seen.requests,
        errors_5xx: seen.errors_5xx,
        bad: seen.bad,
        bad_distinct: Some(seen.distinct_bad),
        time_ms_sum: seen.time_ms_sum,
        latency: Latency::of_steps(&LATENCY_BOUNDS_MS, &seen.histogram),
        healthy_hosts: seen.healthy,
        expected_hosts: seen.expected,
        ..SideSample::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_anybody_from_looking() {
        assert!(is_set_back(3_601, 0), "an hour");
        assert!(!is_set_back(10, 10), "the next second");
        assert!(!is_set_back(10, 9), "one that was told already");
    }

    #[test]
    fn a_second_has_the_share_that_was_in_force_when_it_began() {
        let shift = |ms, percent| Shift {
            at: Timestamp(ms),
            weight: Weight::from_percent(percent).unwrap(),
        };
        let shifts = [shift(10_500, 10), shift(20_000, 50)];
        let percent = |second| weight_at(&shifts, second).basis_points() / 100;
        assert_eq!([9, 10, 11, 19, 20].map(percent), [0, 0, 10, 10, 50]);
    }

    #[test]
    fn clients_are_told_apart_and_slow_ones_only_where_somebody_counted() {
        let mut second = Second {
            at: 7,
            weight: Weight::NONE,
            candidate: Seen {
                bad: 9,
                distinct_bad: 2,
                distinct_slow: 3,
                ..Seen::default()
            },
            current: None,
            slow_ms: None,
            drops: BTreeMap::new(),
            external: BTreeMap::from([("lag".to_owned(), 4.0)]),
        };
        let sample = told(&second);
        assert_eq!(sample.at, Timestamp(8_000));
        assert_eq!(sample.candidate.bad_distinct, Some(2));
        assert_eq!(sample.candidate.slow_distinct, None);
        assert!((sample.external["lag"] - 4.0).abs() < f64::EPSILON);
        second.slow_ms = Some(200);
        assert_eq!(told(&second).candidate.slow_distinct, Some(3));
    }
}
