//! One connection to an upstream: its socket, what is still to be written, what was read ahead.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::Instant,
};

use super::{
    chunks::{Decoder, Piece},
    head::{self, Asked, Head, Room},
    request::{Framing, write_data, write_end, write_head},
};
use crate::{patience::Patience, request::RequestBody, roster::Entry};

/// Bytes of a request's body that wait for the upstream to take them, at most, but for one piece.
const OUTBOX: usize = 32 * 1024;
/// Room for reading: most answers fit into the first, long ones get the second.
const INBOX: usize = 8 * 1024;
const INBOX_LONG: usize = 64 * 1024;

/// Why an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The upstream closed, or said what is no answer, or the connection was cut.
    Lost,
    /// Nothing of the answer came in time.
    TimedOut,
}

/// The upstream broke off its answer, or sent what is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrokenOff;

/// A connection to an upstream. It carries one exchange at a time.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    inbox: BytesMut,
    outbox: BytesMut,
    room: Room,
    /// What of the request is not in the outbox yet.
    body: Option<RequestBody>,
    framing: Framing,
    asked: Asked,
    /// Whether any byte of the request has left, or any of its body was taken.
    wrote: bool,
    /// Whether the upstream stopped taking the request. It may have answered before that.
    deaf: bool,
    keeps: bool,
    entry: Entry,
    patience: Patience,
}

/// What is left of a connection after a switch of protocol: the socket, and what was read ahead.
#[derive(Debug)]
pub(crate) struct Switched {
    stream: TcpStream,
    ahead: BytesMut,
}

