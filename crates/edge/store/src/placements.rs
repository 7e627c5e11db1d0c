//! Which release is current where, and which were before it.

use cutover_model::{DeploymentId, ReleaseId, Timestamp, delivery::Release};
use serde::Serialize;

use crate::{
    Error, Store, counter,
    db::{json, parsed, signed, unsigned},
    releases,
};

sql! {
    NEWEST_FENCE = "SELECT COALESCE(MAX(fence), 0) FROM placement
                    WHERE environment = $1 AND service = $2";
    PLACE = "INSERT INTO placement (environment, service, fence, release, deployment, since)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (environment, service, fence) DO UPDATE SET
                 release = excluded.release, deployment = excluded.deployment, since = excluded.since
             WHERE placement.release <> excluded.release
                OR placement.deployment <> excluded.deployment";
    CURRENT = "SELECT release.body, placement.deployment, placement.since, placement.fence
               FROM placement JOIN release ON release.id = placement.release
               WHERE placement.environment = $1 AND placement.service = $2
               ORDER BY placement.fence DESC LIMIT 1";
    PREVIOUS = "SELECT release.body FROM placement JOIN release ON release.id = placement.release
                WHERE placement.environment = $1 AND placement.service = $2
                  AND placement.fence < (
                      SELECT MIN(first.fence) FROM placement AS first
                      WHERE first.environment = $1 AND first.service = $2 AND first.release = $3)
                ORDER BY placement.fence DESC LIMIT 1";
    PLACES = "SELECT DISTINCT environment, service FROM placement ORDER BY environment, service";
    WINDOW = "SELECT release.body FROM release JOIN (
                  SELECT placement.release AS id, MAX(placement.fence) AS newest FROM placement
                  WHERE environment = $1 AND service = $2 GROUP BY placement.release) AS placed
                  ON placed.id = release.id
              ORDER BY placed.newest DESC LIMIT $3";
}

/// What serves at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Current {
    /// Which release.
    pub release: Release,
    /// The deployment that brought it.
    pub deployment: DeploymentId,
    /// Since when.
    pub since: Timestamp,
    /// The fence under which it came.
    pub fence: u64,
}

from_row!(Current, |row| Ok(Self {
    release: json(&row.try_get::<String, _>("body")?)?,
    deployment: parsed(row.try_get("deployment")?)?,
    since: Timestamp(row.try_get("since")?),
    fence: unsigned(row.try_get("fence")?)?,
}));

impl Store {
    /// What serves now; `None` before the first deployment.
    pub async fn current(
        &self,
        environment: &str,
        service: &str,
    ) -> Result<Option<Current>, Error> {
        Ok(fetch_optional!(
            &self.db,
            Current,
            CURRENT,
            environment,
            service
        )?)
    }

    /// Notes that a release serves from now on. It must have been put before. A fence older than the
    /// newest is refused: its holder has lost the place to somebody else. To note the same again
    /// changes nothing.
    pub async fn set_current(
        &self,
        environment: &str,
        service: &str,
        release: &ReleaseId,
        deployment: &DeploymentId,
        fence: u64,
        at: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        // Who holds this number is alone with the place until the transaction ends.
        counter::grow(
            &mut tx,
            &format!("placement {environment:?} {service:?}"),
            0,
        )
        .await?;
        let (newest,) =
            fetch_in!(&mut tx, (i64,), NEWEST_FENCE, environment, service)?.unwrap_or_default();
        let newest = unsigned(newest)?;
        if fence < newest {
            return Err(Error::StaleFence {
                environment: environment.to_owned(),
                service: service.to_owned(),
                fence,
                newest,
            });
        }
        execute!(
            &mut tx,
            PLACE,
            environment,
            service,
            signed(fence)?,
            release.as_str(),
            deployment.as_str(),
            at.0,
        )?;
        tx.commit().await
    }

    /// The release to which a rollback goes: the one that served before the current one came for the
    /// first time. After a rollback that is never the release that was taken back, so that to roll
    /// back twice goes back twice.
    pub async fn previous(
        &self,
        environment: &str,
        service: &str,
    ) -> Result<Option<Release>, Error> {
        let Some(current) = self.current(environment, service).await? else {
            return Ok(None);
        };
        let id = current.release.id.as_str();
        let row = fetch_optional!(
            &self.db,
            releases::Stored,
            PREVIOUS,
            environment,
            service,
            id
        )?;
        Ok(row.map(|stored| stored.0))
    }

    /// Where something has ever served: environment and service.
    pub async fn places(&self) -> Result<Vec<(String, String)>, Error> {
        Ok(fetch_all!(&self.db, (String, String), PLACES)?)
    }

    /// The releases that served here last, each once, what serves now first; at most so many.
    pub async fn served_last(
        &self,
        environment: &str,
        service: &str,
        limit: u32,
    ) -> Result<Vec<Release>, Error> {
        let limit = i64::from(limit);
        let rows = fetch_all!(
            &self.db,
            releases::Stored,
            WINDOW,
            environment,
            service,
            limit
        )?;
        Ok(rows.into_iter().map(|stored| stored.0).collect())
    }
}
