//! The access log: what is known of a request while it is under way, and the line at its end.
//!
//! Who writes the lines is in `log_file`. Cookies, `Authorization` and all other header fields stay
//! out; of the query only what the table allows gets in.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body::{Body as _, Frame};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    body_fate::BodyFate,
    client_address::client_address,
    clock,
    control::QueryLog,
    errors::ToldCause,
    lock::locked,
    log_file::LogFile,
    request::Peer,
    response::{AnswerCut, ResponseBody},
    route::host_of,
    trust::Network,
};

const TRACE: HeaderName = HeaderName::from_static("traceparent");
/// Bytes of a target and of a host that are told. Lines wait in memory, so they are bounded.
const TARGET_LIMIT: usize = 2_048;
const HOST_LIMIT: usize = 255;

/// The access log of one service.
#[derive(Debug)]
pub(crate) struct AccessLog {
    pub(crate) file: Arc<LogFile>,
    pub(crate) query: QueryLog,
    pub(crate) service: String,
}

/// What the way of a request adds to its line.
#[derive(Debug, Default)]
pub(crate) struct Note(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    side: Option<String>,
    upstream: Option<String>,
    rule: Option<String>,
    body: BodyFate,
}

impl Note {
    /// Where the request was sent last.
    pub(crate) fn place(&self, side: &str, upstream: &str) {
        let mut noted = locked(&self.0);
        noted.side = Some(side.to_owned());
        noted.upstream = Some(upstream.to_owned());
    }

    /// The rule that noted the request.
    pub(crate) fn rule(&self, rule: String) {
        locked(&self.0).rule = Some(rule);
    }

    /// How its body fares.
    pub(crate) fn body(&self, body: &BodyFate) {
        locked(&self.0).body = body.clone();
    }
}

/// One line, as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    unix_ms: u64,
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    #[serde(serialize_with = "method")]
    method: Method,
    host: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    /// Missing when the client left before there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    bytes_in: u64,
    bytes_out: u64,
    /// To the last byte of the answer.
    duration_us: u64,
    /// To its head.
    #[serde(skip_serializing_if = "Option::is_none")]
    head_us: Option<u64>,
    client: IpAddr,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
}

fn method<S: serde::Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

/// A request under way. Its line is written when this is dropped, however it ends.
#[derive(Debug)]
pub(crate) struct Pending {
    line: Option<Line>,
    file: Arc<LogFile>,
    note: Arc<Note>,
    began: Instant,
    /// Whether the answer came to its end, or its way ended otherwise that the line tells of.
    ended: bool,
}

impl AccessLog {
    /// Begins a line, and sees to it that the request has a trace.
    pub(crate) fn begin<B>(
        &self,
        request: &mut Request<B>,
        peer: &Peer,
        trusted: &[Network],
    ) -> Pending {
        let uri = request.uri();
        let (path, query) = (short(uri.path(), TARGET_LIMIT), uri.query());
        let query = match self.query {
            QueryLog::Whole => query.map(|query| short(query, TARGET_LIMIT)),
            QueryLog::Names => query.map(|query| names(&short(query, TARGET_LIMIT))),
            QueryLog::Nothing => None,
        };
        let mut line = Line {
            unix_ms: clock::unix_ms(),
            service: self.service.clone(),
            side: None,
            upstream: None,
            method: request.method().clone(),
            host: short(host_of(request), HOST_LIMIT),
            path,
            query,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 0,
            head_us: None,
            client: client_address(request.headers(), peer.ip(), trusted),
            trace_id: String::new(),
            rule: None,
            cause: None,
        };
        line.trace_id = trace(request.headers_mut());
        Pending {
            line: Some(line),
            file: Arc::clone(&self.file),
            note: Arc::default(),
            began: Instant::now(),
            ended: false,
        }
    }
}

impl Pending {
    /// What the way of the request adds to.
    pub(crate) fn note(&self) -> Arc<Note> {
        Arc::clone(&self.note)
    }

    /// The answer has begun; its body ends the line.
    pub(crate) fn answered(
        mut self,
        mut response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let elapsed = micros(self.began);
        if let Some(line) = &mut self.line {
            line.status = Some(response.status().as_u16());
            line.head_us = Some(elapsed);
            line.cause = response
                .extensions_mut()
                .remove()
                .map(|ToldCause(cause)| cause);
        }
        // A body without a byte may never be asked for one.
        self.ended = response.body().is_end_stream();
        response.map(|body| ResponseBody::watched(body, self))
    }

    /// A piece of the answer went by, or its end.
    pub(crate) fn saw(&mut self, piece: Option<&Result<Frame<Bytes>, AnswerCut>>, last: bool) {
        self.ended |= last;
        let Some(line) = &mut self.line else { return };
        match piece {
            Some(Ok(frame)) => line.bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(AnswerCut)) => {
                line.cause = Some("answer_cut");
                self.ended = true;
            }
            None => self.ended = true,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(mut line) = self.line.take() else {
            return;
        };
        let noted = std::mem::take(&mut *locked(&self.note.0));
        line.duration_us = micros(self.began);
        line.side = noted.side;
        line.upstream = noted.upstream;
        line.rule = noted.rule;
        line.bytes_in = noted.body.bytes();
        if !self.ended {
            line.cause = line.cause.or(Some("client_gone"));
        }
        self.file.write(line);
    }
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn short(text: &str, limit: usize) -> String {
    text.get(..text.floor_char_boundary(limit))
        .unwrap_or_default()
        .to_owned()
}

/// A query without its values.
fn names(query: &str) -> String {
    let name = |pair: &str| match pair.split_once('=') {
        Some((name, _)) => format!("{name}=*"),
        // Without a name it may all be a value.
        None => "*".to_owned(),
    };
    query.split('&').map(name).collect::<Vec<_>>().join("&")
}

/// The trace that the request is part of; one that it begins if it is part of none. By W3C Trace
/// Context, level 1.
fn trace(headers: &mut HeaderMap) -> String {
    let known = headers.get(TRACE).and_then(|value| value.to_str().ok());
    if let Some(id) = known.and_then(trace_id) {
        return id.to_owned();
    }
    let (trace, span): (u128, u64) = (rand::random(), rand::random());
    let id = format!("{:032x}", trace.max(1));
    if let Ok(value) = HeaderValue::from_str(&format!("00-{id}-{:016x}-01", span.max(1))) {
        headers.insert(TRACE, value);
    }
    id
}

fn trace_id(text: &str) -> Option<&str> {
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.splitn(4, '-');
    let (version, id, span, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let flags = rest.split('-').next()?;
    let known = version != "00" || rest.len() == 2;
    let whole = hex(version, 2) && version != "ff" && hex(id, 32) && hex(span, 16) && hex(flags, 2);
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    (known && whole && some(id) && some(span)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_query_are_left_out() {
        assert_eq!(names("a=1&b=&c&token=x=y"), "a=*&b=*&*&token=*");
    }

    #[test]
    fn a_trace_is_read_or_begun() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_id(good), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
        let mut headers = HeaderMap::new();
        let begun = trace(&mut headers);
        assert_eq!(
            trace_id(headers[TRACE].to_str().unwrap()),
            Some(begun.as_str())
        );
        assert_eq!(trace(&mut headers), begun);
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert_eq!(short("aüb", 2), "a");
        assert_eq!(short("ab", 5), "ab");
    }
}
