//! Which process is meant: a pid alone is reused, a pid with its start time and boot is not.

use std::{fs, io, os::fd::OwnedFd, sync::OnceLock};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::io::{Interest, unix::AsyncFd};

/// One line of the kernel's process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its number.
    pub pid: u32,
    /// Who gets its exit status.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// When it started, in ticks since boot.
    pub started: u64,
    /// Whether it has ended and only waits for its parent to notice.
    pub zombie: bool,
}

impl Stat {
    /// Reads the line of one process; `None` when there is no such process.
    pub fn read(pid: u32) -> Option<Self> {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &String::from_utf8_lossy(&text))
    }

    /// The name in parentheses may hold anything, so the fields are counted from the last `)`.
    fn parse(pid: u32, text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            zombie: matches!(*fields.first()?, "Z" | "X"),
        })
    }

    /// Sends a signal to exactly this process: the descriptor is taken first and the start time
    /// looked at after, so a reused number is never hit. `None` when it is gone.
    pub fn send(&self, signal: Signal) -> Option<OwnedFd> {
        let handle = open(self.pid).ok()?;
        let same = Self::read(self.pid).is_some_and(|now| now.started == self.started);
        (same && pidfd_send_signal(&handle, signal).is_ok()).then_some(handle)
    }
}

/// A process as it is written into a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since boot.
    pub started: u64,
    /// Which boot.
    pub boot: String,
}

impl Identity {
    /// The identity of a process that exists now.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self {
            pid,
            started: Stat::read(pid)?.started,
            boot: boot().to_owned(),
        })
    }

    /// Our own.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_alive(&self) -> bool {
        self.stat().is_some()
    }

    /// Its line in the process table while it runs.
    pub fn stat(&self) -> Option<Stat> {
        Stat::read(self.pid)
            .filter(|now| now.started == self.started && !now.zombie && self.boot == boot())
    }

    /// Waits until it has ended, without polling.
    pub async fn gone(&self) -> io::Result<()> {
        let Ok(handle) = open(self.pid) else {
            return Ok(());
        };
        // Only now the number is ours to look at: it cannot be reused under an open descriptor.
        if !self.is_alive() {
            return Ok(());
        }
        #[expect(
            deprecated,
            reason = "the replacement is unsafe for types that may lie about their descriptor; \
                      `OwnedFd` does not"
        )]
        let handle = AsyncFd::with_interest(handle, Interest::READABLE)?;
        handle.readable().await.map(|_| ())
    }
}

/// A descriptor that becomes readable when the process ends.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// No process sees two of them.
fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b (c)) S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 178748 0 0";
        let stat = Stat::parse(7, line).unwrap();
        assert_eq!((stat.parent, stat.group, stat.started), (3, 4, 178_748));
        assert!(!stat.zombie);
    }

    #[test]
    fn we_are_alive_and_somebody_with_our_number_from_another_time_is_not() {
        let own = Identity::own().unwrap();
        assert!(own.is_alive());
        let other = Identity {
            started: own.started + 1,
            ..own.clone()
        };
        assert!(!other.is_alive());
        let before = Identity {
            boot: "another".to_owned(),
            ..own
        };
        assert!(!before.is_alive());
    }
}
