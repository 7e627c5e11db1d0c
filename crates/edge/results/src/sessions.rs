//! The grants that live: kept in files of their own, so that a job outlives a restart of the server.

use std::{collections::BTreeMap, fs, io, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::Timestamp;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::{
    disk,
    job::{GrantId, JobGrant, backend_id},
};

/// A job that may speak to us.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) job: JobGrant,
    pub(crate) from: Timestamp,
}

impl Session {
    pub(crate) fn id(&self) -> GrantId {
        GrantId::of(&self.job.run, &self.job.job, self.job.attempt)
    }

    /// The run as tokens and clients name it.
    pub(crate) fn run_id(&self) -> String {
        backend_id(&[&self.job.run])
    }

    /// The job as tokens and clients name it.
    pub(crate) fn job_id(&self) -> String {
        backend_id(&[&self.job.run, &self.job.job])
    }

    pub(crate) fn until(&self) -> Timestamp {
        self.from + self.job.lifetime
    }
}

/// Those that live now.
pub(crate) struct Sessions {
    dir: Utf8PathBuf,
    live: RwLock<BTreeMap<GrantId, Arc<Session>>>,
}

impl Sessions {
    /// Reads those that lived when the last server ended, but for those that have expired.
    pub(crate) fn open(dir: Utf8PathBuf, now: Timestamp) -> io::Result<Self> {
        disk::make_folder(&dir)?;
        let mut live = BTreeMap::new();
        for name in disk::names(&dir)? {
            let path = dir.join(&name);
            let session: Option<Session> = disk::read_record(&path)?;
            let Some(session) = session.filter(|session| now < session.until()) else {
                fs::remove_file(path)?;
                continue;
            };
            live.insert(session.id(), Arc::new(session));
        }
        Ok(Self {
            dir,
            live: RwLock::new(live),
        })
    }

    /// Lets a job in. One that is in already keeps its time.
    pub(crate) fn add(&self, job: JobGrant, now: Timestamp) -> io::Result<Arc<Session>> {
        let id = GrantId::of(&job.run, &job.job, job.attempt);
        let mut live = self.live.write();
        let from = live.get(&id).map_or(now, |session| session.from);
        let session = Arc::new(Session { job, from });
        disk::write_record(&file(&self.dir, &id), &*session)?;
        live.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// Lets it in no more. One that is not there is out.
    pub(crate) fn remove(&self, id: &GrantId) -> io::Result<()> {
        let known = self.live.write().remove(id);
        match fs::remove_file(file(&self.dir, id)) {
            Err(error) if known.is_some() && error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn find(&self, id: &GrantId, now: Timestamp) -> Option<Arc<Session>> {
        let session = self.live.read().get(id).map(Arc::clone)?;
        (now < session.until()).then_some(session)
    }

    /// Removes those whose time is over.
    pub(crate) fn expire(&self, now: Timestamp) -> io::Result<()> {
        let expired =
            |(id, session): (&GrantId, &Arc<Session>)| (now >= session.until()).then(|| id.clone());
        let over: Vec<GrantId> = self.live.read().iter().filter_map(expired).collect();
        over.iter().try_for_each(|id| self.remove(id))
    }
}

/// Only ids that we derived name files: what a caller made up is not in `live` and has no file.
fn file(dir: &Utf8Path, id: &GrantId) -> Utf8PathBuf {
    dir.join(format!("{}.json", backend_id(&[&id.0])))
}
