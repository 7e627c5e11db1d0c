//! The birth of a supervisor, seen from both sides: we start it, hand its order over a pipe, and read
//! one answer; it leaves our session, answers, and closes the door behind it.
//!
//! Descriptors of ours do not reach it because every one of them is opened with `O_CLOEXEC`.

use std::{
    fs::OpenOptions,
    io::{self, Read as _, Write as _},
    process::Stdio,
    time::Duration,
};

use rustix::{
    process::{
        DumpableBehavior, chdir, getpid, set_child_subreaper, set_dumpable_behavior, setsid,
    },
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::timeout,
};

use crate::Error;

/// A supervisor answers within milliseconds; one that has not by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ready,
    Refused(String),
}

/// Starts `supervisor` with these words, hands it its order, and waits for its answer.
///
/// It gets our environment. The order may hold secrets: it is never in `argv`.
pub async fn launch<T: Serialize + Sync>(
    supervisor: &[String],
    words: &[&str],
    order: &T,
) -> Result<(), Error> {
    let refused = |error: io::Error| Error::Refused(error.to_string());
    let order = serde_json::to_vec(order).map_err(|error| Error::Refused(error.to_string()))?;
    let mut child = start(&mut command(supervisor, words)?)?;
    match patiently(converse(&mut child, &order)).await {
        Ok(Answer::Ready) => Ok(()),
        Ok(Answer::Refused(reason)) => {
            child.wait().await.map_err(refused)?;
            Err(Error::Refused(reason))
        }
        Err(error) => {
            child.kill().await.map_err(refused)?;
            Err(refused(error))
        }
    }
}

/// The process of a supervisor that is spoken to over its standard input and output, not started yet.
pub(crate) fn command(supervisor: &[String], words: &[&str]) -> Result<Command, Error> {
    let [program, prefix @ ..] = supervisor else {
        return Err(Error::Refused("its command line is empty".to_owned()));
    };
    let mut command = Command::new(program);
    command
        .args(prefix)
        .args(words)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Ok(command)
}

/// Starts it.
pub(crate) fn start(command: &mut Command) -> Result<Child, Error> {
    command.spawn().map_err(|error| {
        let program = command.as_std().get_program().to_string_lossy();
        Error::Refused(format!("`{program}` cannot be executed: {error}"))
    })
}

/// Waits for an answer, but not for ever.
pub(crate) async fn patiently<T>(answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Err(io::Error::other(format!(
            "it did not answer within {seconds} s"
        )))
    })
}

async fn converse(child: &mut Child, order: &[u8]) -> io::Result<Answer> {
    if let Some(mut input) = child.stdin.take() {
        // An early end is told by the answer, or by its absence.
        input.write_all(order).await.ok();
        input.shutdown().await.ok();
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(64 * 1024).read_to_end(&mut answer).await?;
    }
    serde_json::from_slice(&answer).map_err(|_| io::Error::other("it ended before it was ready"))
}

/// Supervisor: leaves the session of whoever started us, inherits orphans from now on, and keeps
/// others of the same user from reading our memory, where orders with secrets are.
pub fn settle() -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Not to keep a file system busy.
    chdir("/")?;
    Ok(())
}

/// Supervisor: reads the order that came with our start.
pub fn order<T: DeserializeOwned>() -> io::Result<T> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

/// Supervisor: says that all went well, and closes the three descriptors that came with our start.
pub fn ready() -> io::Result<()> {
    answer(&Answer::Ready)?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// Supervisor: says why there will be none. Nobody may be listening, and that is as well.
pub fn refuse(reason: &str) {
    answer(&Answer::Refused(reason.to_owned())).ok();
}

fn answer(answer: &Answer) -> io::Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, answer)?;
    output.flush()
}
