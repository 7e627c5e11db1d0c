//! Files of access logs: each with a writer of its own, off the way of requests.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use camino::Utf8PathBuf;
use tokio::sync::{mpsc, oneshot};

use crate::{
    access_log::Line,
    control::{self, AccessLogStatus},
    lock::locked,
};

/// Lines that wait for the disk. Further ones are dropped.
const WAITING: usize = 4_096;
const NAME: &str = "access.log";

/// All files that are open.
#[derive(Debug, Default)]
pub(crate) struct LogFiles {
    /// Where those without a place of their own are.
    folder: Utf8PathBuf,
    open: Mutex<BTreeMap<Bounds, Weak<LogFile>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Bounds {
    path: Utf8PathBuf,
    max_bytes: u64,
    keep: u32,
}

/// What a writer is told.
enum Message {
    Line(Box<Line>),
    /// Answered when all lines before are written.
    Flush(oneshot::Sender<()>),
}

/// One file. Its writer ends with it.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: Utf8PathBuf,
    waiting: mpsc::Sender<Message>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl LogFiles {
    pub(crate) fn new(folder: Utf8PathBuf) -> Self {
        Self {
            folder,
            open: Mutex::default(),
        }
    }

    /// Waits until the lines so far are written.
    pub(crate) async fn flush(&self) {
        let open: Vec<_> = locked(&self.open)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for file in open {
            file.flush().await;
        }
    }

    /// The file that a table tells of, shared with whoever has it open.
    pub(crate) fn open(&self, told: &control::AccessLog) -> Arc<LogFile> {
        let path = told.file.as_ref();
        let bounds = Bounds {
            path: path.map_or_else(|| self.folder.join(NAME), Utf8PathBuf::from),
            max_bytes: told.max_bytes,
            keep: told.keep,
        };
        let mut open = locked(&self.open);
        open.retain(|_, file| file.strong_count() > 0);
        if let Some(known) = open.get(&bounds).and_then(Weak::upgrade) {
            return known;
        }
        let file = Arc::new(LogFile::new(&bounds));
        open.insert(bounds, Arc::downgrade(&file));
        file
    }
}

impl LogFile {
    fn new(bounds: &Bounds) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING);
        let counts = Arc::<Counts>::default();
        let writer = Writer {
            bounds: bounds.clone(),
            counts: Arc::clone(&counts),
            page: None,
        };
        // Without a thread every line is dropped, and counted as such.
        let _started = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(waiting));
        Self {
            path: bounds.path.clone(),
            waiting: sender,
            counts,
        }
    }

    /// Has a line written. Never waits.
    pub(crate) fn write(&self, line: Line) {
        let line = Message::Line(Box::new(line));
        if self.waiting.try_send(line).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the lines so far are written. To be called before the process ends.
    pub(crate) async fn flush(&self) {
        let (written, heard) = oneshot::channel();
        if self.waiting.send(Message::Flush(written)).await.is_ok() {
            // The writer may have ended; then there is nothing to wait for.
            let _written = heard.await;
        }
    }

    pub(crate) fn status(&self) -> AccessLogStatus {
        AccessLogStatus {
            file: self.path.to_string(),
            written: self.counts.written.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
        }
    }
}

struct Writer {
    bounds: Bounds,
    counts: Arc<Counts>,
    page: Option<Page>,
}

struct Page {
    file: io::BufWriter<File>,
    bytes: u64,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => self.take(&line),
                    Message::Flush(written) => {
                        self.flush();
                        // Nobody may be there any more to hear it.
                        let _heard = written.send(());
                    }
                }
                next = waiting.try_recv().ok();
            }
            // Nobody waits: now is the time for what was gathered.
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(page) = &mut self.page
            && page.file.flush().is_err()
        {
            self.page = None;
        }
    }

    fn take(&mut self, line: &Line) {
        let count = match self.write(line) {
            Ok(()) => &self.counts.written,
            Err(_full) => {
                // The next line tries the file anew.
                self.page = None;
                &self.counts.dropped
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let full =
            |page: &Page| page.bytes > 0 && page.bytes + text.len() as u64 > self.bounds.max_bytes;
        if self.page.as_ref().is_some_and(full) {
            if let Some(mut page) = self.page.take() {
                page.file.flush()?;
            }
            self.put_aside()?;
        }
        let page = match &mut self.page {
            Some(page) => page,
            none => none.insert(open(&self.bounds)?),
        };
        page.file.write_all(&text)?;
        page.bytes += text.len() as u64;
        Ok(())
    }

    fn put_aside(&self) -> io::Result<()> {
        let path = &self.bounds.path;
        if self.bounds.keep == 0 {
            return fs::remove_file(path);
        }
        for number in (1..self.bounds.keep).rev() {
            // Not there yet: nothing to move.
            let _moved = fs::rename(format!("{path}.{number}"), format!("{path}.{}", number + 1));
        }
        fs::rename(path, format!("{path}.1"))
    }
}

fn open(bounds: &Bounds) -> io::Result<Page> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(&bounds.path)?;
    let bytes = file.metadata()?.len();
    Ok(Page {
        file: io::BufWriter::new(file),
        bytes,
    })
}
