//! Packing: what is in a folder, in the order of its names, links as links.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
};

use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};
use camino::{Utf8Path, Utf8PathBuf};

use super::{ArchiveError, Format, path};
use crate::disk;

/// From here on a zip entry needs 64-bit sizes.
const LARGE: u64 = u32::MAX as u64;

/// An archive that was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the archive.
    pub size: u64,
    /// SHA-256 of the archive, as hexadecimal digits.
    pub sha256: String,
    /// Files, folders and links in it.
    pub entries: u64,
    /// What was passed over: sockets, pipes and devices.
    pub skipped: Vec<Utf8PathBuf>,
}

/// Files and folders of one place.
#[derive(Debug, Clone)]
pub struct Part {
    /// The place.
    pub root: Utf8PathBuf,
    /// The folder of the archive that they go into; empty for none.
    pub prefix: Utf8PathBuf,
    /// Below `root`.
    pub paths: Vec<Utf8PathBuf>,
}

/// How files are packed.
#[derive(Debug, Clone, Copy)]
pub struct PackOptions {
    /// As what.
    pub format: Format,
    /// Whether a link to a file is packed as that file.
    pub follow_links: bool,
    /// How hard a zip archive is compressed, from 0 to 9; absent: as usual.
    pub level: Option<u8>,
}

/// Packs files and folders, named below `root`, into an archive at `to`. Blocks.
pub fn pack(
    root: &Utf8Path,
    paths: &[Utf8PathBuf],
    format: Format,
    to: &Utf8Path,
) -> Result<Packed, ArchiveError> {
    let part = Part {
        root: root.to_owned(),
        prefix: Utf8PathBuf::new(),
        paths: paths.to_vec(),
    };
    let options = PackOptions {
        format,
        follow_links: false,
        level: None,
    };
    pack_parts(&[part], options, to)
}

/// Packs what is in several places into one archive at `to`. Blocks.
pub fn pack_parts(
    parts: &[Part],
    options: PackOptions,
    to: &Utf8Path,
) -> Result<Packed, ArchiveError> {
    let failed = || ArchiveError::io(to);
    let file = File::create(to).map_err(failed())?;
    let mut packing = Packing {
        follow_links: options.follow_links,
        entries: 0,
        skipped: Vec::new(),
    };
    match options.format {
        Format::Zip => {
            let mut writer = Zip {
                writer: ZipWriter::new(file),
                level: options.level,
            };
            packing.all(parts, &mut writer)?;
            let writer = writer.writer;
            writer
                .finish()
                .map_err(io::Error::other)
                .map_err(failed())?;
        }
        Format::Tar => {
            let mut writer = tar_writer(file);
            packing.all(parts, &mut writer)?;
            writer.into_inner().map_err(failed())?;
        }
        Format::TarGz => {
            let fast = flate2::Compression::fast();
            let mut writer = tar_writer(flate2::write::GzEncoder::new(file, fast));
            packing.all(parts, &mut writer)?;
            let written = writer
                .into_inner()
                .and_then(flate2::write::GzEncoder::finish);
            written.map_err(failed())?;
        }
    }
    Ok(Packed {
        size: fs::metadata(to).map_err(failed())?.len(),
        sha256: disk::sha256(to).map_err(failed())?,
        entries: packing.entries,
        skipped: packing.skipped,
    })
}

fn tar_writer<W: Write>(to: W) -> ::tar::Builder<W> {
    let mut writer = ::tar::Builder::new(to);
    writer.follow_symlinks(false);
    writer.sparse(false);
    writer
}

struct Packing {
    follow_links: bool,
    entries: u64,
    skipped: Vec<Utf8PathBuf>,
}

impl Packing {
    fn all(&mut self, parts: &[Part], to: &mut impl Sink) -> Result<(), ArchiveError> {
        for part in parts {
            for path in &part.paths {
                self.one(part, path::inside(path.as_str())?, to)?;
            }
        }
        Ok(())
    }

    /// A file, a link, or a folder with all that is in it. By a list of what is left, not by calling itself: a
    /// deep folder is no deep stack.
    fn one(
        &mut self,
        part: &Part,
        path: Utf8PathBuf,
        to: &mut impl Sink,
    ) -> Result<(), ArchiveError> {
        let mut left = vec![path];
        while let Some(path) = left.pop() {
            let place = part.root.join(&path);
            let failed = || ArchiveError::io(&place);
            let there = if self.follow_links {
                fs::metadata(&place)
            } else {
                fs::symlink_metadata(&place)
            };
            let there = there.map_err(failed())?;
            let kind = there.file_type();
            if kind.is_dir() {
                let names = disk::names(&place).map_err(failed())?;
                left.extend(names.iter().rev().map(|name| path.join(name)));
            }
            // The root itself is no entry.
            if path.as_str().is_empty() {
                continue;
            }
            if kind.is_dir() || kind.is_file() || kind.is_symlink() {
                let name = part.prefix.join(&path);
                to.add(&name, &place, &there).map_err(failed())?;
                self.entries += 1;
            } else {
                self.skipped.push(path);
            }
        }
        Ok(())
    }
}

/// What takes entries.
trait Sink {
    fn add(&mut self, path: &Utf8Path, place: &Utf8Path, there: &Metadata) -> io::Result<()>;
}

impl<W: Write> Sink for ::tar::Builder<W> {
    fn add(&mut self, path: &Utf8Path, place: &Utf8Path, _: &Metadata) -> io::Result<()> {
        self.append_path_with_name(place, path)
    }
}

/// A zip archive that is being written.
struct Zip {
    writer: ZipWriter<File>,
    level: Option<u8>,
}

impl Sink for Zip {
    fn add(&mut self, path: &Utf8Path, place: &Utf8Path, there: &Metadata) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(match self.level {
                Some(0) => CompressionMethod::Stored,
                _ => CompressionMethod::Deflated,
            })
            .compression_level(self.level.filter(|&level| level > 0).map(i64::from))
            .unix_permissions(there.permissions().mode() & 0o777)
            .large_file(there.len() >= LARGE);
        if there.is_dir() {
            return self
                .writer
                .add_directory(path.as_str(), options)
                .map_err(io::Error::other);
        }
        if there.is_symlink() {
            let target = place.read_link_utf8()?;
            let added = self
                .writer
                .add_symlink(path.as_str(), target.as_str(), options);
            return added.map_err(io::Error::other);
        }
        self.writer
            .start_file(path.as_str(), options)
            .map_err(io::Error::other)?;
        io::copy(&mut File::open(place)?, &mut self.writer).map(drop)
    }
}
