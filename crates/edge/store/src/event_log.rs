//! The log: streams of facts, each numbered from 1 without gaps, all in one order.
//!
//! An append and the row that follows from it are one transaction. Positions are given out under a
//! lock that is held to the end of it, on PostgreSQL too: whoever has seen a position has seen all
//! before it.

use cutover_model::{
    DeploymentId, RunId, Timestamp,
    event::{DeploymentEvent, Recorded, RunEvent, SCHEMA},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{
    ApprovalChange, DeploymentRow, Error, RunRow, Store, approvals, at_once, counter,
    db::{Db, Tx, json, signed, unsigned},
    deployments, runs,
};

sql! {
    VERSION = "SELECT COALESCE(MAX(version), 0) FROM event WHERE stream = $1";
    INSERT = "INSERT INTO event (position, stream, version, at, schema, kind, body)
              VALUES ($1, $2, $3, $4, $5, $6, $7)";
    READ = "SELECT version, at, schema, body FROM event
            WHERE stream = $1 AND version > $2 ORDER BY version";
    TAIL = "SELECT position, stream, version, at, kind, body FROM event
            WHERE position > $1 ORDER BY position LIMIT $2";
}

/// The counter behind the positions.
const POSITION: &str = "position";

/// An event as those see it who follow all streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tailed {
    /// Its place among all events; grows by one with each.
    pub position: i64,
    /// The id of its run or deployment.
    pub stream: String,
    /// Its place in the stream.
    pub version: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The name of its kind.
    pub kind: String,
    /// All of it.
    pub body: serde_json::Value,
}

from_row!(Tailed, |row| Ok(Self {
    position: row.try_get("position")?,
    stream: row.try_get("stream")?,
    version: unsigned(row.try_get("version")?)?,
    at: Timestamp(row.try_get("at")?),
    kind: row.try_get("kind")?,
    body: json(&row.try_get::<String, _>("body")?)?,
}));

/// An event on its way into the log.
pub(crate) struct Draft {
    version: i64,
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// An event on its way out of it.
type StoredEvent = (i64, i64, i64, String);

impl Store {
    /// Adds events to a run's stream, together with the row and the questions that follow from them.
    /// `expected` is the version that the caller has seen; at any other the answer is
    /// [`Error::Conflict`], and nothing is stored.
    pub async fn append_run(
        &self,
        run: &RunId,
        expected: u64,
        events: &[Recorded<RunEvent>],
        row: &RunRow,
        approvals: &[ApprovalChange],
    ) -> Result<(), Error> {
        let drafts = drafts(run.as_str(), expected, events)?;
        let mut tx = self.db.begin().await?;
        let newest = insert(&mut tx, run.as_str(), expected, drafts).await?;
        runs::upsert(&mut tx, row).await?;
        approvals::apply(&mut tx, approvals).await?;
        tx.commit().await?;
        self.announce(newest);
        Ok(())
    }

    /// Adds events to a run's stream from which nothing follows for its row; see [`Store::append_run`].
    pub async fn append_run_events(
        &self,
        run: &RunId,
        expected: u64,
        events: &[Recorded<RunEvent>],
    ) -> Result<(), Error> {
        let drafts = drafts(run.as_str(), expected, events)?;
        let newest = match &self.db {
            Db::Lite { write, doubt, .. } if at_once::takes(drafts.len()) => {
                at_once::append((write, doubt), run.as_str(), expected, &drafts).await?
            }
            Db::Lite { .. } | Db::Pg(_) => {
                let mut tx = self.db.begin().await?;
                let newest = insert(&mut tx, run.as_str(), expected, drafts).await?;
                tx.commit().await?;
                newest
            }
        };
        self.announce(newest);
        Ok(())
    }

    /// Adds events to a deployment's stream; see [`Store::append_run`].
    pub async fn append_deployment(
        &self,
        deployment: &DeploymentId,
        expected: u64,
        events: &[Recorded<DeploymentEvent>],
        row: &DeploymentRow,
        approvals: &[ApprovalChange],
    ) -> Result<(), Error> {
        let drafts = drafts(deployment.as_str(), expected, events)?;
        let mut tx = self.db.begin().await?;
        let newest = insert(&mut tx, deployment.as_str(), expected, drafts).await?;
        deployments::upsert(&mut tx, row).await?;
        approvals::apply(&mut tx, approvals).await?;
        tx.commit().await?;
        self.announce(newest);
        Ok(())
    }

    /// All events of a run, in order; none when there is no such run.
    pub async fn read_run(&self, run: &RunId) -> Result<Vec<Recorded<RunEvent>>, Error> {
        self.read(run.as_str(), 0).await
    }

