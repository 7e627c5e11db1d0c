//! Instances that an earlier deployment has left behind: one that could only be held at a share, or whose
//! instances did not stop in time. The next that ends here takes them away before it gives the place back.

use std::time::Duration;

use cutover_model::{DeploymentId, delivery::Weight};
use cutover_target::{Generation, Place};

use super::Work;
use crate::{Error, routes::Route};

/// How much longer than draining and stopping may take an engine may take for it.
const SPARE: Duration = Duration::from_secs(30);

impl Work {
    /// One try: what does not go now is left to the next.
    pub(super) async fn sweep(&self) {
        if self.deployment.fence().is_none() {
            return;
        }
        let current = self.current_deployment().await;
        let table = self.control.routes().table().await;
        let Some(route) = table.routes.get(&self.route()) else {
            return;
        };
        let limit = self.spec.drain_timeout.to_std() + self.spec.stop_grace.to_std() + SPARE;
        for left in left_over(route, self.id(), current.as_ref()) {
            tracing::warn!(deployment = %left, "it has left instances behind, which go now");
            match tokio::time::timeout(limit, self.take_away(&left)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, deployment = %left, "they stay"),
                Err(_elapsed) => tracing::warn!(deployment = %left, "they do not go in time"),
            }
        }
    }

    async fn take_away(&self, left: &DeploymentId) -> Result<(), Error> {
        let deployment = self.control.deployment(left).await?;
        let Some(spec) = deployment.spec().filter(|_| deployment.is_finished()) else {
            return Ok(());
        };
        let mut ids = Vec::new();
        let is_ours = self
            .change_route(|route| {
                let sides = route.sides.iter_mut();
                for side in sides.filter(|side| side.deployment == *left) {
                    for upstream in &mut side.upstreams {
                        upstream.accepting = false;
                        ids.push(upstream.id.clone());
                    }
                }
            })
            .await?;
        if !is_ours {
            return Ok(());
        }
        let client = self.control.balancer().ready().await?;
        let limit = self.spec.drain_timeout.as_millis();
        let drained = client.drain(&self.route(), &ids, limit).await;
        drained.map_err(Error::balancer)?;
        let place = Place {
            deployment: left.clone(),
            environment: spec.environment.clone(),
            service: spec.release.service.clone(),
        };
        let target = self.control.target(&spec.target).await?;
        let generation = Generation {
            fence: self.deployment.fence().unwrap_or_default(),
            ask: self.deployment.generation(),
        };
        target.stop(&place, 0, spec.stop_grace, generation).await?;
        target.remove(&place).await?;
        let gone = |route: &mut Route| route.sides.retain(|side| side.deployment != *left);
        self.change_route(gone).await.map(drop)
    }
}

/// Whose instances nobody will need: no share, and neither ours nor those of what serves.
fn left_over(
    route: &Route,
    ours: &DeploymentId,
    current: Option<&DeploymentId>,
) -> Vec<DeploymentId> {
    let sides = route.sides.iter().filter(|side| {
        let is_known = side.deployment == *ours || current == Some(&side.deployment);
        side.weight == Weight::NONE && !is_known
    });
    sides.map(|side| side.deployment.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn what_has_no_share_and_is_nobodys_goes() {
        let id = |name: &str| DeploymentId::derived(&[name]);
        let mut route = routes::Route::default();
        for (name, percent) in [("ours", 0), ("current", 0), ("held", 10), ("left", 0)] {
            route.change_side(&id(name), name, |side| {
                side.weight = Weight::from_percent(percent).unwrap();
            });
        }
        let left = left_over(&route, &id("ours"), Some(&id("current")));
        assert_eq!(left, [id("left")]);
    }
}
