//! Runs as lists and pages show them: what follows from their events.

use cutover_model::{
    RunId, Timestamp,
    run::Outcome,
    source::{GitRef, Revision},
};
use serde::Serialize;

use crate::{
    Error, Store,
    db::{Tx, parsed, signed, unsigned, word},
};

sql! {
    UPSERT = "INSERT INTO run (id, number, repository, workflow, name, git_ref, revision, actor, trigger,
                               state, outcome, waiting_on, created_at, finished_at)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
              ON CONFLICT (id) DO UPDATE SET
                  name = excluded.name, state = excluded.state, outcome = excluded.outcome,
                  waiting_on = excluded.waiting_on, finished_at = excluded.finished_at";
    BY_ID = "SELECT * FROM run WHERE id = $1";
    BY_NUMBER = "SELECT * FROM run
                 WHERE number = $1
                   AND (CAST($2 AS TEXT) IS NULL OR repository = $2
                        OR substr(repository, length(repository) - length($2)) = '/' || $2)
                 ORDER BY created_at DESC, id DESC LIMIT 100";
    LIST = "SELECT * FROM run
            WHERE (CAST($1 AS TEXT) IS NULL OR repository = $1)
              AND (CAST($2 AS TEXT) IS NULL OR workflow = $2)
              AND ($3 = 0 OR outcome IS NULL)
              AND (CAST($4 AS TEXT) IS NULL
                   OR (created_at, id) < (SELECT created_at, id FROM run WHERE id = $4))
            ORDER BY created_at DESC, id DESC LIMIT $5";
    UNFINISHED = "SELECT id FROM run WHERE outcome IS NULL ORDER BY created_at, id";
}

/// A run, on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The number people say aloud.
    pub number: u64,
    /// `owner/name` of the repository.
    pub repository: String,
    /// The path of the workflow.
    pub workflow: String,
    /// Its name, for people.
    pub name: String,
    /// The ref it is about.
    pub git_ref: GitRef,
    /// The state of the sources.
    pub revision: Revision,
    /// Who made it start.
    pub actor: String,
    /// What made it start, as workflows write it under `on:`.
    pub trigger: String,
    /// The word of its state.
    pub state: String,
    /// How it ended, when it has.
    pub outcome: Option<Outcome>,
    /// On what it waits, for people.
    pub waiting_on: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

from_row!(RunRow, |row| Ok(Self {
    id: parsed(row.try_get("id")?)?,
    number: unsigned(row.try_get("number")?)?,
    repository: row.try_get("repository")?,
    workflow: row.try_get("workflow")?,
    name: row.try_get("name")?,
    git_ref: GitRef(row.try_get("git_ref")?),
    revision: Revision(row.try_get("revision")?),
    actor: row.try_get("actor")?,
    trigger: row.try_get("trigger")?,
    state: row.try_get("state")?,
    outcome: row
        .try_get::<Option<String>, _>("outcome")?
        .map(word)
        .transpose()?,
    waiting_on: row.try_get("waiting_on")?,
    created_at: Timestamp(row.try_get("created_at")?),
    finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Timestamp),
}));

/// Which runs a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    /// Only of this repository.
    pub repository: Option<String>,
    /// Only of this workflow, by its path.
    pub workflow: Option<String>,
    /// Only those that have not ended.
    pub unfinished_only: bool,
    /// Only those older than this one; nothing when there is no such run.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: u32,
}

impl Default for RunFilter {
    /// The newest fifty of all.
    fn default() -> Self {
        Self {
            repository: None,
            workflow: None,
            unfinished_only: false,
            before: None,
            limit: 50,
        }
    }
}

pub(crate) async fn upsert(tx: &mut Tx, row: &RunRow) -> Result<(), Error> {
    execute!(
        tx,
        UPSERT,
        row.id.as_str(),
        signed(row.number)?,
        &row.repository,
        &row.workflow,
        &row.name,
        &row.git_ref.0,
        &row.revision.0,
        &row.actor,
        &row.trigger,
        &row.state,
        row.outcome.map(Outcome::word),
        &row.waiting_on,
        row.created_at.0,
        row.finished_at.map(|at| at.0),
    )?;
    Ok(())
}

impl Store {
    /// One run.
    pub async fn run(&self, run: &RunId) -> Result<Option<RunRow>, Error> {
        Ok(fetch_optional!(&self.db, RunRow, BY_ID, run.as_str())?)
    }

    /// The runs with a number, the newest first, at most a hundred: each repository has its own
    /// numbers. With a repository those of it alone; `hello` is also `owner/hello`.
    pub async fn runs_by_number(
        &self,
        repository: Option<&str>,
        number: u64,
    ) -> Result<Vec<RunRow>, Error> {
        Ok(fetch_all!(
            &self.db,
            RunRow,
            BY_NUMBER,
            signed(number)?,
            repository
        )?)
    }

    /// Runs, the newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Error> {
        Ok(fetch_all!(
            &self.db,
            RunRow,
            LIST,
            filter.repository.as_deref(),
            filter.workflow.as_deref(),
            i64::from(filter.unfinished_only),
            filter.before.as_ref().map(RunId::as_str),
            i64::from(filter.limit),
        )?)
    }

    /// The runs that have not ended, the oldest first: what a server goes on with after a restart.
    pub async fn unfinished_runs(&self) -> Result<Vec<RunId>, Error> {
        let rows = fetch_all!(&self.db, (String,), UNFINISHED)?;
        Ok(rows
            .into_iter()
            .map(|(id,)| parsed(&id))
            .collect::<Result<_, _>>()?)
    }
}
