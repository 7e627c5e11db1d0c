//! A deployment with its log, as a driver keeps it: append first, act after.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, DeploymentState},
    event::DeploymentEvent,
    run::Outcome,
};
use cutover_rollout::{Deployment, Effect, Input, Refusal, decide, effects, evolve, outstanding};

/// One deployment.
#[derive(Debug, Default)]
pub(super) struct Actor {
    pub(super) deployment: Deployment,
    pub(super) log: Vec<(Timestamp, DeploymentEvent)>,
}

impl Actor {
    /// Says something to it; each event with what is to be done about it.
    pub(super) fn say(
        &mut self,
        at: Timestamp,
        input: Input,
    ) -> Result<Vec<(DeploymentEvent, Vec<Effect>)>, Refusal> {
        let events = decide(&self.deployment, at, input)?;
        let mut said = Vec::new();
        for event in events {
            evolve(&mut self.deployment, at, &event);
            let effects = effects(&self.deployment, at, &event);
            self.log.push((at, event.clone()));
            said.push((event, effects));
        }
        Ok(said)
    }

    /// What a restart makes of the log.
    pub(super) fn replay(&self) -> Deployment {
        let mut deployment = Deployment::default();
        for (at, event) in &self.log {
            evolve(&mut deployment, *at, event);
        }
        deployment
    }

    /// Forgets everything but the log; says what is owed.
    pub(super) fn restart(&mut self) -> Vec<Effect> {
        self.deployment = self.replay();
        outstanding(&self.deployment)
    }

    pub(super) fn spec(&self) -> Option<&DeploymentSpec> {
        self.deployment.spec()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.spec().is_some()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.deployment.is_finished()
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.deployment.state().outcome()
    }

    /// Whether it did not succeed and yet left traffic on its candidate.
    pub(super) fn is_held(&self) -> bool {
        let has_failed = self.outcome().is_some_and(|how| how != Outcome::Succeeded);
        has_failed && self.deployment.requested_weight().basis_points() > 0
    }

    /// The open question, when there is one.
    pub(super) fn waits_for_people(&self) -> bool {
        matches!(
            self.deployment.state(),
            DeploymentState::Waiting {
                on: cutover_model::run::WaitingOn::Approval { .. },
                ..
            }
        )
    }
}
