//! The supervisor of one job: takes requests until it is told to end, or nobody has come for a day. Its
//! process may then be given another job.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, PipeWriter, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use cutover_supervisor::{
    identity::{Identity, Stat},
    log::Log,
    pool,
    reaper::Reaper,
    record,
    record::Survives,
    tree,
};
use rustix::{
    event::{PollFd, PollFlags},
    fs::{FlockOperation, flock},
};

use super::{cancel, exchange::Spare, start, step::Step};
use crate::{
    container,
    layout::Layout,
    matchers::{Matchers, memory},
    protocol::{JobOrder, Reply, Request, STEP_MARKER, with_socket},
};

/// Without a visitor and without a running step, a job is forgotten.
const IDLE: Duration = Duration::from_hours(24);
/// A request is one line; scripts and environments are smaller than this.
const REQUEST: u64 = 64 * 1024 * 1024;
pub(super) const STACK: usize = 512 * 1024;
/// How long the last output is read when everything that we know could print is dead: somebody
/// outside may hold the other end.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The entry point of the hidden subcommand: `args` are the words after `supervise`.
///
/// Knows `jobs` and `container` (which see), and hands everything else on to the supervisor of instances.
pub fn supervise(args: &[String]) -> i32 {
    match args {
        [kind] if kind == "jobs" => i32::from(serve_jobs().is_err()),
        [kind] if kind == "container" => container::main(),
        other => cutover_supervisor::main(other),
    }
}

/// One job after the other, as they are ordered.
fn serve_jobs() -> io::Result<()> {
    let reaper = Reaper::start()?;
    pool::serve(
        |order| Job::begin(order, Arc::clone(&reaper)),
        |begun| {
            // Without one, somebody else keeps the job.
            if let Some((job, door)) = begun {
                job.serve(door);
            }
        },
    )
}

/// What all threads of the supervisor share.
pub(super) struct Job {
    pub(super) layout: Layout,
    /// `RUN/JOB`.
    pub(super) name: String,
    /// What the records of its steps have to survive.
    pub(super) survives: Survives,
    /// How many bytes of log its steps may write, and how many are left of that.
    log_limit: u64,
    log_room: AtomicU64,
    pub(super) reaper: Arc<Reaper>,
    pub(super) spare: Spare,
    steps: Mutex<BTreeMap<String, Arc<Step>>>,
    /// The problem matchers that steps have added: they hold for the whole job, too.
    pub(super) matchers: Mutex<Matchers>,
    /// Held by who adds to what the job says to have made.
    pub(super) subjects: Mutex<()>,
    /// Secrets that steps have added: they hold for the whole job, at once. Only added to.
    masks: Mutex<Vec<String>>,
    /// How many there are.
    mask_count: AtomicUsize,
    end: Mutex<End>,
}

/// How the job is ended: by a byte, for whoever wants to hear of it.
struct End {
    bell: PipeWriter,
    asked: Vec<UnixStream>,
}

/// A step that a visitor has had made ready; with the visitor's end it is given up.
#[derive(Default)]
struct Foreseen(Option<io::Result<Option<start::Ready>>>);

impl Foreseen {
    fn go(&mut self) -> (Reply, Option<start::Begun>) {
        match self.0.take() {
            Some(Ok(Some(ready))) => ready.go(),
            Some(Ok(None)) => (Reply::Done, None),
            Some(Err(error)) => (Reply::Refused(error.to_string()), None),
            None => (Reply::Refused("nothing is ready".to_owned()), None),
        }
    }
}

impl Drop for Foreseen {
    fn drop(&mut self) {
        if let Some(Ok(Some(ready))) = self.0.take() {
            ready.abandon();
        }
    }
}

/// Where visitors come in.
struct Door {
    listener: UnixListener,
    end: io::PipeReader,
    _lock: File,
}

