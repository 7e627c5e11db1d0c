//! Small files of the service: records that are there as a whole or not at all, and keys that only we
//! may read.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
};

use camino::Utf8Path;
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Serialize, de::DeserializeOwned};

/// How much is read at once where a file is hashed or copied.
const PART: usize = 1 << 18;

/// Makes the folder and those above it; others cannot look into it.
pub(crate) fn make_folder(path: &Utf8Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a record beside its place and moves it there.
pub(crate) fn write_record(path: &Utf8Path, record: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(record).map_err(io::Error::other)?;
    let beside = path.with_extension("new");
    let mut file = private(OpenOptions::new().truncate(true).create(true), &beside)?;
    file.write_all(&text)?;
    drop(file);
    fs::rename(beside, path)
}

/// Reads a record; `None` when there is none.
pub(crate) fn read_record<T: DeserializeOwned>(path: &Utf8Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
            io::Error::other(format!("`{path}` is not a record of ours: {error}"))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a key, or makes one by `generate` that nobody else on the machine can read.
pub(crate) fn key(
    path: &Utf8Path,
    generate: impl FnOnce() -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Ok(key) => return Ok(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let key = generate()?;
    write_private(path, &key)?;
    Ok(key)
}

/// Writes bytes that only we may read, as a whole or not at all.
pub(crate) fn write_private(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = private(OpenOptions::new().create(true).truncate(true), &beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(beside, path)
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(bytes)
}

fn private(options: &mut OpenOptions, path: &Utf8Path) -> io::Result<File> {
    options.write(true).mode(0o600).open(path)
}

/// Removes a folder with what is in it; one that is not there is removed.
pub(crate) fn remove_folder(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The names in a folder, sorted; none when there is no folder.
pub(crate) fn names(path: &Utf8Path) -> io::Result<Vec<String>> {
    let entries = match path.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

/// Appends `from` to `to`, and to the digest what was read.
pub(crate) fn append(from: &Utf8Path, to: &mut File, sum: &mut digest::Context) -> io::Result<u64> {
    let mut from = File::open(from)?;
    let mut part = vec![0; PART];
    let mut length = 0;
    loop {
        let count = from.read(&mut part)?;
        if count == 0 {
            return Ok(length);
        }
        to.write_all(&part[..count])?;
        sum.update(&part[..count]);
        length += count as u64;
    }
}

/// The SHA-256 of a file, as hexadecimal digits.
pub(crate) fn sha256(path: &Utf8Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut sum = digest::Context::new(&digest::SHA256);
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex::encode(sum.finish().as_ref())),
            count => sum.update(&part[..count]),
        }
    }
}
