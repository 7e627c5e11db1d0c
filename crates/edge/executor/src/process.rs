//! Our side of a job: everything here may be called again after a crash, by another process of ours,
//! and finds what is there.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    sync::{Arc, Mutex, PoisonError},
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::{
    RunId, Secret,
    run::{JobKey, StepPath},
};
use cutover_supervisor::{identity::Identity, record, record::Survives, tree};
use rustix::{
    fs::{FlockOperation, flock},
    process::Signal,
};
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
};

use crate::{
    border::Snapshots,
    builtin::{self, BuiltinLog},
    container::{ContainerWork, InContainers},
    error::Error,
    follow::{Follow, Notices},
    foresee::AllForeseen,
    hand_down::HandedDown,
    keep::AllBorders,
    layout::{JobPlace, Layout, StepKey},
    lines::Lines,
    order::{Begun, HandedKind, StepEnd, StepOrder},
    protocol::{
        Ended, Grace, Helped, JOB_MARKER, JobOrder, Reply, Request, Withheld, Work, ask, call,
        line, usual_log_limit,
    },
    supervisors::Supervisors,
};

/// Steps whose news arrives in this process anyway: built-in ones, and those that it has started.
pub(crate) type Local = Arc<Mutex<BTreeMap<StepKey, watch::Sender<()>>>>;

/// The jobs that were visited from here, by their directories; whether they are known to have a
/// supervisor.
type Jobs = Arc<Mutex<BTreeMap<Utf8PathBuf, Arc<tokio::sync::Mutex<bool>>>>>;

/// Runs steps as processes of this machine.
#[derive(Debug, Clone)]
pub struct ProcessExecutor {
    pub(crate) root: Utf8PathBuf,
    supervisors: Supervisors,
    base_env: BTreeMap<String, String>,
    grace: Grace,
    pub(crate) local: Local,
    jobs: Jobs,
    pub(crate) lines: Lines,
    pub(crate) foreseen: AllForeseen,
    /// What records of steps have to survive.
    pub(crate) survives: Survives,
    /// How many bytes of log a job may write.
    log_limit: u64,
    /// When workspaces are copied.
    pub(crate) snapshots: Snapshots,
    pub(crate) borders: AllBorders,
    pub(crate) handed_down: HandedDown,
    /// Rings each time this executor has begun a step.
    pub(crate) begins: Arc<Notify>,
}

impl ProcessExecutor {
    /// Keeps its jobs below `root`, an absolute path.
    ///
    /// `base_env` is what every step gets, at least `PATH` and `HOME`: nothing of our own environment
    /// reaches a step by itself.
    pub fn new(
        root: Utf8PathBuf,
        supervisors: Supervisors,
        base_env: BTreeMap<String, String>,
    ) -> Self {
        Self {
            root,
            supervisors,
            base_env,
            grace: Grace::default(),
            local: Local::default(),
            jobs: Jobs::default(),
            lines: Lines::default(),
            foreseen: AllForeseen::default(),
            survives: Survives::default(),
            log_limit: usual_log_limit(),
            snapshots: Snapshots::default(),
            borders: AllBorders::default(),
            handed_down: HandedDown::default(),
            begins: Arc::default(),
        }
    }

    /// With another patience when steps are cancelled.
    #[must_use]
    pub const fn with_grace(mut self, grace: Grace) -> Self {
        self.grace = grace;
        self
    }

    /// With records that survive the death of every process, but not a loss of power: for those who
    /// would lose more than a record with it. Saves waiting for the disk four times a step.
    #[must_use]
    pub const fn without_power_safety(mut self) -> Self {
        self.survives = Survives::ProcessDeath;
        self
    }

    /// With another limit for what the steps of a job may log together. What comes after it is read, heard
    /// and dropped.
    #[must_use]
    pub const fn with_log_limit(mut self, bytes: u64) -> Self {
        self.log_limit = bytes;
        self
    }

    /// Makes the directories of a job and sees that it has a supervisor.
    pub async fn prepare(&self, run: &RunId, job: &JobKey) -> Result<JobPlace, Error> {
        let layout = Layout::new(&self.root, run, job);
        let known = self.known(&layout);
        // A second visitor waits until the door is open.
        let mut is_ready = known.lock().await;
        if !*is_ready {
            self.make_ready(&layout, &name(run, job)).await?;
            *is_ready = true;
        }
        Ok(layout.place())
    }

    /// The directories of a job, whether they are there yet or not.
    pub fn place_of(&self, run: &RunId, job: &JobKey) -> JobPlace {
        Layout::new(&self.root, run, job).place()
    }

    /// The directories of a job that this process has prepared.
    pub fn prepared(&self, run: &RunId, job: &JobKey) -> Option<JobPlace> {
        let layout = Layout::new(&self.root, run, job);
        let is_ready = self.known(&layout).try_lock().is_ok_and(|ready| *ready);
        is_ready.then(|| layout.place())
    }

