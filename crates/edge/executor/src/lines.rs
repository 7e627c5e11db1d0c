//! Streams to the supervisors of jobs, on each of which one step after the other is started and heard of.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::watch,
};

use crate::{
    error::Error,
    layout::{Layout, StepKey},
    process::ProcessExecutor,
    protocol::{OVER, Reply, connect, is_gone},
};

/// Streams to supervisors on which the next step can be started, by the directories of their jobs.
pub(crate) type Lines = Arc<Mutex<BTreeMap<Utf8PathBuf, Vec<Line>>>>;

/// A stream to the supervisor of a job on which one step after the other is started.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
    /// What was read and not looked at yet.
    unread: Vec<u8>,
}

impl Line {
    /// Opens one; `None` when there is no supervisor.
    pub(crate) fn open(dir: &Utf8Path) -> io::Result<Option<Self>> {
        let stream = connect(dir)?;
        Ok(stream.map(|stream| Self {
            stream,
            unread: Vec::new(),
        }))
    }

    /// Asks for something that is not answered.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    /// Asks for a step to be started. `None` when nobody is there to answer.
    pub(crate) async fn begin(&mut self, request: &[u8]) -> io::Result<Option<Reply>> {
        match self.stream.write_all(request).await {
            Err(error) if is_gone(&error) => return Ok(None),
            written => written?,
        }
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.unread) {
                let reply = serde_json::from_slice(&self.unread[..end])?;
                self.unread.drain(..=end);
                return Ok(Some(reply));
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) if self.unread.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for news of the step that was started last.
    pub(crate) async fn news(&mut self) -> News {
        if self.unread.is_empty()
            && !matches!(self.stream.read_buf(&mut self.unread).await, Ok(1..))
        {
            return News::Lost;
        }
        let over = self.unread.ends_with(OVER);
        self.unread.clear();
        if over { News::Over } else { News::Grew }
    }
}

/// What is told of a step after it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Its log has grown.
    Grew,
    /// It has ended; the stream is free.
    Over,
    /// Nothing more is told: it has ended, or its supervisor has.
    Lost,
}

impl ProcessExecutor {
    /// Asks for a step to be started, on a stream that is free or on a new one. `None` when there is no
    /// supervisor.
    pub(crate) async fn begin(
        &self,
        layout: &Layout,
        request: &[u8],
    ) -> io::Result<Option<(Reply, Line)>> {
        // Those that are left from a supervisor before this one are of no use any more.
        while let Some(mut line) = self.free_line(layout) {
            if let Some(reply) = line.begin(request).await? {
                return Ok(Some((reply, line)));
            }
        }
        let Some(mut line) = Line::open(&layout.dir)? else {
            return Ok(None);
        };
        let reply = line.begin(request).await?;
        Ok(reply.map(|reply| (reply, line)))
    }

    pub(crate) fn free_line(&self, layout: &Layout) -> Option<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get_mut(&layout.dir)?.pop()
    }

    /// The next step may be started on it.
    fn free(&self, layout: &Layout, line: Line) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(layout.dir.clone()).or_default().push(line);
    }

    /// Hands on the news of a step to whoever asks in this process, until it has ended.
    fn hear(&self, layout: &Layout, key: &StepKey, mut line: Line) {
        let (growth, _) = watch::channel(());
        let (key, layout, executor) = (key.clone(), layout.clone(), self.clone());
        self.local
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone(), growth.clone());
        drop(tokio::spawn(async move {
            loop {
                match line.news().await {
                    News::Grew => {
                        growth.send_replace(());
                    }
                    News::Over => {
                        executor.free(&layout, line);
                        break;
                    }
                    News::Lost => break,
                }
            }
            // With the last sender the notices end, and whoever waits looks for the record.
            executor
                .local
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
        }));
    }

    /// What follows from the answer of a supervisor.
    pub(crate) fn begun_by(
        &self,
        layout: &Layout,
        key: &StepKey,
        reply: Reply,
        line: Line,
    ) -> Result<(), Error> {
        match reply {
            Reply::Started => self.hear(layout, key, line),
            Reply::Done => self.free(layout, line),
            Reply::Refused(reason) => {
                self.free(layout, line);
                return Err(Error::Refused(reason));
            }
        }
        self.begins.notify_waiters();
        Ok(())
    }

    pub(crate) fn close_lines(&self, layout: &Layout) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.remove(&layout.dir);
        drop(lines);
        self.forget_foreseen(layout);
    }
}