impl Switched {
    /// Both, as one stream.
    pub(crate) fn into_io(self) -> impl AsyncRead + AsyncWrite + Unpin {
        let (read, write) = self.stream.into_split();
        let ahead = io::Cursor::new(self.ahead);
        tokio::io::join(AsyncReadExt::chain(ahead, read), write)
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, entry: Entry) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            room: Room::default(),
            body: None,
            framing: Framing::None,
            asked: Asked::default(),
            wrote: false,
            deaf: false,
            keeps: true,
            entry,
            patience: Patience::until(Instant::now()),
        }
    }

    /// Whether an unused connection is still good. Asks the system only if there is news.
    pub(crate) fn is_quiet(&self) -> bool {
        let news = self.stream.try_read(&mut [0]);
        let quiet = news.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        quiet && !self.entry.was_called()
    }

    /// Whether the exchange is complete in both directions, and another may follow.
    pub(crate) fn is_free(&self) -> bool {
        self.keeps
            && self.body.is_none()
            && self.outbox.is_empty()
            && self.inbox.is_empty()
            && !self.deaf
            && !self.entry.was_called()
    }

    /// Begins an exchange, and takes the body. Nothing is written yet.
    pub(crate) fn begin(&mut self, request: &mut Request<RequestBody>) {
        // What the last answer took is free by now: the same room is had again, without asking.
        self.inbox.reserve(INBOX);
        self.framing = Framing::of(request.body());
        self.asked = Asked::by(request);
        self.wrote = false;
        write_head(&mut self.outbox, request, self.framing);
        let body = std::mem::take(request.body_mut());
        self.body = (self.framing != Framing::None).then_some(body);
    }

    /// The body, if nothing of the request has left. It can then be sent elsewhere.
    pub(crate) fn take_back(&mut self) -> Option<RequestBody> {
        (!self.wrote).then(|| self.body.take().unwrap_or_default())
    }

    /// Takes the fields of a request that was answered: there is room in them for the next answer.
    pub(crate) fn recycle(&mut self, fields: HeaderMap) {
        self.room.give(fields);
    }

    /// From when on the upstream has so much time to begin its answer.
    pub(crate) fn wait_for(&mut self, limit: Duration, from: Instant) {
        self.patience.set(from + limit);
    }

    /// Sends what can be sent, and waits for the head of the answer.
    pub(crate) fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Response<()>, Decoder), Fault>> {
        if self.entry.called(context) {
            return Poll::Ready(Err(Fault::Lost));
        }
        self.send(context)?;
        while let Poll::Ready(read) = self.poll_read(context, INBOX) {
            // The end before a whole head.
            if read? == 0 {
                return Poll::Ready(Err(Fault::Lost));
            }
            let head = head::take(&mut self.inbox, self.asked, &mut self.room);
            let Some(head) = head.map_err(|_| Fault::Lost)? else {
                continue;
            };
            let Head {
                response,
                decoder,
                keeps,
            } = head;
            self.keeps = keeps;
            return Poll::Ready(Ok((response, decoder)));
        }
        self.patience
            .poll_over(context)
            .map(|()| Err(Fault::TimedOut))
    }

    /// The next piece of the answer's body.
    pub(crate) fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        decoder: &mut Decoder,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            match decoder.next(&mut self.inbox) {
                Ok(Piece::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Piece::Trailers(fields)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
                Ok(Piece::End) => return Poll::Ready(None),
                Ok(Piece::Lacking) => {}
                Err(_malformed) => return Poll::Ready(Some(Err(BrokenOff))),
            }
            match ready!(self.poll_more(context, decoder.remaining())) {
                Ok(0) if matches!(decoder, Decoder::ToTheEnd) => *decoder = Decoder::Ended,
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(BrokenOff))),
                Ok(_more) => {}
            }
        }
    }

    /// Reads on behind the head. `Ok(0)`: the upstream has closed.
    fn poll_more(
        &mut self,
        context: &mut Context<'_>,
        remaining: Option<u64>,
    ) -> Poll<Result<usize, Fault>> {
        if self.entry.called(context) {
            return Poll::Ready(Err(Fault::Lost));
        }
        // A request may go on while its answer comes.
        self.send(context)?;
        let short = remaining.is_some_and(|remaining| remaining <= INBOX as u64);
        let room = if short { INBOX } else { INBOX_LONG };
        self.poll_read(context, room)
    }

    fn poll_read(&mut self, context: &mut Context<'_>, room: usize) -> Poll<Result<usize, Fault>> {
        if self.inbox.capacity() == self.inbox.len() {
            self.inbox.reserve(room);
        }
        let read = pin!(self.stream.read_buf(&mut self.inbox)).poll(context);
        read.map_err(|_reset| Fault::Lost)
    }

    /// Writes until there is nothing more to write now, or the upstream takes no more now.
    fn send(&mut self, context: &mut Context<'_>) -> Result<(), Fault> {
        loop {
            self.fill(context)?;
            if self.outbox.is_empty() || self.deaf {
                return Ok(());
            }
            match Pin::new(&mut self.stream).poll_write(context, &self.outbox) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.wrote = true;
                    if written == self.outbox.len() {
                        self.outbox.clear();
                    } else {
                        self.outbox.advance(written);
                    }
                }
                Poll::Ready(_) => self.deaf = true,
                Poll::Pending => return Ok(()),
            }
        }
    }

    /// Takes from the body what is at hand.
    fn fill(&mut self, context: &mut Context<'_>) -> Result<(), Fault> {
        while self.outbox.len() < OUTBOX
            && !self.deaf
            && let Some(body) = &mut self.body
        {
            let out = &mut self.outbox;
            let done = match Pin::new(&mut *body).poll_frame(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Err(_))) => return Err(Fault::Lost),
                Poll::Ready(None) => write_end(out, self.framing, None).map(|()| true),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !body.is_end_stream() => {
                        write_data(out, &mut self.framing, &data).map(|()| false)
                    }
                    Ok(data) => write_data(out, &mut self.framing, &data)
                        .and_then(|()| write_end(out, self.framing, None))
                        .map(|()| true),
                    Err(frame) => {
                        let trailers = frame.into_trailers().ok();
                        write_end(out, self.framing, trailers.as_ref()).map(|()| true)
                    }
                },
            };
            self.wrote = true;
            // A body of another length than announced is no body.
            if done.ok_or(Fault::Lost)? {
                self.body = None;
            }
        }
        Ok(())
    }

    /// The socket, for what both ends agreed to speak from here on.
    pub(crate) fn switch(self) -> Switched {
        Switched {
            stream: self.stream,
            ahead: self.inbox,
        }
    }
}