    pub(crate) fn known(&self, layout: &Layout) -> Arc<tokio::sync::Mutex<bool>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(jobs.entry(layout.dir.clone()).or_default())
    }

    /// The next visitor looks again whether there is a supervisor.
    fn forget(&self, layout: &Layout) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.remove(&layout.dir);
        drop(jobs);
        self.close_lines(layout);
    }

    async fn make_ready(&self, layout: &Layout, job: &str) -> Result<(), Error> {
        if !layout.dir.exists() {
            make(&layout.dir)?;
            self.handed_down.take(layout);
        }
        // What else there may be is made by whoever has something to put into it.
        for path in [
            layout.workspace(),
            layout.temp(),
            layout.records(),
            layout.logs(),
        ] {
            make(&path)?;
        }
        self.supervise(layout, job).await
    }

    async fn supervise(&self, layout: &Layout, job: &str) -> Result<(), Error> {
        let before: Option<Identity> = record::read(&layout.supervisor())?;
        if before.as_ref().is_some_and(Identity::is_alive) {
            return Ok(());
        }
        if before.is_some() {
            // What a dead supervisor has left must not disturb the steps that follow.
            sweep(job.to_owned()).await?;
        }
        let order = JobOrder {
            dir: layout.dir.clone(),
            job: job.to_owned(),
            survives: self.survives,
            log_limit: self.log_limit,
        };
        Ok(self.supervisors.pool.hire(&order).await?)
    }

    /// Starts a step, unless it was started before, whatever became of it then.
    pub async fn start(&self, order: &StepOrder) -> Result<(), Error> {
        let key = &order.key;
        let layout = self.layout(key);
        if layout.started(&key.name()).exists() {
            return Ok(());
        }
        let work = self.whole_work(&layout, order)?;
        let talk = || Error::io("talk to the supervisor of", &layout.dir);
        let request = line(&Request::Start(Box::new(work))).map_err(talk())?;
        for _ in 0..2 {
            self.prepare(&key.run, &key.job).await?;
            let answer = self.begin(&layout, &request).await.map_err(talk())?;
            if let Some((reply, line)) = answer {
                return self.begun_by(&layout, key, reply, line);
            }
            self.forget(&layout);
            bury(&layout).await?;
            // It may have died just after it had started the step.
            if layout.started(&key.name()).exists() {
                self.begins.notify_waiters();
                return Ok(());
            }
        }
        Err(Error::Refused("it died twice".to_owned()))
    }

    /// What the supervisor is told of a step.
    pub(crate) fn whole_work(&self, layout: &Layout, order: &StepOrder) -> Result<Work, Error> {
        let mut work = self.work(order);
        work.masks.extend(builtin::added_by_builtins(layout)?);
        Ok(work)
    }

    pub(crate) fn work(&self, order: &StepOrder) -> Work {
        // What is in a container has nothing of the machine.
        let mut env = match order.containers {
            Some(_) => BTreeMap::new(),
            None => self.base_env.clone(),
        };
        env.extend(order.env.clone());
        let within = order.containers.as_ref().map(|inside| &inside.work);
        let path = match within {
            Some(ContainerWork::Script { path, .. }) => {
                env.remove("PATH").or_else(|| Some(path.clone()))
            }
            Some(ContainerWork::Call(_) | ContainerWork::SetUp(_)) | None => env.remove("PATH"),
        };
        let path = order.path_prepend.iter().cloned().chain(path);
        let path: Vec<String> = path.filter(|part| !part.is_empty()).collect();
        // What a container of its own has in its `PATH`, its image says.
        if !matches!(within, Some(ContainerWork::Call(_))) {
            env.insert("PATH".to_owned(), path.join(":"));
        }
        Work {
            step: order.key.name(),
            script: order.script.clone(),
            program: order.program.clone(),
            preface: order.preface.clone(),
            shell: order.shell.clone(),
            directory: order.working_directory.clone(),
            env,
            masks: expose(&order.masks),
            untrusted: order.untrusted,
            containers: order.containers.clone().map(|order| self.helped(*order)),
        }
    }

    /// Who asks the engine: what it passes on of the last signal comes before our own.
    fn helped(&self, order: InContainers) -> Box<Helped> {
        let mut command = self.supervisors.command.clone();
        command.push("container".to_owned());
        let patience = self.grace.terminate.mul_f64(0.8).as_millis();
        Box::new(Helped {
            command,
            patience: u64::try_from(patience).unwrap_or(u64::MAX),
            order,
        })
    }

    /// Whether a step was started before, also by a process before us.
    pub fn begun(&self, key: &StepKey) -> Result<Begun, Error> {
        let layout = self.layout(key);
        if let Some(end) = ended(&layout, key)? {
            return Ok(Begun::Ended(Box::new(end)));
        }
        let started = layout.started(&key.name()).exists();
        Ok(if started { Begun::Yes } else { Begun::No })
    }

    /// Waits until a step that was started has ended, without polling; also when somebody before us
    /// has started it.
    pub async fn wait(&self, key: &StepKey) -> Result<StepEnd, Error> {
        let layout = self.layout(key);
        if let Some(end) = ended(&layout, key)? {
            return Ok(end);
        }
        let mut notices = self.notices(&layout, key).await?;
        while notices
            .next()
            .await
            .map_err(Error::io("watch", &layout.dir))?
        {}
        if let Some(end) = ended(&layout, key)? {
            return Ok(end);
        }
        let reason = if layout.started(&key.name()).exists() {
            "its supervisor died before it ended; it may have done its work or only a part of it"
        } else {
            "it was never started"
        };
        Ok(StepEnd::Lost {
            reason: reason.to_owned(),
        })
    }

    async fn notices(&self, layout: &Layout, key: &StepKey) -> Result<Notices, Error> {
        if let Some(growth) = self.growth(key) {
            return Ok(Notices::Local(growth));
        }
        let stream = ask(&layout.dir, &Request::Watch(key.name()))
            .await
            .map_err(Error::io("talk to the supervisor of", &layout.dir))?;
        Ok(stream.map_or(Notices::None, Notices::Supervisor))
    }

    fn growth(&self, key: &StepKey) -> Option<watch::Receiver<()>> {
        let local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        local.get(key).map(watch::Sender::subscribe)
    }

    /// Ends a step: SIGINT, SIGTERM, and then SIGKILL to everything that it has started. Returns when
    /// that has begun; `wait` tells when it is over.
    pub async fn cancel(&self, key: &StepKey) -> Result<(), Error> {
        let layout = self.layout(key);
        let request = Request::Cancel {
            step: key.name(),
            grace: self.grace,
        };
        ask_for(&layout, &request).await.map(drop)
    }

    /// Ends everything of a job and removes what it worked in. Logs and records stay.
    pub async fn destroy(&self, run: &RunId, job: &JobKey) -> Result<(), Error> {
        let layout = Layout::new(&self.root, run, job);
        if self.close(&layout, run, job).await? {
            clear_away(layout).await?;
        }
        Ok(())
    }

    /// Ends everything of a job; whether there is anything of it.
    pub(crate) async fn close(
        &self,
        layout: &Layout,
        run: &RunId,
        job: &JobKey,
    ) -> Result<bool, Error> {
        if !layout.dir.exists() {
            return Ok(false);
        }
        self.forget(layout);
        if !end(layout).await? {
            sweep(name(run, job)).await?;
        }
        self.forget_borders(layout);
        Ok(true)
    }

    /// Where its log is, or will be.
    pub fn log_path(&self, key: &StepKey) -> Utf8PathBuf {
        self.layout(key).log(&key.name())
    }

    /// Its log from this byte on, as it grows, until the step has ended.
    pub async fn follow(&self, key: &StepKey, from: u64) -> Result<Follow, Error> {
        let layout = self.layout(key);
        let notices = if layout.ended(&key.name()).exists() {
            Notices::None
        } else {
            self.notices(&layout, key).await?
        };
        Ok(Follow::new(self.log_path(key), from, notices))
    }

    /// The text of a value that is withheld from the report of a step: of its last attempt that
    /// handed it on.
    pub fn withheld(
        &self,
        run: &RunId,
        job: &JobKey,
        step: &StepPath,
        kind: HandedKind,
        value: &str,
    ) -> Result<Option<String>, Error> {
        let private = Layout::new(&self.root, run, job).private();
        let entries = match fs::read_dir(&private) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(Error::io("read", &private))?,
        };
        let prefix = format!("{step}.");
        let mut attempts: Vec<(u32, String)> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| {
                let attempt = name.strip_prefix(&prefix)?.strip_suffix(".json")?.parse();
                Some((attempt.ok()?, name))
            })
            .collect();
        attempts.sort_unstable_by(|left, right| right.cmp(left));
        for (_, name) in attempts {
            let Some(mut found) = record::read::<Withheld>(&private.join(name))? else {
                continue;
            };
            let values = match kind {
                HandedKind::Output => &mut found.outputs,
                HandedKind::Env => &mut found.env,
                HandedKind::State => &mut found.state,
            };
            if let Some(found) = values.remove(value) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The log of a step that is one of ours and runs in this process. It is followed, waited for and
    /// found again as any other.
    pub async fn builtin_log(&self, key: &StepKey, masks: &[Secret]) -> Result<BuiltinLog, Error> {
        self.prepare(&key.run, &key.job).await?;
        let log = BuiltinLog::open(
            self.layout(key),
            key.clone(),
            expose(masks),
            Arc::clone(&self.local),
            self.survives,
        )?;
        self.begins.notify_waiters();
        Ok(log)
    }

    /// Waits until a step has begun, without polling: before that it has no log to follow. Only what
    /// this executor begins rings here.
    pub async fn has_begun(&self, key: &StepKey) -> Result<(), Error> {
        loop {
            let mut ring = std::pin::pin!(self.begins.notified());
            // Heard from now on, so that a step that begins while we look is not missed.
            ring.as_mut().enable();
            if self.begun(key)? != Begun::No {
                return Ok(());
            }
            ring.await;
        }
    }

    pub(crate) fn layout(&self, key: &StepKey) -> Layout {
        Layout::new(&self.root, &key.run, &key.job)
    }
}

