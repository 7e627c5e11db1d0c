//! The control plane: what it consists of, how it comes back after a restart, and who may ask it.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_engine::{Run, StepView};
use cutover_executor::{Follow, ProcessExecutor, StepKey};
use cutover_forge::Host;
use cutover_model::{DeploymentId, RunId, Secret, Timestamp, project::TargetSpec};
use cutover_rollout::Deployment;
use cutover_store::{DeploymentFilter, DirectoryLock, RunFilter, Store};
use cutover_target::{Bundles, DockerTarget, ProcessTarget, Target};
use tokio::sync::{broadcast, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error,
    action::Actions,
    balancer::{self, Balancer},
    drive::{
        Driven,
        deployment::DeploymentEdge,
        drivers::Drivers,
        lock::{Asked, Locks},
        notify::Outbox,
        run::RunEdge,
        runner::Runners,
    },
    routes::Routes,
};

/// What has to be known from outside.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything lies.
    pub data_dir: Utf8PathBuf,
    /// Our own binary, for the processes that outlive us.
    pub executable: Utf8PathBuf,
    /// How many legs at once.
    pub runners: usize,
    /// The `secrets` context of trusted runs.
    pub secrets: BTreeMap<String, Secret>,
    /// The `vars` context.
    pub vars: BTreeMap<String, String>,
    /// Where the sources of a run come from.
    pub sources: Sources,
    /// `DOCKER_HOST`; absent: the default socket.
    pub docker_host: Option<String>,
    /// Where people find us, for links: `http://127.0.0.1:7800`.
    pub address: Option<String>,
    /// What every step finds in its environment: where tools and certificates are. Nothing else of
    /// our own environment reaches a step.
    pub base_env: BTreeMap<String, String>,
    /// Whether to go on at once with what was not finished.
    pub recover: bool,
}

/// Where the sources of a run come from.
#[derive(Debug, Clone)]
pub enum Sources {
    /// The repositories that this server hosts.
    Hosted,
    /// A working tree as it stands.
    WorkingTree(Utf8PathBuf),
}

/// Something was stored: the stream and its newest version.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The run's or the deployment's id.
    pub stream: String,
    /// The newest version.
    pub version: u64,
}

/// The control plane. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    options: Options,
    store: Store,
    host: Host,
    executor: ProcessExecutor,
    bundles: Bundles,
    balancer: Balancer,
    routes: Routes,
    runners: Runners,
    locks: Locks,
    outbox: Outbox,
    process_target: Arc<ProcessTarget>,
    docker_target: tokio::sync::Mutex<Option<Arc<DockerTarget>>>,
    actions: Actions,
    runs: Drivers<RunId, Run>,
    deployments: Drivers<DeploymentId, Deployment>,
    notices: broadcast::Sender<Notice>,
    tasks: TaskTracker,
    closing: CancellationToken,
    _lock: DirectoryLock,
}

/// How many of those that have ended are looked at again after a start.
const LAST_ENDED: u32 = 20;
/// How long cleaning up may take in the end: a step that ignores every signal takes ten seconds.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// How many notices a slow reader may lag behind before it has to read afresh.
const NOTICES: usize = 1_024;

