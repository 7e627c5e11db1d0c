//! What a job that failed leaves to go on from: its workspace, its temporary files, what it handed on and
//! must not be seen, and the copies at the borders of its steps. Bounded, and given up when it is old.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use camino::Utf8PathBuf;
use cutover_model::{
    RunId, Timestamp,
    run::{Attempt, JobKey, Phase, StepPath},
};
use cutover_supervisor::record;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::{
    border::{self, Borders, Found, Snapshots},
    error::Error,
    layout::{JobPlace, Layout, StepKey},
    matchers::memory,
    order::Begun,
    process::{ProcessExecutor, empty, end, name, remove, sweep},
    subjects,
};

/// The borders of the jobs whose steps go on, by their directories.
pub(crate) type AllBorders = Arc<Mutex<BTreeMap<Utf8PathBuf, Arc<Mutex<Borders>>>>>;

/// What is kept of jobs that failed, together.
#[derive(Debug, Clone, Copy)]
pub struct KeepLimits {
    /// How many jobs.
    pub jobs: usize,
    /// How many bytes.
    pub bytes: u64,
    /// How long.
    pub age: Duration,
}

impl Default for KeepLimits {
    fn default() -> Self {
        Self {
            jobs: 20,
            bytes: 4 * 1024 * 1024 * 1024,
            age: Duration::from_hours(7 * 24),
        }
    }
}

/// What there is to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The workspace as it was before the step.
    Border,
    /// The workspace as the job left it.
    AsLeft,
    /// Nothing any more.
    Nothing,
}

/// For which try of the run a job's directory is made.
#[derive(Debug, Serialize, Deserialize)]
struct Prepared {
    attempt: Attempt,
}

/// The note that a job is kept; its age is that of its file.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    run: RunId,
    job: JobKey,
    bytes: u64,
}

impl ProcessExecutor {
    /// With another rule for when workspaces are copied.
    #[must_use]
    pub const fn with_snapshots(mut self, snapshots: Snapshots) -> Self {
        self.snapshots = snapshots;
        self
    }

