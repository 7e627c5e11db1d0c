//! The directory an image is built from, as a tar stream: sorted, without owners and times (so that
//! the engine's cache is not missed for nothing), never more than a few blocks in memory.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::Stream;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};
use tokio::sync::mpsc;

use crate::{
    error::Error,
    ignore::{Ignore, Matched},
};

/// Bytes handed over at once.
const CHUNK: usize = 64 * 1024;
/// Chunks on their way; the reader of the disk waits when the engine is slower.
const CHUNKS: usize = 8;
/// A `.dockerignore` beyond this is a mistake.
const IGNORE_LIMIT: u64 = 1024 * 1024;
/// What the Dockerfile is called in the stream when it lies outside the directory.
const FOREIGN_DOCKERFILE: &str = ".dockerfile.cutover";

/// What goes into the stream.
#[derive(Debug)]
pub(crate) struct Context {
    root: PathBuf,
    ignore: Ignore,
    /// Its name in the stream.
    dockerfile: String,
    /// Where it is, when it is not below the root.
    foreign: Option<PathBuf>,
}

/// Keeps nothing but the digest.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Context {
    /// Looks at the directory and its `.dockerignore`; reads nothing else yet.
    pub(crate) fn open(root: &Path, dockerfile: &Path) -> Result<Self, Error> {
        let root = fs::canonicalize(root).map_err(at(root))?;
        let dockerfile = fs::canonicalize(dockerfile).map_err(at(dockerfile))?;
        let (name, foreign) = match dockerfile.strip_prefix(&root) {
            Ok(inside) => (inside.to_string_lossy().into_owned(), None),
            Err(_) => (FOREIGN_DOCKERFILE.to_owned(), Some(dockerfile)),
        };
        let file = root.join(".dockerignore");
        let text = match File::open(&file) {
            Ok(file_open) => {
                let mut text = String::new();
                file_open
                    .take(IGNORE_LIMIT)
                    .read_to_string(&mut text)
                    .map_err(at(&file))?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at(&file)(error)),
        };
        Ok(Self {
            ignore: Ignore::parse(&text)?,
            root,
            dockerfile: name,
            foreign,
        })
    }

    /// The name of the Dockerfile in the stream.
    pub(crate) fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// Starts the walk on a thread that may block. The second half says afterwards whether all of it
    /// was sent: the engine sees only that the stream broke.
    pub(crate) fn stream(
        self,
    ) -> (
        impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
        tokio::task::JoinHandle<Result<(), Error>>,
    ) {
        let (sender, mut receiver) = mpsc::channel(CHUNKS);
        let walk = tokio::task::spawn_blocking(move || {
            let breaker = sender.clone();
            let sent = self.write(Sender::new(sender));
            if sent.is_err() {
                // Without this the archive would merely end early, and the engine might take it.
                let broken = io::Error::other("the build context could not be read");
                breaker.blocking_send(Err(broken)).ok();
            }
            sent
        });
        let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
        (stream, walk)
    }

    /// What the whole stream comes to, and how the Dockerfile is called in it: 64 digits.
    pub(crate) fn digest(&self) -> Result<String, Error> {
        let mut hasher = Hasher(Sha256::new());
        hasher.0.update(self.dockerfile.as_bytes());
        hasher.0.update([0]);
        self.write(&mut hasher)?;
        let digest = hasher.0.finalize();
        Ok(hex::encode(digest))
    }

    fn write(&self, to: impl Write) -> Result<(), Error> {
        let mut archive = tar::Builder::new(to);
        self.walk(&mut archive, Path::new(""), &Matched::default())?;
        if let Some(foreign) = &self.foreign {
            append_file(&mut archive, foreign, Path::new(FOREIGN_DOCKERFILE))?;
        }
        archive
            .into_inner()
            .and_then(|mut to| to.flush())
            .map_err(|source| Error::Context {
                path: self.root.clone(),
                source,
            })
    }

    fn walk(
        &self,
        archive: &mut tar::Builder<impl Write>,
        below: &Path,
        parent: &Matched,
    ) -> Result<(), Error> {
        let directory = self.root.join(below);
        for name in sorted_names(&directory)? {
            let inside = below.join(&name);
            let (ignored, matched) = self.ignore.judge(&inside.to_string_lossy(), parent);
            let path = self.root.join(&inside);
            let kind = fs::symlink_metadata(&path).map_err(at(&path))?.file_type();
            if kind.is_dir() {
                if !ignored {
                    append_link_or_directory(archive, &path, &inside, EntryType::Directory)?;
                }
                if !ignored || self.ignore.may_take_back() {
                    self.walk(archive, &inside, &matched)?;
                }
            } else if ignored && !self.always_sent(&inside) {
                // Left out.
            } else if kind.is_file() {
                append_file(archive, &path, &inside)?;
            } else if kind.is_symlink() {
                append_link_or_directory(archive, &path, &inside, EntryType::Symlink)?;
            }
            // Sockets, pipes and devices cannot be built from.
        }
        Ok(())
    }

    /// The engine needs both, even when `.dockerignore` names them; so does its own client.
    fn always_sent(&self, inside: &Path) -> bool {
        inside == Path::new(&self.dockerfile) || inside == Path::new(".dockerignore")
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Context { path, source }
}

fn sorted_names(directory: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    let mut names = fs::read_dir(directory)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(at(directory))?;
    names.sort();
    Ok(names)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode & 0o777);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn append_link_or_directory(
    archive: &mut tar::Builder<impl Write>,
    path: &Path,
    inside: &Path,
    kind: EntryType,
) -> Result<(), Error> {
    let appended = if kind == EntryType::Symlink {
        fs::read_link(path).and_then(|points_to| {
            archive.append_link(&mut header(kind, 0o777, 0), inside, points_to)
        })
    } else {
        fs::symlink_metadata(path).and_then(|metadata| {
            let mode = metadata.permissions().mode();
            archive.append_data(&mut header(kind, mode, 0), inside, io::empty())
        })
    };
    appended.map_err(at(path))
}

fn append_file(
    archive: &mut tar::Builder<impl Write>,
    path: &Path,
    inside: &Path,
) -> Result<(), Error> {
    let mut append = || {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let size = metadata.len();
        let mut header = header(EntryType::Regular, metadata.permissions().mode(), size);
        // A file that grows must not run over into the next header; one that shrinks is an error.
        let mut counted = Counted {
            left: size,
            inner: &mut file,
        };
        archive.append_data(&mut header, inside, &mut counted)?;
        if counted.left > 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        Ok(())
    };
    append().map_err(at(path))
}

/// Reads at most as much as was promised, and remembers what is missing.
struct Counted<'a> {
    left: u64,
    inner: &'a mut File,
}

impl io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.inner.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Collects small writes into chunks and hands them over, waiting when nobody takes them.
struct Sender {
    to: mpsc::Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
}

impl Sender {
    fn new(to: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self {
            to,
            chunk: Vec::with_capacity(CHUNK),
        }
    }
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..count]);
        if self.chunk.len() == CHUNK {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.to
            .blocking_send(Ok(Bytes::from(chunk)))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the engine hung up"))
    }
}

#[cfg(test)]
mod tests;
