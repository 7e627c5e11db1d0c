//! Runs of a data directory, for whoever only looks: nothing is locked, written, decided or served here,
//! and whoever works in the directory does not notice.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use cutover_engine::{Run, explain::Explanation};
use cutover_executor::{StepKey, has_left, log_below};
use cutover_model::RunId;
use cutover_results::Artifact;
use cutover_store::{RunFilter, RunRow, Store};

use crate::{Error, control::now, results, view, which};

/// A data directory that is looked at.
#[derive(Debug, Clone)]
pub struct Reader {
    dir: Utf8PathBuf,
    store: Store,
}

impl Reader {
    /// Opens a data directory; `None` when nobody has worked there.
    pub async fn open(dir: &Utf8Path) -> Result<Option<Self>, Error> {
        let store = Store::open_to_read(&dir.join("cutover.db")).await?;
        let dir = dir.to_owned();
        Ok(store.map(|store| Self { dir, store }))
    }

    /// Runs, the newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Error> {
        Ok(self.store.runs(filter).await?)
    }

    /// The run that a text names in one of these directories, and which of them has it. What several
    /// could mean is refused, as a server does.
    pub async fn find<'a>(all: &'a [Self], text: &str) -> Result<(&'a Self, RunRow), Error> {
        let said = which::parse(text)?;
        let mut found = Vec::new();
        for reader in all {
            let rows = said.among(&reader.store).await?;
            found.extend(rows.into_iter().map(|row| (reader, row)));
        }
        let rows = found.iter().map(|(_, row)| row.clone()).collect();
        let row = said.choose(rows)?;
        let place = found.into_iter().find(|(_, other)| other.id == row.id);
        let (reader, _) = place.ok_or_else(|| Error::NotFound(format!("no run `{said}`")))?;
        Ok((reader, row))
    }

    /// The directory.
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// A run as far as it has come.
    pub async fn run(&self, id: &RunId) -> Result<Arc<Run>, Error> {
        run(&self.store, id).await
    }

    /// Why things did or did not run.
    pub async fn explain(
        &self,
        id: &RunId,
        about: &view::About,
    ) -> Result<Vec<Explanation>, Error> {
        about.explain(&self.store, id).await
    }

    /// The artifacts of a run, oldest first, and where their bytes are: to be read, never written.
    pub async fn artifacts(&self, id: &RunId) -> Result<Vec<(Artifact, Utf8PathBuf)>, Error> {
        let (dir, id) = (self.dir.join("results"), id.to_string());
        let found = results::blocking(move || cutover_results::artifacts_in(&dir, &id, now()));
        found.await
    }

    /// Where the log of a step is, if it has one. What its job was told to mask is masked in it.
    pub fn log(&self, key: &StepKey) -> Option<Utf8PathBuf> {
        log_below(&self.dir.join("runs"), key)
    }

    /// Whether the logs of a run have not been thrown away.
    pub fn has_logs(&self, id: &RunId) -> bool {
        has_left(&self.dir.join("runs"), id)
    }
}

/// A run as it is stored.
pub(crate) async fn run(store: &Store, id: &RunId) -> Result<Arc<Run>, Error> {
    let events = store.read_run(id).await?;
    if events.is_empty() {
        return Err(Error::NotFound(format!("there is no run `{id}`")));
    }
    let mut run = Run::default();
    for recorded in events {
        cutover_engine::evolve(&mut run, recorded.at, &recorded.event);
    }
    Ok(Arc::new(run))
}
