//! The supervisor of one instance, from its order to the record of the end. One loop waits for the
//! child's end, for requests, for output, and for the end of the grace.

use std::{
    collections::BTreeMap,
    fs,
    fs::{File, OpenOptions},
    io::{self, PipeReader, Read as _},
    os::{fd::AsFd as _, unix::fs::OpenOptionsExt as _},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::{
    event::{PollFd, PollFlags},
    fs::{CWD, FlockOperation, Mode, OFlags, flock, mkfifoat},
    process::Signal,
};

use super::{Exit, Kept, MARKER, Order};
use crate::{
    Error,
    clock::{monotonic, wall_millis},
    detach,
    identity::Identity,
    log::Log,
    reaper::{Child, Reaper},
    record::{self, Reserved, Survives},
    tree,
};

/// How much of its output is read at once.
const CHUNK: usize = 64 * 1024;
/// Enough for the record of an end.
const EXIT_BYTES: u64 = 4096;
/// How long the output is still read when everything that could write is dead.
const LAST_OUTPUT: Duration = Duration::from_millis(100);

/// Keeps the instance of a place; returns an exit code.
pub(crate) fn supervise(place: &Utf8Path) -> i32 {
    match Keeper::begin(place) {
        Ok(Some(keeper)) => {
            let answered = detach::ready();
            // Without anybody to answer to, the instance is started all the same.
            drop(answered);
            keeper.keep()
        }
        Ok(None) => i32::from(detach::ready().is_err()),
        Err(error) => {
            detach::refuse(&error.to_string());
            1
        }
    }
}

struct Keeper {
    place: Utf8PathBuf,
    reaper: Arc<Reaper>,
    child: Child,
    /// Absent when everybody has closed it.
    output: Option<PipeReader>,
    chunk: Vec<u8>,
    control: File,
    log: Log,
    log_limit: u64,
    exit: Reserved,
    kill_at: Option<Instant>,
    /// Held until we end.
    _lock: File,
}

impl Keeper {
    /// Starts the instance; `None` when somebody else keeps it or it was started before.
    fn begin(place: &Utf8Path) -> Result<Option<Self>, Error> {
        detach::settle().map_err(Error::io("detach from", place))?;
        let order: Order = detach::order().map_err(Error::io("read the order for", place))?;
        let path = place.join("lock");
        let lock = File::create(&path).map_err(Error::io("create", &path))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()
            || super::kept(place)?.is_some()
        {
            return Ok(None);
        }
        let control = control(&place.join("control"))?;
        let log = Log::open(&order.log).map_err(Error::io("open", &order.log))?;
        let exit = Reserved::new(&place.join("exit.json"), EXIT_BYTES, Survives::PowerLoss)?;
        let reaper = Reaper::start().map_err(Error::io("start a thread for", place))?;
        let supervisor = Identity::own().ok_or_else(|| Error::Refused("no /proc".to_owned()))?;
        let path = place.join("supervisor.json");
        let mut kept = Kept {
            supervisor,
            child: None,
        };
        // Before the child: should we die in between, the place says that something may be left.
        record::write(&path, &kept)?;
        let (child, output) = match spawn(place, &order, &reaper) {
            Ok(started) => started,
            Err(error) => {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                return Err(Error::io("execute", program(&order))(error));
            }
        };
        kept.child = Some(child.identity.clone());
        record::write(&path, &kept).inspect_err(|_| drop_tree())?;
        Ok(Some(Self {
            place: place.to_owned(),
            reaper,
            child,
            output: Some(output),
            chunk: vec![0; CHUNK],
            control,
            log,
            log_limit: order.log_limit_bytes,
            exit,
            kill_at: None,
            _lock: lock,
        }))
    }

    fn keep(mut self) -> i32 {
        while !self.turn() {}
        // What it has left behind would hold its port, its memory, its files.
        drop_tree();
        while self.output_within(LAST_OUTPUT) {
            self.copy();
        }
        let status = self.reaper.status(&self.child.identity);
        let exit = Exit {
            code: status.code,
            signal: status.signal,
            at: wall_millis(),
            log_bytes_lost: self.log.lost().map_or(0, |(count, _)| count),
        };
        fs::remove_file(self.place.join("control")).ok();
        i32::from(self.exit.commit_patiently(&exit).is_err())
    }

    /// Waits for the next thing to happen; `true` when it was the child's end.
    fn turn(&mut self) -> bool {
        let limit = self
            .kill_at
            .map(|at| at.saturating_duration_since(monotonic()));
        let mut fds = vec![
            PollFd::new(&self.child.handle, PollFlags::IN),
            PollFd::new(&self.control, PollFlags::IN),
        ];
        if let Some(output) = &self.output {
            fds.push(PollFd::new(output, PollFlags::IN));
        }
        if tree::poll_for(&mut fds, limit).is_err() {
            return true;
        }
        let happened: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if happened.get(2) == Some(&true) {
            self.copy();
        }
        if happened[1] {
            self.listen();
        }
        if self.kill_at.is_some_and(|at| at <= monotonic()) {
            self.kill_at = None;
            drop_tree();
        }
        happened[0]
    }

    fn copy(&mut self) {
        let read = self
            .output
            .as_mut()
            .map(|output| output.read(&mut self.chunk));
        match read {
            Some(Ok(count)) if count > 0 => {
                self.log.rotate(self.log_limit);
                self.log.write(&self.chunk[..count]);
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => self.output = None,
        }
    }

    fn output_within(&self, limit: Duration) -> bool {
        self.output.as_ref().is_some_and(|output| {
            let mut fds = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)];
            matches!(tree::poll_for(&mut fds, Some(limit)), Ok(count) if count > 0)
        })
    }

    /// Reads requests: lines of `stop MILLISECONDS`. Each is shorter than what a pipe takes at once.
    fn listen(&mut self) {
        let mut text = [0; 1024];
        let count = self.control.read(&mut text).unwrap_or(0);
        for line in String::from_utf8_lossy(&text[..count]).lines() {
            if let Some(grace) = line
                .strip_prefix("stop ")
                .and_then(|text| text.parse().ok())
            {
                self.stop(Duration::from_millis(grace));
            }
        }
    }

    fn stop(&mut self, grace: Duration) {
        let group = self.child.identity.pid;
        let mut members = tree::descendants(std::process::id());
        members.retain(|member| member.group == group);
        drop(tree::signal(&members, Signal::TERM));
        // One that was stopped must go on to hear the first.
        drop(tree::signal(&members, Signal::CONT));
        let at = monotonic() + grace;
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
    }
}

