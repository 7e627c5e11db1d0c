//! What a job that is over leaves to the next one of its run: its empty workspace and its temporary directory,
//! with the emptied files by which steps hand values on.
//!
//! File systems make much of what is made and removed; a job that checks nothing out would be half of that.
//! Never between runs: something that got away from a job of one may still hold a file of it open.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::{RunId, run::JobKey};
use rustix::{fs::getxattr, io::Errno, process::geteuid};

use crate::{
    error::Error,
    layout::Layout,
    process::{ProcessExecutor, clear_away, remove},
    subjects::Known,
    supervise::{EXCHANGE, clear},
};

/// How many of a run may wait for a job.
const MOST: usize = 4;
/// The directory of files by which steps hand values on, in a temporary directory that was left.
pub(crate) const EXCHANGE_LEFT: &str = "_left";
/// The workspace, in there.
const WORKSPACE_LEFT: &str = "_workspace";
/// The payload of the event: whoever puts it there looks whether it is still what it was.
const EVENT: &str = "_github_workflow";

/// The temporary directories that were left, by the directory of their run.
#[derive(Debug, Clone, Default)]
pub(crate) struct HandedDown(Arc<Mutex<BTreeMap<Utf8PathBuf, Vec<Utf8PathBuf>>>>);

impl HandedDown {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Utf8PathBuf, Vec<Utf8PathBuf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a new job what another one of its run has left, if there is something.
    pub(crate) fn take(&self, layout: &Layout) {
        let left = layout.dir.parent().and_then(|run| {
            let mut all = self.all();
            all.get_mut(run).and_then(Vec::pop)
        });
        let Some(left) = left else { return };
        let (temp, workspace) = (layout.temp(), layout.workspace());
        let taken = fs::rename(&left, &temp)
            .and_then(|()| fs::rename(temp.join(WORKSPACE_LEFT), &workspace));
        // What is lacking is made anew; what is only half there is in nobody's way.
        drop(taken);
    }

    fn leave(&self, layout: &Layout) -> io::Result<()> {
        let run = layout.dir.parent().unwrap_or(&layout.dir).to_owned();
        let mut all = self.all();
        let left = all.entry(run).or_default();
        if left.len() >= MOST {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        left.push(tidy(layout)?);
        Ok(())
    }
}

impl ProcessExecutor {
    /// As `destroy`, but what is as it was made is left for the next job of the run.
    pub async fn hand_down(&self, run: &RunId, job: &JobKey) -> Result<(), Error> {
        let layout = Layout::new(&self.root, run, job);
        if self.close(&layout, run, job).await? {
            let has_more = [layout.private(), layout.actions(), layout.borders()]
                .iter()
                .any(|path| path.exists());
            if has_more || self.handed_down.leave(&layout).is_err() {
                clear_away(layout).await?;
            }
        }
        Ok(())
    }

    /// No job of a run will begin any more: removes what was left for it.
    pub fn forget_handed_down(&self, run: &RunId) -> Result<(), Error> {
        let left = self.handed_down.all().remove(&self.root.join(run.as_str()));
        left.unwrap_or_default()
            .iter()
            .try_for_each(|path| remove(path))
    }
}

/// Brings what a job had into the state in which the next one may find it, and says where that is. Refuses when
/// anything is not as it was made; then all of it is to be removed.
fn tidy(layout: &Layout) -> io::Result<Utf8PathBuf> {
    let (temp, workspace) = (layout.temp(), layout.workspace());
    expect(is_plain(&workspace)? && workspace.read_dir_utf8()?.next().is_none())?;
    expect(is_plain(&temp)?)?;
    let mut exchange = None;
    for entry in temp.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_name() == EVENT {
            expect(has_only_files_of_ours(entry.path())?)?;
        } else {
            // There is one when the steps came one after the other.
            expect(exchange.is_none() && is_plain(entry.path())?)?;
            exchange = Some(entry.into_path());
        }
    }
    let exchange = exchange.ok_or(io::ErrorKind::NotFound)?;
    clear(&exchange, &Known::default().list())?;
    expect(has_only_files_of_ours(&exchange)?)?;
    fs::rename(exchange, temp.join(EXCHANGE_LEFT))?;
    fs::rename(workspace, temp.join(WORKSPACE_LEFT))?;
    let left = layout.left();
    fs::rename(temp, &left)?;
    Ok(left)
}

fn expect(is_so: bool) -> io::Result<()> {
    if is_so {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Whether a directory is ours alone, and gives nothing to what is made in it.
fn is_plain(path: &Utf8Path) -> io::Result<bool> {
    let data = fs::symlink_metadata(path)?;
    let is_ours = data.is_dir() && data.uid() == geteuid().as_raw();
    let mut none: [u8; 0] = [];
    let default = getxattr(
        path.as_std_path(),
        "system.posix_acl_default",
        &mut none[..],
    );
    let gives_nothing = matches!(default, Err(Errno::NODATA | Errno::NOTSUP));
    Ok(is_ours && data.permissions().mode() & 0o7777 == 0o700 && gives_nothing)
}

/// Whether there are files only, each ours to read and write, and under one name only.
fn has_only_files_of_ours(path: &Utf8Path) -> io::Result<bool> {
    let own = geteuid().as_raw();
    // An event and a script come with the files by which values are handed on.
    for (count, entry) in path.read_dir_utf8()?.enumerate() {
        let data = entry?.metadata()?;
        let is_plain = data.is_file() && data.nlink() == 1 && data.uid() == own;
        if !is_plain || data.mode() & 0o600 != 0o600 || count > EXCHANGE.len() + 1 {
            return Ok(false);
        }
    }
    Ok(true)
}
