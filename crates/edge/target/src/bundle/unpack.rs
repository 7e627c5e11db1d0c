//! From an archive to a directory. The archive is believed in nothing: names, links and kinds are
//! checked while it is read, and what was made is kept only when the digest was right at the end.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, BufReader, Read},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink},
};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use cutover_model::delivery::Digest;
use tar::{Archive, Entry, EntryType};

use super::{BundleError, Bundles, hashing::Hashing, stays_inside, sync_directory};

const BUFFER: usize = 128 * 1024;

impl Bundles {
    /// Unpacks a bundle as the directory `into`, which appears when all is there and right. When it
    /// exists already, nothing happens.
    pub fn unpack(&self, digest: &Digest, into: &Utf8Path) -> Result<(), BundleError> {
        let path = self.path(digest)?;
        if into.try_exists().map_err(BundleError::io(into))? {
            return Ok(());
        }
        let file = File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BundleError::Absent {
                digest: digest.clone(),
            },
            _ => BundleError::Io {
                path: path.clone(),
                source,
            },
        })?;
        let parent = into.parent().unwrap_or_else(|| Utf8Path::new("/"));
        fs::create_dir_all(parent).map_err(BundleError::io(parent))?;
        let temporary = tempfile::Builder::new()
            .prefix(".unpack-")
            .tempdir_in(parent)
            .map_err(BundleError::io(parent))?;
        let root = Utf8Path::from_path(temporary.path()).ok_or_else(|| {
            BundleError::refused(into.as_str(), "the name of its directory is not UTF-8")
        })?;

        let found = extract(BufReader::with_capacity(BUFFER, file), root, &path)?;
        if found != *digest {
            return Err(BundleError::Corrupt {
                wanted: digest.clone(),
                found,
            });
        }
        seal(root)?;
        match fs::rename(root, into) {
            Ok(()) => sync_directory(parent),
            // Somebody was faster with the same content.
            Err(_) if into.is_dir() => Ok(()),
            Err(source) => Err(BundleError::Io {
                path: into.to_owned(),
                source,
            }),
        }
    }
}

/// Opens the directory for others, and puts all of it on the disk before it gets its name: one
/// call for the file system instead of one for each file.
fn seal(root: &Utf8Path) -> Result<(), BundleError> {
    fs::set_permissions(root, Permissions::from_mode(0o755)).map_err(BundleError::io(root))?;
    let handle = File::open(root).map_err(BundleError::io(root))?;
    rustix::fs::syncfs(&handle).map_err(|error| BundleError::io(root)(error.into()))
}

/// Writes all entries below `root`, and returns the digest of the archive to its last byte.
fn extract(
    from: impl Read,
    root: &Utf8Path,
    archive_path: &Utf8Path,
) -> Result<Digest, BundleError> {
    let io = |source| BundleError::Io {
        path: archive_path.to_owned(),
        source,
    };
    let mut archive = Archive::new(Hashing::new(from));
    let mut extractor = Extractor {
        root,
        parent: Utf8PathBuf::new(),
    };
    for entry in archive.entries().map_err(io)? {
        extractor.take(entry.map_err(io)?)?;
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(io)?;
    Ok(rest.finish().0)
}

struct Extractor<'a> {
    root: &'a Utf8Path,
    /// The directory that was checked last; nothing here is ever replaced, so it stays one.
    parent: Utf8PathBuf,
}

impl Extractor<'_> {
    fn take<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), BundleError> {
        let inside = name(&entry)?;
        self.check_parent(&inside)?;
        let path = self.root.join(&inside);
        let made = match entry.header().entry_type() {
            EntryType::Directory => DirBuilder::new().mode(0o755).create(&path),
            EntryType::Regular => write_file(&mut entry, &path),
            EntryType::Symlink => {
                let points_to = link_name(&entry, &inside)?;
                if !stays_inside(&inside, &points_to) {
                    return Err(BundleError::refused(
                        inside.as_str(),
                        "it is a link that leads outside",
                    ));
                }
                symlink(points_to, &path)
            }
            _ => {
                return Err(BundleError::refused(
                    inside.as_str(),
                    "it is neither a file, nor a directory, nor a symbolic link",
                ));
            }
        };
        made.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => {
                BundleError::refused(inside.as_str(), "it is there twice")
            }
            _ => BundleError::Io { path, source },
        })
    }

    /// All above must be directories that came before: never a link to write through.
    fn check_parent(&mut self, inside: &Utf8Path) -> Result<(), BundleError> {
        let parent = inside.parent().unwrap_or_else(|| Utf8Path::new(""));
        if parent == self.parent {
            return Ok(());
        }
        for above in parent
            .ancestors()
            .filter(|above| !above.as_str().is_empty())
        {
            let found = fs::symlink_metadata(self.root.join(above));
            if !found.is_ok_and(|metadata| metadata.is_dir()) {
                return Err(BundleError::refused(
                    inside.as_str(),
                    "what it lies in is not a directory",
                ));
            }
        }
        parent.clone_into(&mut self.parent);
        Ok(())
    }
}

fn name<R: Read>(entry: &Entry<'_, R>) -> Result<Utf8PathBuf, BundleError> {
    let bytes = entry.path_bytes();
    let Ok(text) = str::from_utf8(&bytes) else {
        return Err(BundleError::refused(
            String::from_utf8_lossy(&bytes),
            "its name is not UTF-8",
        ));
    };
    let path = Utf8Path::new(text);
    let plain = !text.is_empty()
        && !text.contains('\0')
        && path
            .components()
            .all(|part| matches!(part, Utf8Component::Normal(_)));
    if plain {
        Ok(path.to_owned())
    } else {
        Err(BundleError::refused(
            text,
            "its name is empty, begins with `/` or has `.` or `..` in it",
        ))
    }
}

fn link_name<R: Read>(entry: &Entry<'_, R>, inside: &Utf8Path) -> Result<Utf8PathBuf, BundleError> {
    entry
        .link_name_bytes()
        .and_then(|bytes| String::from_utf8(bytes.into_owned()).ok())
        .map(Utf8PathBuf::from)
        .ok_or_else(|| BundleError::refused(inside.as_str(), "it is a link to no readable name"))
}

fn write_file<R: Read>(entry: &mut Entry<'_, R>, path: &Utf8Path) -> io::Result<()> {
    let runnable = entry.header().mode()? & 0o100 != 0;
    let size = entry.size();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if runnable { 0o755 } else { 0o644 })
        .open(path)?;
    let written = io::copy(entry, &mut file)?;
    if written < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
