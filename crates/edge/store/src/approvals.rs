//! The questions that wait for people, and where their answers go.

use cutover_model::{GateId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Store,
    db::{Tx, parsed, word},
};

sql! {
    OPEN = "INSERT INTO approval (gate, stream, kind, subject, environment, asked_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (gate) DO NOTHING";
    CLOSE = "UPDATE approval SET closed = 1 WHERE gate = $1";
    LIST = "SELECT * FROM approval WHERE closed = 0 ORDER BY asked_at, gate";
    BY_GATE = "SELECT * FROM approval WHERE gate = $1";
}

/// What kind of stream a question belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// A run.
    Run,
    /// A deployment.
    Deployment,
}

impl StreamKind {
    /// The word in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Deployment => "deployment",
        }
    }
}

/// A question, on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalRow {
    /// Its id; `cutover approve` takes it.
    pub gate: GateId,
    /// The id of the run or the deployment that waits for the answer.
    pub stream: String,
    /// Which of the two.
    pub kind: StreamKind,
    /// What it is about, for people.
    pub subject: String,
    /// The environment it is about.
    pub environment: Option<String>,
    /// When it was put.
    pub asked_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
}

from_row!(ApprovalRow, |row| Ok(Self {
    gate: parsed(row.try_get("gate")?)?,
    stream: row.try_get("stream")?,
    kind: word(row.try_get("kind")?)?,
    subject: row.try_get("subject")?,
    environment: row.try_get("environment")?,
    asked_at: Timestamp(row.try_get("asked_at")?),
    expires_at: Timestamp(row.try_get("expires_at")?),
}));

/// What an append changes about questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalChange {
    /// A question was put.
    Opened(ApprovalRow),
    /// It was answered, has lapsed, or does not matter any more.
    Closed(GateId),
}

pub(crate) async fn apply(tx: &mut Tx, changes: &[ApprovalChange]) -> Result<(), Error> {
    for change in changes {
        match change {
            ApprovalChange::Opened(row) => execute!(
                &mut *tx,
                OPEN,
                row.gate.as_str(),
                &row.stream,
                row.kind.word(),
                &row.subject,
                &row.environment,
                row.asked_at.0,
                row.expires_at.0,
            )?,
            ApprovalChange::Closed(gate) => execute!(&mut *tx, CLOSE, gate.as_str())?,
        };
    }
    Ok(())
}

impl Store {
    /// The questions that still wait, the oldest first.
    pub async fn open_approvals(&self) -> Result<Vec<ApprovalRow>, Error> {
        Ok(fetch_all!(&self.db, ApprovalRow, LIST)?)
    }

    /// One question, also when it has been answered: its stream knows what was said.
    pub async fn approval(&self, gate: &GateId) -> Result<Option<ApprovalRow>, Error> {
        Ok(fetch_optional!(
            &self.db,
            ApprovalRow,
            BY_GATE,
            gate.as_str()
        )?)
    }
}