impl Control {
    /// Opens a data directory, and goes on with what was not finished.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let dir = &options.data_dir;
        if let Sources::Hosted = options.sources {
            balancer::check_length(&dir.join("balancer"))?;
        }
        tokio::fs::create_dir_all(dir)
            .await
            .map_err(Error::io("create", dir))?;
        let lock = cutover_store::lock_directory(dir)?;
        let store = Store::open(&format!("sqlite://{dir}/cutover.db")).await?;
        let supervisor = vec![options.executable.to_string(), "supervise".to_owned()];
        let balancer = Balancer::new(&dir.join("balancer"), &options.executable);
        let routes = Routes::open(store.clone(), balancer.clone()).await?;
        let bundles = Bundles::new(dir.join("bundles"));
        let (notices, _) = broadcast::channel(NOTICES);
        let process_target =
            ProcessTarget::open(&dir.join("instances"), bundles.clone(), supervisor.clone())?;
        let inner = Inner {
            host: Host::new(dir.join("repositories")),
            executor: ProcessExecutor::new(
                dir.join("runs"),
                supervisor.clone(),
                options.base_env.clone(),
            ),
            process_target: Arc::new(process_target),
            docker_target: tokio::sync::Mutex::default(),
            actions: Actions::default(),
            bundles,
            balancer,
            routes,
            runners: Runners::new("local", options.runners),
            locks: Locks::default(),
            outbox: Outbox::new(store.clone(), options.secrets.clone()),
            runs: Drivers::default(),
            deployments: Drivers::default(),
            notices,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            _lock: lock,
            store,
            options,
        };
        let control = Self(Arc::new(inner));
        control.0.routes.restore().await?;
        if control.0.options.recover {
            control.recover().await?;
        }
        let outbox = control.0.outbox.clone();
        control.spawn(outbox.run(control.0.closing.clone()));
        Ok(control)
    }

    /// Deployments first, and among them the ones that hold a lock; then runs, whose steps may wait
    /// for deployments.
    async fn recover(&self) -> Result<(), Error> {
        let mut waiting = Vec::new();
        for id in self.store().unfinished_deployments().await? {
            let deployment = self.read_deployment(&id).await?;
            match deployment.spec().filter(|_| deployment.fence().is_some()) {
                Some(spec) => {
                    let place = (spec.environment.clone(), spec.release.service.clone());
                    drop(self.locks().ask(&place, &id));
                    self.drive_deployment(&id).await?;
                }
                None => waiting.push(id),
            }
        }
        self.settle_the_last().await?;
        for id in waiting {
            self.drive_deployment(&id).await?;
        }
        for id in self.store().unfinished_runs().await? {
            self.drive_run(&id).await?;
        }
        self.hear_forgotten_pushes().await
    }

    /// What ended just before we did may owe its last effects: to be recorded as current, to be
    /// cleaned up after, to be told. All of that can be done twice.
    async fn settle_the_last(&self) -> Result<(), Error> {
        let deployments = DeploymentFilter {
            limit: LAST_ENDED,
            ..DeploymentFilter::default()
        };
        let mut seen = BTreeSet::new();
        for row in self.store().deployments(&deployments).await? {
            let place = (row.environment, row.service);
            if row.outcome.is_none() || !seen.insert(place.clone()) {
                continue;
            }
            // Under the lock, so that whoever comes next waits until it is recorded what is current.
            // When somebody has the lock already, it has been.
            if let Asked::Taken = self.locks().ask(&place, &row.id) {
                self.drive_deployment(&row.id).await?;
            }
        }
        let runs = RunFilter {
            limit: LAST_ENDED,
            ..RunFilter::default()
        };
        for row in self.store().runs(&runs).await? {
            if row.outcome.is_some() {
                self.drive_run(&row.id).await?;
            }
        }
        Ok(())
    }

    /// The run's driver; starts one when none drives it.
    pub(crate) async fn drive_run(&self, id: &RunId) -> Result<Driven<Run>, Error> {
        let edge = RunEdge {
            control: self.clone(),
            id: id.clone(),
        };
        Ok(self.0.runs.ensure(id, edge, &self.0.tasks).await?)
    }

    /// The deployment's driver; starts one when none drives it.
    pub(crate) async fn drive_deployment(
        &self,
        id: &DeploymentId,
    ) -> Result<Driven<Deployment>, Error> {
        let edge = DeploymentEdge {
            control: self.clone(),
            id: id.clone(),
        };
        Ok(self.0.deployments.ensure(id, edge, &self.0.tasks).await?)
    }

    /// A run as it stands now.
    pub async fn run(&self, id: &RunId) -> Result<Arc<Run>, Error> {
        if let Some(driven) = self.0.runs.get(id) {
            let state = driven.state.borrow();
            return Ok(Arc::clone(&state));
        }
        let events = self.store().read_run(id).await?;
        if events.is_empty() {
            return Err(Error::NotFound(format!("there is no run `{id}`")));
        }
        let mut run = Run::default();
        for recorded in events {
            cutover_engine::evolve(&mut run, recorded.at, &recorded.event);
        }
        Ok(Arc::new(run))
    }

    /// A deployment as it stands now.
    pub async fn deployment(&self, id: &DeploymentId) -> Result<Arc<Deployment>, Error> {
        if let Some(driven) = self.0.deployments.get(id) {
            let state = driven.state.borrow();
            return Ok(Arc::clone(&state));
        }
        self.read_deployment(id).await.map(Arc::new)
    }

    async fn read_deployment(&self, id: &DeploymentId) -> Result<Deployment, Error> {
        let events = self.store().read_deployment(id).await?;
        if events.is_empty() {
            return Err(Error::NotFound(format!("there is no deployment `{id}`")));
        }
        let mut deployment = Deployment::default();
        for recorded in events {
            cutover_rollout::evolve(&mut deployment, recorded.at, &recorded.event);
        }
        Ok(deployment)
    }

    /// A run as it goes on: its newest state each time something is stored.
    pub async fn watch_run(&self, id: &RunId) -> Result<watch::Receiver<Arc<Run>>, Error> {
        Ok(self.drive_run(id).await?.state)
    }

    /// Hears of everything that is stored from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    pub(crate) fn announce(&self, stream: &str, version: u64) {
        // Nobody listening is fine.
        drop(self.0.notices.send(Notice {
            stream: stream.to_owned(),
            version,
        }));
    }

    /// Rings when the server is going down.
    pub fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// The log of a step from this byte on, as it grows, until the step has ended. A step that has
    /// not begun is waited for; one that ends without beginning has an empty log.
    pub async fn follow_log(&self, key: &StepKey, from: u64) -> Result<Follow, Error> {
        if !self.run(&key.run).await?.state().is_finished() {
            let mut state = self.watch_run(&key.run).await?;
            let ended = state.wait_for(|run| {
                let step = |step: &StepView<'_>| step.path == key.step && step.outcome.is_some();
                let leg = run.jobs().find(|leg| leg.key == key.job);
                run.state().is_finished()
                    || leg.is_some_and(|leg| leg.outcome.is_some() || leg.steps.iter().any(step))
            });
            tokio::select! {
                begun = self.executor().has_begun(key) => begun?,
                _ = ended => {}
            }
        }
        Ok(self.executor().follow(key, from).await?)
    }

    /// Stops deciding and waits until what was begun is cleaned up, but not for ever. For a process
    /// that drives runs of its own and then ends.
    pub async fn settle(&self) {
        self.close();
        self.0.tasks.close();
        if tokio::time::timeout(SETTLE_LIMIT, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("something is not cleaned up; it goes on by itself");
        }
    }

    /// Stops deciding. Jobs, instances and the balancer go on; the next start finds them again.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// What was given from outside.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// What is remembered.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The hosted repositories.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// Who runs steps.
    pub fn executor(&self) -> &ProcessExecutor {
        &self.0.executor
    }

    pub(crate) fn bundles(&self) -> &Bundles {
        &self.0.bundles
    }

    pub(crate) fn balancer(&self) -> &Balancer {
        &self.0.balancer
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.0.routes
    }

    pub(crate) fn runners(&self) -> &Runners {
        &self.0.runners
    }

    pub(crate) fn locks(&self) -> &Locks {
        &self.0.locks
    }

    pub(crate) fn actions(&self) -> &Actions {
        &self.0.actions
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// The one place where the wall clock is read.
    pub fn now(&self) -> Timestamp {
        now()
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.tasks.spawn(task));
    }

    pub(crate) async fn docker(&self) -> Result<cutover_docker::Engine, Error> {
        cutover_docker::Engine::connect(self.0.options.docker_host.as_deref())
            .await
            .map_err(|error| Error::Docker(error.to_string()))
    }

    pub(crate) async fn target(&self, spec: &TargetSpec) -> Result<Target, Error> {
        match spec {
            TargetSpec::Process { .. } => Ok(Target::Process(Arc::clone(&self.0.process_target))),
            TargetSpec::Docker { .. } => {
                let mut kept = self.0.docker_target.lock().await;
                if let Some(target) = &*kept {
                    return Ok(Target::Docker(Arc::clone(target)));
                }
                let root = self.0.options.data_dir.join("containers");
                let target = Arc::new(DockerTarget::new(self.docker().await?, root));
                *kept = Some(Arc::clone(&target));
                Ok(Target::Docker(target))
            }
        }
    }

    /// A new, time-ordered run id.
    pub(crate) fn new_run_id(&self) -> RunId {
        RunId::from_parts(millis(self.now()), rand::random())
    }

    /// A new, time-ordered deployment id.
    pub(crate) fn new_deployment_id(&self) -> DeploymentId {
        DeploymentId::from_parts(millis(self.now()), rand::random())
    }

    /// Where a page about this is, when people can reach us.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        self.0
            .options
            .address
            .as_ref()
            .map(|address| format!("{address}{path}"))
    }

    /// The directory of everything.
    pub fn data_dir(&self) -> &Utf8Path {
        &self.0.options.data_dir
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the front door of time: everyone else is told"
)]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map(|since| since.as_millis()).unwrap_or_default();
    Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
}
