//! From a directory to an archive.

use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Read as _, Write},
    os::unix::fs::PermissionsExt as _,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::delivery::Digest;
use tar::{EntryType, Header};

use super::{BundleError, Bundles, EXCLUDED, hashing::Hashing, stays_inside, sync_directory};

const BUFFER: usize = 128 * 1024;

impl Bundles {
    /// Packs a directory without its `.git`. The same content, the same digest; packing what is
    /// there already changes nothing.
    pub fn pack(&self, directory: &Utf8Path) -> Result<Digest, BundleError> {
        let store = self.directory();
        fs::create_dir_all(&store).map_err(BundleError::io(&store))?;
        let root = canonical(directory)?;
        if canonical(&store)?.starts_with(&root) {
            return Err(BundleError::refused(
                directory.as_str(),
                "the store of bundles lies inside it; build from another directory",
            ));
        }
        let temporary = tempfile::Builder::new()
            .prefix(".pack-")
            .tempfile_in(&store)
            .map_err(BundleError::io(&store))?;

        let to = Hashing::new(BufWriter::with_capacity(BUFFER, temporary));
        let mut archive = tar::Builder::new(to);
        let mut walk = vec![Utf8PathBuf::new()];
        while let Some(inside) = walk.pop() {
            append(&mut archive, &root, &inside, &mut walk)?;
        }

        let failed = |source| BundleError::Io {
            path: store.clone(),
            source,
        };
        let (digest, buffered) = archive.into_inner().map_err(failed)?.finish();
        let temporary = buffered
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        temporary.as_file().sync_all().map_err(failed)?;
        let path = self.path(&digest)?;
        temporary
            .persist(&path)
            .map_err(|error| failed(error.error))?;
        sync_directory(&store)?;
        Ok(digest)
    }
}

fn canonical(path: &Utf8Path) -> Result<Utf8PathBuf, BundleError> {
    path.canonicalize_utf8().map_err(BundleError::io(path))
}

/// Appends one entry; the children of a directory are put on the walk, the first on top.
fn append(
    archive: &mut tar::Builder<impl Write>,
    root: &Utf8Path,
    inside: &Utf8Path,
    walk: &mut Vec<Utf8PathBuf>,
) -> Result<(), BundleError> {
    let path = root.join(inside);
    let io = |source| BundleError::Io {
        path: path.clone(),
        source,
    };
    let metadata = fs::symlink_metadata(&path).map_err(io)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        if !inside.as_str().is_empty() {
            let mut header = header(EntryType::Directory, 0o755, 0);
            archive
                .append_data(&mut header, inside, io::empty())
                .map_err(io)?;
        }
        walk.extend(children(root, inside)?.into_iter().rev());
        Ok(())
    } else if kind.is_symlink() {
        let points_to = path.read_link_utf8().map_err(io)?;
        if !stays_inside(inside, &points_to) {
            return Err(BundleError::refused(
                inside.as_str(),
                "it is a link that leads outside; copy the file, or link to a path below",
            ));
        }
        let mut header = header(EntryType::Symlink, 0o777, 0);
        archive
            .append_link(&mut header, inside, points_to)
            .map_err(io)
    } else if kind.is_file() {
        append_file(archive, &path, inside, &metadata).map_err(io)
    } else {
        Err(BundleError::refused(
            inside.as_str(),
            "it is a socket, a pipe or a device",
        ))
    }
}

fn children(root: &Utf8Path, inside: &Utf8Path) -> Result<Vec<Utf8PathBuf>, BundleError> {
    let path = root.join(inside);
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).map_err(BundleError::io(&path))? {
        let name = entry.map_err(BundleError::io(&path))?.file_name();
        match name.to_str() {
            Some(EXCLUDED) => {}
            Some(name) => names.push(inside.join(name)),
            None => {
                return Err(BundleError::refused(
                    inside.join(name.to_string_lossy().as_ref()).as_str(),
                    "its name is not UTF-8; rename it",
                ));
            }
        }
    }
    names.sort();
    Ok(names)
}

fn append_file(
    archive: &mut tar::Builder<impl Write>,
    path: &Utf8Path,
    inside: &Utf8Path,
    metadata: &Metadata,
) -> io::Result<()> {
    let runnable = metadata.permissions().mode() & 0o100 != 0;
    let size = metadata.len();
    let mut header = header(
        EntryType::Regular,
        if runnable { 0o755 } else { 0o644 },
        size,
    );
    // A file that grows must not run over into the next header; one that shrinks is an error.
    let mut content = File::open(path)?.take(size);
    archive.append_data(&mut header, inside, &mut content)?;
    if content.limit() > 0 {
        return Err(io::Error::other("it became shorter while it was read"));
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}
