//! What all protocols share: who asks, what the time is, where blobs are, and how their addresses are
//! signed.

use std::{io, sync::Arc};

use camino::Utf8Path;
use cutover_model::Timestamp;
use http::{HeaderMap, header};
use ring::hmac;

use crate::{
    artifacts::{NewArtifact, Shelf},
    blobs::{Download, Uploads},
    caches::{Caches, NewCache},
    clock::Clock,
    disk,
    job::GrantId,
    oidc::Issuer,
    refusal::Refusal,
    service::{Limits, Settings},
    sessions::{Session, Sessions},
    signed::{self, Operation, Signature},
    tokens::{self, Purpose},
};

/// The service behind its protocols. All clones are the same, seen from other addresses.
#[derive(Clone)]
pub(crate) struct Core {
    /// `http://127.0.0.1:4321`, without a slash at its end.
    pub(crate) url: String,
    pub(crate) limits: Limits,
    pub(crate) key: hmac::Key,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) uploads: Arc<Uploads<Subject>>,
    pub(crate) artifacts: Arc<Shelf>,
    pub(crate) caches: Arc<Caches>,
    pub(crate) issuer: Arc<Issuer>,
    clock: Arc<dyn Clock>,
}

/// What an upload is for.
pub(crate) enum Subject {
    Artifact(NewArtifact),
    Cache(NewCache),
}

/// A blob, as its address names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// An upload under way.
    Upload(u64),
    /// The run's id, and the artifact's.
    Artifact(String, u64),
    Cache(u64),
}

impl Place {
    /// The path of its address. Three parts and a name: Azure's clients ask for as many.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Upload(id) => format!("/blobs/upload/new/{id}"),
            Self::Artifact(run_id, id) => format!("/blobs/artifact/{run_id}/{id}"),
            Self::Cache(id) => format!("/blobs/cache/all/{id}"),
        }
    }

    pub(crate) fn parse(shelf: &str, group: &str, id: &str) -> Option<Self> {
        let id = id.parse().ok()?;
        match (shelf, group) {
            ("upload", "new") => Some(Self::Upload(id)),
            ("artifact", run_id) => Some(Self::Artifact(run_id.to_owned(), id)),
            ("cache", "all") => Some(Self::Cache(id)),
            _ => None,
        }
    }
}

impl Core {
    pub(crate) fn open(dir: &Utf8Path, settings: Settings) -> io::Result<Self> {
        let keys = dir.join("keys");
        disk::make_folder(&keys)?;
        let random = || disk::random::<32>().map(Vec::from);
        let key = disk::key(&keys.join("tokens.key"), random)?;
        let url = settings.url.trim_end_matches('/').to_owned();
        let now = settings.clock.now();
        Ok(Self {
            limits: settings.limits,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            sessions: Arc::new(Sessions::open(dir.join("grants"), now)?),
            uploads: Arc::new(Uploads::open(dir.join("uploads"))?),
            artifacts: Arc::new(Shelf::open(dir.join("artifacts"))?),
            caches: Arc::new(Caches::open(dir.join("caches"))?),
            issuer: Arc::new(Issuer::open(
                &keys,
                settings.issuer.as_deref().unwrap_or(&url),
            )?),
            clock: settings.clock,
            url,
        })
    }

    /// The same, for those who reach it by another address.
    pub(crate) fn seen_at(&self, url: String) -> Self {
        Self {
            url,
            ..self.clone()
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The job whose bearer token the request has.
    pub(crate) fn bearer(
        &self,
        headers: &HeaderMap,
        purpose: Purpose,
    ) -> Result<Arc<Session>, Refusal> {
        let now = self.now();
        let text = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = text.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
        let id = token.and_then(|token| tokens::read(&self.key, purpose, token, now));
        id.and_then(|id| self.sessions.find(&id, now))
            .ok_or(Refusal::Unauthenticated)
    }

    /// A signed address for this job.
    pub(crate) fn address(&self, place: &Place, operation: Operation, job: &Session) -> String {
        let signed = signed::address(&self.key, &place.path(), operation, &job.id(), self.now());
        format!("{}{signed}", self.url)
    }

    /// The job that holds a signed address, while it lives.
    pub(crate) fn holder(
        &self,
        place: &Place,
        operation: Operation,
        signature: &Signature,
    ) -> Result<GrantId, Refusal> {
        let now = self.now();
        let id = signed::check(&self.key, &place.path(), operation, signature, now)?;
        match self.sessions.find(&id, now) {
            Some(_) => Ok(id),
            None => Err(Refusal::Unauthenticated),
        }
    }

    /// The blob at that place. Looks into the folder.
    pub(crate) fn download(&self, place: &Place) -> Result<Download, Refusal> {
        let gone = || Refusal::NotFound("there is no such blob".to_owned());
        match place {
            Place::Upload(_) => Err(gone()),
            Place::Artifact(run_id, id) => {
                let artifacts = self.artifacts.of_run(run_id, self.now())?;
                let artifact = artifacts.into_iter().find(|artifact| artifact.id == *id);
                let artifact = artifact.ok_or_else(gone)?;
                let is_zip = artifact.mime_type == "application/zip";
                let has_ending = artifact.name.to_ascii_lowercase().ends_with(".zip");
                Ok(Download {
                    path: self.artifacts.blob(&artifact),
                    file_name: if is_zip && !has_ending {
                        format!("{}.zip", artifact.name)
                    } else {
                        artifact.name
                    },
                    mime_type: artifact.mime_type,
                })
            }
            Place::Cache(id) => Ok(Download {
                path: self.caches.blob(*id).ok_or_else(gone)?,
                mime_type: "application/octet-stream".to_owned(),
                file_name: "cache".to_owned(),
            }),
        }
    }
}
