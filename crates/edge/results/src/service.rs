//! The service as its owner has it: opened on a folder, served on a listener, told of each job that starts
//! and ends.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use axum::Router;
use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::{Duration, Secret, Timestamp};
use ipnet::IpNet;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    artifacts::{Artifact, Shelf},
    blobs,
    caches::{self, Cache},
    clock::{Clock, SystemClock},
    core::Core,
    door::Door,
    job::{Grant, GrantId, JobGrant, backend_id},
    oidc,
    sessions::Session,
    tokens::{self, Purpose},
    twirp,
};

/// How the service is set.
pub struct Settings {
    /// The address at which jobs reach it: `http://127.0.0.1:4321`. Kept over a restart, jobs that are
    /// still running go on speaking to it.
    pub url: String,
    /// Who issues id tokens, when that is not `url`: an address where [`Service::documents`] is served.
    pub issuer: Option<String>,
    /// How much and how long.
    pub limits: Limits,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Settings {
    /// The usual ones, for a listener at this address.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            url: format!("http://{address}"),
            issuer: None,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// How much and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest artifact, in bytes.
    pub artifact_bytes: u64,
    /// How long an artifact is kept unless its upload asks for less.
    pub retention: Duration,
    /// What the caches of one repository may take together, in bytes; also the largest one.
    pub cache_bytes: u64,
    /// After how long without use a cache is removed.
    pub cache_age: Duration,
}

impl Default for Limits {
    /// GitHub's: 90 days, 10 GiB, 7 days.
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        const DAY: u64 = 24 * 60;
        Self {
            artifact_bytes: 10 * GIB,
            retention: Duration::from_mins(90 * DAY),
            cache_bytes: 10 * GIB,
            cache_age: Duration::from_mins(7 * DAY),
        }
    }
}

/// Why the service does not do what its owner asks.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder could not be used.
    #[error("the results service could not use `{dir}`: {error}")]
    Folder {
        /// The service's folder.
        dir: Utf8PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The listener can be reached from other machines.
    #[error("the results service listens on loopback only, not on `{0}`")]
    NotLoopback(SocketAddr),
    /// The listener is not where a network of containers meets this machine.
    #[error(
        "the results service listens in networks of containers only; `{address}` is not in `{network}`"
    )]
    NotInNetwork {
        /// Where it would have listened.
        address: SocketAddr,
        /// Whom it would have let in.
        network: IpNet,
    },
    /// The listener broke.
    #[error("the results service could not listen: {0}")]
    Listen(io::Error),
    /// What a job asked for is not granted.
    #[error("{0}")]
    Refused(String),
    /// A token could not be signed.
    #[error("a token for the job could not be signed")]
    Token,
}

/// The artifacts of a run in the folder of a service, oldest first, and where their bytes are: for whoever
/// only looks, also while a service works there. Blocks.
pub fn artifacts_in(
    dir: &Utf8Path,
    run: &str,
    now: Timestamp,
) -> Result<Vec<(Artifact, Utf8PathBuf)>, Error> {
    let shelf = Shelf::at(dir.join("artifacts"));
    let found = shelf.of_run(&backend_id(&[run]), now);
    let found = found.map_err(|error| Error::Folder {
        dir: dir.to_owned(),
        error,
    })?;
    let with_file = |artifact: Artifact| {
        let file = shelf.blob(&artifact);
        (artifact, file)
    };
    Ok(found.into_iter().map(with_file).collect())
}

/// What [`Service::sweep`] has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Artifacts whose time was over.
    pub artifacts: usize,
    /// Caches that were not used for long.
    pub caches: usize,
    /// Half uploads of jobs that never ended.
    pub uploads: usize,
    /// Bytes of artifacts and caches.
    pub bytes: u64,
}

fn router(core: Arc<Core>) -> Router {
    Router::new()
        .merge(twirp::router())
        .merge(blobs::router())
        .merge(caches::router())
        .merge(oidc::asking())
        .merge(oidc::documents())
        .with_state(core)
}

/// The service that actions of a running job speak to.
#[derive(Clone)]
pub struct Service {
    pub(crate) core: Arc<Core>,
    dir: Utf8PathBuf,
}

impl Service {
    /// Opens the folder, or makes it. Grants that lived when the last server ended live on; half uploads
    /// do not. One process at a time: the caller sees to it. Blocks.
    pub fn open(dir: &Utf8Path, settings: Settings) -> Result<Self, Error> {
        let core = crate::disk::make_folder(dir).and_then(|()| Core::open(dir, settings));
        let core = core.map_err(|error| Error::Folder {
            dir: dir.to_owned(),
            error,
        })?;
        Ok(Self {
            core: Arc::new(core),
            dir: dir.to_owned(),
        })
    }

    /// Lets a job speak to us, until it is [revoked](Self::revoke) or its lifetime is over. The same job
    /// and attempt once more gets tokens that are as good as the first ones. Blocks.
    pub fn grant(&self, job: JobGrant) -> Result<Grant, Error> {
        let core = &self.core;
        let session = core.sessions.add(job, core.now());
        let session = session.map_err(|error| self.failed(error))?;
        let results = self.token(&session, Purpose::Results)?;
        let mut env = self.env(&session);
        let mut add = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        add("ACTIONS_RUNTIME_TOKEN", results.expose());
        let mut masks = vec![results];
        if session.job.may_ask_for_id_tokens() {
            let asking = self.token(&session, Purpose::IdToken)?;
            let url = format!("{}/oidc/token?api-version=2.0", core.url);
            add("ACTIONS_ID_TOKEN_REQUEST_URL", &url);
            add("ACTIONS_ID_TOKEN_REQUEST_TOKEN", asking.expose());
            masks.push(asking);
        }
        Ok(Grant {
            id: session.id(),
            env,
            masks,
        })
    }

