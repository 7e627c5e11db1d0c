//! One running copy of something, kept by a supervisor of its own.
//!
//! A place is a directory that belongs to one instance: `supervisor.json` says who keeps it,
//! `exit.json` how it ended, `control` takes requests, `lock` is held while it is kept.

mod supervise;

use std::{
    collections::BTreeMap,
    fmt, fs,
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::{fs::OFlags, process::Signal};
use serde::{Deserialize, Serialize};
use tokio::{task::spawn_blocking, time::timeout};

pub(crate) use self::supervise::supervise;
use crate::{Error, detach, identity::Identity, record, tree};

/// Its children carry it in their environment, with the place as value.
pub const MARKER: &str = "CUTOVER_INSTANCE";
/// On top of the grace, until we no longer rely on the supervisor to do it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What to run.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The program and its arguments. A name without `/` is looked up in `PATH`; one with it, when
    /// relative, in `directory`.
    pub argv: Vec<String>,
    /// Variables on top of what it inherits.
    pub env: BTreeMap<String, String>,
    /// Whether it inherits nothing.
    pub env_clear: bool,
    /// Where it runs.
    pub directory: Utf8PathBuf,
    /// Where its output goes; the part before the last is beside it, with `.1` at the end.
    pub log: Utf8PathBuf,
    /// Bytes that the log may have, both parts together; 0 is no limit.
    pub log_limit_bytes: u64,
}

impl fmt::Debug for Order {
    /// Values of variables may be secrets; their names are not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("argv", &self.argv)
            .field("env", &self.env.keys())
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// What is known about an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// It was never started here, or is just about to be.
    Absent,
    /// It runs.
    Running {
        /// Its supervisor.
        pid: u32,
        /// Its first process.
        child: u32,
    },
    /// It has ended, and so has everything that it had started.
    Exited {
        /// Its exit code.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// When, in milliseconds since 1970.
        at: i64,
    },
    /// Its supervisor died before it could say how the instance ended: it was killed, or the
    /// machine went down. Processes may be left; `stop` ends them.
    Lost,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    supervisor: Identity,
    /// Absent while it is being started.
    child: Option<Identity>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Exit {
    code: Option<i32>,
    signal: Option<i32>,
    at: i64,
    log_bytes_lost: u64,
}

fn kept(place: &Utf8Path) -> Result<Option<Kept>, Error> {
    record::read(&place.join("supervisor.json"))
}

fn exit(place: &Utf8Path) -> Result<Option<InstanceState>, Error> {
    let exit: Option<Exit> = record::read(&place.join("exit.json"))?;
    Ok(exit.map(|exit| InstanceState::Exited {
        code: exit.code,
        signal: exit.signal,
        at: exit.at,
    }))
}

/// Starts it, unless it was started here before: a place is good for one start, however that ended.
///
/// `supervisor` is the command line of the hidden subcommand (`[own executable, "supervise"]`).
/// When this returns an error, nothing was started.
pub async fn start(place: &Utf8Path, supervisor: &[String], order: &Order) -> Result<(), Error> {
    for path in [place, &order.directory, &order.log] {
        if !path.is_absolute() {
            return Err(Error::NotAbsolute(path.to_owned()));
        }
    }
    if state(place)? != InstanceState::Absent {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place)
        .map_err(Error::io("create", place))?;
    detach::launch(supervisor, &["instance", place.as_str()], order).await
}

/// What is known about it now.
pub fn state(place: &Utf8Path) -> Result<InstanceState, Error> {
    // Whether it lives is asked before how it ended: the other way round, one that ends in between
    // would look lost.
    let kept = kept(place)?;
    let alive = kept.as_ref().is_some_and(|kept| kept.supervisor.is_alive());
    if let Some(exited) = exit(place)? {
        return Ok(exited);
    }
    Ok(match kept {
        None => InstanceState::Absent,
        Some(_) if !alive => InstanceState::Lost,
        Some(Kept { supervisor, child }) => {
            child.map_or(InstanceState::Absent, |child| InstanceState::Running {
                pid: supervisor.pid,
                child: child.pid,
            })
        }
    })
}

/// Waits until it no longer runs, without polling.
pub async fn exited(place: &Utf8Path) -> Result<InstanceState, Error> {
    if let Some(kept) = kept(place)? {
        kept.supervisor
            .gone()
            .await
            .map_err(Error::io("wait for the supervisor of", place))?;
    }
    state(place)
}

/// Ends it: SIGTERM to its process group, after `grace` SIGKILL to everything that it has started,
/// also in sessions of their own. What it leaves behind when it ends by itself is killed as well.
///
/// Returns what is known afterwards. What has ended already stays as it is.
pub async fn stop(place: &Utf8Path, grace: Duration) -> Result<InstanceState, Error> {
    let Some(kept) = kept(place)? else {
        return Ok(InstanceState::Absent);
    };
    if kept.supervisor.is_alive() {
        ask(place, grace)?;
        // When this takes too long, the supervisor hangs, and we do it ourselves.
        if let Ok(state) = timeout(grace + PATIENCE, exited(place)).await {
            let state = state?;
            if state != InstanceState::Lost {
                return Ok(state);
            }
        }
    } else if let Some(exited) = exit(place)? {
        return Ok(exited);
    }
    let place_of_task = place.to_owned();
    // The processes are gone when it fails, too: nothing in it can panic.
    spawn_blocking(move || sweep(&place_of_task, &kept))
        .await
        .ok();
    state(place)
}

/// Throws the records away, so that the place is good for another start. After `Lost`, `stop` first.
pub fn forget(place: &Utf8Path) -> Result<(), Error> {
    if kept(place)?.is_some_and(|kept| kept.supervisor.is_alive()) {
        return Err(Error::Alive(place.to_owned()));
    }
    // The supervisor's record last: without it, the place counts as never used.
    for name in ["control", "exit.json", "supervisor.json"] {
        let path = place.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Nobody at the other end means that it is ending already.
fn ask(place: &Utf8Path, grace: Duration) -> Result<(), Error> {
    let path = place.join("control");
    let control = OpenOptions::new()
        .write(true)
        .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default())
        .open(&path);
    match control {
        Ok(mut control) => {
            // In one piece, as the supervisor reads it.
            let request = format!("stop {}\n", grace.as_millis());
            control
                .write_all(request.as_bytes())
                .map_err(Error::io("write to", path))
        }
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) =>
        {
            Ok(())
        }
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// Kills what is left without the help of the supervisor.
fn sweep(place: &Utf8Path, kept: &Kept) {
    if let Some(supervisor) = kept.supervisor.stat() {
        tree::kill_all(|| tree::descendants(supervisor.pid));
        drop(supervisor.send(Signal::KILL));
    }
    let marker = format!("{MARKER}={place}");
    tree::kill_all(|| {
        let mut left = tree::marked(&marker);
        if let Some(child) = kept.child.as_ref().and_then(Identity::stat) {
            left.extend(tree::descendants(child.pid));
            left.push(child);
        }
        left
    });
}
