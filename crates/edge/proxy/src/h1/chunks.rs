//! The body of an answer, taken out of the bytes that arrive.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::head::Malformed;

/// Trailers that an answer may have.
const TRAILERS: usize = 64;
/// Bytes that the line of a chunk's size, or all trailers together, may have.
const LINE_LIMIT: usize = 16 * 1024;

/// How the end of an answer's body is told, and how far it is.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunk),
    /// It ends when the connection does.
    ToTheEnd,
    Ended,
}

/// Where a chunked body is.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Before the line with the size.
    Size,
    /// So many bytes are left of this chunk.
    Data(u64),
    /// Before the line end behind a chunk.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
}

/// What the bytes at hand are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    Lacking,
}

impl Decoder {
    pub(crate) fn with_length(length: u64) -> Self {
        if length == 0 {
            Self::Ended
        } else {
            Self::Length(length)
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Bytes that are known to come.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Ended => Some(0),
            Self::Chunked(_) | Self::ToTheEnd => None,
        }
    }

    /// Takes the next piece out of `inbox`.
    pub(crate) fn next(&mut self, inbox: &mut BytesMut) -> Result<Piece, Malformed> {
        match self {
            Self::Ended => Ok(Piece::End),
            Self::ToTheEnd if inbox.is_empty() => Ok(Piece::Lacking),
            Self::ToTheEnd => Ok(Piece::Data(inbox.split().freeze())),
            Self::Length(left) => {
                let Some(data) = take(inbox, left) else {
                    return Ok(Piece::Lacking);
                };
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok(Piece::Data(data))
            }
            Self::Chunked(chunk) => {
                let piece = chunk.next(inbox)?;
                if matches!(piece, Piece::Trailers(_) | Piece::End) {
                    *self = Self::Ended;
                }
                Ok(piece)
            }
        }
    }
}

impl Chunk {
    fn next(&mut self, inbox: &mut BytesMut) -> Result<Piece, Malformed> {
        loop {
            match self {
                Self::Size => match httparse::parse_chunk_size(inbox) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        inbox.advance(line);
                        *self = if size == 0 {
                            Self::Trailers
                        } else {
                            Self::Data(size)
                        };
                    }
                    Ok(httparse::Status::Partial) => return lacking(inbox),
                    Err(_) => return Err(Malformed),
                },
                Self::Data(left) => {
                    let Some(data) = take(inbox, left) else {
                        return Ok(Piece::Lacking);
                    };
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(Piece::Data(data));
                }
                Self::DataEnd => match inbox.get(..2) {
                    Some(b"\r\n") => {
                        inbox.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err(Malformed),
                    None => return Ok(Piece::Lacking),
                },
                Self::Trailers => return trailers(inbox),
            }
        }
    }
}

/// As much of what is `left` as is at hand.
fn take(inbox: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    if inbox.is_empty() {
        return None;
    }
    let at_hand = usize::try_from(*left).map_or(inbox.len(), |left| left.min(inbox.len()));
    *left -= at_hand as u64;
    Some(inbox.split_to(at_hand).freeze())
}

fn lacking(inbox: &BytesMut) -> Result<Piece, Malformed> {
    if inbox.len() > LINE_LIMIT {
        return Err(Malformed);
    }
    Ok(Piece::Lacking)
}

fn trailers(inbox: &mut BytesMut) -> Result<Piece, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; TRAILERS];
    let (length, fields) = match httparse::parse_headers(inbox, &mut fields) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) => return lacking(inbox),
        Err(_) => return Err(Malformed),
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?;
        trailers.append(name, value);
    }
    inbox.advance(length);
    Ok(if trailers.is_empty() {
        Piece::End
    } else {
        Piece::Trailers(trailers)
    })
}
