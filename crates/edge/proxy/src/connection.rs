//! The connections to one upstream: opened when needed, kept for the next request, cut at once.
//!
//! Those of HTTP/1.1 are here, one request at a time on each; those of HTTP/2 in `multiplex`.

use std::{future::poll_fn, io, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    answer::AnswerBody,
    body_fate::BodyFate,
    control::Protocol,
    h1::{Decoder, Fault, Switched, Wire},
    idle::Idle,
    multiplex::{Lines, Stream},
    request::{self, RequestBody},
    roster::{Entry, Roster},
    shape,
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
    carrier: Carrier,
    /// Whether it has carried a request before. If so, the upstream may have closed it just now.
    pub(crate) reused: bool,
    born: Instant,
    /// When it was put aside last.
    since: Instant,
}

#[derive(Debug)]
enum Carrier {
    /// A connection of HTTP/1.1, for this request alone.
    Own(Box<Wire>),
    /// A stream of HTTP/2.
    Shared(Stream),
}

/// Why sending over one connection brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vain {
    /// The request is whole.
    Unsent,
    /// It may have arrived. It is there still if it may be sent again.
    Lost,
    TimedOut,
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

/// All connections to one upstream.
#[derive(Debug)]
pub(crate) struct Connections {
    idle: Idle,
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
            idle: Idle::default(),
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

    /// A kept connection for a request, if there is one that is good now.
    pub(crate) fn take_kept(&self, keep_for: KeepFor, now: Instant) -> Option<Connection> {
        let kept = || self.idle.pop();
        std::iter::from_fn(kept).find(|connection| connection.is_fresh(keep_for, now))
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
            let stream = Box::pin(lines.stream(address, patience, keep_for, fresh)).await?;
            let now = Instant::now();
            return Ok(Connection {
                reused: stream.reused,
                carrier: Carrier::Shared(stream),
                born: now,
                since: now,
            });
        }
        if !fresh && let Some(kept) = self.take_kept(keep_for, Instant::now()) {
            return Ok(kept);
        }
        Box::pin(self.open(address, patience)).await
    }

    async fn open(&self, address: &str, patience: Duration) -> Result<Connection, ConnectError> {
        let entry = self.open.join();
        let stream = dial(address, patience).await?;
        let now = Instant::now();
        Ok(Connection {
            carrier: Carrier::Own(Box::new(Wire::new(stream, entry))),
            reused: false,
            born: now,
            since: now,
        })
    }

    /// Keeps a connection whose answer was read to the end.
    pub(crate) fn keep(&self, mut connection: Connection) {
        // A shared one stays open for the others in any case.
        if connection.wire().is_some_and(|wire| wire.is_free()) {
            connection.reused = true;
            connection.since = Instant::now();
            self.idle.push(connection);
        }
    }

    /// Drops the kept connections that are not good any more.
    pub(crate) fn prune(&self, keep_for: KeepFor) {
        let now = Instant::now();
        self.idle
            .retain(|connection| connection.is_fresh(keep_for, now));
    }

    /// Closes the kept connections.
    pub(crate) fn close_kept(&self) {
        self.idle.retain(|_connection| false);
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

/// A socket to an upstream.
pub(crate) async fn dial(address: &str, patience: Duration) -> Result<TcpStream, ConnectError> {
    let stream = timeout(patience, TcpStream::connect(address))
        .await
        .map_err(|_| ConnectError::Timeout)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    /// The connection of HTTP/1.1, if it is one.
    pub(crate) fn wire(&mut self) -> Option<&mut Wire> {
        match &mut self.carrier {
            Carrier::Own(wire) => Some(wire),
            Carrier::Shared(_) => None,
        }
    }

    /// The socket, after a switch of protocol.
    pub(crate) fn switch(self) -> Option<Switched> {
        match self.carrier {
            Carrier::Own(wire) => Some(wire.switch()),
            Carrier::Shared(_) => None,
        }
    }

    fn is_fresh(&self, keep_for: KeepFor, now: Instant) -> bool {
        let quiet = match &self.carrier {
            Carrier::Own(wire) => wire.is_quiet(),
            Carrier::Shared(_) => true,
        };
        quiet
            && now.duration_since(self.since) < keep_for.idle
            && now.duration_since(self.born) < keep_for.age
    }

    /// Sends, in the form that the upstream understands, and waits for the head of the answer. The
    /// time for it runs anew as long as the body of the request gets on: a long upload is not a
    /// slow upstream. `again`: whether the request may be sent again when it is lost. `now` is just
    /// now.
    pub(crate) async fn send(
        mut self,
        request: &mut Request<RequestBody>,
        again: bool,
        limit: Duration,
        body: &BodyFate,
        now: Instant,
    ) -> Result<Response<AnswerBody>, Vain> {
        match &mut self.carrier {
            Carrier::Own(wire) => {
                shape::for_h1(request);
                let answer = send_h1(wire, request, limit, body, now).await?;
                Ok(answer.map(|decoder| AnswerBody::h1(self, decoder)))
            }
            Carrier::Shared(stream) => {
                shape::for_h2(request);
                let answer = Box::pin(send_h2(stream, request, again, limit, body)).await?;
                Ok(answer.map(|body| AnswerBody::h2(self, body)))
            }
        }
    }
}

async fn send_h1(
    wire: &mut Wire,
    request: &mut Request<RequestBody>,
    limit: Duration,
    body: &BodyFate,
    now: Instant,
) -> Result<Response<Decoder>, Vain> {
    wire.begin(request);
    let mut progress = body.progress();
    wire.wait_for(limit, now);
    let answer = poll_fn(|context| {
        let polled = wire.poll_answer(context);
        if body.progress() != progress {
            progress = body.progress();
            wire.wait_for(limit, Instant::now());
        }
        polled
    });
    match answer.await {
        Ok((head, decoder)) => {
            wire.recycle(std::mem::take(request.headers_mut()));
            Ok(head.map(|()| decoder))
        }
        Err(Fault::TimedOut) => Err(Vain::TimedOut),
        Err(Fault::Lost) => Err(match wire.take_back() {
            Some(content) => {
                *request.body_mut() = content;
                Vain::Unsent
            }
            // All but the body is still there, and what may be sent again has none.
            None => Vain::Lost,
        }),
    }
}

async fn send_h2(
    stream: &mut Stream,
    request: &mut Request<RequestBody>,
    again: bool,
    limit: Duration,
    body: &BodyFate,
) -> Result<Response<Incoming>, Vain> {
    let spare = again.then(|| request::repeat(request));
    let whole = std::mem::take(request);
    let mut sending = pin!(stream.sender.try_send_request(whole));
    loop {
        let progress = body.progress();
        match timeout(limit, &mut sending).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(mut error)) => {
                let unsent = error.take_message();
                let failed = unsent.as_ref().map_or(Vain::Lost, |_whole| Vain::Unsent);
                *request = unsent.or(spare).unwrap_or_default();
                return Err(failed);
            }
            Err(_elapsed) if body.progress() == progress => return Err(Vain::TimedOut),
            Err(_elapsed) => {}
        }
    }
}
