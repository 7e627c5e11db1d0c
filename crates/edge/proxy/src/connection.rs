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
    control::Protocol,
    h1::{Decoder, Fault, Switched, Wire},
    idle::Idle,
    multiplex::{Lines, Stream},
    request::{self, BodyFate, RequestBody},
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

/// What came of sending over one connection.
pub(crate) enum Sent {
    Answered(Response<AnswerBody>),
    /// The request is whole.
    Unsent(Request<RequestBody>),
    /// It may have arrived. The copy is there if it may be sent again.
    Lost(Option<Request<RequestBody>>),
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
        if !fresh && let Some(kept) = self.kept(keep_for) {
            return Ok(kept);
        }
        Box::pin(self.open(address, patience)).await
    }

    /// A kept connection that is good, if there is one.
    fn kept(&self, keep_for: KeepFor) -> Option<Connection> {
        std::iter::from_fn(|| self.idle.pop()).find(|connection| connection.is_fresh(keep_for))
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
        self.idle.retain(|connection| connection.is_fresh(keep_for));
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

    fn is_fresh(&self, keep_for: KeepFor) -> bool {
        let now = Instant::now();
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
    /// slow upstream. `again`: whether the request may be sent again when it is lost.
    pub(crate) async fn send(
        mut self,
        mut request: Request<RequestBody>,
        again: bool,
        limit: Duration,
        body: &BodyFate,
    ) -> Sent {
        match &mut self.carrier {
            Carrier::Own(wire) => {
                shape::for_h1(&mut request);
                match send_h1(wire, request, again, limit, body).await {
                    Ok(answer) => {
                        Sent::Answered(answer.map(|decoder| AnswerBody::h1(self, decoder)))
                    }
                    Err(failed) => failed,
                }
            }
            Carrier::Shared(stream) => {
                shape::for_h2(&mut request);
                match Box::pin(send_h2(stream, request, again, limit, body)).await {
                    Ok(answer) => Sent::Answered(answer.map(|body| AnswerBody::h2(self, body))),
                    Err(failed) => failed,
                }
            }
        }
    }
}

async fn send_h1(
    wire: &mut Wire,
    request: Request<RequestBody>,
    again: bool,
    limit: Duration,
    body: &BodyFate,
) -> Result<Response<Decoder>, Sent> {
    let (parts, content) = request.into_parts();
    wire.begin(&parts, content);
    let mut progress = body.progress();
    wire.wait_for(limit, Instant::now());
    let answer = poll_fn(|context| {
        let polled = wire.poll_answer(context);
        if body.progress() != progress {
            progress = body.progress();
            wire.wait_for(limit, Instant::now());
        }
        polled
    });
    match answer.await {
        Ok((head, decoder)) => Ok(head.map(|()| decoder)),
        Err(Fault::TimedOut) => Err(Sent::TimedOut),
        Err(Fault::Lost) => Err(match wire.take_back() {
            Some(content) => Sent::Unsent(Request::from_parts(parts, content)),
            // What may be sent again has no body.
            None => Sent::Lost(again.then(|| Request::from_parts(parts, RequestBody::default()))),
        }),
    }
}

async fn send_h2(
    stream: &mut Stream,
    request: Request<RequestBody>,
    again: bool,
    limit: Duration,
    body: &BodyFate,
) -> Result<Response<Incoming>, Sent> {
    let spare = again.then(|| request::repeat(&request));
    let mut sending = pin!(stream.sender.try_send_request(request));
    loop {
        let progress = body.progress();
        match timeout(limit, &mut sending).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(mut error)) => {
                let whole = error.take_message();
                return Err(whole.map_or(Sent::Lost(spare), Sent::Unsent));
            }
            Err(_elapsed) if body.progress() == progress => return Err(Sent::TimedOut),
            Err(_elapsed) => {}
        }
    }
}
