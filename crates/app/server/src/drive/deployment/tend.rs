//! Instances that end by themselves: those of the current side in the middle of a rollout, and those
//! that are being waited for. Started again a few times, then told to the deployment.
//!
//! What happens to a candidate that is watched stands in `deaths.rs`; where nobody deploys,
//! `keeper.rs` starts again without an end.

use std::time::Duration;

use cutover_model::delivery::{DeploymentState, Side};
use cutover_rollout::{Deployment, Input};
use cutover_target::{InstanceState, InstancesOrder, Target};

use super::Work;
use crate::{Error, deliver::instance_env, view};

/// Between two looks: targets are asked, they do not tell.
const INTERVAL: Duration = Duration::from_secs(1);
/// So often an instance may end until it is hopeless.
const DEATHS: u32 = 3;

impl Work {
    /// Looks after the current side while it shares the traffic with the candidate; comes back when it
    /// is given up, with what is to be said of it.
    pub(super) async fn tend(&self) -> Input {
        let mut deaths = 0;
        // At once: what has ended just before the first share is not to wait.
        loop {
            if let Ok(now) = self.control.deployment(self.id()).await
                && is_tended(&now)
            {
                match self.look_after(&now, &mut deaths).await {
                    Ok(None) => {}
                    Ok(Some(detail)) => {
                        return Input::InstancesFailed {
                            side: Side::Current,
                            generation: now.instances_generation(Side::Current),
                            detail: self.told(detail),
                        };
                    }
                    Err(error) => tracing::warn!(%error, "the current side cannot be looked after"),
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Starts again what has ended; after too many ends says how the last one was.
    async fn look_after(
        &self,
        now: &Deployment,
        deaths: &mut u32,
    ) -> Result<Option<Vec<String>>, Error> {
        let (place, release) = self.place(Side::Current).await?;
        let target = self.target().await?;
        let count = now.serving(Side::Current);
        let mut states = target.observe(&place).await?;
        states.retain(|state| state.instance.index < count && !state.alive);
        if states.is_empty() {
            return Ok(None);
        }
        *deaths += 1;
        if *deaths >= DEATHS {
            return Ok(Some(ended(&states, "while it served")));
        }
        tracing::warn!(deployment = %self.id(), "an instance of the current side is started again");
        let maker = self.control.deployment(&place.deployment).await?;
        let order = InstancesOrder {
            env: instance_env(&self.control, maker.spec().unwrap_or(&self.spec))?,
            count,
            generation: self.generation(now.generation()),
            place,
            release,
        };
        match target.revive(&order).await {
            // A newer order has come: whoever carries it out looks itself.
            Ok(_) | Err(cutover_target::Error::Stale { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts again what ends while it is waited for; comes back when it is hopeless, long before the
    /// time to become healthy is over.
    pub(super) async fn crash_loop(&self, target: &Target, order: &InstancesOrder) -> Vec<String> {
        let mut deaths = 0;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Ok(states) = target.observe(&order.place).await else {
                continue;
            };
            let is_dead = |state: &InstanceState| !state.alive;
            let most = states.iter().map(|state| state.restarts).max();
            if states.iter().any(is_dead) {
                deaths += 1;
            }
            if deaths >= DEATHS || most.unwrap_or_default() >= DEATHS {
                return ended(&states, "before it was healthy");
            }
            if states.iter().any(is_dead)
                && let Err(error) = target.revive(order).await
            {
                tracing::warn!(%error, "what has ended could not be started again");
            }
        }
    }
}

/// Whether the current side serves and nothing is being done to its instances.
fn is_tended(now: &Deployment) -> bool {
    let is_busy = matches!(now.state(), DeploymentState::Draining { .. });
    let is_open = !is_busy && !now.is_going_back() && !now.is_finished();
    is_open && now.serving(Side::Current) > 0
}

/// Of those that have ended, or had: the others have nothing to say about it.
fn ended(states: &[InstanceState], when: &str) -> Vec<String> {
    let has_ended = |state: &&InstanceState| !state.alive || state.restarts > 0;
    let states: Vec<&InstanceState> = states.iter().filter(has_ended).collect();
    view::ended(&states, when)
}
