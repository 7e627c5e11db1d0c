//! Starts children and collects exit statuses, also those of orphans that a subreaper inherits.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    process::Command,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus, wait, waitid, waitpid};

use crate::identity::{self, Identity};

/// How a process ended: one of the two is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl From<WaitStatus> for Status {
    fn from(status: WaitStatus) -> Self {
        Self {
            code: status.exit_status(),
            signal: status.terminating_signal(),
        }
    }
}

/// A child that the reaper looks after.
#[derive(Debug)]
pub struct Child {
    /// Who it is.
    pub identity: Identity,
    /// Becomes readable when it ends.
    pub handle: OwnedFd,
}

/// Collects every child of this process on a thread of its own. One for each process.
#[derive(Debug, Default)]
pub struct Reaper {
    /// The statuses of the children that somebody will ask for. The lock is also held while a child
    /// is started, so that the thread cannot take away the status of a child whose program could not
    /// be executed: the standard library wants to collect that one itself.
    wanted: Mutex<BTreeMap<u32, Option<Status>>>,
    changed: Condvar,
}

impl Reaper {
    /// Starts the thread.
    pub fn start() -> io::Result<Arc<Self>> {
        let reaper = Arc::new(Self::default());
        let own = Arc::clone(&reaper);
        thread::Builder::new()
            .name("reaper".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || own.run())?;
        Ok(reaper)
    }

    /// Starts a child.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut wanted = self.lock();
        let pid = command.spawn()?.id();
        wanted.insert(pid, None);
        self.changed.notify_all();
        // While the lock is held nobody collects it, so it is there, if only as a zombie.
        let identity = Identity::of(pid).ok_or(io::ErrorKind::NotFound)?;
        let handle = identity::open(pid)?;
        Ok(Child { identity, handle })
    }

    /// Waits for the status of a child; may be asked once for each.
    pub fn status(&self, child: &Identity) -> Status {
        let mut wanted = self.lock();
        loop {
            match wanted.get(&child.pid) {
                Some(None) => {
                    // Usually it is there already, and nobody need be woken for it.
                    if let Some(status) = collect_one(child.pid) {
                        wanted.remove(&child.pid);
                        return status;
                    }
                    wanted = self
                        .changed
                        .wait(wanted)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Some(Some(status)) => {
                    let status = *status;
                    wanted.remove(&child.pid);
                    return status;
                }
                None => {
                    return Status {
                        code: None,
                        signal: None,
                    };
                }
            }
        }
    }

    fn run(&self) {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        loop {
            if matches!(waitid(WaitId::All, peek), Err(error) if error == rustix::io::Errno::CHILD)
            {
                self.await_child();
            } else {
                self.collect();
            }
        }
    }

    /// Sleeps until there is a child again: without one there can be no orphans either.
    fn await_child(&self) {
        let mut wanted = self.lock();
        while !wanted.values().any(Option::is_none) {
            wanted = self
                .changed
                .wait(wanted)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn collect(&self) {
        let mut wanted = self.lock();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            if let Some(slot) = wanted.get_mut(&pid) {
                *slot = Some(status.into());
            }
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Option<Status>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The status of a child that has ended and that nobody has collected.
fn collect_one(pid: u32) -> Option<Status> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let (_, status) = waitpid(Some(pid), WaitOptions::NOHANG).ok()??;
    Some(status.into())
}