impl Job {
    /// Opens the door; `None` when somebody else keeps the job.
    fn begin(order: JobOrder, reaper: Arc<Reaper>) -> io::Result<Option<(Arc<Self>, Door)>> {
        let dir = order.dir;
        let lock = File::create(dir.join("lock"))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let layout = Layout { dir };
        let masks = record::read(&layout.masks()).map_err(io::Error::other)?;
        let masks: Vec<String> = masks.unwrap_or_default();
        let matchers = memory::recall(&layout.matchers()).map_err(io::Error::other)?;
        let own = Identity::own().ok_or(io::ErrorKind::Unsupported)?;
        record::write_for(&layout.supervisor(), &own, order.survives).map_err(io::Error::other)?;
        let listener = with_socket(&layout.dir, |path| {
            // That of a supervisor before us: we hold the lock.
            fs::remove_file(path).ok();
            UnixListener::bind(path)
        })?;
        let (end, bell) = io::pipe()?;
        let job = Self {
            layout,
            name: order.job,
            survives: order.survives,
            log_limit: order.log_limit,
            log_room: AtomicU64::new(order.log_limit),
            reaper,
            spare: Spare::default(),
            steps: Mutex::default(),
            matchers: Mutex::new(matchers),
            subjects: Mutex::default(),
            mask_count: AtomicUsize::new(masks.len()),
            masks: Mutex::new(masks),
            end: Mutex::new(End {
                bell,
                asked: Vec::new(),
            }),
        };
        let door = Door {
            listener,
            end,
            _lock: lock,
        };
        Ok(Some((Arc::new(job), door)))
    }

    fn serve(self: Arc<Self>, door: Door) {
        self.receive_all(&door);
        tree::kill_all(tree::own_descendants);
        // From here on nobody may take us for the supervisor of this job: we may soon have another one.
        fs::remove_file(self.layout.supervisor()).ok();
        with_socket(&self.layout.dir, |path| fs::remove_file(path)).ok();
        drop(door);
        let reply = serde_json::to_vec(&Reply::Done).unwrap_or_default();
        for mut visitor in lock(&self.end).asked.drain(..) {
            // Who asked for the end may not have waited for the answer; it is the end all the same.
            visitor.write_all(&reply).ok();
        }
    }

    fn receive_all(self: &Arc<Self>, door: &Door) {
        loop {
            let mut fds = [
                PollFd::new(&door.end, PollFlags::IN),
                PollFd::new(&door.listener, PollFlags::IN),
            ];
            match tree::poll_for(&mut fds, Some(IDLE)) {
                Ok(0) if self.is_idle() => break,
                Ok(_) if fds[0].revents().is_empty() => {}
                _ => break,
            }
            if !fds[1].revents().is_empty()
                && let Ok((visitor, _)) = door.listener.accept()
            {
                self.receive(visitor);
            }
        }
    }

    fn receive(self: &Arc<Self>, visitor: UnixStream) {
        let job = Arc::clone(self);
        let thread = thread::Builder::new().stack_size(STACK).spawn(move || {
            // A visitor that goes away, or says what we do not understand, is no concern of the job.
            job.answer(visitor).ok();
        });
        // Without a thread the visitor finds a closed door and says so.
        drop(thread);
    }

