//! Instances of a side: started, shown to the balancer, waited for. Why they are not healthy is said by
//! the balancer, which asks them, and by the target, which has their logs.

use std::{fmt::Display, time::Duration};

use cutover_model::delivery::Side;
use cutover_rollout::Input;
use cutover_target::{Instance, InstancesOrder, Place, Target};

use super::Work;
use crate::{deliver::instance_env, view};

/// Before what could not be started is tried again.
const PAUSE: Duration = Duration::from_secs(1);

impl Work {
    /// What may be said of instances: their logs and answers may hold what they were given.
    pub(super) fn told(&self, detail: Vec<String>) -> Vec<String> {
        let lines = detail.into_iter();
        lines
            .map(|line| self.control.without_secrets(&line))
            .collect()
    }

    pub(super) async fn ensure(&self, side: Side, count: u32, generation: u64) {
        match self.try_ensure(side, count, generation).await {
            Some(Ok(())) => self
                .mailbox
                .observe(Input::InstancesReady { side, generation }),
            Some(Err(detail)) => {
                self.mailbox.observe(Input::InstancesFailed {
                    side,
                    generation,
                    detail: self.told(detail),
                });
            }
            None => {}
        }
    }

    /// Starts what is missing, shows it to the balancer with the weight it has, and waits until the
    /// balancer finds all of it healthy. `None` when something else was ordered meanwhile.
    async fn try_ensure(
        &self,
        side: Side,
        count: u32,
        generation: u64,
    ) -> Option<Result<(), Vec<String>>> {
        // A candidate that cannot be started is told of at once. Whoever brings the current side back has
        // nothing else, and what is only busy now works in a moment.
        let limit = match side {
            Side::Candidate => Duration::ZERO,
            Side::Current => Duration::from_millis(self.patience()),
        };
        let started = tried(limit, PAUSE, || {
            self.start_instances(side, count, generation)
        });
        let started = tokio::select! {
            started = started => started,
            () = self.late() => return None,
        };
        let (target, order, instances) = match started {
            Ok(started) => started,
            Err(error) => return Some(Err(vec![error.to_string()])),
        };
        let ids: Vec<String> = instances
            .iter()
            .map(|instance| instance.id.clone())
            .collect();
        let shown = self.until_done("show the instances to the balancer", || {
            let (instances, order) = (&instances, &order);
            async move {
                let shown = self.change_route(|route| {
                    let (place, release) = (&order.place, &order.release);
                    route.change_side(&place.deployment, &release.version, |side| {
                        side.show(instances);
                    });
                });
                match shown.await {
                    // The balancer cannot do it, and will not be able to: an address that is taken.
                    Err(crate::Error::Refused(why)) => Ok(Err(vec![why])),
                    other => other.map(|_is_ours| Ok(())),
                }
            }
        });
        match shown.await? {
            Ok(()) => tokio::select! {
                answer = self.wait_healthy(&target, &order.place, &ids) => answer,
                dead = self.crash_loop(&target, &order) => Some(Err(dead)),
            },
            refused => Some(refused),
        }
    }

    async fn start_instances(
        &self,
        side: Side,
        count: u32,
        generation: u64,
    ) -> Result<(Target, InstancesOrder, Vec<Instance>), crate::Error> {
        let (place, release) = self.place(side).await?;
        let target = self.target().await?;
        // The side that served before comes back with its own configuration, not with ours.
        let maker = self.control.deployment(&place.deployment).await?;
        let env = instance_env(&self.control, maker.spec().unwrap_or(&self.spec))?;
        let order = InstancesOrder {
            place,
            release,
            count,
            env,
            generation: self.generation(generation),
        };
        let instances = target.ensure(&order).await?;
        Ok((target, order, instances))
    }

    async fn wait_healthy(
        &self,
        target: &Target,
        place: &Place,
        ids: &[String],
    ) -> Option<Result<(), Vec<String>>> {
        let reports = self
            .until_done("ask for health", || async {
                let client = self.control.balancer().ready().await?;
                client
                    .wait_healthy(&self.route(), ids, self.patience())
                    .await
                    .map_err(crate::Error::balancer)
            })
            .await?;
        let sick: Vec<_> = reports
            .into_iter()
            .filter(|report| !report.healthy)
            .collect();
        if sick.is_empty() {
            return Some(Ok(()));
        }
        let states = target.observe(place).await.unwrap_or_default();
        Some(Err(view::unhealthy(
            &self.spec.health,
            self.spec.start_timeout,
            &sick,
            &states,
        )))
    }

    /// What is left of the time to become healthy, in milliseconds; a little less, so that who says
    /// that it was not enough is the balancer, which knows why, and not the clock.
    fn patience(&self) -> u64 {
        let limit = self.spec.start_timeout.to_std();
        let left = limit.saturating_sub(self.begun.elapsed());
        let spare = (limit / 10).min(std::time::Duration::from_secs(1));
        u64::try_from(left.saturating_sub(spare).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Does something until it works, or until another try would be too late: then gives the last error.
async fn tried<T, E: Display, F>(
    limit: Duration,
    pause: Duration,
    mut act: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let begun = tokio::time::Instant::now();
    loop {
        match act().await {
            Err(error) if begun.elapsed() + pause < limit => {
                tracing::warn!(%error, "instances cannot be started; trying again");
            }
            ended => return ended,
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How often something is tried that works at the fifth try, and what comes of it.
    async fn tries(limit: Duration) -> (u32, bool) {
        let count = Cell::new(0);
        let ended = tried(limit, Duration::ZERO, || async {
            count.set(count.get() + 1);
            if count.get() < 5 { Err("busy") } else { Ok(()) }
        });
        let is_well = ended.await.is_ok();
        (count.get(), is_well)
    }

    #[tokio::test]
    async fn what_is_only_busy_is_tried_again_while_there_is_time() {
        assert_eq!(tries(Duration::MAX).await, (5, true));
        assert_eq!(tries(Duration::ZERO).await, (1, false));
    }
}
