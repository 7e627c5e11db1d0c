//! The body of an answer while it goes through, with the connection that it comes over.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::chunks::{Decoder, Piece};
use crate::connection::Connection;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    /// Until it is given back.
    connection: Option<Connection>,
    decoder: Decoder,
}

/// The upstream broke off, or sent what is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrokenOff;

impl AnswerBody {
    pub(crate) fn new(connection: Connection, decoder: Decoder) -> Self {
        Self {
            connection: Some(connection),
            decoder,
        }
    }

    /// Whether nothing follows.
    pub(crate) fn is_ended(&self) -> bool {
        self.decoder.is_ended()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.decoder
            .remaining()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
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
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(None);
        };
        let wire = connection.wire();
        loop {
            match self.decoder.next(wire.inbox()) {
                Ok(Piece::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Piece::Trailers(fields)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
                Ok(Piece::End) => return Poll::Ready(None),
                Ok(Piece::Lacking) => {}
                Err(_malformed) => return Poll::Ready(Some(Err(BrokenOff))),
            }
            match ready!(wire.poll_more(context, self.decoder.remaining())) {
                Ok(0) if matches!(self.decoder, Decoder::ToTheEnd) => {
                    self.decoder = Decoder::Ended;
                }
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(BrokenOff))),
                Ok(_more) => {}
            }
        }
    }
}