    fn answer(self: &Arc<Self>, visitor: UnixStream) -> io::Result<()> {
        let visitor = Arc::new(visitor);
        let mut reader = BufReader::new(&*visitor);
        let mut ready = Foreseen::default();
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut reader).take(REQUEST);
            if limited.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let reply = match serde_json::from_slice(&line)? {
                Request::Prepare(work) => {
                    ready = Foreseen(Some(start::make_ready(self, *work)));
                    continue;
                }
                Request::Go => {
                    Self::stay_with(&visitor, ready.go())?;
                    continue;
                }
                Request::Start(work) => {
                    Self::stay_with(&visitor, start::start(self, *work))?;
                    continue;
                }
                Request::Watch(step) => {
                    if let Some(step) = self.step(&step) {
                        step.watch(&visitor);
                    }
                    return Ok(());
                }
                Request::Cancel { step, grace } => {
                    if let Some(step) = self.step(&step) {
                        cancel::cancel(self, &step, grace);
                    }
                    Reply::Done
                }
                Request::End => match self.finish() {
                    Reply::Done => return self.end(visitor.try_clone()?),
                    refused => refused,
                },
            };
            return (&*visitor).write_all(&serde_json::to_vec(&reply)?);
        }
    }

    /// Has the door closed; whoever asked for it is answered when it is.
    fn end(&self, visitor: UnixStream) -> io::Result<()> {
        let mut end = lock(&self.end);
        end.asked.push(visitor);
        end.bell.write_all(b"!")
    }

    /// Says whether a step was started, and stays with it to its end.
    fn stay_with(
        visitor: &Arc<UnixStream>,
        (reply, begun): (Reply, Option<start::Begun>),
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        // Who asked may have gone meanwhile; the step runs all the same.
        let told = (&**visitor).write_all(&line);
        if let Some(begun) = begun {
            if told.is_ok() {
                begun.run.step.keep_watcher(visitor);
            }
            begun.stay();
        }
        told
    }

    /// Kills what is left, and waits until every step has its record.
    fn finish(&self) -> Reply {
        let steps: Vec<Arc<Step>> = lock(&self.steps).values().cloned().collect();
        for step in &steps {
            step.give_up();
        }
        let left = tree::kill_all(tree::own_descendants);
        if left > 0 {
            return Reply::Refused(format!("{left} processes could not be killed"));
        }
        for step in &steps {
            step.await_end(LAST_OUTPUT);
        }
        Reply::Done
    }

    /// Takes the name of a step for itself; `None` when it is taken.
    pub(super) fn enter(&self, name: &str) -> Option<Arc<Step>> {
        let mut steps = lock(&self.steps);
        if steps.contains_key(name) {
            return None;
        }
        let step = Arc::new(Step::new(name));
        steps.insert(name.to_owned(), Arc::clone(&step));
        Some(step)
    }

    /// Adds to a log as much as the job may still write, and counts the rest.
    pub(super) fn log(&self, log: &mut Log, bytes: &[u8]) {
        let wanted = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let take = |room: u64| Some(room.saturating_sub(wanted));
        let order = Ordering::Relaxed;
        let room = self
            .log_room
            .fetch_update(order, order, take)
            .unwrap_or_default();
        if room >= wanted {
            return log.write(bytes);
        }
        let fits = usize::try_from(room).unwrap_or(usize::MAX);
        log.write(&bytes[..fits]);
        let why = format!(
            "the steps of its job have written their {} bytes",
            self.log_limit
        );
        log.cut(bytes.len() - fits, &why);
    }

    /// Gives the name back: nothing was started under it.
    pub(super) fn leave(&self, name: &str) {
        lock(&self.steps).remove(name);
    }

    fn step(&self, name: &str) -> Option<Arc<Step>> {
        lock(&self.steps).get(name).cloned()
    }

    fn is_idle(&self) -> bool {
        lock(&self.steps).values().all(|step| step.has_ended())
    }

    /// All secrets of a step: its own, and those that other steps have added; and how many of the
    /// latter there are.
    pub(super) fn secrets(&self, own: &[String]) -> (Vec<String>, usize) {
        let masks = lock(&self.masks);
        (
            own.iter().chain(masks.iter()).cloned().collect(),
            masks.len(),
        )
    }

    /// The secrets that steps have added behind the first `known` ones.
    pub(super) fn masks_since(&self, known: usize) -> Vec<String> {
        if self.mask_count.load(Ordering::Acquire) <= known {
            return Vec::new();
        }
        lock(&self.masks).get(known..).unwrap_or_default().to_vec()
    }

    /// Remembers secrets that a step has added.
    pub(super) fn add_masks(&self, added: Vec<String>) -> Result<(), cutover_supervisor::Error> {
        if added.is_empty() {
            return Ok(());
        }
        let mut masks = lock(&self.masks);
        masks.extend(added);
        self.mask_count.store(masks.len(), Ordering::Release);
        record::write_for(&self.layout.masks(), &*masks, self.survives)
    }

    /// What a step has changed of the matchers holds for those after it, also when the job is gone on with.
    pub(super) fn take_over(
        &self,
        step: &str,
        changed: &Matchers,
    ) -> Result<(), cutover_supervisor::Error> {
        let mut matchers = lock(&self.matchers);
        matchers.take_over(changed);
        memory::remember(&self.layout.matchers(), step, changed, self.survives)
    }

    /// The mark of a step's processes. With the whole address: a step may run a cutover of its own.
    pub(super) fn mark(&self, step: &str) -> String {
        format!("{}/{step}", self.name)
    }

    /// The processes of one step: below its first one, and those that were orphaned and still carry
    /// its name.
    pub(super) fn tree_of(&self, step: &Step) -> Vec<Stat> {
        let own = tree::own_descendants();
        let mut found = Vec::new();
        if let Some(child) = step.child().as_ref().and_then(Identity::stat) {
            found.push(child);
            found.extend(tree::descendants(child.pid));
        }
        let marker = format!("{STEP_MARKER}={}", self.mark(&step.name));
        for process in own {
            if !found.contains(&process) && tree::is_marked(&process, &marker) {
                found.push(process);
            }
        }
        found
    }
}

/// A panic of another thread leaves nothing half done that we would read here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
