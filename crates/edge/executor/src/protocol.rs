//! What is said between us and the supervisor of a job: one line of JSON asks, one line answers.
//!
//! `Watch` is different: it is answered by one byte whenever the log has grown, and by the end of the
//! stream when the step has ended. What grew, and how it ended, is on disk. After `Start` the same follows,
//! but the end of the step is a byte of its own, and the next question may come on the same stream.

use std::{collections::BTreeMap, fmt, io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::run::{Outcome, StepReport};
use cutover_supervisor::record::Survives;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use crate::container::InContainers;

/// Children of a job carry it in their environment: `RUN/JOB`.
pub(crate) const JOB_MARKER: &str = "CUTOVER_JOB";
/// And this: the step with its attempt.
pub(crate) const STEP_MARKER: &str = "CUTOVER_STEP";

const SOCKET: &str = "socket";

/// The log has grown.
pub(crate) const GREW: &[u8] = b"+";
/// The step that was started on this stream has ended.
pub(crate) const OVER: &[u8] = b".";

/// The order for a supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobOrder {
    /// Where all of the job is.
    pub(crate) dir: Utf8PathBuf,
    /// `RUN/JOB`.
    pub(crate) job: String,
    /// What its records have to survive.
    pub(crate) survives: Survives,
    /// How many bytes of log its steps may write together.
    #[serde(default = "usual_log_limit")]
    pub(crate) log_limit: u64,
}

/// Four GiB.
pub(crate) const fn usual_log_limit() -> u64 {
    4 * 1024 * 1024 * 1024
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Starts a step, unless it was started before; answered by one line, and then by news of it.
    Start(Box<Work>),
    /// Does all that comes before a step is started, in the expectation that `Go` follows on this stream.
    /// There is no answer, and when the stream ends instead, nothing has happened.
    Prepare(Box<Work>),
    /// Starts it; answered as `Start` is.
    Go,
    /// Tells when its log grows and when it has ended.
    Watch(String),
    /// Ends a step.
    Cancel { step: String, grace: Grace },
    /// Ends everything, and the supervisor too.
    End,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The step was started just now, and news of it follows.
    Started,
    Done,
    Refused(String),
}

/// What a step does. Only ever in memory and on the socket: it holds secrets.
#[derive(Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) step: String,
    pub(crate) script: String,
    pub(crate) program: Vec<String>,
    pub(crate) preface: Vec<String>,
    pub(crate) shell: Option<String>,
    pub(crate) directory: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) masks: Vec<String>,
    pub(crate) untrusted: bool,
    pub(crate) containers: Option<Box<Helped>>,
}

/// A step that has to do with containers, and the command line of the process that asks the engine.
#[derive(Serialize, Deserialize)]
pub(crate) struct Helped {
    pub(crate) command: Vec<String>,
    /// How long what was told to end has for it, in milliseconds.
    pub(crate) patience: u64,
    pub(crate) order: InContainers,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

/// How much time a step has to end by itself when it is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grace {
    /// Between SIGINT and SIGTERM.
    pub interrupt: Duration,
    /// Between SIGTERM and SIGKILL.
    pub terminate: Duration,
}

impl Default for Grace {
    /// As GitHub's runner does it.
    fn default() -> Self {
        Self {
            interrupt: Duration::from_millis(7_500),
            terminate: Duration::from_millis(2_500),
        }
    }
}

/// That a step was started, and by whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    /// Whether it is one of ours, without a process.
    pub(crate) builtin: bool,
}

/// How a step ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) report: StepReport,
}

/// Values of a step with secrets in them.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Withheld {
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) state: BTreeMap<String, String>,
}

/// Calls `act` with a path of the socket that is short, however long the job's directory is: the
/// kernel takes no more than 107 bytes.
pub(crate) fn with_socket<T>(
    dir: &Utf8Path,
    act: impl FnOnce(&str) -> io::Result<T>,
) -> io::Result<T> {
    use std::os::fd::AsRawFd as _;

    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = openat(CWD, dir.as_std_path(), flags, Mode::empty())?;
    act(&format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd()))
}

/// Goes to the supervisor of a job; `None` when there is none.
pub(crate) fn connect(dir: &Utf8Path) -> io::Result<Option<UnixStream>> {
    let connected = with_socket(dir, |path| {
        let stream = std::os::unix::net::UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    });
    match connected {
        Ok(stream) => UnixStream::from_std(stream).map(Some),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Asks the supervisor of a job; `None` when there is none. The stream is there for `Watch`.
pub(crate) async fn ask(dir: &Utf8Path, request: &Request) -> io::Result<Option<UnixStream>> {
    let Some(mut stream) = connect(dir)? else {
        return Ok(None);
    };
    match stream.write_all(&line(request)?).await {
        Ok(()) => Ok(Some(stream)),
        // It ends just now.
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A request as it is sent.
pub(crate) fn line(request: &Request) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    Ok(line)
}

/// Asks and waits for the answer; `None` when nobody is there to give one.
pub(crate) async fn call(dir: &Utf8Path, request: &Request) -> io::Result<Option<Reply>> {
    let Some(mut stream) = ask(dir, request).await? else {
        return Ok(None);
    };
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(serde_json::from_slice(&answer)?)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the other side has died.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
