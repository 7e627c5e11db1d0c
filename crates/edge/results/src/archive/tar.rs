//! Tar archives, entry by entry. Long names and extended headers are read here, not by the library, which
//! would take as much memory for one as the archive says.

use std::{
    io::{self, Read},
    time::{Duration, UNIX_EPOCH},
};

use ::tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{ArchiveError, folder::Folder};

/// The headers before one entry are not longer.
const LONGEST_HEADER: u64 = 1 << 16;

/// What headers before an entry say of it.
#[derive(Default)]
struct Said {
    name: Option<String>,
    link: Option<String>,
}

pub(super) fn extract(reader: impl Read, folder: &mut Folder) -> Result<(), ArchiveError> {
    let mut archive = Archive::new(reader);
    let mut said = Said::default();
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => said.name = Some(text(&mut entry)?),
            EntryType::GNULongLink => said.link = Some(text(&mut entry)?),
            EntryType::XHeader => extended(&mut entry, &mut said)?,
            // What holds for all entries says nothing that we take over.
            EntryType::XGlobalHeader => {}
            kind => unpack(entry, kind, std::mem::take(&mut said), folder)?,
        }
    }
    Ok(())
}

fn unpack(
    entry: Entry<'_, impl Read>,
    kind: EntryType,
    said: Said,
    folder: &mut Folder,
) -> Result<(), ArchiveError> {
    let header = entry.header();
    let name = match said.name {
        Some(name) => name,
        None => utf8(&header.path_bytes())?,
    };
    let mode = header.mode().map_err(damaged)?;
    let seconds = header.mtime().map_err(damaged)?;
    let link = || match (said.link, header.link_name_bytes()) {
        (Some(link), _) => Ok(link),
        (None, Some(link)) => utf8(&link),
        (None, None) => Err(ArchiveError::Damaged(format!(
            "the link `{name}` leads nowhere"
        ))),
    };
    match kind {
        EntryType::Directory => folder.directory(&name),
        EntryType::Regular | EntryType::Continuous => {
            let modified = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            folder.file(&name, entry, mode, modified)
        }
        EntryType::Symlink => folder.link(&name, link()?),
        EntryType::Link => folder.hard_link(&name, &link()?),
        _ => Err(ArchiveError::Kind(name)),
    }
}

fn extended(entry: &mut Entry<'_, impl Read>, said: &mut Said) -> Result<(), ArchiveError> {
    let bytes = header(entry)?;
    for extension in PaxExtensions::new(&bytes) {
        let extension = extension.map_err(damaged)?;
        let value = || utf8(extension.value_bytes());
        match extension.key_bytes() {
            b"path" => said.name = Some(value()?),
            b"linkpath" => said.link = Some(value()?),
            // The library goes on by the size in the entry itself: it must not be another one.
            b"size" => {
                let text =
                    "a size in an extended header, of a file of 8 GiB or more, is not supported";
                return Err(ArchiveError::Damaged(text.to_owned()));
            }
            key if key.starts_with(b"GNU.sparse") => {
                return Err(ArchiveError::Kind("a sparse file".to_owned()));
            }
            // Times in fractions, owners, attributes: not taken over.
            _ => {}
        }
    }
    Ok(())
}

fn text(entry: &mut Entry<'_, impl Read>) -> Result<String, ArchiveError> {
    let bytes = header(entry)?;
    utf8(bytes.strip_suffix(&[0]).unwrap_or(&bytes))
}

fn header(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    let read = entry.take(LONGEST_HEADER + 1).read_to_end(&mut bytes);
    read.map_err(damaged)?;
    if bytes.len() as u64 > LONGEST_HEADER {
        return Err(ArchiveError::Damaged(
            "the headers of an entry are too long".to_owned(),
        ));
    }
    Ok(bytes)
}

fn utf8(bytes: &[u8]) -> Result<String, ArchiveError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(ArchiveError::Path {
            name: String::from_utf8_lossy(bytes).into_owned(),
            why: "is not UTF-8",
        }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn damaged(error: io::Error) -> ArchiveError {
    ArchiveError::Damaged(error.to_string())
}