fn make(path: &Utf8Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io("create", path))
}

fn ended(layout: &Layout, key: &StepKey) -> Result<Option<StepEnd>, Error> {
    let ended: Option<Ended> = record::read(&layout.ended(&key.name()))?;
    Ok(ended.map(|ended| StepEnd::Exited {
        outcome: ended.outcome,
        report: ended.report,
    }))
}

/// Tells a supervisor to end; whether it has, having killed all that was below it. What it inherited
/// cannot have got away from it, so there is nothing to search for then.
pub(crate) async fn end(layout: &Layout) -> Result<bool, Error> {
    let supervisor: Option<Identity> = record::read(&layout.supervisor())?;
    if !supervisor.is_some_and(|supervisor| supervisor.is_alive()) {
        return Ok(false);
    }
    match ask_for(layout, &Request::End).await? {
        Some(Reply::Refused(reason)) => Err(Error::Refused(reason)),
        Some(Reply::Done | Reply::Started) => Ok(true),
        None => {
            bury(layout).await?;
            Ok(false)
        }
    }
}

async fn ask_for(layout: &Layout, request: &Request) -> Result<Option<Reply>, Error> {
    call(&layout.dir, request)
        .await
        .map_err(Error::io("talk to the supervisor of", &layout.dir))
}

/// Waits for the end of a supervisor that does not answer: it is dying, or as good as dead. One that has
/// given the job back lives on, for other jobs.
async fn bury(layout: &Layout) -> Result<(), Error> {
    let supervisor: Option<Identity> = record::read(&layout.supervisor())?;
    if let Some(supervisor) = supervisor.filter(|_| is_kept(layout)) {
        drop(supervisor.stat().map(|stat| stat.send(Signal::KILL)));
        let gone = supervisor.gone().await;
        gone.map_err(Error::io("wait for the supervisor of", &layout.dir))?;
    }
    Ok(())
}

