//! The body of an answer while it goes through, with the connection that it comes over.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    connection::Connection,
    h1::{BrokenOff, Decoder},
};

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    /// Until it is given back.
    connection: Option<Connection>,
    coming: Coming,
}

/// What still comes, by what the upstream speaks.
#[derive(Debug)]
enum Coming {
    H1(Decoder),
    H2(Incoming),
}

impl AnswerBody {
    pub(crate) fn h1(connection: Connection, decoder: Decoder) -> Self {
        Self {
            connection: Some(connection),
            coming: Coming::H1(decoder),
        }
    }

    pub(crate) fn h2(connection: Connection, body: Incoming) -> Self {
        Self {
            connection: Some(connection),
            coming: Coming::H2(body),
        }
    }

    /// Whether nothing follows.
    pub(crate) fn is_ended(&self) -> bool {
        match &self.coming {
            Coming::H1(decoder) => decoder.is_ended(),
            Coming::H2(body) => body.is_end_stream(),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.coming {
            Coming::H1(decoder) => {
                let remaining = decoder.remaining();
                remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Coming::H2(body) => body.size_hint(),
        }
    }

    /// Takes the connection.
    pub(crate) fn release(&mut self) -> Option<Connection> {
        self.connection.take()
    }

    /// The next piece.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut self.coming {
            Coming::H1(decoder) => match self.connection.as_mut().and_then(Connection::wire) {
                Some(wire) => wire.poll_body(context, decoder),
                None => Poll::Ready(None),
            },
            Coming::H2(body) => {
                let polled = Pin::new(body).poll_frame(context);
                polled.map(|frame| frame.map(|frame| frame.map_err(|_reset| BrokenOff)))
            }
        }
    }
}