    fn env(&self, session: &Session) -> BTreeMap<String, String> {
        let url = format!("{}/", self.core.url);
        let days =
            self.core.limits.retention.as_millis() / Duration::from_mins(24 * 60).as_millis();
        let pairs = [
            ("ACTIONS_RUNTIME_URL", url.clone()),
            ("ACTIONS_RESULTS_URL", url.clone()),
            ("ACTIONS_CACHE_URL", url),
            ("ACTIONS_CACHE_SERVICE_V2", "true".to_owned()),
            (
                "ACTIONS_CACHE_MODE",
                session.job.cache_mode.name().to_owned(),
            ),
            ("GITHUB_RETENTION_DAYS", days.max(1).to_string()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn token(&self, session: &Session, purpose: Purpose) -> Result<Secret, Error> {
        let results = format!("Actions.Results:{}:{}", session.run_id(), session.job_id());
        let (scope, caches) = match purpose {
            Purpose::Results => (results, caches::claim(&session.job)),
            Purpose::IdToken => ("Actions.IdToken".to_owned(), "[]".to_owned()),
        };
        let (from, until) = (session.from, session.until());
        let key = &self.core.key;
        tokens::issue(key, purpose, &session.id(), (scope, caches), from, until).ok_or(Error::Token)
    }

    /// The job has ended: its tokens and signed addresses are good for nothing, its half uploads are gone.
    /// One that is not known has ended already. Blocks.
    pub fn revoke(&self, id: &GrantId) -> Result<(), Error> {
        let core = &self.core;
        let revoked = core.sessions.remove(id);
        let revoked = revoked.and_then(|()| core.uploads.end_where(|owner| owner == id));
        revoked.map(drop).map_err(|error| self.failed(error))
    }

    /// All that jobs reach, for mounting it at `url`.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.core))
    }

    /// The address at which jobs of this machine reach it, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.core.url
    }

    /// Only the documents that verify id tokens: for serving them where the issuer's address is.
    pub fn documents(&self) -> Router {
        oidc::documents().with_state(Arc::clone(&self.core))
    }

    /// The public keys, as a document.
    pub fn jwks(&self) -> Value {
        self.core.issuer.jwks()
    }

    /// Serves until `end` comes. Refuses a listener that other machines can reach.
    pub async fn serve(
        &self,
        listener: TcpListener,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Listen)?;
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback(address));
        }
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(end);
        serving.await.map_err(Error::Listen)
    }

    /// Serves the containers of a network until `end` comes: at this machine's address there, and nobody
    /// else. The addresses that it gives out are those of the listener.
    pub async fn serve_network(
        &self,
        listener: TcpListener,
        network: IpNet,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Listen)?;
        let door = Door::new(listener, network).ok_or(Error::NotInNetwork { address, network })?;
        let core = self.core.seen_at(format!("http://{address}"));
        let serving = axum::serve(door, router(Arc::new(core))).with_graceful_shutdown(end);
        serving.await.map_err(Error::Listen)
    }

    /// Signs id tokens with a new key; the one before is still published until the next time. Blocks.
    pub fn rotate_keys(&self) -> Result<(), Error> {
        let rotated = self.core.issuer.rotate();
        rotated.map_err(|error| self.failed(error))
    }

    /// Removes what is over: artifacts, caches, grants whose lifetime has ended and their half uploads. To
    /// be called now and then. Blocks.
    pub fn sweep(&self) -> Result<Swept, Error> {
        self.try_sweep().map_err(|error| self.failed(error))
    }

    fn try_sweep(&self) -> io::Result<Swept> {
        let core = &self.core;
        let now = core.now();
        core.sessions.expire(now)?;
        // Also what a request that was under way has begun while its job was shown out.
        let is_over = |owner: &GrantId| core.sessions.find(owner, now).is_none();
        let uploads = core.uploads.end_where(is_over)?;
        let (artifacts, of_artifacts) = core.artifacts.sweep(now)?;
        let oldest = caches::oldest(now, core.limits.cache_age);
        let (caches, of_caches) = core.caches.sweep(oldest)?;
        Ok(Swept {
            artifacts,
            caches,
            uploads,
            bytes: of_artifacts + of_caches,
        })
    }

    /// The artifacts of a run, oldest first. Blocks.
    pub fn artifacts(&self, run: &str) -> Result<Vec<Artifact>, Error> {
        let found = self
            .core
            .artifacts
            .of_run(&backend_id(&[run]), self.core.now());
        found.map_err(|error| self.failed(error))
    }

    /// Where the bytes of an artifact are: to be read, never written.
    pub fn artifact_file(&self, artifact: &Artifact) -> Utf8PathBuf {
        self.core.artifacts.blob(artifact)
    }

    /// The caches of a repository, oldest first.
    pub fn caches(&self, repository: &str) -> Vec<Cache> {
        self.core.caches.of_repository(repository)
    }

    /// What time it is for the service.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::Folder {
            dir: self.dir.clone(),
            error,
        }
    }
}
