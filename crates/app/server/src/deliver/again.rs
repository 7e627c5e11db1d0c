//! `cutover retry`: what could not be brought about is tried once more, by the same rules.

use cutover_model::{
    DeploymentId,
    delivery::{Cause, DeploymentSpec},
    run::Outcome,
};
use cutover_rollout::retry;

use super::{Begun, environment_of};
use crate::{Control, Error};

impl Control {
    /// The same release by the same rules once more, after it has failed or was taken back; the hold of
    /// its rollback ends with that. What has been tried again before is tried again after that try.
    pub async fn retry_deployment(&self, of: &DeploymentId, by: &str) -> Result<Begun, Error> {
        let first = self.deployment(of).await?;
        let mut spec = retry(&first, by).map_err(|why| Error::Refused(format!("{of}: {why}")))?;
        while self.store().deployment(&spec.id).await?.is_some() {
            let id = spec.id;
            let tried = self.deployment(&id).await?;
            match tried.state().outcome() {
                None => return Ok(Begun { id, already: true }),
                Some(Outcome::Succeeded) => {
                    return Err(Error::Refused(format!(
                        "{of} was tried again by {id}, which has succeeded; to deploy the same again, \
                         use `cutover deploy`"
                    )));
                }
                Some(_) => {}
            }
            spec = retry(&tried, by).map_err(|why| Error::Refused(format!("{id}: {why}")))?;
        }
        self.check_again(&spec).await?;
        self.create_once(spec).await
    }

    /// What was looked at then is looked at again: others may have deployed since.
    async fn check_again(&self, spec: &DeploymentSpec) -> Result<(), Error> {
        self.check_floor(&spec.environment, &spec.release).await?;
        if let Cause::Rollback { .. } = spec.cause {
            return Ok(());
        }
        match self.project_of(&spec.release).await {
            Ok(project) => {
                let environment = environment_of(&project, &spec.environment)?;
                self.check_order(environment, &spec.environment, &spec.release)
                    .await
            }
            // Nobody knows any more what came before; then it has been asked.
            Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
