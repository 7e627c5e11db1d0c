//! Zip archives, entry by entry.

use std::fs::File;

use ::zip::{ZipArchive, result::ZipError};

use super::{ArchiveError, folder::Folder};

const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

pub(super) fn extract(file: File, folder: &mut Folder) -> Result<(), ArchiveError> {
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        let mode = entry.unix_mode();
        if name.contains('\\') {
            return Err(ArchiveError::Path {
                name,
                why: "has a backslash, which other systems take for a folder",
            });
        }
        if entry.is_dir() {
            folder.directory(&name)?;
        } else if entry.is_symlink() {
            folder.link_from(&name, entry)?;
        } else if mode.is_none_or(|mode| matches!(mode & KIND, 0 | REGULAR)) {
            folder.file(&name, entry, mode.unwrap_or(0o644), None)?;
        } else {
            return Err(ArchiveError::Kind(name));
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn damaged(error: ZipError) -> ArchiveError {
    ArchiveError::Damaged(error.to_string())
}
