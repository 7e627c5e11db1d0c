//! What people do to runs and open questions: cancel, approve, reject; and taking everything down.

use std::{collections::BTreeSet, time::Duration};

use cutover_engine::Input;
use cutover_model::{DeploymentId, GateId, RunId, delivery::DeploymentState};
use cutover_rollout::Input as DeploymentInput;
use cutover_store::RunRow;
use cutover_target::{Generation, Place};

use crate::{Control, Error, which};

/// How long runs and deployments have to end when everything is taken down.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A yes or a no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Approve,
    /// Do not.
    Reject,
}

impl Control {
    /// Ends a run. Twice is harmless, and makes it end harder.
    pub async fn cancel(&self, id: &RunId, by: &str, reason: Option<String>) -> Result<(), Error> {
        let run = self.run(id).await?;
        if let Some(outcome) = run.state().outcome() {
            return Err(Error::Refused(format!("run {id} has ended: {outcome}")));
        }
        let input = Input::Cancel {
            by: by.to_owned(),
            reason,
        };
        Ok(self.drive_run(id).await?.mailbox.command(input).await?)
    }

    /// Answers an open question of a run or a deployment.
    pub async fn answer(
        &self,
        gate: &GateId,
        answer: Answer,
        by: &str,
        comment: Option<String>,
    ) -> Result<(), Error> {
        let Some(question) = self.store().approval(gate).await? else {
            return Err(Error::NotFound(format!(
                "`{gate}` is not an open question; `cutover status` lists them"
            )));
        };
        let (gate, by) = (gate.clone(), by.to_owned());
        if let Ok(run) = question.stream.parse::<RunId>() {
            let input = match answer {
                Answer::Approve => Input::Approve { gate, by, comment },
                Answer::Reject => Input::Reject { gate, by, comment },
            };
            return Ok(self.drive_run(&run).await?.mailbox.command(input).await?);
        }
        let id = question
            .stream
            .parse()
            .map_err(|_| Error::Corrupt(format!("the stream of `{gate}`")))?;
        let input = match answer {
            Answer::Approve => DeploymentInput::Approve { gate, by, comment },
            Answer::Reject => DeploymentInput::Reject { gate, by, comment },
        };
        Ok(self
            .drive_deployment(&id)
            .await?
            .mailbox
            .command(input)
            .await?)
    }

    /// A run by its id (`run_01…`) or by the number that people say aloud: `12`, `#12`, `hello#12`,
    /// `owner/hello#12`. A number that several repositories have is refused.
    pub async fn find_run(&self, text: &str) -> Result<RunRow, Error> {
        which::find(self.store(), text, None).await
    }

    /// Waits until a run has ended, and gives it as it ended.
    pub async fn run_ended(
        &self,
        id: &RunId,
    ) -> Result<std::sync::Arc<cutover_engine::Run>, Error> {
        let run = self.run(id).await?;
        if run.state().is_finished() {
            return Ok(run);
        }
        let driven = self.drive_run(id).await?;
        Ok(driven.finished().await)
    }

    /// Waits until a deployment has ended, and says how.
    pub async fn deployment_ended(
        &self,
        id: &cutover_model::DeploymentId,
    ) -> Result<DeploymentState, Error> {
        if self.deployment(id).await?.state().outcome().is_none() {
            self.drive_deployment(id).await?.finished().await;
        }
        Ok(self.deployment(id).await?.state().clone())
    }

    /// Ends every run and deployment, then every instance and the balancer. For throw-away servers,
    /// and for `cutover down`. What does not end in time is killed with its instances.
    pub async fn take_down(&self) -> Result<(), Error> {
        if tokio::time::timeout(END_LIMIT, self.end_all())
            .await
            .is_err()
        {
            tracing::warn!("not everything has ended in time; taking it down all the same");
        }
        self.routes().rest();
        self.balancer().shut_down().await;
        // One that cannot be stopped must not keep the others alive.
        let mut stopped = Ok(());
        for id in self.with_instances().await? {
            stopped = self.stop_instances(&id).await.and(stopped);
        }
        stopped?;
        self.routes().forget().await
    }

    async fn end_all(&self) {
        let by = "cutover down";
        let runs = self.store().unfinished_runs().await.unwrap_or_default();
        for id in &runs {
            // The second one ends even what cleans up. One that has ended meanwhile refuses.
            self.cancel(id, by, Some("taken down".to_owned()))
                .await
                .ok();
            self.cancel(id, by, None).await.ok();
        }
        let deployments = self.store().unfinished_deployments().await;
        let deployments = deployments.unwrap_or_default();
        for id in &deployments {
            // One that goes back already refuses.
            self.abort_deployment(id, by).await.ok();
        }
        for id in &deployments {
            self.deployment_ended(id).await.ok();
        }
        for id in &runs {
            self.run_ended(id).await.ok();
        }
    }

    /// Deployments that have instances, or may have.
    async fn with_instances(&self) -> Result<BTreeSet<DeploymentId>, Error> {
        let table = self.routes().table().await;
        let sides = table.routes.into_values().flat_map(|route| route.sides);
        let mut all: BTreeSet<_> = sides.map(|side| side.deployment).collect();
        all.extend(self.store().unfinished_deployments().await?);
        Ok(all)
    }

    async fn stop_instances(&self, id: &DeploymentId) -> Result<(), Error> {
        let deployment = self.deployment(id).await?;
        let Some(spec) = deployment.spec() else {
            return Ok(());
        };
        let target = self.target(&spec.target).await?;
        let place = Place {
            deployment: id.clone(),
            environment: spec.environment.clone(),
            service: spec.release.service.clone(),
        };
        // Younger than every order that a deployment gives.
        let last = Generation {
            fence: u64::MAX,
            ask: u64::MAX,
        };
        target.stop(&place, 0, spec.stop_grace, last).await?;
        Ok(target.remove(&place).await?)
    }
}
