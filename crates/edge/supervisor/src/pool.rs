//! Supervisors that take one order after the other: one may be born before it is needed, and one that has
//! done its work is kept for the next order. To start a process of our size takes longer than a small job.
//!
//! Orders and answers are lines of JSON on its standard input and output. Whoever gives orders may die at
//! any time: a supervisor finishes what it has, finds its input closed, and leaves.

use std::{
    io,
    io::{BufRead as _, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout},
    task::{JoinHandle, spawn_blocking},
};

use crate::{Error, detach};

/// How many may wait for an order.
const IDLE: usize = 4;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// The order is taken.
    Ready,
    /// It is not, and why.
    Refused(String),
    /// What was ordered is done.
    Free,
}

/// One that waits for an order.
#[derive(Debug)]
struct Waiting {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Collected by the runtime when it has ended.
    child: Child,
}

/// The supervisors of one kind that this process has started. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    command: Vec<String>,
    idle: Mutex<Vec<Waiting>>,
    /// One that is just being started.
    coming: Mutex<Option<JoinHandle<Result<Waiting, Error>>>>,
}

impl Pool {
    /// `command` starts one: it calls [`serve`].
    pub fn new(command: Vec<String>) -> Self {
        Self(Arc::new(Inner {
            command,
            idle: Mutex::default(),
            coming: Mutex::default(),
        }))
    }

    /// Starts one that waits for its first order, unless one waits already. Within a runtime only.
    pub fn warm_up(&self) {
        let mut coming = self.0.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if coming.is_none() && self.idle().is_empty() {
            let pool = self.clone();
            // Whoever starts a process stands still until it has its program.
            *coming = Some(spawn_blocking(move || pool.start()));
        }
    }

    /// The one that is just being started, when it could be.
    async fn coming(&self) -> Option<Waiting> {
        let coming = || {
            self.0
                .coming
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        };
        let started = coming()?;
        started.await.ok()?.ok()
    }

    /// Finds one for this order, which may hold secrets: it is never in `argv`. Returns when the order is
    /// taken.
    pub async fn hire<T: Serialize + Sync>(&self, order: &T) -> Result<(), Error> {
        let refused = |error: io::Error| Error::Refused(error.to_string());
        let mut order =
            serde_json::to_vec(order).map_err(|error| Error::Refused(error.to_string()))?;
        order.push(b'\n');
        loop {
            let (mut waiting, is_new) = match self.next().await {
                Some(waiting) => (waiting, false),
                None => (self.start()?, true),
            };
            match detach::patiently(waiting.tell(&order)).await {
                Ok(answer) => return self.settle(waiting, answer),
                Err(error) => {
                    // One that does not answer must not take the order later on.
                    waiting.child.start_kill().ok();
                    if is_new {
                        return Err(refused(error));
                    }
                    // Those that wait may have been killed meanwhile.
                }
            }
        }
    }

    fn settle(&self, waiting: Waiting, answer: Answer) -> Result<(), Error> {
        match answer {
            Answer::Ready => {
                let pool = self.clone();
                drop(tokio::spawn(async move { pool.take_back(waiting).await }));
                Ok(())
            }
            Answer::Refused(reason) => {
                self.keep(waiting);
                Err(Error::Refused(reason))
            }
            Answer::Free => Err(Error::Refused("it answered out of turn".to_owned())),
        }
    }

    /// Waits until it is done, and keeps it when there are not enough already.
    async fn take_back(self, mut waiting: Waiting) {
        if matches!(waiting.answer().await, Ok(Answer::Free)) {
            self.keep(waiting);
        }
    }

    fn keep(&self, waiting: Waiting) {
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(waiting);
        }
    }

    async fn next(&self) -> Option<Waiting> {
        let waiting = self.idle().pop();
        match waiting {
            None => self.coming().await,
            waiting => waiting,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one, with an empty environment.
    fn start(&self) -> Result<Waiting, Error> {
        let mut command = detach::command(&self.0.command, &[])?;
        let mut child = detach::start(command.env_clear())?;
        let piped = child.stdin.take().zip(child.stdout.take());
        let (input, output) =
            piped.ok_or_else(|| Error::Refused("it cannot be spoken to".to_owned()))?;
        Ok(Waiting {
            input,
            output: BufReader::new(output),
            child,
        })
    }
}

impl Waiting {
    async fn tell(&mut self, order: &[u8]) -> io::Result<Answer> {
        self.input.write_all(order).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        self.output.read_line(&mut line).await?;
        serde_json::from_str(&line).map_err(|_| io::Error::other("it ended before it was ready"))
    }
}

/// Supervisor: takes one order after the other until nobody is there to give another, and does each.
///
/// `begin` says whether an order can be taken; what it gives is then served by `serve`.
pub fn serve<T: DeserializeOwned, W>(
    begin: impl Fn(T) -> io::Result<W>,
    serve: impl Fn(W),
) -> io::Result<()> {
    detach::settle()?;
    let mut line = String::new();
    loop {
        line.clear();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(());
        }
        let begun = serde_json::from_str(&line)
            .map_err(io::Error::other)
            .and_then(&begin);
        // An order may hold secrets.
        line.clear();
        match begun {
            Ok(work) => {
                // Without anybody to answer to, the work is done all the same.
                answer(&Answer::Ready).ok();
                serve(work);
                answer(&Answer::Free).ok();
            }
            Err(error) => drop(answer(&Answer::Refused(error.to_string()))),
        }
    }
}

fn answer(answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    output.flush()
}