    /// A step of a job is about to start: its border may be worth a copy. Whatever goes wrong costs the
    /// copy, never the step. `alone` says that no other step of the job runs.
    pub async fn border(&self, key: &StepKey, alone: bool) {
        let index = match key.step.0.first() {
            // Before the first step there is nothing.
            None | Some(0) => return,
            Some(_) if key.step.phase() != Phase::Main => return,
            Some(index) => *index,
        };
        let layout = self.layout(key);
        let borders = {
            let mut all = self.borders.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(layout.dir.clone()).or_default())
        };
        let policy = self.snapshots;
        let (workspace, folder) = (layout.workspace(), layout.borders());
        {
            let mut borders = borders.lock().unwrap_or_else(PoisonError::into_inner);
            let has_begun = || self.begun(key).is_ok_and(|begun| begun != Begun::No);
            if borders.is_past(index) || (borders.is_new() && has_begun()) {
                return;
            }
            let glances = alone && policy != Snapshots::Never;
            if glances && borders.glance((&workspace, &folder), index) {
                return;
            }
        }
        let passed = spawn_blocking(move || {
            let mut borders = borders.lock().unwrap_or_else(PoisonError::into_inner);
            if alone {
                borders.pass((&workspace, &folder), index, policy)
            } else {
                borders.give_up(&folder, index)
            }
        });
        // Without a copy the job cannot go on from here; that is said when somebody wants it to.
        drop(passed.await);
    }

    pub(crate) fn forget_borders(&self, layout: &Layout) {
        let mut all = self.borders.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&layout.dir);
    }

    /// Ends everything of a job that may be gone on with, and keeps what that takes.
    pub async fn set_aside(&self, run: &RunId, job: &JobKey) -> Result<(), Error> {
        let layout = Layout::new(&self.root, run, job);
        if !layout.workspace().exists() {
            return Ok(());
        }
        let known = self.known(&layout);
        let mut is_ready = known.lock().await;
        *is_ready = false;
        if !end(&layout).await? {
            sweep(name(run, job)).await?;
        }
        self.close_lines(&layout);
        self.forget_borders(&layout);
        let note = self.note(run, job);
        if note.exists() {
            return Ok(());
        }
        let measured = layout.clone();
        let bytes = spawn_blocking(move || {
            let kept = [measured.workspace(), measured.temp(), measured.borders()];
            kept.iter().map(|path| border::bytes_of(path)).sum()
        });
        let bytes = bytes
            .await
            .map_err(|error| Error::Refused(error.to_string()))?;
        let folder = self.notes();
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let (run, job) = (run.clone(), job.clone());
        record::write_for(&note, &Note { run, job, bytes }, self.survives)?;
        Ok(())
    }

    /// What there is to go on from, before this step.
    pub fn kept(&self, run: &RunId, job: &JobKey, step: &StepPath) -> Result<Kept, Error> {
        let layout = Layout::new(&self.root, run, job);
        if !layout.workspace().exists() {
            return Ok(Kept::Nothing);
        }
        let folder = layout.borders();
        let found = border::find(&folder, index_of(step)).map_err(Error::io("read", folder))?;
        Ok(match found {
            Found::Copy(_) | Found::Empty => Kept::Border,
            Found::Nothing => Kept::AsLeft,
        })
    }

    /// Makes the directories of a job for another try of the run: as they were before a step, or empty.
    /// The second time it only sees that there is a supervisor.
    pub async fn prepare_again(
        &self,
        run: &RunId,
        job: &JobKey,
        attempt: Attempt,
        from: Option<&StepPath>,
    ) -> Result<JobPlace, Error> {
        let layout = Layout::new(&self.root, run, job);
        {
            let known = self.known(&layout);
            let mut is_ready = known.lock().await;
            let before: Option<Prepared> = record::read(&layout.prepared())?;
            if before.is_none_or(|before| before.attempt < attempt) {
                *is_ready = false;
                self.wind_back(&layout, &name(run, job), from).await?;
                fs::remove_file(self.note(run, job)).ok();
                record::write_for(&layout.prepared(), &Prepared { attempt }, self.survives)?;
            }
        }
        self.prepare(run, job).await
    }

    async fn wind_back(
        &self,
        layout: &Layout,
        job: &str,
        from: Option<&StepPath>,
    ) -> Result<(), Error> {
        if layout.dir.exists() {
            if !end(layout).await? {
                sweep(job.to_owned()).await?;
            }
        } else {
            fs::create_dir_all(&layout.dir).map_err(Error::io("create", &layout.dir))?;
        }
        self.close_lines(layout);
        self.forget_borders(layout);
        let (layout, from, survives) = (layout.clone(), from.map(index_of), self.survives);
        let wound = spawn_blocking(move || match from {
            Some(index) => {
                to_border(&layout, index)?;
                Ok(memory::forget_from(&layout.matchers(), index, survives)?)
            }
            None => empty(&layout),
        });
        wound
            .await
            .map_err(|error| Error::Refused(error.to_string()))?
    }

    /// Throws away what is kept beyond these limits, the oldest runs first; says how many jobs lost it.
    pub async fn forget_kept(&self, limits: KeepLimits, now: Timestamp) -> Result<usize, Error> {
        let mut notes = self.read_notes()?;
        // Ids of runs sort by time.
        notes.sort_unstable_by(|(left, ..), (right, ..)| right.run.cmp(&left.run));
        let (mut jobs, mut bytes, mut forgotten) = (0_usize, 0_u64, 0);
        for (note, at) in notes {
            jobs += 1;
            bytes = bytes.saturating_add(note.bytes);
            let age = now.since(at).to_std();
            if jobs <= limits.jobs && bytes <= limits.bytes && age <= limits.age {
                continue;
            }
            bytes -= note.bytes.min(bytes);
            let layout = Layout::new(&self.root, &note.run, &note.job);
            let path = self.note(&note.run, &note.job);
            let known = self.known(&layout);
            let _nobody_else = known.lock().await;
            // It may have gone on meanwhile.
            if path.exists() {
                let gone = spawn_blocking(move || empty(&layout));
                gone.await
                    .map_err(|error| Error::Refused(error.to_string()))??;
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    fn read_notes(&self) -> Result<Vec<(Note, Timestamp)>, Error> {
        let folder = self.notes();
        let entries = match folder.read_dir_utf8() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("read", &folder))?,
        };
        let mut notes = Vec::new();
        for entry in entries.flatten() {
            let since = entry.metadata().and_then(|data| data.modified()).ok();
            let since = since.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let millis = since.map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            });
            if let Some(note) = record::read::<Note>(entry.path())? {
                notes.push((note, Timestamp(millis)));
            }
        }
        Ok(notes)
    }

    /// The runs of which something is kept.
    pub(crate) fn noted_runs(&self) -> Result<BTreeSet<RunId>, Error> {
        let notes = self.read_notes()?;
        Ok(notes.into_iter().map(|(note, _)| note.run).collect())
    }

    /// Where it is noted what is kept, so that nobody has to look through all runs for it.
    fn notes(&self) -> Utf8PathBuf {
        self.root.join(".kept")
    }

    fn note(&self, run: &RunId, job: &JobKey) -> Utf8PathBuf {
        let dir = Layout::new(&self.root, run, job).dir;
        let job = dir.file_name().unwrap_or_default();
        self.notes().join(format!("{run}.{job}.json"))
    }
}

/// The step of the job that a step is, or is in.
fn index_of(step: &StepPath) -> u16 {
    step.0.first().copied().unwrap_or_default()
}

/// The workspace as it was before a step, as far as that is known.
fn to_border(layout: &Layout, index: u16) -> Result<(), Error> {
    let (workspace, folder) = (layout.workspace(), layout.borders());
    subjects::forget_after(layout, index)?;
    let found = border::find(&folder, index).map_err(Error::io("read", &folder))?;
    match found {
        Found::Copy(copy) => {
            let half = layout.dir.join("workspace.half");
            remove(&half)?;
            border::clone(&copy, &half).map_err(Error::io("copy", &copy))?;
            remove(&workspace)?;
            fs::rename(&half, &workspace).map_err(Error::io("rename", &half))?;
        }
        Found::Empty => remove(&workspace)?,
        Found::Nothing => {}
    }
    border::forget_after(&folder, index).map_err(Error::io("clear", &folder))
}
