//! Uploads under way. A half one ends with its job, or with the server.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use camino::Utf8PathBuf;
use cutover_model::Timestamp;
use parking_lot::Mutex;

use super::Upload;
use crate::{disk, job::GrantId, refusal::Refusal};

/// As many as one job may have under way.
const MOST_OF_A_JOB: usize = 64;

/// All uploads under way, with what each is for.
pub(crate) struct Uploads<For> {
    dir: Utf8PathBuf,
    ids: Ids,
    open: Mutex<Open<For>>,
}

/// By the upload's id.
type Open<For> = BTreeMap<u64, (Arc<Upload>, Arc<For>)>;

/// Numbers that grow, also over restarts: clients take the greater for the newer. They fit JavaScript's.
#[derive(Default)]
struct Ids(AtomicU64);

impl Ids {
    fn next(&self, now: Timestamp) -> u64 {
        let of_time = u64::try_from(now.0).unwrap_or(0).saturating_mul(1_000);
        let before = self.0.fetch_max(of_time, Ordering::Relaxed);
        if before < of_time {
            return of_time;
        }
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl<For> Uploads<For> {
    /// Whatever an earlier server had under way is removed.
    pub(crate) fn open(dir: Utf8PathBuf) -> io::Result<Self> {
        disk::remove_folder(&dir)?;
        disk::make_folder(&dir)?;
        Ok(Self {
            dir,
            ids: Ids::default(),
            open: Mutex::default(),
        })
    }

    /// Begins one. Of those that `is_same` says are for the same, one of this job gives way, and one of
    /// another job does not.
    pub(crate) fn begin(
        &self,
        owner: &GrantId,
        limit: u64,
        subject: For,
        now: Timestamp,
        is_same: impl Fn(&For) -> bool,
    ) -> Result<u64, Refusal> {
        let mut open = self.open.lock();
        let same: Vec<u64> = open
            .iter()
            .filter(|(_, (_, other))| is_same(other))
            .map(|(&id, _)| id)
            .collect();
        for id in same {
            let own = open
                .get(&id)
                .is_some_and(|(upload, _)| upload.owner == *owner);
            if !own {
                let text = "another job is uploading the same name";
                return Err(Refusal::Conflict(text.to_owned()));
            }
            if let Some((upload, _)) = open.remove(&id) {
                upload.remove()?;
            }
        }
        let own = open.values().filter(|(upload, _)| upload.owner == *owner);
        if own.count() >= MOST_OF_A_JOB {
            return Err(Refusal::Unready(format!(
                "a job has at most {MOST_OF_A_JOB} uploads under way"
            )));
        }
        let id = self.ids.next(now);
        let upload = Upload::create(self.dir.join(id.to_string()), id, owner.clone(), limit)?;
        open.insert(id, (Arc::new(upload), Arc::new(subject)));
        Ok(id)
    }

    /// The upload of that id, when that job began it.
    pub(crate) fn find(&self, id: u64, owner: &GrantId) -> Option<(Arc<Upload>, Arc<For>)> {
        let open = self.open.lock();
        let found = open.get(&id).filter(|(upload, _)| upload.owner == *owner)?;
        Some((Arc::clone(&found.0), Arc::clone(&found.1)))
    }

    /// That job's upload for what `is_it` knows.
    pub(crate) fn find_for(
        &self,
        owner: &GrantId,
        is_it: impl Fn(&For) -> bool,
    ) -> Option<(Arc<Upload>, Arc<For>)> {
        let open = self.open.lock();
        let found = open
            .values()
            .find(|(upload, subject)| upload.owner == *owner && is_it(subject))?;
        Some((Arc::clone(&found.0), Arc::clone(&found.1)))
    }

    /// Ends one, with what is left of it.
    pub(crate) fn end(&self, id: u64) -> io::Result<()> {
        let upload = self.open.lock().remove(&id);
        upload.map_or(Ok(()), |(upload, _)| upload.remove())
    }

    /// Ends those whose job is one of these. Says how many there were.
    pub(crate) fn end_where(&self, is_one: impl Fn(&GrantId) -> bool) -> io::Result<usize> {
        let ids: Vec<u64> = {
            let open = self.open.lock();
            let theirs = open.values().filter(|(upload, _)| is_one(&upload.owner));
            theirs.map(|(upload, _)| upload.id).collect()
        };
        for &id in &ids {
            self.end(id)?;
        }
        Ok(ids.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_also_when_the_clock_does_not() {
        let ids = Ids::default();
        let all = [5, 5, 4, 6, 6].map(|at| ids.next(Timestamp(at)));
        assert_eq!(all, [5_000, 5_001, 5_002, 6_000, 6_001]);
    }
}
