//! The moment in which a deployment comes to be. Its id follows from what was asked for and from the last
//! that was like it, so that two who ask for the same at once write to the same log: one append is the
//! first, and the other finds it begun.

use cutover_model::{
    DeploymentId,
    delivery::{DeploymentSpec, Release},
};
use cutover_rollout::Input;
use cutover_store::DeploymentFilter;

use super::{Ask, Begun, floor_over};
use crate::{Control, Error};

impl Control {
    /// Creates it, unless it is there.
    pub(super) async fn create_once(&self, spec: DeploymentSpec) -> Result<Begun, Error> {
        // From its first event on it is among those that have not ended, and what it is about is kept.
        let _kept = self.packages().read().await;
        match self.check_there(&spec.release).await {
            // Whoever starts instances asks the engine again.
            Ok(()) | Err(Error::Docker(_)) => {}
            Err(error) => return Err(error),
        }
        let id = spec.id.clone();
        let driven = self.drive_deployment(&id).await?;
        let spec = Box::new(spec);
        match driven.mailbox.command(Input::Create { spec }).await {
            Ok(()) => Ok(Begun { id, already: false }),
            Err(error) if self.store().deployment(&id).await?.is_some() => {
                tracing::debug!(%error, deployment = %id, "was there");
                Ok(Begun { id, already: true })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// That the database which what serves has left behind is not too new for a release.
    pub(super) async fn check_floor(
        &self,
        environment: &str,
        release: &Release,
    ) -> Result<(), Error> {
        let current = self.store().current(environment, &release.service).await?;
        match current.and_then(|current| floor_over(&current.release, release)) {
            Some(why) => Err(Error::Refused(why)),
            None => Ok(()),
        }
    }

    /// The id of what a person asks for now.
    pub(super) async fn id_of(
        &self,
        release: &Release,
        ask: &Ask,
        by: &str,
    ) -> Result<DeploymentId, Error> {
        let like_it = DeploymentFilter {
            environment: Some(ask.environment.clone()),
            actor: Some(by.to_owned()),
            ..of_version(release)
        };
        let strategy = ask.strategy.as_deref().unwrap_or_default();
        let place = ["deploy", ask.environment.as_str(), by, strategy];
        self.id_after(&place, release, like_it).await
    }

    /// The id of a way back from what serves now.
    pub(super) async fn id_of_way_back(
        &self,
        release: &Release,
        from: &DeploymentId,
    ) -> Result<DeploymentId, Error> {
        let place = ["rollback", from.as_str()];
        self.id_after(&place, release, of_version(release)).await
    }

    async fn id_after(
        &self,
        what: &[&str],
        release: &Release,
        like_it: DeploymentFilter,
    ) -> Result<DeploymentId, Error> {
        let last = self.store().deployments(&like_it).await?;
        let last = last.first().map_or("", |row| row.id.as_str());
        let mut parts = what.to_vec();
        parts.extend([release.id.as_str(), last]);
        Ok(DeploymentId::derived(&parts))
    }
}

/// The newest deployment of a version.
fn of_version(release: &Release) -> DeploymentFilter {
    DeploymentFilter {
        service: Some(release.service.clone()),
        version: Some(release.version.clone()),
        limit: 1,
        ..DeploymentFilter::default()
    }
}
