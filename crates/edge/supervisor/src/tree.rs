//! Everything that a process has started, however it tried to get away, and the end of it.
//!
//! Below a subreaper the chain of parents is complete: a child that called `setsid` and was orphaned
//! becomes the subreaper's own. When the subreaper itself is gone, only the marker in the environment
//! is left to go by; a program that clears its environment escapes that search.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process_group, waitid},
};

use crate::{clock::monotonic, identity::Stat};

/// Processes per round of killing: each costs a descriptor.
const ROUND: usize = 256;
/// How long one round of SIGKILL may take before we look again.
const ROUND_TIME: Duration = Duration::from_secs(2);
/// What is not dead after this long hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(30);

/// The process table as it is now, zombies included.
pub fn snapshot() -> BTreeMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .collect()
}

/// All living processes below `root`, without itself.
pub fn descendants(root: u32) -> Vec<Stat> {
    let table = snapshot();
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for stat in table.values() {
        children.entry(stat.parent).or_default().push(stat.pid);
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        found.extend(below.iter().filter_map(|pid| table.get(pid)).copied());
        open.extend(below);
    }
    found.retain(|stat| !stat.zombie);
    found
}

/// All living processes below us. Without a child there are none: we are a subreaper, and whoever is
/// orphaned below us becomes our child. That saves reading the whole process table.
pub fn own_descendants() -> Vec<Stat> {
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    match waitid(WaitId::All, peek) {
        Err(error) if error == rustix::io::Errno::CHILD => Vec::new(),
        _ => descendants(std::process::id()),
    }
}

/// All living processes of ours whose environment has exactly `NAME=VALUE`.
pub fn marked(marker: &str) -> Vec<Stat> {
    let own = std::process::id();
    snapshot()
        .into_values()
        .filter(|stat| stat.pid != own && !stat.zombie && is_marked(stat, marker))
        .collect()
}

/// Whether the environment of a process, as it was at its start, has exactly `NAME=VALUE`.
pub fn is_marked(process: &Stat, marker: &str) -> bool {
    fs::read(format!("/proc/{}/environ", process.pid)).is_ok_and(|environ| {
        environ
            .split(|byte| *byte == 0)
            .any(|entry| entry == marker.as_bytes())
    })
}

/// Sends a signal to each of these, once; returns handles of those that were there to get it.
pub fn signal(processes: &[Stat], signal: Signal) -> Vec<OwnedFd> {
    processes
        .iter()
        .take(ROUND)
        .filter_map(|process| process.send(signal))
        .collect()
}

/// Kills what `find` finds, again and again, until it finds nothing: a process that is about to fork
/// while it is killed leaves a child for the next round. Returns how many could not be killed.
pub fn kill_all(find: impl Fn() -> Vec<Stat>) -> usize {
    let begin = monotonic();
    loop {
        let victims = find();
        let count = victims.len();
        if count == 0 || begin.elapsed() > PATIENCE {
            return count;
        }
        kill_groups(&victims);
        await_ends(&signal(&victims, Signal::KILL), ROUND_TIME);
    }
}

/// A group dies at once, between two forks of its members; one by one, a fork bomb would win.
fn kill_groups(victims: &[Stat]) {
    let own = getpgrp();
    let groups: BTreeSet<u32> = victims.iter().map(|victim| victim.group).collect();
    for group in groups {
        let group = i32::try_from(group).ok().and_then(Pid::from_raw);
        if let Some(group) = group.filter(|group| *group != own && *group != Pid::INIT) {
            // Gone already is as good as killed.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// Waits until all of these have ended, not longer than `limit`.
pub fn await_ends(handles: &[OwnedFd], limit: Duration) {
    let begin = monotonic();
    let mut open: Vec<&OwnedFd> = handles.iter().collect();
    while !open.is_empty() {
        let rest = limit.saturating_sub(begin.elapsed());
        let mut fds: Vec<PollFd<'_>> = open
            .iter()
            .map(|handle| PollFd::new(*handle, PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&timespec(rest))) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error == rustix::io::Errno::INTR => {}
            Err(_) => return,
        }
        let ended: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ended = ended.into_iter();
        open.retain(|_| !ended.next().unwrap_or(true));
    }
}

/// A length of time as the kernel wants it.
pub fn timespec(length: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: length.subsec_nanos().into(),
    }
}

/// `poll` that is not disturbed by signals, without a limit when `limit` is `None`.
pub fn poll_for(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<usize> {
    let limit = limit.map(timespec);
    loop {
        match poll(fds, limit.as_ref()) {
            Err(error) if error == rustix::io::Errno::INTR => {}
            other => return Ok(other?),
        }
    }
}
