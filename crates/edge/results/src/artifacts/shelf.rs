//! Where artifacts are kept: a folder for each run, in it one for each artifact, with its bytes and its
//! record. A folder that is there is whole; what was half done has another name.

use std::{fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{blobs::Upload, disk, job::backend_id, refusal::Refusal};

/// As many as a run may have.
const MOST_OF_A_RUN: usize = 1_000;

/// An artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Grows with time; the greater of two of the same name is the newer.
    pub id: u64,
    /// The run, as the caller named it.
    pub run: String,
    /// The job, as the caller named it.
    pub job: String,
    /// Which try of the job.
    pub attempt: u32,
    /// `owner/name`.
    pub repository: String,
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, as hexadecimal digits.
    pub sha256: String,
    /// `application/zip`, unless it is a single file as it was.
    pub mime_type: String,
    /// When it was whole.
    pub created: Timestamp,
    /// When it is removed.
    pub expires: Timestamp,
    /// Whether the job was trusted; whoever reads one that was not has touched something untrusted.
    pub is_trusted: bool,
}

impl Artifact {
    pub(crate) fn run_id(&self) -> String {
        backend_id(&[&self.run])
    }

    pub(crate) fn job_id(&self) -> String {
        backend_id(&[&self.run, &self.job])
    }

    /// Whether this job, in this try, could not have another of the name beside it.
    pub(crate) fn stands_against(&self, other: &NewArtifact) -> bool {
        self.name == other.name && (self.job != other.job || self.attempt >= other.attempt)
    }
}

/// An artifact that is being uploaded.
#[derive(Debug, Clone)]
pub(crate) struct NewArtifact {
    pub(crate) run: String,
    pub(crate) job: String,
    pub(crate) attempt: u32,
    pub(crate) repository: String,
    pub(crate) name: String,
    pub(crate) mime_type: String,
    pub(crate) expires: Timestamp,
    pub(crate) is_trusted: bool,
}

/// All artifacts.
pub(crate) struct Shelf {
    dir: Utf8PathBuf,
    /// Two uploads of one name must not both find the place free.
    turn: Mutex<()>,
}

impl Shelf {
    pub(crate) fn open(dir: Utf8PathBuf) -> io::Result<Self> {
        disk::make_folder(&dir)?;
        Ok(Self::at(dir))
    }

    /// The one that others may have opened there, or nobody: to be looked at.
    pub(crate) fn at(dir: Utf8PathBuf) -> Self {
        Self {
            dir,
            turn: Mutex::default(),
        }
    }

    /// Those of a run by its id, oldest first, without those whose time is over.
    pub(crate) fn of_run(&self, run_id: &str, now: Timestamp) -> io::Result<Vec<Artifact>> {
        let folder = self.folder(run_id);
        let mut artifacts = Vec::new();
        for id in ids(&folder)? {
            let record: Option<Artifact> =
                disk::read_record(&folder.join(id.to_string()).join("artifact.json"))?;
            artifacts.extend(record.filter(|artifact| now < artifact.expires));
        }
        Ok(artifacts)
    }

    /// Makes an upload an artifact.
    pub(crate) fn keep(
        &self,
        upload: &Upload,
        new: &NewArtifact,
        size: u64,
        sha256: String,
        now: Timestamp,
    ) -> Result<Artifact, Refusal> {
        let artifact = Artifact {
            id: upload.id,
            run: new.run.clone(),
            job: new.job.clone(),
            attempt: new.attempt,
            repository: new.repository.clone(),
            name: new.name.clone(),
            size,
            sha256,
            mime_type: new.mime_type.clone(),
            created: now,
            expires: new.expires,
            is_trusted: new.is_trusted,
        };
        let _turn = self.turn.lock();
        self.check_free(new, now)?;
        let folder = self.folder(&artifact.run_id());
        let half = folder.join(format!("{}.half", artifact.id));
        disk::make_folder(&half)?;
        upload.take_over(&half.join("blob"))?;
        disk::write_record(&half.join("artifact.json"), &artifact)?;
        fs::rename(half, folder.join(artifact.id.to_string()))?;
        Ok(artifact)
    }

    /// Whether an artifact may have this name.
    pub(crate) fn check_free(&self, new: &NewArtifact, now: Timestamp) -> Result<(), Refusal> {
        let there = self.of_run(&backend_id(&[&new.run]), now)?;
        if there.iter().any(|artifact| artifact.stands_against(new)) {
            return Err(Refusal::Conflict(
                "an artifact with this name already exists on the workflow run".to_owned(),
            ));
        }
        if there.len() >= MOST_OF_A_RUN {
            return Err(Refusal::Unready(format!(
                "a run has at most {MOST_OF_A_RUN} artifacts"
            )));
        }
        Ok(())
    }

    /// Removes an artifact.
    pub(crate) fn remove(&self, artifact: &Artifact) -> io::Result<()> {
        let folder = self.folder(&artifact.run_id());
        let id = artifact.id.to_string();
        // First it is no artifact, then its bytes go.
        let half = folder.join(format!("{id}.half"));
        match fs::rename(folder.join(id), &half) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        disk::remove_folder(&half)
    }

    /// Where the bytes of an artifact are.
    pub(crate) fn blob(&self, artifact: &Artifact) -> Utf8PathBuf {
        let folder = self.folder(&artifact.run_id());
        folder.join(artifact.id.to_string()).join("blob")
    }

    /// Removes those whose time is over, and what was half done when a server ended. Says how many
    /// artifacts and bytes.
    pub(crate) fn sweep(&self, now: Timestamp) -> io::Result<(usize, u64)> {
        let _turn = self.turn.lock();
        let (mut count, mut bytes) = (0, 0);
        for run_id in disk::names(&self.dir)? {
            let folder = self.folder(&run_id);
            for name in disk::names(&folder)? {
                let path = folder.join(&name);
                let record: Option<Artifact> = if name.parse::<u64>().is_ok() {
                    disk::read_record(&path.join("artifact.json"))?
                } else {
                    None
                };
                match record {
                    Some(artifact) if now < artifact.expires => continue,
                    Some(artifact) => {
                        count += 1;
                        bytes += artifact.size;
                    }
                    None => {}
                }
                disk::remove_folder(&path)?;
            }
            // Only an empty folder can be removed so.
            let _not_empty = fs::remove_dir(&folder);
        }
        Ok((count, bytes))
    }

    fn folder(&self, run_id: &str) -> Utf8PathBuf {
        self.dir.join(run_id)
    }
}

fn ids(folder: &Utf8Path) -> io::Result<Vec<u64>> {
    let names = disk::names(folder)?;
    let mut ids: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}
