//! The bytes of a request: its head, and its body in the framing that its length asks for.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderMap, HeaderName, Request, header, uri::PathAndQuery};
use http_body::Body as _;

use crate::request::RequestBody;

/// How the end of a request's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    None,
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
}

impl Framing {
    pub(crate) fn of(body: &RequestBody) -> Self {
        if body.is_end_stream() {
            return Self::None;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Length)
    }
}

/// Fields that say how a message is framed. They are set here, never passed on.
fn frames(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING
}

/// Writes the head of a request.
pub(crate) fn write_head<B>(out: &mut BytesMut, request: &Request<B>, framing: Framing) {
    let target = request.uri().path_and_query();
    let target = target.map_or("/", PathAndQuery::as_str);
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let told_length = write_fields(out, request.headers());
    match framing {
        Framing::None if told_length => out.extend_from_slice(b"content-length: 0\r\n"),
        Framing::None => {}
        Framing::Length(length) => {
            out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes all fields but for those of the framing. Whether a length was among these.
fn write_fields(out: &mut BytesMut, fields: &HeaderMap) -> bool {
    let mut told_length = false;
    for (name, value) in fields {
        if frames(name) {
            told_length |= *name == header::CONTENT_LENGTH;
            continue;
        }
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        out.reserve(name.len() + value.len() + 4);
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    told_length
}

/// Writes a piece of a body. `None` when it is more than was announced.
pub(crate) fn write_data(out: &mut BytesMut, framing: &mut Framing, data: &[u8]) -> Option<()> {
    match framing {
        Framing::None => return data.is_empty().then_some(()),
        Framing::Length(left) => {
            *left = left.checked_sub(data.len() as u64)?;
            out.extend_from_slice(data);
        }
        // A chunk of no bytes would be the end.
        Framing::Chunked if data.is_empty() => {}
        Framing::Chunked => {
            out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
            out.extend_from_slice(data);
            out.extend_from_slice(b"\r\n");
        }
    }
    Some(())
}

/// Writes the end of a body. `None` when it is less than was announced.
pub(crate) fn write_end(
    out: &mut BytesMut,
    framing: Framing,
    trailers: Option<&HeaderMap>,
) -> Option<()> {
    match framing {
        Framing::None => {}
        Framing::Length(left) => return (left == 0).then_some(()),
        Framing::Chunked => {
            out.extend_from_slice(b"0\r\n");
            if let Some(trailers) = trailers {
                let _no_framing_here = write_fields(out, trailers);
            }
            out.extend_from_slice(b"\r\n");
        }
    }
    Some(())
}
