//! Process bundles: a directory as one archive, known by its digest.
//!
//! The same content gives the same bytes: entries sorted, no times, no owners, modes 0644, 0755 and
//! links that stay inside. What is written appears as a whole or not at all. `pack.rs` makes,
//! `unpack.rs` takes apart; both block, and hold no file in memory.

use std::io;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use cutover_model::delivery::Digest;

mod hashing;
mod pack;
mod unpack;

#[cfg(test)]
mod tests;

/// Never part of a bundle, at any depth: history is not what runs.
const EXCLUDED: &str = ".git";

/// Why there is no bundle, or no directory from one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The disk said no.
    #[error("`{path}`: {source}")]
    Io {
        /// Which file or directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something that cannot be in a bundle.
    #[error("`{path}` cannot be in a bundle: {reason}")]
    Refused {
        /// From the root of the bundle.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// The bytes are not those that were packed.
    #[error("bundle `{wanted}` is damaged: its content is `{found}`; build the release again")]
    Corrupt {
        /// What it is called.
        wanted: Digest,
        /// What it is.
        found: Digest,
    },
    /// There is no such bundle.
    #[error("bundle `{digest}` is gone; build the release again")]
    Absent {
        /// Which.
        digest: Digest,
    },
    /// The text is not a digest.
    #[error("`{digest}` is not a digest of the form `sha256:` and 64 hexadecimal digits")]
    NotADigest {
        /// The text.
        digest: Digest,
    },
}

impl BundleError {
    pub(crate) fn io(path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    fn refused(path: impl Into<String>, reason: &'static str) -> Self {
        Self::Refused {
            path: path.into(),
            reason,
        }
    }
}

/// The store of bundles below one directory.
#[derive(Debug, Clone)]
pub struct Bundles {
    root: Utf8PathBuf,
}

impl Bundles {
    /// A store; the directory is made when the first bundle comes.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether a bundle is there.
    pub fn exists(&self, digest: &Digest) -> Result<bool, BundleError> {
        let path = self.path(digest)?;
        path.try_exists().map_err(BundleError::io(path))
    }

    /// Takes a bundle away; one that is not there is as good as taken away.
    pub fn remove(&self, digest: &Digest) -> Result<(), BundleError> {
        let path = self.path(digest)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BundleError::io(path)(error))
            }
            _ => Ok(()),
        }
    }

    fn directory(&self) -> Utf8PathBuf {
        self.root.join("sha256")
    }

    /// Digests come out of the event log, but a path is never made of an unchecked text.
    fn path(&self, digest: &Digest) -> Result<Utf8PathBuf, BundleError> {
        let hex = digest.hex();
        let good = digest.0.starts_with("sha256:")
            && hex.len() == 64
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if good {
            Ok(self.directory().join(format!("{hex}.tar")))
        } else {
            Err(BundleError::NotADigest {
                digest: digest.clone(),
            })
        }
    }
}

/// Whether a link at `path` leads to something inside, whatever other links there are.
///
/// `..` may stand only in front: behind a name it would be taken from wherever that name, when it
/// is a link itself, leads to; counting the parts would then prove nothing.
fn stays_inside(path: &Utf8Path, points_to: &Utf8Path) -> bool {
    let depth = path.components().count().saturating_sub(1);
    let mut up = 0;
    let mut named = false;
    for part in points_to.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::Normal(_) => named = true,
            Utf8Component::ParentDir if !named => up += 1,
            Utf8Component::ParentDir | Utf8Component::RootDir | Utf8Component::Prefix(_) => {
                return false;
            }
        }
    }
    up <= depth && !points_to.as_str().is_empty()
}

/// Makes a rename in `directory` survive a loss of power.
fn sync_directory(directory: &Utf8Path) -> Result<(), BundleError> {
    std::fs::File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(BundleError::io(directory))
}