fn drop_tree() {
    tree::kill_all(|| tree::descendants(std::process::id()));
}

fn control(path: &Utf8Path) -> Result<File, Error> {
    match mkfifoat(CWD, path.as_std_path(), Mode::RUSR | Mode::WUSR) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(Error::io("create", path)(error.into())),
    }
    // Also for writing, so that it never comes to an end; it is not waited for here.
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default())
        .open(path)
        .map_err(Error::io("open", path))
}

fn program(order: &Order) -> Utf8PathBuf {
    match order.argv.first() {
        Some(name) if name.contains('/') => order.directory.join(name),
        Some(name) => name.into(),
        None => Utf8PathBuf::new(),
    }
}

fn spawn(place: &Utf8Path, order: &Order, reaper: &Reaper) -> io::Result<(Child, PipeReader)> {
    use std::os::unix::process::CommandExt as _;

    let (reader, writer) = io::pipe()?;
    let marker = BTreeMap::from([(MARKER, place.as_str())]);
    let mut command = Command::new(program(order));
    if order.env_clear {
        command.env_clear();
    }
    command
        .args(order.argv.iter().skip(1))
        .envs(&order.env)
        .envs(marker)
        .current_dir(&order.directory)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    // With the command go our ends for writing; else the output would never end.
    Ok((reaper.spawn(&mut command)?, reader))
}
