//! What runs that have ended leave to be looked at: logs and records of their steps. Found without an
//! executor, and thrown away when there is too much of it.

use std::{collections::BTreeSet, fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::RunId;
use tokio::task::spawn_blocking;

use crate::{
    border,
    error::Error,
    layout::{Layout, StepKey},
    process::{ProcessExecutor, remove},
};

/// How much is kept of runs that have ended.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// How many runs.
    pub runs: usize,
    /// How many bytes.
    pub bytes: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            runs: 200,
            bytes: 1024 * 1024 * 1024,
        }
    }
}

/// Only now and then is it measured how much there is: to count runs is one look at one directory, to
/// weigh them is one at each of their files.
const BETWEEN: usize = 16;

/// The log of a step of an executor that keeps its jobs below `root`, if there is one: whoever looks at
/// it needs no executor.
pub fn log_below(root: &Utf8Path, key: &StepKey) -> Option<Utf8PathBuf> {
    let path = Layout::new(root, &key.run, &key.job).log(&key.name());
    path.exists().then_some(path)
}

/// Whether anything of a run is left below `root`.
pub fn has_left(root: &Utf8Path, run: &RunId) -> bool {
    root.join(run.as_str()).exists()
}

impl ProcessExecutor {
    /// Whether it is time to throw old logs away: there are clearly more runs than that, or so many have
    /// come that they should be weighed.
    pub async fn has_old_logs(&self, limits: LogLimits) -> Result<bool, Error> {
        let root = self.root.clone();
        let count = spawn_blocking(move || runs_below(&root).map(|runs| runs.len()));
        let count = count
            .await
            .map_err(|error| Error::Refused(error.to_string()))??;
        let is_much = count > limits.runs.saturating_add(BETWEEN);
        Ok(is_much || (count > 0 && count.is_multiple_of(BETWEEN)))
    }

    /// Throws away the logs and records of runs beyond these limits, the oldest first; says of how many
    /// runs. Runs are told their age by their ids. Those that are `spared`, those from which something
    /// is kept to go on from, and the newest stay. For whoever alone works below the root.
    pub async fn forget_logs(
        &self,
        limits: LogLimits,
        spared: BTreeSet<RunId>,
    ) -> Result<usize, Error> {
        let this = self.clone();
        let done = spawn_blocking(move || {
            let mut runs = runs_below(&this.root)?;
            runs.sort_unstable_by(|left, right| right.cmp(left));
            let noted = this.noted_runs()?;
            runs.retain(|run| !spared.contains(run) && !noted.contains(run));
            let (mut bytes, mut forgotten) = (0_u64, 0);
            for (place, run) in runs.into_iter().enumerate() {
                let dir = this.root.join(run.as_str());
                if place < limits.runs {
                    bytes = bytes.saturating_add(border::bytes_of(&dir));
                }
                if place > 0 && (place >= limits.runs || bytes > limits.bytes) {
                    remove(&dir)?;
                    forgotten += 1;
                }
            }
            Ok(forgotten)
        });
        done.await
            .map_err(|error| Error::Refused(error.to_string()))?
    }
}

fn runs_below(root: &Utf8Path) -> Result<Vec<RunId>, Error> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", root))?,
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    Ok(names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect())
}
