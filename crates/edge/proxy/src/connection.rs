//! The connections to one upstream: opened when needed, kept for the next request, cut at once.

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll, time::Duration};

use crossbeam_queue::ArrayQueue;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    request::RequestBody,
    roster::{Entry, Roster},
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
    pub(crate) sender: SendRequest<RequestBody>,
    /// Whether it has carried a request before. If so, the upstream may have closed it just now.
    pub(crate) reused: bool,
    born: Instant,
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
    connection: Connection,
    since: Instant,
}

/// All connections to one upstream.
#[derive(Debug)]
pub(crate) struct Connections {
    /// First in, first out: the connection that has rested longest is certainly ready, and those
    /// too many grow old together and are dropped. Lock-free, for it is on every request's way.
    idle: ArrayQueue<Idle>,
    open: Arc<Roster>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            idle: ArrayQueue::new(IDLE_LIMIT),
            open: Arc::default(),
        }
    }
}

impl Connections {
    /// A kept connection that is ready, if there is one.
    pub(crate) async fn kept(&self, keep_for: KeepFor) -> Option<Connection> {
        while let Some(Idle {
            mut connection,
            since,
        }) = self.idle.pop()
        {
            if !is_fresh(&connection, since, keep_for) {
                continue;
            }
            // Its last exchange is complete, so this is a matter of microseconds: until its own
            // task has seen that too. The limit is for an upstream that stopped reading.
            if let Ok(Ok(())) = timeout(READY_PATIENCE, connection.sender.ready()).await {
                return Some(connection);
            }
        }
        None
    }

    /// A new connection.
    pub(crate) async fn open(
        &self,
        address: &str,
        patience: Duration,
    ) -> Result<Connection, ConnectError> {
        let entry = self.open.join();
        let stream = timeout(patience, TcpStream::connect(address))
            .await
            .map_err(|_| ConnectError::Timeout)??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(carry(connection, entry));
        Ok(Connection {
            sender,
            reused: false,
            born: Instant::now(),
        })
    }

    /// Keeps a connection whose answer was read to the end.
    pub(crate) fn keep(&self, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        connection.reused = true;
        // When the queue is full the connection is dropped, and so closed.
        let _full = self.idle.push(Idle {
            connection,
            since: Instant::now(),
        });
    }

    /// Drops the kept connections that are not good any more.
    pub(crate) fn prune(&self, keep_for: KeepFor) {
        for _ in 0..self.idle.len() {
            let Some(idle) = self.idle.pop() else { return };
            if is_fresh(&idle.connection, idle.since, keep_for) {
                let _full = self.idle.push(idle);
            }
        }
    }

    /// Closes the kept connections.
    pub(crate) fn close_kept(&self) {
        while self.idle.pop().is_some() {}
    }

    /// Cuts every connection, whatever it carries. A tunnel is a connection too.
    pub(crate) fn cut(&self) {
        self.close_kept();
        self.open.call();
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
        self.open.present()
    }
}

fn is_fresh(connection: &Connection, since: Instant, keep_for: KeepFor) -> bool {
    !connection.sender.is_closed()
        && since.elapsed() < keep_for.idle
        && connection.born.elapsed() < keep_for.age
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
