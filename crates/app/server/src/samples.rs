//! The balancer's seconds, told to the watch of a deployment.

mod live;
mod record;

use std::collections::BTreeMap;

use cutover_model::{DeploymentId, Timestamp, delivery::Weight};
use cutover_proxy::{Bucket, LATENCY_BOUNDS_MS, SideSample as Seen};
use cutover_rollout::{
    Deployment,
    watch::{Fired, Latency, Sample, SideSample, Watch},
};

pub(crate) use self::record::Record;
use self::record::{Recorder, Second};
use crate::{Control, Error};

/// Looks until a trigger fires or the deployment ends. After a restart, or when the balancer was
/// away, the seconds that it kept are told first, so that nothing is overlooked.
pub(crate) async fn watch(
    control: &Control,
    route: &str,
    deployment: &Deployment,
    current: Option<DeploymentId>,
) -> Option<Fired> {
    let spec = deployment.spec()?;
    let mut watch = Watch::of(spec);
    // The first share of traffic is when looking began, also when that was before a restart.
    let first = deployment
        .shifts()
        .iter()
        .find(|shift| shift.weight > Weight::NONE);
    let since = first.map_or_else(|| control.now(), |shift| shift.at);
    let mut next = u64::try_from(since.0 / 1_000).unwrap_or_default();
    let mut recorder = Recorder::new(control, &spec.id, route, next).await;
    let looker = Looker {
        control,
        route,
        candidate: &spec.id,
        current,
    };
    let ended = async {
        match control.drive_deployment(&spec.id).await {
            Ok(driven) => drop(driven.finished().await),
            Err(_) => control.closing().cancelled().await,
        }
    };
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => return None,
            fired = looker.follow(&mut watch, &mut next, &mut recorder) => match fired {
                Ok(fired) => return Some(fired),
                Err(error) => tracing::warn!(%error, "the balancer's samples stopped; asking again"),
            }
        }
        tokio::select! {
            () = &mut ended => return None,
            () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {}
        }
    }
}

struct Looker<'a> {
    control: &'a Control,
    route: &'a str,
    candidate: &'a DeploymentId,
    current: Option<DeploymentId>,
}

impl Looker<'_> {
    async fn follow(
        &self,
        watch: &mut Watch,
        next: &mut u64,
        recorder: &mut Recorder,
    ) -> Result<Fired, Error> {
        let client = self.control.balancer().ready().await?;
        let mut stream = client
            .subscribe(self.route)
            .await
            .map_err(Error::balancer)?;
        for bucket in client
            .samples(self.route, *next)
            .await
            .map_err(Error::balancer)?
        {
            if let Some(fired) = self.tell(watch, next, recorder, &bucket).await {
                return Ok(fired);
            }
        }
        loop {
            let bucket = stream.next().await.map_err(Error::balancer)?;
            if let Some(fired) = self.tell(watch, next, recorder, &bucket).await {
                return Ok(fired);
            }
        }
    }

    async fn tell(
        &self,
        watch: &mut Watch,
        next: &mut u64,
        recorder: &mut Recorder,
        bucket: &Bucket,
    ) -> Option<Fired> {
        if bucket.second < *next {
            return None;
        }
        *next = bucket.second + 1;
        let table = self.control.routes().table().await;
        let route = table.routes.get(self.route)?;
        let side = |deployment: &DeploymentId| {
            let name = &route.side(deployment)?.name;
            bucket.sides.iter().find(|side| side.name == *name).cloned()
        };
        let seen = Second {
            at: bucket.second,
            weight: route.side(self.candidate)?.weight,
            candidate: side(self.candidate)?,
            current: self.current.as_ref().and_then(side),
        };
        let fired = watch.sample(&told(&seen));
        recorder.add(seen).await;
        fired
    }
}

/// A second in the words of the watch.
pub(crate) fn told(seen: &Second) -> Sample {
    let end = i64::try_from((seen.at + 1) * 1_000).unwrap_or(i64::MAX);
    Sample {
        at: Timestamp(end),
        candidate: sample(&seen.candidate),
        current: seen.current.as_ref().map(sample),
        weight: seen.weight,
        external: BTreeMap::new(),
    }
}

fn sample(seen: &Seen) -> SideSample {
    SideSample {
        requests: seen.requests,
        errors_5xx: seen.errors_5xx,
        bad: seen.bad,
        time_ms_sum: seen.time_ms_sum,
        latency: Latency::of_steps(&LATENCY_BOUNDS_MS, &seen.histogram),
        healthy_hosts: seen.healthy,
        expected_hosts: seen.expected,
        ..SideSample::default()
    }
}
