//! Small JSON files that are either there as a whole or not at all: what is empty is not there yet.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    thread,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::Error;

/// How long to wait for room on a full disk between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// What the kernel takes in one go: whoever dies has written all of it or nothing.
const AT_ONCE: usize = 4096;

/// Reads a record; `None` when it was never written.
pub fn read<T: DeserializeOwned>(path: &Utf8Path) -> Result<Option<T>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    // Whoever made it was cut off before it was written.
    if bytes.is_empty() {
        return Ok(None);
    }
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
    Reserved::new(path, 0, what)?.commit(value)
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
    /// Absent where nobody waits for the disk.
    room: Option<File>,
    survives: Survives,
}

impl Reserved {
    /// Takes `bytes` of the disk now, unless it is not waited for. A file system that cannot promise room
    /// is not an error.
    pub fn new(path: &Utf8Path, bytes: u64, survives: Survives) -> Result<Self, Error> {
        let mut reserved = Self {
            path: path.to_owned(),
            room: None,
            survives,
        };
        if survives == Survives::PowerLoss {
            let temp = reserved.temp();
            let file = create(&temp).map_err(Error::io("create", &temp))?;
            if bytes > 0 {
                fallocate(&file, FallocateFlags::empty(), 0, bytes).ok();
            }
            reserved.room = Some(file);
        }
        Ok(reserved)
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

    fn temp(&self) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}.new", self.path))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.survives == Survives::ProcessDeath
            && bytes.len() <= AT_ONCE
            && let Some(mut first) = create_first(&self.path)?
        {
            // What is there by half would be in the way of the next try.
            return first
                .write_all(bytes)
                .inspect_err(|_| drop(fs::remove_file(&self.path)));
        }
        let temp = self.temp();
        let file = match &mut self.room {
            Some(file) => file,
            none => none.insert(create(&temp)?),
        };
        file.rewind()?;
        file.write_all(bytes)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        file.set_len(length)?;
        if self.survives == Survives::ProcessDeath {
            return fs::rename(temp, &self.path);
        }
        file.sync_data()?;
        fs::rename(temp, &self.path)?;
        // Without this the name, unlike the content, would not survive a loss of power.
        match self.path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// A file that was not there before; `None` when it was. To write over a record is to lose it for whoever is
/// killed between the two.
fn create_first(path: &Utf8Path) -> io::Result<Option<File>> {
    match open(path, OpenOptions::new().create_new(true)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        created => created.map(Some),
    }
}

fn create(path: &Utf8Path) -> io::Result<File> {
    open(path, OpenOptions::new().create(true).truncate(true))
}

/// Opens a file to write; its folder is made with the first one.
fn open(path: &Utf8Path, options: &mut OpenOptions) -> io::Result<File> {
    options.write(true).mode(0o600);
    match (options.open(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}

/// Whether there is no room on the disk, or in the user's share of it.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_record_that_is_there_is_whole_until_the_next_one_is() {
        let place = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(place.path()).unwrap();
        let path = place.join("masks.json");
        let write = |value: &str| write_for(&path, &value, Survives::ProcessDeath).unwrap();
        let file = || fs::metadata(&path).unwrap().ino();
        write("one");
        // Whoever reads it while it is written has opened the old one, which stays as it is.
        let mut before = File::open(&path).unwrap();
        let first = file();
        write("two");
        assert_ne!(file(), first);
        let mut text = String::new();
        io::Read::read_to_string(&mut before, &mut text).unwrap();
        assert_eq!(text, "\"one\"");
        assert_eq!(read::<String>(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(place).unwrap().count(), 1);
    }

    #[test]
    fn one_that_was_cut_off_before_it_was_written_is_not_there() {
        let place = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(place.path()).unwrap().join("exit.json");
        File::create(&path).unwrap();
        assert_eq!(read::<u8>(&path).unwrap(), None);
        write_for(&path, &7_u8, Survives::ProcessDeath).unwrap();
        assert_eq!(read::<u8>(&path).unwrap(), Some(7));
    }
}
