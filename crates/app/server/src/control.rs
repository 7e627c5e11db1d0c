//! The control plane: what it consists of, how it comes back after a restart, and who may ask it.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_engine::{Input, Run};
use cutover_executor::{Follow, ProcessExecutor, StepKey, Supervisors, TextMask};
use cutover_forge::{ActionStore, Host};
use cutover_model::{DeploymentId, RunId, Secret, Timestamp, project::TargetSpec, run::State};
use cutover_rollout::Deployment;
use cutover_store::{DeploymentFilter, DirectoryLock, RunFilter, Store};
use cutover_target::{Bundles, DockerTarget, ProcessTarget, Target};
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error,
    action::Cancels,
    balancer::{self, Balancer},
    containers,
    deliver::retention,
    drive::{
        self, Driven, Edge, Machine,
        deployment::DeploymentEdge,
        finishing::Finishing,
        group::ConcurrencyGroups,
        lock::{self, Locks},
        node::Nodes,
        notify::Outbox,
        run::RunEdge,
        runner::Runners,
    },
    failure::{OnFailure, Onlooker},
    keeper, reader,
    results::{self, Results},
    routes::Routes,
    samples::Looks,
    schedule::{self, Schedules},
};

/// What has to be known from outside.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything lies.
    pub data_dir: Utf8PathBuf,
    /// Our own binary, for the processes that outlive us.
    pub executable: Utf8PathBuf,
    /// Those of the jobs that were started ahead; absent: none were.
    pub supervisors: Option<Supervisors>,
    /// Where runs are numbered, when that is not the store of the data directory: others number theirs
    /// there too.
    pub numbers: Option<Store>,
    /// How many legs at once.
    pub runners: usize,
    /// The `secrets` context of trusted runs.
    pub secrets: BTreeMap<String, Secret>,
    /// The `vars` context.
    pub vars: BTreeMap<String, String>,
    /// Where the sources of a run come from.
    pub sources: Sources,
    /// Where actions of other repositories come from.
    pub actions: ActionStore,
    /// `DOCKER_HOST`; absent: the default socket.
    pub docker_host: Option<String>,
    /// Where people find us, for links: `http://127.0.0.1:7800`.
    pub address: Option<String>,
    /// What every step finds in its environment: where tools and certificates are. Nothing else of
    /// our own environment reaches a step.
    pub base_env: BTreeMap<String, String>,
    /// Whether to go on at once with what was not finished.
    pub recover: bool,
    /// Whether what is stored survives a loss of power, and not only the death of every process. It
    /// costs several waits for the disk for each step.
    pub power_safe: bool,
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

/// The machines that are driven now.
type Drivers<K, M> = Mutex<BTreeMap<K, Driven<M>>>;

struct Inner {
    options: Options,
    store: Store,
    host: Host,
    executor: ProcessExecutor,
    mask: TextMask,
    bundles: Bundles,
    balancer: Balancer,
    routes: Routes,
    runners: Runners,
    groups: ConcurrencyGroups,
    locks: Locks,
    outbox: Outbox,
    schedules: Schedules,
    results: Results,
    process_target: Arc<ProcessTarget>,
    docker_target: tokio::sync::Mutex<Option<Arc<DockerTarget>>>,
    cancels: Cancels,
    finishing: Finishing,
    onlooker: OnceLock<Onlooker>,
    nodes: Nodes,
    runs: Drivers<RunId, Run>,
    deployments: Drivers<DeploymentId, Deployment>,
    starting: tokio::sync::Mutex<()>,
    /// Many may begin deployments at once, but none while packages are thrown away.
    packages: tokio::sync::RwLock<()>,
    looks: Looks,
    notices: broadcast::Sender<Notice>,
    /// What machines have ordered.
    tasks: TaskTracker,
    /// What goes on as long as we do.
    services: TaskTracker,
    /// Nothing is decided any more.
    closing: CancellationToken,
    /// Nothing will be done any more.
    leaving: CancellationToken,
    _lock: DirectoryLock,
}

