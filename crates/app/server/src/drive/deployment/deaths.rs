//! Instances of the candidate that end by themselves while it is being watched. The balancer notices
//! first: fewer are healthy than there should be. Whether they have ended, and how, the target knows.

use std::{collections::BTreeMap, time::Duration};

use cutover_model::delivery::{DeploymentState, Side};
use cutover_proxy::Bucket;
use cutover_rollout::Input;
use cutover_target::{InstanceState, Place, Target};

use super::Work;
use crate::{Error, view};

/// Before the balancer is asked again after it went away.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

impl Work {
    /// Waits until an instance has ended, and gives what is to be said of it.
    pub(super) async fn death(&self) -> Input {
        loop {
            match self.next_death().await {
                Ok(input) => return input,
                Err(error) => tracing::debug!(%error, "instances are not looked at; trying again"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn next_death(&self) -> Result<Input, Error> {
        let (place, _) = self.place(Side::Candidate).await?;
        let target = self.target().await?;
        let client = self.control.balancer().ready().await?;
        let subscribed = client.subscribe(&self.route()).await;
        let mut seconds = subscribed.map_err(Error::balancer)?;
        let before = restarts(&target.observe(&place).await?);
        loop {
            let second = seconds.next().await.map_err(Error::balancer)?;
            if self.is_short(&second).await
                && let Some(input) = self.look(&target, &place, &before).await?
            {
                return Ok(input);
            }
        }
    }

    /// Whether fewer instances of the candidate were healthy than there should be.
    async fn is_short(&self, second: &Bucket) -> bool {
        let table = self.control.routes().table().await;
        let side = table.routes.get(&self.route());
        let Some(side) = side.and_then(|route| route.side(self.id())) else {
            return false;
        };
        let seen = second.sides.iter().find(|seen| seen.name == side.name);
        seen.is_some_and(|seen| seen.healthy < seen.expected)
    }

    async fn look(
        &self,
        target: &Target,
        place: &Place,
        before: &BTreeMap<u32, u32>,
    ) -> Result<Option<Input>, Error> {
        let deployment = self.control.deployment(self.id()).await?;
        // On the way back they end because they are told to.
        if deployment.is_going_back() {
            return Ok(None);
        }
        // Those that are just being started are waited for, and told of, by who started them.
        if let DeploymentState::Provisioning { .. } = deployment.state() {
            return Ok(None);
        }
        let states = target.observe(place).await?;
        let has_ended = |state: &&InstanceState| {
            let known = before.get(&state.instance.index);
            !state.alive || known.is_some_and(|known| state.restarts > *known)
        };
        let ended: Vec<_> = states.iter().filter(has_ended).collect();
        Ok((!ended.is_empty()).then(|| Input::InstancesFailed {
            side: Side::Candidate,
            generation: deployment.instances_generation(Side::Candidate),
            detail: self.told(view::ended(&ended, "while it was watched")),
        }))
    }
}

/// How often each had been started again when looking began: what it did before that is forgiven.
fn restarts(states: &[InstanceState]) -> BTreeMap<u32, u32> {
    let all = states.iter();
    all.map(|state| (state.instance.index, state.restarts))
        .collect()
}
