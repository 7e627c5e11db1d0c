//! Small JSON files that are either there as a whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    thread,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::Error;

/// How long to wait for room on a full disk between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads a record; `None` when it was never written.
pub fn read<T: DeserializeOwned>(path: &Utf8Path) -> Result<Option<T>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| Error::Record {
            path: path.to_owned(),
            source,
        })
}

/// Writes a record: beside it, synchronised, renamed. Readable by its owner only.
pub fn write<T: Serialize>(path: &Utf8Path, value: &T) -> Result<(), Error> {
    write_for(path, value, Survives::PowerLoss)
}

/// The same, for those who know what it has to survive.
pub fn write_for<T: Serialize>(path: &Utf8Path, value: &T, what: Survives) -> Result<(), Error> {
    Reserved::new(path, 0)?.that_survives(what).commit(value)
}

/// What a record is still there after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Survives {
    /// The loss of power: it is on the disk before anything else is done.
    #[default]
    PowerLoss,
    /// The death of every process, but not of the machine: the disk is not waited for.
    ProcessDeath,
}

/// Room on the disk for a record that must be written later, whatever happens until then.
#[derive(Debug)]
pub struct Reserved {
    path: Utf8PathBuf,
    temp: Utf8PathBuf,
    file: File,
    survives: Survives,
}

impl Reserved {
    /// Takes `bytes` of the disk now. A file system that cannot promise room is not an error.
    pub fn new(path: &Utf8Path, bytes: u64) -> Result<Self, Error> {
        let temp = Utf8PathBuf::from(format!("{path}.new"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temp)
            .map_err(Error::io("create", &temp))?;
        if bytes > 0 {
            fallocate(&file, FallocateFlags::empty(), 0, bytes).ok();
        }
        Ok(Self {
            path: path.to_owned(),
            temp,
            file,
            survives: Survives::PowerLoss,
        })
    }

    /// Without being told it survives a loss of power.
    #[must_use]
    pub const fn that_survives(mut self, what: Survives) -> Self {
        self.survives = what;
        self
    }

    /// Fills the room and gives the record its name.
    pub fn commit<T: Serialize>(mut self, value: &T) -> Result<(), Error> {
        self.fill(value)
    }

    /// The same, but waits for room as long as the disk is full: losing how something ended because
    /// of a full disk would be worse than waiting.
    pub fn commit_patiently<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        loop {
            match self.fill(value) {
                Err(Error::Io { source, .. }) if is_full(&source) => thread::sleep(PAUSE),
                other => return other,
            }
        }
    }

    fn fill<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(value).map_err(|source| Error::Record {
            path: self.path.clone(),
            source,
        })?;
        self.put(&bytes).map_err(Error::io("write", &self.path))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(bytes)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.file.set_len(length)?;
        if self.survives == Survives::ProcessDeath {
            return fs::rename(&self.temp, &self.path);
        }
        self.file.sync_data()?;
        fs::rename(&self.temp, &self.path)?;
        // Without this the name, unlike the content, would not survive a loss of power.
        match self.path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Whether there is no room on the disk, or in the user's share of it.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
