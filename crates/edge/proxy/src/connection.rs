//! The connections to one upstream: opened when needed, kept for the next request, cut at once.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    h1::{AnswerBody, Fault, Switched, Wire},
    idle::Idle,
    request::{BodyFate, RequestBody},
    roster::{Entry, Roster},
};

/// How long an unused connection is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepFor {
    pub(crate) idle: Duration,
    pub(crate) age: Duration,
}

/// A connection in the hands of one request.
#[derive(Debug)]
pub(crate) struct Connection {
    wire: Box<Wire>,
    /// Whether it has carried a request before. If so, the upstream may have closed it just now.
    pub(crate) reused: bool,
    born: Instant,
    /// When it was put aside last.
    since: Instant,
}

/// What came of sending over one connection.
pub(crate) enum Sent {
    Answered(Response<AnswerBody>),
    /// The request is whole.
    Unsent(Request<RequestBody>),
    /// It may have arrived, and its body is gone, if it had one.
    Lost(Request<RequestBody>),
    TimedOut,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection within the time-out")]
    Timeout,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// All connections to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    idle: Idle,
    open: Arc<Roster>,
}

impl Connections {
    /// A kept connection that is good, if there is one.
    pub(crate) fn kept(&self, keep_for: KeepFor) -> Option<Connection> {
        std::iter::from_fn(|| self.idle.pop()).find(|connection| connection.is_fresh(keep_for))
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
        let now = Instant::now();
        Ok(Connection {
            wire: Box::new(Wire::new(stream, entry)),
            reused: false,
            born: now,
            since: now,
        })
    }

    /// Keeps a connection whose answer was read to the end.
    pub(crate) fn keep(&self, mut connection: Connection) {
        if connection.wire.is_free() {
            connection.reused = true;
            connection.since = Instant::now();
            self.idle.push(connection);
        }
    }

    /// Drops the kept connections that are not good any more.
    pub(crate) fn prune(&self, keep_for: KeepFor) {
        self.idle.retain(|connection| connection.is_fresh(keep_for));
    }

    /// Closes the kept connections.
    pub(crate) fn close_kept(&self) {
        self.idle.retain(|_connection| false);
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

impl Connection {
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// The socket, after a switch of protocol.
    pub(crate) fn switch(self) -> Switched {
        self.wire.switch()
    }

    fn is_fresh(&self, keep_for: KeepFor) -> bool {
        let now = Instant::now();
        now.duration_since(self.since) < keep_for.idle
            && now.duration_since(self.born) < keep_for.age
            && self.wire.is_quiet()
    }

    /// Sends, and waits for the head of the answer. The time for it runs anew as long as the body
    /// of the request gets on: a long upload is not a slow upstream.
    pub(crate) async fn send(
        mut self,
        request: Request<RequestBody>,
        limit: Duration,
        body: &BodyFate,
    ) -> Sent {
        let (parts, content) = request.into_parts();
        self.wire.begin(&parts, content);
        let mut progress = body.progress();
        self.wire.wait_for(limit, Instant::now());
        let answer = poll_fn(|context| {
            let polled = self.wire.poll_answer(context);
            if body.progress() != progress {
                progress = body.progress();
                self.wire.wait_for(limit, Instant::now());
            }
            polled
        })
        .await;
        match answer {
            Ok((head, decoder)) => Sent::Answered(head.map(|()| AnswerBody::new(self, decoder))),
            Err(Fault::TimedOut) => Sent::TimedOut,
            Err(Fault::Lost) => match self.wire.take_back() {
                Some(content) => Sent::Unsent(Request::from_parts(parts, content)),
                None => Sent::Lost(Request::from_parts(parts, RequestBody::default())),
            },
        }
    }
}