fn executor(options: &Options, supervisor: Vec<String>) -> ProcessExecutor {
    let root = options.data_dir.join("runs");
    let supervisors = options.supervisors.clone();
    let supervisors = supervisors.unwrap_or_else(|| Supervisors::new(supervisor));
    let executor = ProcessExecutor::new(root, supervisors, options.base_env.clone());
    if options.power_safe {
        executor
    } else {
        executor.without_power_safety()
    }
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
        // Tokens, logs and what services are configured with are nobody else's business.
        tokio::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .await
            .map_err(Error::data_dir(dir))?;
        let lock = cutover_store::lock_directory(dir).map_err(|error| match error {
            cutover_store::Error::File { source, .. } => Error::data_dir(dir)(source),
            error => error.into(),
        })?;
        let owner = lock::owner(dir).await?;
        let place = format!("sqlite://{dir}/cutover.db");
        let store = if options.power_safe {
            Store::open(&place).await?
        } else {
            Store::open_without_power_safety(&place).await?
        };
        let supervisor = vec![options.executable.to_string(), "supervise".to_owned()];
        let balancer = Balancer::new(&dir.join("balancer"), &options.executable);
        let routes = Routes::open(store.clone(), balancer.clone()).await?;
        let bundles = Bundles::new(dir.join("bundles"));
        let (notices, _) = broadcast::channel(NOTICES);
        let process_target =
            ProcessTarget::open(&dir.join("instances"), bundles.clone(), supervisor.clone())?;
        let (results, jobs) = Results::open(dir, options.address.clone()).await?;
        let inner = Inner {
            results,
            host: Host::new(dir.join("repositories")),
            executor: executor(&options, supervisor.clone()),
            mask: TextMask::new(options.secrets.values().map(Secret::expose)),
            process_target: Arc::new(process_target),
            docker_target: tokio::sync::Mutex::default(),
            cancels: Cancels::default(),
            finishing: Finishing::default(),
            onlooker: OnceLock::new(),
            nodes: Nodes::default(),
            bundles,
            balancer,
            routes,
            runners: Runners::new("local", options.runners),
            groups: ConcurrencyGroups::default(),
            locks: Locks::new(store.clone(), owner),
            outbox: Outbox::new(store.clone(), options.secrets.clone()),
            schedules: Schedules::default(),
            runs: Mutex::default(),
            deployments: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            packages: tokio::sync::RwLock::default(),
            looks: Looks::default(),
            notices,
            tasks: TaskTracker::new(),
            services: TaskTracker::new(),
            closing: CancellationToken::new(),
            leaving: CancellationToken::new(),
            _lock: lock,
            store,
            options,
        };
        let control = Self(Arc::new(inner));
        let (services, leaving) = (&control.0.services, &control.0.leaving);
        drop(services.spawn(results::serve(control.clone(), jobs)));
        drop(services.spawn(control.0.routes.clone().run(leaving.clone())));
        if control.0.options.recover {
            control.recover().await?;
        }
        drop(services.spawn(containers::sweep(control.clone())));
        drop(services.spawn(control.0.outbox.clone().run(leaving.clone())));
        drop(services.spawn(keeper::run(control.clone())));
        drop(services.spawn(lock::keep(control.clone())));
        drop(services.spawn(retention::run(control.clone())));
        if let Sources::Hosted = control.0.options.sources {
            drop(services.spawn(schedule::run(control.clone())));
        }
        drop(services.spawn(results::sweep(control.clone())));
        Ok(control)
    }

    /// Deployments first, and among them the ones that hold a lock; then runs, whose steps may wait
    /// for deployments.
    async fn recover(&self) -> Result<(), Error> {
        self.store().tidy_lock_queue().await?;
        let mut waiting = Vec::new();
        for id in self.store().unfinished_deployments().await? {
            let deployment = self.read_deployment(&id).await?;
            match deployment.spec().zip(deployment.fence()) {
                Some((spec, fence)) => {
                    let place = (spec.environment.clone(), spec.release.service.clone());
                    // When somebody else has it, our orders are refused by their fence.
                    self.locks().adopt(&place, &id, fence).await?;
                    self.drive_deployment(&id).await?;
                }
                None => waiting.push(id),
            }
        }
        self.settle_the_last().await?;
        for id in waiting {
            self.drive_deployment(&id).await?;
        }
        let runs = self.store().unfinished_runs().await?;
        // Whoever had a runner has it still; only then is it known how many are free.
        for id in &runs {
            for job in self.run(id).await?.jobs() {
                if let State::Running { .. } = job.state {
                    self.runners().readopt(id, &job.key);
                }
            }
        }
        self.groups().adopt(self, &runs).await?;
        for id in &runs {
            self.drive_run(id).await?;
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
        // Of each place the one that held the lock last: it alone may be current. Many that never had
        // the lock may have ended after it.
        let mut last_holders = BTreeMap::new();
        for row in self.store().deployments(&deployments).await? {
            if row.outcome.is_none() {
                continue;
            }
            match self.read_deployment(&row.id).await?.fence() {
                Some(fence) => {
                    let last = last_holders
                        .entry((row.environment, row.service))
                        .or_insert((fence, row.id.clone()));
                    *last = last.clone().max((fence, row.id));
                }
                // It may not have been told yet; nothing else is owed.
                None => drop(self.drive_deployment(&row.id).await?),
            }
        }
        // A lease is given back last of all: whoever has one owes its end, however long ago it began.
        for lease in self.store().leases().await? {
            let deployment = self.read_deployment(&lease.deployment).await?;
            if deployment.is_finished() {
                let place = (lease.environment, lease.service);
                let holder = (lease.fence, lease.deployment);
                let last = last_holders.entry(place).or_insert(holder.clone());
                *last = last.clone().max(holder);
            }
        }
        for (place, (fence, id)) in last_holders {
            // Under the lock, so that whoever comes next waits until it is recorded what is current.
            // When somebody has the lock already, it has been.
            if self.locks().adopt(&place, &id, fence).await? {
                self.drive_deployment(&id).await?;
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

    /// Where actions of other repositories come from.
    pub(crate) fn actions(&self) -> &ActionStore {
        &self.0.options.actions
    }

    pub(crate) fn nodes(&self) -> &Nodes {
        &self.0.nodes
    }

    /// The run's driver; starts one when none drives it.
    pub(crate) async fn drive_run(&self, id: &RunId) -> Result<Driven<Run>, Error> {
        let edge = RunEdge::new(self.clone(), id.clone());
        self.drive(|inner| &inner.runs, id, edge).await
    }

    /// The deployment's driver; starts one when none drives it.
    pub(crate) async fn drive_deployment(
        &self,
        id: &DeploymentId,
    ) -> Result<Driven<Deployment>, Error> {
        let edge = DeploymentEdge::new(self.clone(), id.clone());
        self.drive(|inner| &inner.deployments, id, edge).await
    }

    /// Two drivers of one machine would each do everything, and hide from each other what they store:
    /// whoever asks while one is being started waits for that one.
    async fn drive<K, M, E>(
        &self,
        drivers: fn(&Inner) -> &Drivers<K, M>,
        id: &K,
        edge: E,
    ) -> Result<Driven<M>, Error>
    where
        K: Ord + Clone + Send + 'static,
        M: Machine,
        E: Edge<M>,
    {
        let known = || drivers(&self.0).lock().get(id).cloned();
        if let Some(driven) = known() {
            return Ok(driven);
        }
        let _one_at_a_time = self.0.starting.lock().await;
        if let Some(driven) = known() {
            return Ok(driven);
        }
        let driven = drive::start(edge, &self.0.tasks).await?;
        self.attend(drivers, id, &driven);
        Ok(driven)
    }

    /// Remembers who drives a machine until it has finished.
    fn attend<K, M>(&self, drivers: fn(&Inner) -> &Drivers<K, M>, id: &K, driven: &Driven<M>)
    where
        K: Ord + Clone + Send + 'static,
        M: Machine,
    {
        drivers(&self.0).lock().insert(id.clone(), driven.clone());
        let (control, id, watched) = (self.clone(), id.clone(), driven.clone());
        self.spawn(async move {
            watched.finished().await;
            let mut all = drivers(&control.0).lock();
            // It may go on by now, with another driver.
            let is_it = |known: &Driven<M>| known.state.same_channel(&watched.state);
            if all.get(&id).is_some_and(is_it) {
                all.remove(&id);
            }
        });
    }

    /// Makes a run that has ended go on. What its end owed is waited for: the same jobs may begin again.
    pub(crate) async fn revive_run(&self, id: &RunId, input: Input) -> Result<(), Error> {
        let _one_at_a_time = self.0.starting.lock().await;
        let known = self.0.runs.lock().get(id).cloned();
        if let Some(driven) = known {
            if !driven.state.borrow().state().is_finished() {
                return Err(Error::Refused(format!("run {id} has not ended yet")));
            }
            driven.gone().await;
        }
        self.0.finishing.settled(id).await;
        let edge = RunEdge::new(self.clone(), id.clone());
        let driven = drive::revive(edge, &self.0.tasks, input).await?;
        self.attend(|inner| &inner.runs, id, &driven);
        Ok(())
    }

    /// A run as it stands now.
    pub async fn run(&self, id: &RunId) -> Result<Arc<Run>, Error> {
        if let Some(driven) = self.0.runs.lock().get(id) {
            let state = driven.state.borrow();
            return Ok(Arc::clone(&state));
        }
        reader::run(self.store(), id).await
    }

    /// A deployment as it stands now.
    pub async fn deployment(&self, id: &DeploymentId) -> Result<Arc<Deployment>, Error> {
        if let Some(driven) = self.0.deployments.lock().get(id) {
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

    /// Rings when nothing will be done any more.
    pub(crate) fn leaving(&self) -> &CancellationToken {
        &self.0.leaving
    }

    /// The log of a step from this byte on, as it grows, until the step has ended. A step that has
    /// not begun is waited for; one that ends without beginning has an empty log.
    pub async fn follow_log(&self, key: &StepKey, from: u64) -> Result<Follow, Error> {
        if !self.run(&key.run).await?.state().is_finished() {
            let mut state = self.watch_run(&key.run).await?;
            let ended = state.wait_for(|run| {
                let step = run.step_view(&key.job, &key.step);
                run.state().is_finished()
                    || run.leg_outcome(&key.job).is_some()
                    || step.is_some_and(|step| step.outcome.is_some())
            });
            tokio::select! {
                begun = self.executor().has_begun(key) => begun?,
                _ = ended => {}
            }
        }
        Ok(self.executor().follow(key, from).await?)
    }

    /// Stops deciding and waits until what was begun is cleaned up and told, but not for ever. For a
    /// process that drives runs of its own and then ends.
    pub async fn settle(&self) {
        self.close();
        let settled = async {
            self.0.tasks.close();
            self.0.tasks.wait().await;
            // The outbox comes last: what was just cleaned up after has put its news into it.
            self.0.leaving.cancel();
            self.0.services.close();
            self.0.services.wait().await;
        };
        if tokio::time::timeout(SETTLE_LIMIT, settled).await.is_err() {
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

    /// Held for reading by whoever begins a deployment, for writing by whoever throws packages away.
    pub(crate) fn packages(&self) -> &tokio::sync::RwLock<()> {
        &self.0.packages
    }

    /// What has been summed up of deployments for those who look at them.
    pub(crate) fn looks(&self) -> &Looks {
        &self.0.looks
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.0.routes
    }

    pub(crate) fn runners(&self) -> &Runners {
        &self.0.runners
    }

    pub(crate) fn groups(&self) -> &ConcurrencyGroups {
        &self.0.groups
    }

    /// Tells a run what was seen, if it is driven.
    pub(crate) fn tell_run(&self, id: &RunId, input: cutover_engine::Input) {
        let driven = self.0.runs.lock().get(id).cloned();
        if let Some(driven) = driven {
            driven.mailbox.observe(input);
        }
    }

    pub(crate) fn locks(&self) -> &Locks {
        &self.0.locks
    }

    pub(crate) fn cancels(&self) -> &Cancels {
        &self.0.cancels
    }

    pub(crate) fn results(&self) -> &Results {
        &self.0.results
    }

    /// Has somebody look at each step that fails, from now on; the first who is named does.
    pub fn on_failure(&self, onlooker: Arc<dyn OnFailure>) {
        drop(self.0.onlooker.set(onlooker));
    }

    pub(crate) fn onlooker(&self) -> Option<&Onlooker> {
        self.0.onlooker.get()
    }

    pub(crate) fn finishing(&self) -> &Finishing {
        &self.0.finishing
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    pub(crate) fn schedules(&self) -> &Schedules {
        &self.0.schedules
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

    /// The `secrets` context of trusted runs.
    pub(crate) fn secrets(&self) -> &BTreeMap<String, Secret> {
        &self.0.options.secrets
    }

    /// What programs need to be found and to run; nothing else of the server's own environment.
    pub(crate) fn base_env(&self) -> &BTreeMap<String, String> {
        &self.0.options.base_env
    }

    /// What `~` stands for in a step.
    pub(crate) fn home(&self) -> Option<Utf8PathBuf> {
        self.base_env().get("HOME").map(Utf8PathBuf::from)
    }

    /// A text as it may be stored: an expression, a library or a service may have put a secret into
    /// it. To be asked before the text is shortened.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        self.0.mask.hide(text)
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
