//! Archives of our own built-in actions: packed from a folder, and unpacked into one that nothing leaves,
//! whatever the archive says. Zip and tar, the latter also with gzip.

mod folder;
mod pack;
mod path;
mod tar;
mod zip;

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
};

use camino::{Utf8Path, Utf8PathBuf};

use self::folder::Folder;
pub use self::pack::{PackOptions, Packed, Part, pack, pack_parts};

/// How an archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Zip with deflate.
    Zip,
    /// Tar as it is.
    Tar,
    /// Tar through gzip.
    TarGz,
}

/// How much an archive may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of all files together, unpacked.
    pub bytes: u64,
}

impl Default for Bounds {
    /// A million entries, 50 GiB.
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            bytes: 50 << 30,
        }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Why an archive was not unpacked, or not packed. What came before the fault is there.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is none that we know.
    #[error("`{0}` is neither a zip archive nor a tar archive, plain or with gzip")]
    Unknown(Utf8PathBuf),
    /// A name that leads out of the folder, or is no name.
    #[error("the archive has an entry `{name}`, which {why}; it was not unpacked further")]
    Path {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A link that leads out of the folder.
    #[error("the archive has a link `{name}` to `{target}`, which could lead out of its folder")]
    Link {
        /// The link.
        name: String,
        /// Where it leads.
        target: String,
    },
    /// A device, a pipe, a socket, or something that is not known.
    #[error("the archive has `{0}`, which is no file, folder or link")]
    Kind(String),
    /// It has more than it may.
    #[error("the archive has more than `{limit}` {what}")]
    TooMuch {
        /// `entries` or `bytes`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// It is damaged.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// The disk does not do as it should.
    #[error("`{path}`: {error}")]
    Io {
        /// Where.
        path: Utf8PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl ArchiveError {
    fn io(path: &Utf8Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}

/// Unpacks an archive into a folder, which is made when it is not there. Files are replaced, links never
/// followed; set-user bits and owners are not taken over. Blocks.
pub fn extract(
    archive: &Utf8Path,
    into: &Utf8Path,
    bounds: Bounds,
) -> Result<Extracted, ArchiveError> {
    extract_into(archive, Folder::open(into, bounds)?)
}

/// Unpacks what is in a folder of the archive, and nothing else. Links may lead anywhere: for archives that
/// were packed from places of a job. Nothing is written through one all the same. Blocks.
pub fn extract_part(
    archive: &Utf8Path,
    prefix: &Utf8Path,
    into: &Utf8Path,
    bounds: Bounds,
) -> Result<Extracted, ArchiveError> {
    extract_into(archive, Folder::open(into, bounds)?.only(prefix))
}

fn extract_into(archive: &Utf8Path, mut folder: Folder) -> Result<Extracted, ArchiveError> {
    let failed = || ArchiveError::io(archive);
    let mut file = File::open(archive).map_err(failed())?;
    let format = recognise(&mut file).map_err(failed())?;
    let Some(format) = format else {
        return Err(ArchiveError::Unknown(archive.to_owned()));
    };
    match format {
        Format::Zip => zip::extract(file, &mut folder)?,
        Format::Tar => tar::extract(io::BufReader::new(file), &mut folder)?,
        Format::TarGz => {
            let plain = flate2::read::MultiGzDecoder::new(io::BufReader::new(file));
            tar::extract(plain, &mut folder)?;
        }
    }
    folder.finish()
}

/// By the bytes, not by the name.
fn recognise(file: &mut File) -> io::Result<Option<Format>> {
    let mut head = Vec::new();
    file.take(512).read_to_end(&mut head)?;
    file.rewind()?;
    let is_tar = head.get(257..262) == Some(b"ustar");
    // A tar archive without anything in it is empty blocks.
    let is_empty_tar = head.len() == 512 && head.iter().all(|&byte| byte == 0);
    Ok(
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Some(Format::Zip)
        } else if head.starts_with(&[0x1f, 0x8b]) {
            Some(Format::TarGz)
        } else if is_tar || is_empty_tar {
            Some(Format::Tar)
        } else {
            None
        },
    )
}

#[cfg(test)]
mod tests;
