//! The head of an answer: its fields, how its body ends, whether the connection can be kept.

use std::{mem::MaybeUninit, ops::Range};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use super::chunks::{Chunk, Decoder};

/// Fields that an answer may have.
const FIELDS: usize = 128;
/// Fields for which a connection keeps room while it is not used.
const FIELDS_KEPT: usize = 64;
/// Interim answers (1xx) that may come before a final one. None is passed on.
const INTERIM: usize = 32;
/// Bytes that the head of an answer may have.
const HEAD_LIMIT: usize = 128 * 1024;

/// What came is not HTTP/1.1, or says two things about where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What was asked, as far as the framing of the answer depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    only_head: bool,
    upgrade: bool,
}

impl Asked {
    pub(crate) fn by<B>(request: &Request<B>) -> Self {
        Self {
            only_head: *request.method() == Method::HEAD,
            upgrade: request.headers().contains_key(header::UPGRADE),
        }
    }
}

/// The head of a final answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) response: Response<()>,
    pub(crate) decoder: Decoder,
    /// Whether the connection can carry another request afterwards.
    pub(crate) keeps: bool,
}

/// Room for what heads are made of, had again and again without asking for memory.
#[derive(Debug, Default)]
pub(crate) struct Room {
    places: Vec<Field>,
    /// Without a field.
    fields: HeaderMap,
    /// Interim answers that were dropped before the final one.
    interim: usize,
}

impl Room {
    /// Takes the room of fields that nobody needs any more, unless it is too much to keep.
    pub(crate) fn give(&mut self, mut fields: HeaderMap) {
        if fields.capacity() <= FIELDS_KEPT {
            fields.clear();
            self.fields = fields;
        }
    }
}

/// Where in the head a field's name and its value are.
type Field = (Range<usize>, Range<usize>);

/// Takes the head of the final answer out of `inbox`; interim ones before it are dropped, for the
/// balancer answers `100 Continue` itself. `None` when more bytes are needed.
pub(crate) fn take(
    inbox: &mut BytesMut,
    asked: Asked,
    room: &mut Room,
) -> Result<Option<Head>, Malformed> {
    while !inbox.is_empty() {
        let Some((response, minor)) = take_one(inbox, room)? else {
            return Ok(None);
        };
        let status = response.status();
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            room.interim = 0;
            return framed(response, minor, asked).map(Some);
        }
        room.interim += 1;
        if room.interim > INTERIM {
            return Err(Malformed);
        }
        room.give(response.into_parts().0.headers);
    }
    Ok(None)
}

fn take_one(
    inbox: &mut BytesMut,
    room: &mut Room,
) -> Result<Option<(Response<()>, u8)>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let result = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        inbox,
        &mut fields,
    );
    let length = match result.map_err(|_| Malformed)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if inbox.len() > HEAD_LIMIT => return Err(Malformed),
        httparse::Status::Partial => return Ok(None),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (status, minor) = (status.ok_or(Malformed)?, parsed.version.ok_or(Malformed)?);
    let start = inbox.as_ptr().addr();
    let place = |part: &[u8]| {
        let at = part.as_ptr().addr() - start;
        at..at + part.len()
    };
    room.places.clear();
    let found = parsed.headers.iter();
    room.places
        .extend(found.map(|field| (place(field.name.as_bytes()), place(field.value))));
    // The values share the bytes that arrived.
    let bytes = inbox.split_to(length).freeze();
    let mut headers = std::mem::take(&mut room.fields);
    headers.reserve(room.places.len());
    for (name, value) in room.places.drain(..) {
        let name = HeaderName::from_bytes(&bytes[name]).map_err(|_| Malformed)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value)).map_err(|_| Malformed)?;
        headers.append(name, value);
    }
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(Some((response, minor)))
}

fn framed(mut response: Response<()>, minor: u8, asked: Asked) -> Result<Head, Malformed> {
    let status = response.status();
    let keeps = stays_open(response.headers(), minor);
    let length = length(response.headers_mut())?;
    let coded = is_chunked(response.headers(), minor)?;
    let (decoder, keeps) = if status == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody can go on from a switch that was not asked for.
        if !asked.upgrade {
            return Err(Malformed);
        }
        (Decoder::Ended, false)
    } else if asked.only_head || status == StatusCode::NOT_MODIFIED {
        (Decoder::Ended, keeps)
    } else if status == StatusCode::NO_CONTENT {
        // Whoever states a body here may send one, which would be read as the next answer.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        (Decoder::Ended, keeps && !coded && length.unwrap_or(0) == 0)
    } else if coded {
        // Whoever states both is not to be trusted with another request.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        (Decoder::Chunked(Chunk::Size), keeps && length.is_none())
    } else if let Some(length) = length {
        (Decoder::with_length(length), keeps)
    } else {
        (Decoder::ToTheEnd, false)
    };
    Ok(Head {
        response,
        decoder,
        keeps,
    })
}

fn stays_open(headers: &HeaderMap, minor: u8) -> bool {
    let says = |word: &str| {
        let lines = headers.get_all(header::CONNECTION).iter();
        let mut words = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        words.any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    if minor == 0 {
        says("keep-alive") && !says("close")
    } else {
        !says("close")
    }
}

/// The one length that is stated, as often as it may be.
fn length(headers: &mut HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    let mut repeated = false;
    for other in lengths {
        if other != first {
            return Err(Malformed);
        }
        repeated = true;
    }
    let text = first.to_str().map_err(|_| Malformed)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    let length = text.parse().map_err(|_| Malformed)?;
    if repeated {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(Some(length))
}

/// Whether the body comes in chunks. No other coding was asked for, so none can be undone.
fn is_chunked(headers: &HeaderMap, minor: u8) -> Result<bool, Malformed> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None)
            if minor == 1 && coding.as_bytes().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(true)
        }
        _ => Err(Malformed),
    }
}
