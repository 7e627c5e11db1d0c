//! Deployments as lists and pages show them: what follows from their events.

use cutover_model::{
    DeploymentId, ReleaseId, RunId, Timestamp,
    delivery::{Digest, Weight},
    run::Outcome,
};
use serde::Serialize;

use crate::{
    Error, Store,
    db::{Tx, parsed, word},
};

sql! {
    UPSERT = "INSERT INTO deployment (id, environment, service, release, version, digest, strategy, state,
                                      outcome, weight, reason, cause, actor, run, created_at, finished_at)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
              ON CONFLICT (id) DO UPDATE SET
                  state = excluded.state, outcome = excluded.outcome, weight = excluded.weight,
                  reason = excluded.reason, finished_at = excluded.finished_at";
    BY_ID = "SELECT * FROM deployment WHERE id = $1";
    LIST = "SELECT * FROM deployment
            WHERE (CAST($1 AS TEXT) IS NULL OR environment = $1)
              AND (CAST($2 AS TEXT) IS NULL OR service = $2)
              AND ($3 = 0 OR outcome IS NULL)
              AND (CAST($4 AS TEXT) IS NULL OR outcome = $4)
              AND (CAST($5 AS TEXT) IS NULL OR version = $5)
              AND (CAST($6 AS TEXT) IS NULL OR actor = $6)
              AND created_at >= $7
            ORDER BY created_at DESC, id DESC LIMIT $8";
    PROVED = "SELECT id FROM deployment
              WHERE environment = $1 AND service = $2 AND digest = $3 AND outcome = 'succeeded' LIMIT 1";
    UNFINISHED = "SELECT id FROM deployment WHERE outcome IS NULL ORDER BY created_at, id";
}

/// A deployment, on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentRow {
    /// Its id.
    pub id: DeploymentId,
    /// Where.
    pub environment: String,
    /// Of what.
    pub service: String,
    /// Which release.
    pub release: ReleaseId,
    /// The version of the release.
    pub version: String,
    /// What runs.
    pub digest: Digest,
    /// The word of its strategy.
    pub strategy: String,
    /// The word of its state.
    pub state: String,
    /// How it ended, when it has.
    pub outcome: Option<Outcome>,
    /// The candidate's share of traffic.
    pub weight: Weight,
    /// Why it ended so, or on what it waits, for people.
    pub reason: Option<String>,
    /// Why there is a deployment, for people.
    pub cause: String,
    /// Who wanted it.
    pub actor: String,
    /// The run it is a part of.
    pub run: Option<RunId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

from_row!(DeploymentRow, |row| Ok(Self {
    id: parsed(row.try_get("id")?)?,
    environment: row.try_get("environment")?,
    service: row.try_get("service")?,
    release: parsed(row.try_get("release")?)?,
    version: row.try_get("version")?,
    digest: Digest(row.try_get("digest")?),
    strategy: row.try_get("strategy")?,
    state: row.try_get("state")?,
    outcome: row
        .try_get::<Option<String>, _>("outcome")?
        .map(word)
        .transpose()?,
    weight: weight(row.try_get("weight")?)?,
    reason: row.try_get("reason")?,
    cause: row.try_get("cause")?,
    actor: row.try_get("actor")?,
    run: row
        .try_get::<Option<&str>, _>("run")?
        .map(parsed)
        .transpose()?,
    created_at: Timestamp(row.try_get("created_at")?),
    finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Timestamp),
}));

fn weight(points: i64) -> Result<Weight, sqlx::Error> {
    u16::try_from(points)
        .ok()
        .and_then(Weight::from_basis_points)
        .ok_or_else(|| {
            sqlx::Error::Decode(
                format!("`{points}` is no weight in hundredths of a percent").into(),
            )
        })
}

/// Which deployments a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Only at this environment.
    pub environment: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// Only those that have not ended.
    pub unfinished_only: bool,
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
    /// Only of this version.
    pub version: Option<String>,
    /// Only those that this person, or this job, wanted.
    pub actor: Option<String>,
    /// Only those that were created then or later.
    pub since: Timestamp,
    /// At most so many.
    pub limit: u32,
}

impl Default for DeploymentFilter {
    /// The newest fifty of all.
    fn default() -> Self {
        Self {
            environment: None,
            service: None,
            unfinished_only: false,
            outcome: None,
            version: None,
            actor: None,
            since: Timestamp::default(),
            limit: 50,
        }
    }
}

pub(crate) async fn upsert(tx: &mut Tx, row: &DeploymentRow) -> Result<(), Error> {
    execute!(
        tx,
        UPSERT,
        row.id.as_str(),
        &row.environment,
        &row.service,
        row.release.as_str(),
        &row.version,
        &row.digest.0,
        &row.strategy,
        &row.state,
        row.outcome.map(Outcome::word),
        i64::from(row.weight.basis_points()),
        &row.reason,
        &row.cause,
        &row.actor,
        row.run.as_ref().map(RunId::as_str),
        row.created_at.0,
        row.finished_at.map(|at| at.0),
    )?;
    Ok(())
}

impl Store {
    /// One deployment.
    pub async fn deployment(
        &self,
        deployment: &DeploymentId,
    ) -> Result<Option<DeploymentRow>, Error> {
        Ok(fetch_optional!(
            &self.db,
            DeploymentRow,
            BY_ID,
            deployment.as_str()
        )?)
    }

    /// Deployments, the newest first.
    pub async fn deployments(
        &self,
        filter: &DeploymentFilter,
    ) -> Result<Vec<DeploymentRow>, Error> {
        Ok(fetch_all!(
            &self.db,
            DeploymentRow,
            LIST,
            filter.environment.as_deref(),
            filter.service.as_deref(),
            i64::from(filter.unfinished_only),
            filter.outcome.map(Outcome::word),
            filter.version.as_deref(),
            filter.actor.as_deref(),
            filter.since.0,
            i64::from(filter.limit),
        )?)
    }

    /// Whether this very package has been deployed here once with success.
    pub async fn has_succeeded(
        &self,
        environment: &str,
        service: &str,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let row = fetch_optional!(&self.db, (String,), PROVED, environment, service, &digest.0)?;
        Ok(row.is_some())
    }

    /// The deployments that have not ended, the oldest first.
    pub async fn unfinished_deployments(&self) -> Result<Vec<DeploymentId>, Error> {
        let rows = fetch_all!(&self.db, (String,), UNFINISHED)?;
        Ok(rows
            .into_iter()
            .map(|(id,)| parsed(&id))
            .collect::<Result<_, _>>()?)
    }
}
