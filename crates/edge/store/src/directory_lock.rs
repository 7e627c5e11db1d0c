//! One server at a time in a data directory. The kernel lets go of the lock when its holder dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::Error;

/// The file in the directory that is locked. It stays when nobody holds it.
const FILE: &str = "lock";
/// More than this is not read of what a holder left.
const LONGEST: u64 = 256;

/// The right to work in a directory, until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Takes the lock of a directory, which must exist; refuses when another process has it.
pub fn lock_directory(directory: &Utf8Path) -> Result<DirectoryLock, Error> {
    let path = directory.join(FILE);
    let failed = |action| {
        let path = path.clone();
        move |source| Error::File {
            action,
            path,
            source,
        }
    };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(failed("open"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(directory, &mut file)),
        Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
    }
    note(&mut file).map_err(failed("write"))?;
    Ok(DirectoryLock { _file: file })
}

/// Leaves word of who holds the lock. The text is a hint; the lock itself is with the kernel.
fn note(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    writeln!(
        file,
        "The process above works in this directory, if it still lives. Leave this file."
    )
}

fn in_use(directory: &Utf8Path, file: &mut File) -> Error {
    let mut text = String::new();
    let read = file.take(LONGEST).read_to_string(&mut text);
    let holder = match (read, text.lines().next()) {
        (Ok(_), Some(line)) if line.parse::<u32>().is_ok() => line.to_owned(),
        // Between taking the lock and leaving word there is a moment.
        _ => "(not known yet)".to_owned(),
    };
    Error::InUse {
        directory: Utf8PathBuf::from(directory),
        holder,
    }
}
