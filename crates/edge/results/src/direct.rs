//! The short way for our own built-in actions, which are in the same process: the same rules, and files that
//! are moved instead of sent.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::Timestamp;

use crate::{
    artifacts::{self, Artifact},
    caches::{self, Cache},
    core::Subject,
    job::GrantId,
    refusal::Refusal,
    service::{Error, Service},
    sessions::Session,
    twirp::{CreateArtifactRequest, FinalizeArtifactRequest, Text},
};

impl Service {
    /// Makes a file an artifact of the job's run; it is not there any more afterwards. `expires` is no later
    /// than the usual retention, which is taken when it is absent. Blocks.
    pub fn keep_artifact(
        &self,
        job: &GrantId,
        name: &str,
        mime_type: &str,
        file: &Utf8Path,
        expires: Option<Timestamp>,
    ) -> Result<Artifact, Error> {
        let session = self.session(job)?;
        self.try_keep_artifact(&session, name, mime_type, file, expires)
            .map_err(refused)
    }

    fn try_keep_artifact(
        &self,
        session: &Session,
        name: &str,
        mime_type: &str,
        file: &Utf8Path,
        expires: Option<Timestamp>,
    ) -> Result<Artifact, Refusal> {
        let core = &self.core;
        let (run_id, job_id) = (session.run_id(), session.job_id());
        let size = std::fs::metadata(file)?.len();
        let create = CreateArtifactRequest {
            workflow_run_backend_id: run_id.clone(),
            workflow_job_run_backend_id: job_id.clone(),
            name: name.to_owned(),
            expires_at: expires.map(Into::into),
            mime_type: Some(Text {
                value: mime_type.to_owned(),
            }),
            ..CreateArtifactRequest::default()
        };
        artifacts::create(core, session, &create)?;
        let gone = || Refusal::NotFound("the artifact is gone already".to_owned());
        let is_it =
            |subject: &Subject| matches!(subject, Subject::Artifact(new) if new.name == name);
        let found = core.uploads.find_for(&session.id(), is_it);
        let (upload, _) = found.ok_or_else(gone)?;
        upload.adopt(file)?;
        let finalize = FinalizeArtifactRequest {
            workflow_run_backend_id: run_id.clone(),
            workflow_job_run_backend_id: job_id,
            name: name.to_owned(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            hash: None,
        };
        artifacts::finalize(core, session, &finalize)?;
        let mut all = core.artifacts.of_run(&run_id, core.now())?.into_iter();
        all.find(|artifact| artifact.id == upload.id)
            .ok_or_else(gone)
    }

    /// Removes an artifact that the job could replace: of its own run. `false` when there is none. Blocks.
    pub fn remove_artifact(&self, job: &GrantId, name: &str) -> Result<bool, Error> {
        let session = self.session(job)?;
        let all = self.artifacts(&session.job.run)?;
        let Some(artifact) = all.iter().rev().find(|one| one.name == name) else {
            return Ok(false);
        };
        let removed = self.core.artifacts.remove(artifact);
        removed.map_err(|error| refused(error.into()))?;
        Ok(true)
    }

    /// Makes a file a cache of the job's ref; it is not there any more afterwards. `false` when there is one
    /// by that key and version, or another job is saving it. Blocks.
    pub fn save_cache(
        &self,
        job: &GrantId,
        key: &str,
        version: &str,
        file: &Utf8Path,
    ) -> Result<bool, Error> {
        let session = self.session(job)?;
        match self.try_save_cache(&session, key, version, file) {
            Ok(()) => Ok(true),
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(refused(refusal)),
        }
    }

    fn try_save_cache(
        &self,
        session: &Session,
        key: &str,
        version: &str,
        file: &Utf8Path,
    ) -> Result<(), Refusal> {
        let core = &self.core;
        let size = std::fs::metadata(file)?.len();
        let id = caches::begin(core, session, key, version)?;
        let found = core.uploads.find(id, &session.id());
        let (upload, _) = found.ok_or_else(|| Refusal::NotFound("the job has ended".to_owned()))?;
        let saved = upload.adopt(file);
        let saved = saved.and_then(|()| caches::end(core, id, session, size));
        core.uploads.end(id)?;
        saved.map(drop)
    }

    /// The cache that the job restores by these keys, and its file: to be read, never written. It counts as
    /// used. Blocks.
    pub fn find_cache(
        &self,
        job: &GrantId,
        keys: &[String],
        version: &str,
    ) -> Result<Option<(Cache, Utf8PathBuf)>, Error> {
        let session = self.session(job)?;
        let found = caches::restore(&self.core, &session, keys, version).map_err(refused)?;
        Ok(found.and_then(|cache| {
            let file = self.core.caches.blob(cache.id)?;
            Some((cache, file))
        }))
    }

    fn session(&self, job: &GrantId) -> Result<Arc<Session>, Error> {
        let found = self.core.sessions.find(job, self.core.now());
        found.ok_or_else(|| refused(Refusal::Unauthenticated))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(refusal: Refusal) -> Error {
    Error::Refused(refusal.to_string())
}
