//! What outlives the process: the state folder, its lock, and the route table in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    net::SocketAddr,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::{control::RouteTable, predecessor::handle, sticky::Key};

/// Name of the control socket in the state folder.
pub(crate) const CONTROL_SOCKET: &str = "control.sock";
const LOCK: &str = "balancer.lock";
const STATE: &str = "routes.json";
/// A state file that could not be read is kept under this name, for whoever wants to know why.
const UNREADABLE: &str = "routes.unreadable.json";
/// What cookies are signed with; for nobody else to read.
const KEY: &str = "sticky.key";
const VERSION: u32 = 1;

/// Why the state folder cannot be used. The operator's fault, or the disk's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another balancer runs on it.
    #[error("another balancer runs on `{folder}`; stop it or choose another folder")]
    Taken {
        /// The state folder.
        folder: Utf8PathBuf,
    },
    /// The system said no.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What is remembered over a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    version: u32,
    /// The table as it was given.
    pub(crate) table: RouteTable,
    /// Where services listen, those that asked for any port included.
    pub(crate) listeners: BTreeMap<String, SocketAddr>,
    /// Where the previews of services listen.
    #[serde(default)]
    pub(crate) previews: BTreeMap<String, SocketAddr>,
    /// Upstreams that were drained since, by service. They stay out of service.
    pub(crate) drained: BTreeMap<String, BTreeSet<String>>,
}

impl Remembered {
    pub(crate) fn new(
        table: RouteTable,
        listeners: BTreeMap<String, SocketAddr>,
        previews: BTreeMap<String, SocketAddr>,
        drained: BTreeMap<String, BTreeSet<String>>,
    ) -> Self {
        Self {
            version: VERSION,
            table,
            listeners,
            previews,
            drained,
        }
    }
}

/// The state folder, ours alone.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: Utf8PathBuf,
    /// The lock goes with the process, however it ends; or to a successor, who holds it too.
    lock: File,
}

impl StateFolder {
    /// Takes a folder, which is created if need be.
    pub(crate) fn take(path: &Utf8Path) -> Result<Self, StateError> {
        let failed = |action, path: &Utf8Path| {
            let path = path.to_owned();
            move |source| StateError::Io {
                action,
                path,
                source,
            }
        };
        fs::create_dir_all(path).map_err(failed("create", path))?;
        let lock_path = path.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path);
        let lock = lock.map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StateError::Taken {
                folder: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &lock_path)(source)),
        }
    }

    /// A folder whose lock a predecessor holds, and shares.
    pub(crate) fn inherited(path: &Utf8Path, lock: OwnedFd) -> Self {
        Self {
            path: path.to_owned(),
            lock: lock.into(),
        }
    }

    /// The lock, for a successor.
    pub(crate) fn lock_handle(&self) -> io::Result<OwnedFd> {
        handle(&self.lock)
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    pub(crate) fn socket(&self) -> Utf8PathBuf {
        self.path.join(CONTROL_SOCKET)
    }

    /// What cookies are signed with: made once, so that clients stay where they are over restarts.
    /// Without a disk that keeps it, another one each time is still one that nobody can guess.
    pub(crate) fn key(&self) -> Key {
        let path = self.path.join(KEY);
        if let Ok(known) = fs::read(&path)
            && let Ok(bytes) = known.try_into()
        {
            return Key(bytes);
        }
        let bytes: [u8; 32] = rand::random();
        let file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path);
        let _kept = file.and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        Key(bytes)
    }

    /// What was remembered. A file that cannot be understood is put aside: to serve nothing until
    /// the control plane sends its table again is better than not to start.
    pub(crate) fn load(&self) -> Result<Loaded, StateError> {
        let path = self.path.join(STATE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Nothing),
            Err(source) => {
                return Err(StateError::Io {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        let understood = serde_json::from_str::<Remembered>(&text).map_err(|e| e.to_string());
        let reason = match understood {
            Ok(remembered) if remembered.version == VERSION => match remembered.table.validate() {
                Ok(()) => return Ok(Loaded::Remembered(Box::new(remembered))),
                Err(invalid) => invalid.to_string(),
            },
            Ok(remembered) => format!("its version is {}, not {VERSION}", remembered.version),
            Err(reason) => reason,
        };
        let aside = self.path.join(UNREADABLE);
        fs::rename(&path, &aside).map_err(|source| StateError::Io {
            action: "put aside",
            path,
            source,
        })?;
        Ok(Loaded::PutAside { aside, reason })
    }

    /// Remembers, durably, as a whole or not at all.
    pub(crate) fn store(&self, remembered: &Remembered) -> io::Result<()> {
        let temporary = self.path.join("routes.json.new");
        let mut file = File::create(&temporary)?;
        serde_json::to_writer(&mut file, remembered)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, self.path.join(STATE))?;
        File::open(&self.path)?.sync_all()
    }
}

/// What was found in the state folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    Nothing,
    Remembered(Box<Remembered>),
    PutAside { aside: Utf8PathBuf, reason: String },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Service;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("state")).unwrap();
        (dir, path)
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let (_dir, path) = folder();
        let folder = StateFolder::take(&path).unwrap();
        assert_eq!(folder.load().unwrap(), Loaded::Nothing);
        let table = RouteTable {
            generation: 7,
            services: vec![Service::new("s")],
        };
        let listeners = BTreeMap::from([("s".to_owned(), "127.0.0.1:4000".parse().unwrap())]);
        let remembered = Remembered::new(table, listeners, BTreeMap::new(), BTreeMap::new());
        folder.store(&remembered).unwrap();
        assert_eq!(
            folder.load().unwrap(),
            Loaded::Remembered(Box::new(remembered))
        );
    }

    #[test]
    fn a_folder_has_one_balancer() {
        let (_dir, path) = folder();
        let first = StateFolder::take(&path).unwrap();
        let second = StateFolder::take(&path).unwrap_err();
        assert!(second.to_string().contains("another balancer runs on"));
        drop(first);
        StateFolder::take(&path).unwrap();
    }

    #[test]
    fn what_cannot_be_understood_is_put_aside() {
        let (_dir, path) = folder();
        let folder = StateFolder::take(&path).unwrap();
        fs::write(path.join(STATE), "{\"version\":1,\"tab").unwrap();
        let Loaded::PutAside { aside, .. } = folder.load().unwrap() else {
            panic!("not aside")
        };
        assert!(aside.exists());
        assert_eq!(folder.load().unwrap(), Loaded::Nothing);
    }
}
