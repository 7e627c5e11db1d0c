//! A service on a loopback port, a clock that is set by hand, and jobs to let in.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Once,
        atomic::{AtomicI64, Ordering},
    },
};

use camino::Utf8Path;
use cutover_model::{Duration, Timestamp, source::Trust};
use cutover_results::{CacheMode, Clock, Grant, Identity, JobGrant, Limits, Service, Settings};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000;

/// A clock that stands still until it is set.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) service: Service,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) client: Client,
    pub(crate) url: String,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(START)));
        Self::open(tempfile::tempdir().unwrap(), limits, clock).await
    }

    /// By the machine's clock: for clients that look at it.
    pub(crate) async fn by_the_clock() -> Self {
        let now = cutover_results::SystemClock.now();
        let clock = Arc::new(HandClock(AtomicI64::new(now.0)));
        Self::open(tempfile::tempdir().unwrap(), Limits::default(), clock).await
    }

    async fn open(dir: TempDir, limits: Limits, clock: Arc<HandClock>) -> Self {
        static TLS: Once = Once::new();
        TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = Settings::at(listener.local_addr().unwrap());
        settings.limits = limits;
        settings.clock = Arc::<HandClock>::clone(&clock);
        let url = settings.url.clone();
        let folder = Utf8Path::from_path(dir.path()).unwrap();
        let service = Service::open(folder, settings).unwrap();
        let served = service.clone();
        let serving = tokio::spawn(async move {
            served
                .serve(listener, std::future::pending())
                .await
                .unwrap();
        });
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            dir,
            service,
            clock,
            client,
            url,
            serving,
        }
    }

    /// Another server on the same folder, after the first one ended.
    pub(crate) async fn restarted(mut self) -> Self {
        self.serving.abort();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::open(dir, Limits::default(), Arc::clone(&self.clock)).await
    }

    pub(crate) fn job(&self, job: JobGrant) -> Job<'_> {
        let grant = self.service.grant(job).unwrap();
        Job { world: self, grant }
    }
}

/// A job that speaks to the service.
pub(crate) struct Job<'a> {
    pub(crate) world: &'a World,
    pub(crate) grant: Grant,
}

impl Job<'_> {
    pub(crate) fn token(&self) -> &str {
        &self.grant.env["ACTIONS_RUNTIME_TOKEN"]
    }

    /// The run and the job as its token names them.
    pub(crate) fn ids(&self) -> (String, String) {
        ids(self.token())
    }

    pub(crate) fn call_raw(&self, service: &str, method: &str) -> RequestBuilder {
        let url = format!(
            "{}/twirp/github.actions.results.api.v1.{service}/{method}",
            self.world.url
        );
        self.world.client.post(url).bearer_auth(self.token())
    }

    /// Status and answer of a method.
    pub(crate) async fn call(&self, service: &str, method: &str, request: Value) -> (u16, Value) {
        let answer = self
            .call_raw(service, method)
            .json(&request)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A method of the artifact service, for this run and job.
    pub(crate) async fn artifacts(&self, method: &str, mut request: Value) -> (u16, Value) {
        let (run, job) = self.ids();
        request["workflow_run_backend_id"] = run.into();
        request["workflow_job_run_backend_id"] = job.into();
        self.call("ArtifactService", method, request).await
    }

    /// Uploads a body as an artifact; says its id.
    pub(crate) async fn upload(&self, name: &str, body: &str) -> u64 {
        let (status, created) = self
            .artifacts("CreateArtifact", json!({"name": name}))
            .await;
        assert_eq!(status, 200, "{created}");
        let url = created["signed_upload_url"].as_str().unwrap();
        assert_eq!(self.put(url, body).await.status(), StatusCode::CREATED);
        let request = json!({"name": name, "size": body.len().to_string()});
        let (status, done) = self.artifacts("FinalizeArtifact", request).await;
        assert_eq!(status, 200, "{done}");
        done["artifact_id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn put(&self, url: &str, body: &str) -> Response {
        let request = self
            .world
            .client
            .put(url)
            .header("x-ms-blob-type", "BlockBlob");
        request.body(body.to_owned()).send().await.unwrap()
    }

    pub(crate) async fn get(&self, url: &str) -> Response {
        self.world.client.get(url).send().await.unwrap()
    }

    /// Saves a cache by the second protocol. Says the status.
    pub(crate) async fn save(&self, key: &str, body: &str) -> u16 {
        let named = json!({"key": key, "version": "v"});
        let (status, created) = self.call("CacheService", "CreateCacheEntry", named).await;
        if status != 200 {
            return status;
        }
        if created["ok"] != true {
            // What policy forbids is said in an answer.
            return 403;
        }
        let url = created["signed_upload_url"].as_str().unwrap();
        assert_eq!(self.put(url, body).await.status(), StatusCode::CREATED);
        let request = json!({"key": key, "version": "v", "size_bytes": body.len()});
        let (status, _) = self
            .call("CacheService", "FinalizeCacheEntryUpload", request)
            .await;
        status
    }

    /// The key and the contents that are restored.
    pub(crate) async fn restore(&self, key: &str, others: &[&str]) -> Option<(String, String)> {
        let request = json!({"key": key, "restore_keys": others, "version": "v"});
        let (status, found) = self
            .call("CacheService", "GetCacheEntryDownloadURL", request)
            .await;
        assert_eq!(status, 200, "{found}");
        if found["ok"] != true {
            return None;
        }
        let url = found["signed_download_url"].as_str().unwrap();
        let body = self.get(url).await.text().await.unwrap();
        Some((found["matched_key"].as_str().unwrap().to_owned(), body))
    }
}

/// The claims of a token, without looking at its signature.
pub(crate) fn claims(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub(crate) fn ids(token: &str) -> (String, String) {
    let claims = claims(token);
    let mut parts = claims["scp"].as_str().unwrap().split(':');
    assert_eq!(parts.next(), Some("Actions.Results"));
    let mut next = || parts.next().unwrap().to_owned();
    (next(), next())
}

/// A trusted job on `main` of `octo/hello`.
pub(crate) fn job(run: &str, job: &str) -> JobGrant {
    let workflow = "octo/hello/.github/workflows/ci.yml@refs/heads/main";
    JobGrant {
        run: run.to_owned(),
        job: job.to_owned(),
        attempt: 1,
        repository: "octo/hello".to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        default_branch: "main".to_owned(),
        base_ref: None,
        trust: Trust::Trusted,
        cache_mode: CacheMode::Write,
        id_token: false,
        readable_runs: BTreeSet::new(),
        lifetime: Duration::from_mins(600),
        identity: Identity {
            sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            run_id: "128".to_owned(),
            run_number: 7,
            run_attempt: 1,
            actor: "ada".to_owned(),
            workflow: "ci".to_owned(),
            workflow_ref: workflow.to_owned(),
            job_workflow_ref: workflow.to_owned(),
            event_name: "push".to_owned(),
            runner_environment: "self-hosted".to_owned(),
            repository_visibility: "private".to_owned(),
            server_url: "https://github.com".to_owned(),
            ..Identity::default()
        },
    }
}

/// The same on another ref.
pub(crate) fn on(git_ref: &str, run: &str) -> JobGrant {
    JobGrant {
        git_ref: git_ref.to_owned(),
        ..job(run, "build")
    }
}

/// The same of a stranger.
pub(crate) fn untrusted(job: JobGrant) -> JobGrant {
    JobGrant {
        trust: Trust::Untrusted("a pull request of a fork".to_owned()),
        ..job
    }
}
