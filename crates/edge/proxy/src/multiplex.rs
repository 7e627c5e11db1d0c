//! The HTTP/2 connections to one upstream: few, each shared by many requests.
//!
//! A request holds one stream, and its own claim on the upstream. When an upstream takes leave of
//! a connection (GOAWAY) no new stream goes there, and those that are on it end in peace.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use hyper::{
    client::conn::http2::{self, SendRequest},
    rt::Executor,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::Mutex as AsyncMutex, time::Instant};

use crate::{
    connection::{ConnectError, KeepFor, dial},
    lock::locked,
    request::RequestBody,
    roster::Roster,
};

/// Streams on one connection before another is opened. What common servers allow.
const STREAMS_EACH: u32 = 100;
/// Connections to one upstream at most. More streams than fit wait at the upstream's limit.
const LINES: usize = 8;
/// How often a connection that carries requests is asked whether it is alive.
const PING: Duration = Duration::from_secs(10);

/// The HTTP/2 connections to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Mutex<Vec<Line>>,
    /// Held while one is being opened, so that a burst does not open one for each request.
    opening: AsyncMutex<()>,
    /// Everything that the connections run.
    tasks: Arc<Roster>,
}

#[derive(Debug)]
struct Line {
    sender: SendRequest<RequestBody>,
    streams: Arc<AtomicU32>,
    born: Instant,
}

/// A place for one request on a shared connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) sender: SendRequest<RequestBody>,
    /// Whether the connection has carried requests before.
    pub(crate) reused: bool,
    streams: Arc<AtomicU32>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lines {
    /// A place on a connection that is open, if one has room or no more may be opened.
    fn place(&self, keep_for: KeepFor) -> Option<Stream> {
        let mut open = locked(&self.open);
        open.retain(|line| !line.sender.is_closed() && line.born.elapsed() < keep_for.age);
        let full = open.len() >= LINES;
        let streams = |line: &&Line| line.streams.load(Ordering::Relaxed);
        let line = open.iter().min_by_key(streams)?;
        if streams(&line) >= STREAMS_EACH && !full {
            return None;
        }
        Some(line.stream(true))
    }

    /// A place for a request. `fresh`: on a connection that nobody has used.
    pub(crate) async fn stream(
        &self,
        address: &str,
        patience: Duration,
        keep_for: KeepFor,
        fresh: bool,
    ) -> Result<Stream, ConnectError> {
        if !fresh && let Some(stream) = self.place(keep_for) {
            return Ok(stream);
        }
        let _opening = self.opening.lock().await;
        // Whoever held it before has opened one.
        if !fresh && let Some(stream) = self.place(keep_for) {
            return Ok(stream);
        }
        let line = self.dial(address, patience).await?;
        let stream = line.stream(false);
        locked(&self.open).push(line);
        Ok(stream)
    }

    async fn dial(&self, address: &str, patience: Duration) -> Result<Line, ConnectError> {
        let stream: TcpStream = dial(address, patience).await?;
        let executor = Severable(Arc::clone(&self.tasks));
        let (sender, connection) = http2::Builder::new(executor.clone())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .handshake(TokioIo::new(stream))
            .await?;
        executor.execute(async move { drop(connection.await) });
        Ok(Line {
            sender,
            streams: Arc::default(),
            born: Instant::now(),
        })
    }

    /// Sends no more requests on the connections that are open. Those on them go on.
    pub(crate) fn release(&self) {
        locked(&self.open).clear();
    }

    /// Ends the connections, whatever they carry.
    pub(crate) fn cut(&self) {
        self.release();
        self.tasks.call();
    }

    /// How many connections take requests.
    pub(crate) fn open_now(&self) -> u64 {
        locked(&self.open).len() as u64
    }
}

impl Line {
    fn stream(&self, reused: bool) -> Stream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Stream {
            sender: self.sender.clone(),
            reused,
            streams: Arc::clone(&self.streams),
        }
    }
}

/// Runs what belongs to connections, until they are cut. Dropping a connection of HTTP/2 only asks
/// it to end; its own tasks go on as long as there are streams.
#[derive(Debug, Clone)]
struct Severable(Arc<Roster>);

impl<F> Executor<F> for Severable
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut entry = self.0.join();
        tokio::spawn(async move {
            let mut task = pin!(task);
            poll_fn(|context| {
                if entry.called(context) {
                    return Poll::Ready(());
                }
                task.as_mut().poll(context)
            })
            .await;
        });
    }
}
