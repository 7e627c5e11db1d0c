//! The folder that an archive is unpacked into: every way to a file is looked at before it is gone, links
//! come last, and what comes is counted.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    time::SystemTime,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{ArchiveError, Bounds, Extracted, path};

/// The target of a link is not longer.
const LONGEST_TARGET: u64 = 4_096;

pub(super) struct Folder {
    root: Utf8PathBuf,
    bounds: Bounds,
    /// Only what is in this folder of the archive is unpacked; its links may lead anywhere.
    only: Option<Utf8PathBuf>,
    done: Extracted,
    /// Folders below the root that were seen to be real.
    real: BTreeSet<Utf8PathBuf>,
    /// Links wait until all files are there, so that no file can go through one.
    links: Vec<(Utf8PathBuf, String)>,
}

impl Folder {
    pub(super) fn open(root: &Utf8Path, bounds: Bounds) -> Result<Self, ArchiveError> {
        fs::create_dir_all(root).map_err(ArchiveError::io(root))?;
        Ok(Self {
            root: root.to_owned(),
            bounds,
            only: None,
            done: Extracted::default(),
            real: BTreeSet::new(),
            links: Vec::new(),
        })
    }

    pub(super) fn only(mut self, prefix: &Utf8Path) -> Self {
        self.only = Some(prefix.to_owned());
        self
    }

    /// An entry that is a folder.
    pub(super) fn directory(&mut self, name: &str) -> Result<(), ArchiveError> {
        match self.entry(name)? {
            Some(path) => self.make_real(&path),
            None => Ok(()),
        }
    }

