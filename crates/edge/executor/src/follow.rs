//! A log as it grows.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use bytes::Bytes;
use camino::Utf8PathBuf;
use tokio::{io::AsyncReadExt as _, net::UnixStream, sync::watch};

use crate::protocol::is_gone;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// News of a step: that its log has grown, and that it has ended.
#[derive(Debug)]
pub(crate) enum Notices {
    /// There is nobody to ask, or nothing to come.
    None,
    /// Its supervisor tells.
    Supervisor(UnixStream),
    /// It runs in this process.
    Local(watch::Receiver<()>),
}

impl Notices {
    /// Waits for news; `false` when there will be none, because it has ended or its supervisor has.
    pub(crate) async fn next(&mut self) -> io::Result<bool> {
        match self {
            Self::None => Ok(false),
            Self::Supervisor(stream) => {
                let mut bytes = [0; 512];
                match stream.read(&mut bytes).await {
                    Ok(count) => Ok(count > 0),
                    Err(error) if is_gone(&error) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Self::Local(growth) => Ok(growth.changed().await.is_ok()),
        }
    }
}

/// A reader that waits at the end of a log until there is more, and ends with the step.
#[derive(Debug)]
pub struct Follow {
    path: Utf8PathBuf,
    /// Absent until there is a log.
    file: Option<File>,
    at: u64,
    notices: Notices,
    over: bool,
}

impl Follow {
    pub(crate) const fn new(path: Utf8PathBuf, from: u64, notices: Notices) -> Self {
        Self {
            path,
            file: None,
            at: from,
            notices,
            over: false,
        }
    }

    /// The next bytes, at most 64 KiB of them; `None` when the step has ended and all is read. May be
    /// dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            // Asked before it is read: what is written after the last look is read in the next round.
            let over = self.over;
            if let Some(bytes) = self.read()? {
                return Ok(Some(bytes));
            }
            if over {
                return Ok(None);
            }
            self.over = !self.notices.next().await?;
        }
    }

    /// Where the next bytes begin.
    pub const fn position(&self) -> u64 {
        self.at
    }

    fn read(&mut self) -> io::Result<Option<Bytes>> {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let mut bytes = vec![0; CHUNK];
        let count = file.read_at(&mut bytes, self.at)?;
        if count == 0 {
            return Ok(None);
        }
        bytes.truncate(count);
        self.at += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(Some(bytes.into()))
    }
}
