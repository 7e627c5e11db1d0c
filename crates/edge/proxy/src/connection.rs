//! The connections to one upstream: opened when needed, kept for the next request, cut at once.
//!
//! Those of HTTP/1.1 are here, one request at a time on each; those of HTTP/2 in `multiplex`.

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll, time::Duration};

use crossbeam_queue::ArrayQueue;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    control::Protocol,
    multiplex::{Lines, Stream},
    request::RequestBody,
    roster::{Entry, Roster},
    shape,
};

/// Unused connections kept for one upstream.
const IDLE_LIMIT: usize = 512;
/// How long a kept connection may take to be ready before another is taken.
const READY_PATIENCE: Duration = Duration::from_millis(20);

/// How long an unused connection is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepFor {
    pub(crate) idle: Duration,
    pub(crate) age: Duration,
}

/// A connection in the hands of one request.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: Sender,
    /// Whether it has carried a request before. If so, the upstream may have closed it just now.
    pub(crate) reused: bool,
    born: Instant,
}

#[derive(Debug)]
enum Sender {
    One(SendRequest<RequestBody>),
    Shared(Stream),
}

impl Connection {
    /// Sends a request, in the form that the upstream understands.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.sender {
            Sender::One(sender) => {
                shape::for_h1(&mut request);
                sender.try_send_request(request).await
            }
            Sender::Shared(stream) => {
                shape::for_h2(&mut request);
                stream.sender.try_send_request(request).await
            }
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection within the time-out")]
    Timeout,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Handshake(#[from] hyper::Error),
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    born: Instant,
    since: Instant,
}

/// All connections to one upstream.
#[derive(Debug)]
pub(crate) struct Connections {
    /// First in, first out: the connection that has rested longest is certainly ready, and those
    /// too many grow old together and are dropped. Lock-free, for it is on every request's way.
    idle: ArrayQueue<Idle>,
    open: Arc<Roster>,
    lines: Option<Lines>,
}

impl Default for Connections {
    fn default() -> Self {
        Self::new(Protocol::H1)
    }
}

impl Connections {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            idle: ArrayQueue::new(IDLE_LIMIT),
            open: Arc::default(),
            lines: match protocol {
                Protocol::H1 => None,
                Protocol::H2 => Some(Lines::default()),
            },
        }
    }

    /// What the upstream speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        match self.lines {
            None => Protocol::H1,
            Some(_) => Protocol::H2,
        }
    }

    /// A connection for a request: one that is there already, unless it must be a fresh one.
    pub(crate) async fn take(
        &self,
        address: &str,
        patience: Duration,
        keep_for: KeepFor,
        fresh: bool,
    ) -> Result<Connection, ConnectError> {
        if let Some(lines) = &self.lines {
            let stream = lines.stream(address, patience, keep_for, fresh).await?;
            return Ok(Connection {
                reused: stream.reused,
                sender: Sender::Shared(stream),
                born: Instant::now(),
            });
        }
        if !fresh && let Some(kept) = self.kept(keep_for).await {
            return Ok(kept);
        }
        self.open(address, patience).await
    }

    /// A kept connection that is ready, if there is one.
    async fn kept(&self, keep_for: KeepFor) -> Option<Connection> {
        while let Some(mut idle) = self.idle.pop() {
            if !is_fresh(&idle, keep_for) {
                continue;
            }
            // Its last exchange is complete, so this is a matter of microseconds: until its own
            // task has seen that too. The limit is for an upstream that stopped reading.
            if let Ok(Ok(())) = timeout(READY_PATIENCE, idle.sender.ready()).await {
                return Some(Connection {
                    sender: Sender::One(idle.sender),
                    reused: true,
                    born: idle.born,
                });
            }
        }
        None
    }

    async fn open(&self, address: &str, patience: Duration) -> Result<Connection, ConnectError> {
        let entry = self.open.join();
        let stream = dial(address, patience).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(carry(connection, entry));
        Ok(Connection {
            sender: Sender::One(sender),
            reused: false,
            born: Instant::now(),
        })
    }

    /// Keeps a connection whose answer was read to the end.
    pub(crate) fn keep(&self, connection: Connection) {
        let Connection { sender, born, .. } = connection;
        // A shared one stays open for the others in any case.
        let Sender::One(sender) = sender else { return };
        if sender.is_closed() {
            return;
        }
        // When the queue is full the connection is dropped, and so closed.
        let _full = self.idle.push(Idle {
            sender,
            born,
            since: Instant::now(),
        });
    }

    /// Drops the kept connections that are not good any more.
    pub(crate) fn prune(&self, keep_for: KeepFor) {
        for _ in 0..self.idle.len() {
            let Some(idle) = self.idle.pop() else { return };
            if is_fresh(&idle, keep_for) {
                let _full = self.idle.push(idle);
            }
        }
    }

    /// Closes the kept connections.
    pub(crate) fn close_kept(&self) {
        while self.idle.pop().is_some() {}
        if let Some(lines) = &self.lines {
            lines.release();
        }
    }

    /// Cuts every connection, whatever it carries. A tunnel is a connection too.
    pub(crate) fn cut(&self) {
        self.close_kept();
        self.open.call();
        if let Some(lines) = &self.lines {
            lines.cut();
        }
    }

    /// How often they were cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.open.calls()
    }

    /// Signs on something else that shall end when connections are cut.
    pub(crate) fn join(&self) -> Entry {
        self.open.join()
    }

    pub(crate) fn open_now(&self) -> u64 {
        self.open.present() + self.lines.as_ref().map_or(0, Lines::open_now)
    }
}

fn is_fresh(idle: &Idle, keep_for: KeepFor) -> bool {
    !idle.sender.is_closed()
        && idle.since.elapsed() < keep_for.idle
        && idle.born.elapsed() < keep_for.age
}

/// A socket to an upstream.
pub(crate) async fn dial(address: &str, patience: Duration) -> Result<TcpStream, ConnectError> {
    let stream = timeout(patience, TcpStream::connect(address))
        .await
        .map_err(|_| ConnectError::Timeout)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Moves the bytes of a connection until either end closes it, or it is cut.
async fn carry(connection: http1::Connection<TokioIo<TcpStream>, RequestBody>, mut entry: Entry) {
    let mut connection = pin!(connection.with_upgrades());
    poll_fn(|context| {
        if entry.called(context) {
            return Poll::Ready(());
        }
        // Errors reach the request that the connection carries; here they only mean the end.
        connection.as_mut().poll(context).map(|_ended| ())
    })
    .await;
}