    /// An entry that is a file.
    pub(super) fn file(
        &mut self,
        name: &str,
        contents: impl Read,
        mode: u32,
        modified: Option<SystemTime>,
    ) -> Result<(), ArchiveError> {
        let Some(path) = self.entry(name)? else {
            return Ok(());
        };
        let place = self.place(&path)?;
        let failed = || ArchiveError::io(&place);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&place)
            .map_err(failed())?;
        self.copy(contents, &mut file, &place)?;
        let permissions = fs::Permissions::from_mode(mode & 0o777);
        file.set_permissions(permissions).map_err(failed())?;
        if let Some(modified) = modified {
            file.set_modified(modified).map_err(failed())?;
        }
        Ok(())
    }

    fn copy(
        &mut self,
        contents: impl Read,
        file: &mut File,
        place: &Utf8Path,
    ) -> Result<(), ArchiveError> {
        let left = self.bounds.bytes - self.done.bytes;
        // One more than there may be, to see whether there is more.
        let mut contents = Counted {
            contents: contents.take(left.saturating_add(1)),
            broken: None,
        };
        let copied = io::copy(&mut contents, file);
        if let Some(error) = contents.broken {
            return Err(ArchiveError::Damaged(error));
        }
        self.done.bytes += copied.map_err(ArchiveError::io(place))?;
        if self.done.bytes > self.bounds.bytes {
            return Err(ArchiveError::TooMuch {
                what: "bytes",
                limit: self.bounds.bytes,
            });
        }
        Ok(())
    }

    /// An entry that is a symbolic link.
    pub(super) fn link(&mut self, name: &str, target: String) -> Result<(), ArchiveError> {
        let Some(path) = self.entry(name)? else {
            return Ok(());
        };
        let is_short = target.len() as u64 <= LONGEST_TARGET;
        let is_fine = self.only.is_some() || path::is_target_inside(&path, &target);
        if path.as_str().is_empty() || !is_short || !is_fine {
            return Err(ArchiveError::Link {
                name: name.to_owned(),
                target: target.chars().take(300).collect(),
            });
        }
        self.links.push((path, target));
        Ok(())
    }

    /// A symbolic link whose target is its contents.
    pub(super) fn link_from(
        &mut self,
        name: &str,
        contents: impl Read,
    ) -> Result<(), ArchiveError> {
        let mut target = String::new();
        let read = contents
            .take(LONGEST_TARGET + 1)
            .read_to_string(&mut target);
        read.map_err(|error| ArchiveError::Damaged(error.to_string()))?;
        self.link(name, target)
    }

    /// An entry that is another name of a file that came before.
    pub(super) fn hard_link(&mut self, name: &str, other: &str) -> Result<(), ArchiveError> {
        let Some(path) = self.entry(name)? else {
            return Ok(());
        };
        let source = path::inside(other)?;
        let source = match &self.only {
            Some(prefix) => source.strip_prefix(prefix).map(Utf8Path::to_owned),
            None => Ok(source),
        };
        let source = source.unwrap_or_default();
        let outside = || ArchiveError::Link {
            name: name.to_owned(),
            target: other.to_owned(),
        };
        if source.as_str().is_empty() || source == path {
            return Err(outside());
        }
        self.make_real(source.parent().unwrap_or(Utf8Path::new("")))?;
        let from = self.root.join(source);
        if !fs::symlink_metadata(&from).is_ok_and(|there| there.is_file()) {
            return Err(outside());
        }
        let place = self.place(&path)?;
        fs::hard_link(from, &place).map_err(ArchiveError::io(&place))
    }

    /// Makes the links, and says what there is.
    pub(super) fn finish(mut self) -> Result<Extracted, ArchiveError> {
        for (path, target) in std::mem::take(&mut self.links) {
            let place = self.place(&path)?;
            symlink(target, &place).map_err(ArchiveError::io(&place))?;
        }
        Ok(self.done)
    }

    /// Counts an entry and gives its path below the root; none for what is not wanted.
    fn entry(&mut self, name: &str) -> Result<Option<Utf8PathBuf>, ArchiveError> {
        self.done.entries += 1;
        if self.done.entries > self.bounds.entries {
            return Err(ArchiveError::TooMuch {
                what: "entries",
                limit: self.bounds.entries,
            });
        }
        let path = path::inside(name)?;
        Ok(match &self.only {
            Some(prefix) => path.strip_prefix(prefix).ok().map(Utf8Path::to_owned),
            None => Some(path),
        })
    }

    /// Where a file goes, with nothing there and only real folders on the way.
    fn place(&mut self, path: &Utf8Path) -> Result<Utf8PathBuf, ArchiveError> {
        if path.as_str().is_empty() {
            return Err(ArchiveError::Path {
                name: ".".to_owned(),
                why: "is the folder itself",
            });
        }
        self.make_real(path.parent().unwrap_or(Utf8Path::new("")))?;
        let place = self.root.join(path);
        match fs::symlink_metadata(&place) {
            Ok(there) if there.is_dir() => Err(ArchiveError::Path {
                name: path.to_string(),
                why: "is a folder already",
            }),
            Ok(_) => {
                fs::remove_file(&place).map_err(ArchiveError::io(&place))?;
                Ok(place)
            }
            Err(_) => Ok(place),
        }
    }

    /// Makes a folder and those above it; each that is there already must be one, and no link.
    fn make_real(&mut self, path: &Utf8Path) -> Result<(), ArchiveError> {
        let mut below = Utf8PathBuf::new();
        for part in path.components() {
            below.push(part);
            if self.real.contains(&below) {
                continue;
            }
            let place = self.root.join(&below);
            match fs::symlink_metadata(&place) {
                Ok(there) if there.is_dir() => {}
                Ok(_) => {
                    return Err(ArchiveError::Path {
                        name: path.to_string(),
                        why: "goes through something that is no folder",
                    });
                }
                Err(_) => fs::create_dir(&place).map_err(ArchiveError::io(&place))?,
            }
            self.real.insert(below.clone());
        }
        Ok(())
    }
}

/// Tells a fault of the archive from one of the disk.
struct Counted<R> {
    contents: R,
    broken: Option<String>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.contents.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.broken = Some(error.to_string());
            }
        })
    }
}