    /// The events of a run after a version, in order.
    pub async fn read_run_after(
        &self,
        run: &RunId,
        version: u64,
    ) -> Result<Vec<Recorded<RunEvent>>, Error> {
        self.read(run.as_str(), version).await
    }

    /// All events of a deployment, in order; none when there is no such deployment.
    pub async fn read_deployment(
        &self,
        deployment: &DeploymentId,
    ) -> Result<Vec<Recorded<DeploymentEvent>>, Error> {
        self.read(deployment.as_str(), 0).await
    }

    /// The events of a deployment after a version, in order.
    pub async fn read_deployment_after(
        &self,
        deployment: &DeploymentId,
        version: u64,
    ) -> Result<Vec<Recorded<DeploymentEvent>>, Error> {
        self.read(deployment.as_str(), version).await
    }

    /// The events of all streams after a position, in order, at most so many.
    pub async fn tail(&self, after: i64, limit: u32) -> Result<Vec<Tailed>, Error> {
        Ok(fetch_all!(&self.db, Tailed, TAIL, after, i64::from(limit))?)
    }

    /// The position of the newest event; zero when there is none.
    pub async fn newest_position(&self) -> Result<i64, Error> {
        counter::value(self, POSITION).await
    }

    /// Tells when this process has appended: those who follow the log wait here, not on a timer.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    fn announce(&self, newest: i64) {
        self.newest.send_if_modified(|known| {
            let later = newest > *known;
            *known = newest.max(*known);
            later
        });
    }

    async fn read<E: DeserializeOwned>(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Vec<Recorded<E>>, Error> {
        let rows = fetch_all!(&self.db, StoredEvent, READ, stream, signed(after)?)?;
        rows.into_iter().map(|row| recorded(stream, row)).collect()
    }
}

/// Checks the numbers and writes the texts, before any lock is taken.
fn drafts<E: Serialize>(
    stream: &str,
    expected: u64,
    events: &[Recorded<E>],
) -> Result<Vec<Draft>, Error> {
    (expected + 1..)
        .zip(events)
        .map(|(version, event)| {
            if event.version != version {
                return Err(Error::OutOfOrder {
                    stream: stream.to_owned(),
                    expected: version,
                    found: event.version,
                });
            }
            draft(stream, event)
        })
        .collect()
}

/// The kind stands in the body as well; as a column it can be asked for.
fn draft<E: Serialize>(stream: &str, event: &Recorded<E>) -> Result<Draft, Error> {
    let body = serde_json::to_value(&event.event).map_err(|source| Error::Json {
        what: stream.to_owned(),
        source,
    })?;
    let kind = body
        .get("kind")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    Ok(Draft {
        version: signed(event.version)?,
        at: event.at.0,
        kind,
        body: body.to_string(),
    })
}

/// Adds to the log when the stream stands where the caller believes it to stand; gives the newest
/// position.
async fn insert(
    tx: &mut Tx,
    stream: &str,
    expected: u64,
    drafts: Vec<Draft>,
) -> Result<i64, Error> {
    let count = signed(drafts.len() as u64)?;
    // First of all the lock on the positions: what is read after it cannot change any more.
    let newest = counter::grow(tx, POSITION, count).await?;
    let (found,) = fetch_in!(tx, (i64,), VERSION, stream)?.unwrap_or_default();
    let found = unsigned(found)?;
    if found != expected {
        return Err(Error::Conflict {
            stream: stream.to_owned(),
            expected,
            found,
        });
    }
    for (position, draft) in (newest - count + 1..).zip(drafts) {
        let Draft {
            version,
            at,
            kind,
            body,
        } = draft;
        execute!(
            tx,
            INSERT,
            position,
            stream,
            version,
            at,
            i64::from(SCHEMA),
            kind,
            body
        )?;
    }
    Ok(newest)
}

fn recorded<E: DeserializeOwned>(
    stream: &str,
    (version, at, schema, body): StoredEvent,
) -> Result<Recorded<E>, Error> {
    let version = unsigned(version)?;
    if schema > i64::from(SCHEMA) {
        return Err(Error::NewerEvent {
            stream: stream.to_owned(),
            version,
            found: schema,
            known: SCHEMA,
        });
    }
    let event = serde_json::from_str(&body).map_err(|source| Error::Unreadable {
        stream: stream.to_owned(),
        version,
        source,
    })?;
    Ok(Recorded {
        version,
        at: Timestamp(at),
        event,
    })
}
