//! A deployment's seconds up to now: those that were kept, and those that only the balancer has yet.

use std::collections::BTreeMap;

use cutover_rollout::Deployment;

use super::record::{Record, Second};
use crate::{Control, Error, routes};

impl Record {
    /// What was kept of a deployment, and while it is under way what will be.
    pub(crate) async fn so_far(control: &Control, deployment: &Deployment) -> Result<Self, Error> {
        let Some(spec) = deployment.spec() else {
            return Ok(Self::default());
        };
        let mut record = Self::of(control, &spec.id).await?;
        let next = record.seconds.last().map_or(0, |last| last.at + 1);
        record.seconds.extend(live(control, deployment, next).await);
        Ok(record)
    }
}

/// The seconds from this one on that only the balancer has yet; none when the deployment has ended.
pub(super) async fn live(control: &Control, deployment: &Deployment, next: u64) -> Vec<Second> {
    let first = deployment.shifts().first().map(|shift| shift.at.0 / 1_000);
    let (Some(spec), Some(first), false) = (deployment.spec(), first, deployment.is_finished())
    else {
        return Vec::new();
    };
    let next = next.max(u64::try_from(first).unwrap_or_default());
    let name = routes::name(&spec.release.service, &spec.environment);
    let table = control.routes().table().await;
    let (Some(route), Some(client)) = (table.routes.get(&name), control.balancer().known().await)
    else {
        return Vec::new();
    };
    let Some(candidate) = route.side(&spec.id) else {
        return Vec::new();
    };
    let current = route.sides.iter().find(|side| side.deployment != spec.id);
    // A balancer that does not answer has nothing to add.
    let buckets = client.samples(&name, next).await.unwrap_or_default();
    let seconds = buckets.into_iter().filter_map(|bucket| {
        let of = |name: &str| bucket.sides.iter().find(|side| side.name == name).cloned();
        let seen = of(&candidate.name).filter(|_| bucket.second >= next)?;
        Some(Second {
            at: bucket.second,
            weight: weight_at(deployment, bucket.second),
            candidate: seen,
            current: current.and_then(|side| of(&side.name)),
            // Known only to who watches. Without them such a second counts no slow answers, and
            // is a gap to external metrics, until it is kept.
            slow_ms: None,
            external: BTreeMap::new(),
            drops: bucket.drops,
        })
    });
    seconds.collect()
}

/// The candidate's share when a second was over.
fn weight_at(deployment: &Deployment, second: u64) -> cutover_model::delivery::Weight {
    let end = i64::try_from((second + 1) * 1_000).unwrap_or(i64::MAX);
    let before = deployment.shifts().iter().rev();
    let shift = before.into_iter().find(|shift| shift.at.0 < end);
    shift.map_or(deployment.weight(), |shift| shift.weight)
}