/// Whether some process keeps a job.
fn is_kept(layout: &Layout) -> bool {
    let lock = fs::File::open(layout.dir.join("lock"));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
}

pub(crate) fn name(run: &RunId, job: &JobKey) -> String {
    format!("{run}/{job}")
}

pub(crate) fn expose(masks: &[Secret]) -> Vec<String> {
    masks.iter().map(|mask| mask.expose().to_owned()).collect()
}

/// Kills what carries the mark of a job and has no supervisor any more.
pub(crate) async fn sweep(job: String) -> Result<(), Error> {
    let marker = format!("{JOB_MARKER}={job}");
    let count = spawn_blocking(move || tree::kill_all(|| tree::marked(&marker)))
        .await
        .map_err(|error| Error::Refused(error.to_string()))?;
    if count > 0 {
        return Err(Error::Unkillable { job, count });
    }
    Ok(())
}

/// Removes a tree, also one whose directories were made read-only (module caches do that).
/// Removes what a job worked in, which is over. Its logs and records stay.
pub(crate) async fn clear_away(layout: Layout) -> Result<(), Error> {
    spawn_blocking(move || empty(&layout))
        .await
        .map_err(|error| Error::Refused(error.to_string()))?
}

/// The same, where we may wait for the disk.
pub(crate) fn empty(layout: &Layout) -> Result<(), Error> {
    let paths = [
        layout.workspace(),
        layout.temp(),
        layout.private(),
        layout.borders(),
        layout.actions(),
        layout.left(),
    ];
    paths.iter().try_for_each(|path| remove(path))
}

pub(crate) fn remove(path: &Utf8Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        other => return other.map_err(Error::io("remove", path)),
    }
    let mut open = vec![path.as_std_path().to_owned()];
    while let Some(directory) = open.pop() {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))
            .map_err(Error::io("open", path))?;
        let entries = fs::read_dir(&directory).map_err(Error::io("read", path))?;
        // Links are not followed: they are removed as they are.
        open.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    fs::remove_dir_all(path).map_err(Error::io("remove", path))
}
