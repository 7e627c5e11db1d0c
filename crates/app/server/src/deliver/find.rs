//! Which deployment people mean: its id, or the place where it is under way.

use cutover_model::DeploymentId;
use cutover_store::{DeploymentFilter, DeploymentRow};

use crate::{Control, Error};

impl Control {
    /// A deployment by its id, or by where it is: `production`, `hello@production`. At a place the one
    /// that deploys there is meant, or the only one that waits to.
    ///
    /// # Errors
    /// When there is none, or several and none that is clearly meant.
    pub async fn find_deployment(&self, text: &str) -> Result<DeploymentId, Error> {
        let rows = match self.by_id_or_place(text).await? {
            Ok(id) => return Ok(id),
            Err(place) => self.store().deployments(&place.filter(true)).await?,
        };
        let holders: Vec<DeploymentId> = self
            .store()
            .leases()
            .await?
            .into_iter()
            .map(|lease| lease.deployment)
            .collect();
        let all: Vec<&DeploymentRow> = rows.iter().collect();
        let moving: Vec<&DeploymentRow> = all
            .iter()
            .copied()
            .filter(|row| holders.contains(&row.id))
            .collect();
        let meant = if moving.is_empty() { all } else { moving };
        match meant.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => Err(Error::NotFound(format!(
                "nothing is under way at `{text}`; `cutover history {text}` lists what was"
            ))),
            several => {
                let several: Vec<_> = several.iter().map(|row| named(row)).collect();
                Err(Error::Refused(format!(
                    "several are under way at `{text}`; say which: {}",
                    several.join(", ")
                )))
            }
        }
    }

    /// The newest one that anybody has wanted, by its id or by its place.
    ///
    /// # Errors
    /// When there is none.
    pub async fn find_newest(&self, text: &str) -> Result<DeploymentId, Error> {
        let rows = self.of_place(text).await?;
        let newest = rows.map(|rows| rows.into_iter().next().map(|row| row.id));
        newest
            .unwrap_or_else(Some)
            .ok_or_else(|| Error::NotFound(format!("nothing has been deployed to `{text}`")))
    }

    /// The one that ended last, by its id or by where it was.
    ///
    /// # Errors
    /// When there is none.
    pub async fn find_ended(&self, text: &str) -> Result<DeploymentId, Error> {
        let rows = match self.of_place(text).await? {
            Err(id) => return Ok(id),
            Ok(rows) => rows,
        };
        let newest = rows.into_iter().find(|row| row.outcome.is_some());
        newest.map(|row| row.id).ok_or_else(|| {
            Error::NotFound(format!("nothing has been deployed to `{text}` to its end"))
        })
    }

    /// All of a place, newest first; or the very one that an id names.
    async fn of_place(
        &self,
        text: &str,
    ) -> Result<Result<Vec<DeploymentRow>, DeploymentId>, Error> {
        Ok(match self.by_id_or_place(text).await? {
            Ok(id) => Err(id),
            Err(place) => Ok(self.store().deployments(&place.filter(false)).await?),
        })
    }

    async fn by_id_or_place(&self, text: &str) -> Result<Result<DeploymentId, Place>, Error> {
        if let Ok(id) = text.parse::<DeploymentId>() {
            return Ok(Ok(id));
        }
        let (service, environment) = match text.split_once('@') {
            Some((service, environment)) => (Some(service.to_owned()), environment),
            None => (None, text),
        };
        let place = Place {
            environment: environment.to_owned(),
            service,
        };
        let any = DeploymentFilter {
            limit: 1,
            ..place.filter(false)
        };
        if self.store().deployments(&any).await?.is_empty() {
            return Err(Error::NotFound(format!(
                "`{text}` is neither a deployment nor a place where one has been; `cutover history` \
                 lists them"
            )));
        }
        Ok(Err(place))
    }
}

/// An environment, and a service of it when that was said.
struct Place {
    environment: String,
    service: Option<String>,
}

impl Place {
    fn filter(&self, unfinished_only: bool) -> DeploymentFilter {
        DeploymentFilter {
            environment: Some(self.environment.clone()),
            service: self.service.clone(),
            unfinished_only,
            ..DeploymentFilter::default()
        }
    }
}

fn named(row: &DeploymentRow) -> String {
    format!("{} ({}@{})", row.id, row.service, row.version)
}
