//! A client's request made ready for an upstream: what is taken away, set, and refused.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header, uri::PathAndQuery,
};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use crate::{
    body_fate::BodyFate,
    errors::BadRequest,
    headers::{self, Kinds},
    route::Route,
    stall::Stall,
    tls::Secured,
    trust::Network,
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// What else tells servers who asks and how, in spellings that some of them read as the same. The
/// balancer sets none of it, so from a stranger it is an invention.
pub(crate) const HEARSAY: [HeaderName; 9] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x_forwarded_for"),
    HeaderName::from_static("x_forwarded_proto"),
    HeaderName::from_static("x_forwarded_host"),
    HeaderName::from_static("x_forwarded_port"),
    HeaderName::from_static("x_forwarded_prefix"),
    HeaderName::from_static("x_real_ip"),
];

/// Who sent the request, as told to upstreams. Made once per connection.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    forwarded: Option<HeaderValue>,
    /// What was agreed on, when the connection has TLS.
    pub(crate) secured: Option<Secured>,
}

impl Peer {
    /// Its address, which may be that of a proxy.
    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub(crate) fn new(address: SocketAddr) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let forwarded = HeaderValue::from_str(&address.ip().to_string()).ok();
        Self {
            address,
            forwarded,
            secured: None,
        }
    }

    /// The same over TLS.
    pub(crate) fn over(self, secured: Secured) -> Self {
        Self {
            secured: Some(secured),
            ..self
        }
    }

    fn scheme(&self) -> &'static str {
        match self.secured {
            Some(_) => "https",
            None => "http",
        }
    }
}

/// A request ready to be sent.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) request: Request<RequestBody>,
    /// The client's half of a switch of protocol, when it asked for one.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// Whether it may be sent again although it may have arrived.
    pub(crate) repeatable: bool,
    /// How its body fared.
    pub(crate) body: BodyFate,
}

/// Makes a request ready.
pub(crate) fn prepare(
    mut request: Request<Incoming>,
    peer: &Peer,
    trusted: &[Network],
    route: &Route,
    body_patience: Duration,
) -> Result<Outbound, BadRequest> {
    let body_limit = route.told.body_bytes;
    if body_limit.is_some_and(|limit| request.body().size_hint().lower() > limit) {
        return Err(BadRequest::BodyTooLarge);
    }
    if request.method() == Method::CONNECT {
        return Err(BadRequest::Connect);
    }
    let kinds = Kinds::of(request.headers());
    let protocol = headers::upgrade(request.headers(), kinds);
    let upgrade = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    parts.extensions.clear();
    let host = host(&parts.uri, &parts.headers, parts.version)?;
    let trusted = trusted
        .iter()
        .any(|network| network.contains(peer.address.ip()));
    let wants_trailers = kinds.has(Kinds::TE) && headers::wants_trailers(&parts.headers);
    headers::strip_hop_by_hop(&mut parts.headers, kinds);
    // The balancer itself answers `100 Continue` as soon as the upstream wants the body.
    if kinds.has(Kinds::EXPECT) {
        parts.headers.remove(header::EXPECT);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    set_forwarded(&mut parts.headers, kinds, peer, trusted, host.as_ref());
    if let Some(host) = host
        && parts.uri.authority().is_some()
    {
        parts.headers.insert(header::HOST, host);
    }
    if let Some(protocol) = protocol {
        headers::set_upgrade(&mut parts.headers, protocol);
    }
    if wants_trailers {
        headers::set_wants_trailers(&mut parts.headers);
    }
    to_origin_form(&mut parts.uri)?;
    if kinds.has(Kinds::OURS) && !trusted {
        headers::strip_ours(&mut parts.headers);
    }
    if kinds.has(Kinds::PREFIX) && !trusted {
        parts.headers.remove(FORWARDED_PREFIX);
    }
    strip_prefix(&mut parts.uri, &mut parts.headers, route);
    parts.version = Version::HTTP_11;
    let repeatable = body.is_end_stream() && parts.method.is_idempotent() && upgrade.is_none();
    let (body, fate) = RequestBody::new(body, body_patience, body_limit);
    let request = Request::from_parts(parts, body);
    Ok(Outbound {
        request,
        upgrade,
        repeatable,
        body: fate,
    })
}

/// Whether a request has no body.
pub(crate) fn is_empty(request: &Request<RequestBody>) -> bool {
    request.body().0.is_none()
}

/// A second copy of a repeatable request.
pub(crate) fn repeat(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::default());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    // In which form it is: see `shape`.
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// For whom the request is: the authority of its target if it has one, else its `Host`.
fn host(
    uri: &Uri,
    headers: &HeaderMap,
    version: Version,
) -> Result<Option<HeaderValue>, BadRequest> {
    if let Some(authority) = uri.authority() {
        if authority.as_str().contains('@') {
            return Err(BadRequest::Target);
        }
        let value = HeaderValue::from_str(authority.as_str()).map_err(|_| BadRequest::Target)?;
        // A second name for whom it is must be the same: not every reader asks the same of the two.
        let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(value.as_bytes());
        let mut hosts = headers.get_all(header::HOST).iter();
        return match (hosts.next(), hosts.next()) {
            (None, _) => Ok(Some(value)),
            (Some(host), None) if same(host) => Ok(Some(value)),
            _ => Err(BadRequest::Host),
        };
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => Ok(Some(host.clone())),
        (None, _) if version == Version::HTTP_10 => Ok(None),
        _ => Err(BadRequest::Host),
    }
}

/// No more than what keeps a `Host` from being read as something else further on.
fn is_host(value: &HeaderValue) -> bool {
    let mark = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte);
    value.as_bytes().iter().all(mark)
}

/// A client that speaks HTTP/2 may send its cookies in pieces; HTTP/1.1 knows only one field.
fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if pieces.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

fn set_forwarded(
    headers: &mut HeaderMap,
    kinds: Kinds,
    peer: &Peer,
    trusted: bool,
    host: Option<&HeaderValue>,
) {
    if let Some(own) = &peer.forwarded {
        let value = if trusted {
            extended(headers, own)
        } else {
            None
        };
        headers.insert(FORWARDED_FOR, value.unwrap_or_else(|| own.clone()));
    }
    if kinds.has(Kinds::HEARSAY) && !trusted {
        for name in HEARSAY {
            headers.remove(name);
        }
    }
    if !trusted || !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(peer.scheme()));
    }
    if trusted && headers.contains_key(FORWARDED_HOST) {
        return;
    }
    match host {
        Some(host) => headers.insert(FORWARDED_HOST, host.clone()),
        None => headers.remove(FORWARDED_HOST),
    };
}

/// What earlier hops said, and this peer behind it.
fn extended(headers: &HeaderMap, own: &HeaderValue) -> Option<HeaderValue> {
    let lines = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(HeaderValue::as_bytes);
    let mut lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    lines.push(own.as_bytes());
    HeaderValue::from_bytes(&lines.join(&b", "[..])).ok()
}

/// Upstreams are asked in the form that origins understand: path and query.
fn to_origin_form(uri: &mut Uri) -> Result<(), BadRequest> {
    if uri.authority().is_none() && uri.scheme().is_none() {
        return Ok(());
    }
    let target = uri.path_and_query().cloned();
    let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *uri = Uri::try_from(target.as_str()).map_err(|_| BadRequest::Target)?;
    Ok(())
}

/// Takes away what only this balancer knows of the path.
fn strip_prefix(uri: &mut Uri, headers: &mut HeaderMap, route: &Route) {
    if let (Some(prefix), Some(stripped)) = (&route.stripped, route.strip(uri)) {
        headers.insert(FORWARDED_PREFIX, prefix.clone());
        *uri = stripped;
    }
}

/// The body of a request on its way to an upstream.
#[derive(Debug, Default)]
pub(crate) struct RequestBody(Option<Streamed>);

#[derive(Debug)]
struct Streamed {
    body: Incoming,
    stall: Stall,
    /// Bytes that may still come.
    left: u64,
    fate: BodyFate,
}

impl RequestBody {
    /// The body, and how it fares from now on.
    fn new(body: Incoming, patience: Duration, limit: Option<u64>) -> (Self, BodyFate) {
        if body.is_end_stream() {
            return (Self(None), BodyFate::default());
        }
        let fate = BodyFate::of_some();
        let streamed = Streamed {
            body,
            stall: Stall::new(patience),
            left: limit.unwrap_or(u64::MAX),
            fate: fate.clone(),
        };
        (Self(Some(streamed)), fate)
    }
}

/// The client's body broke off or stood still.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the client did not send the whole body")]
pub(crate) struct BodyFailed;

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let Some(Streamed {
            body,
            stall,
            left,
            fate,
        }) = &mut self.0
        else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut *body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                stall.moved();
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(rest) = left.checked_sub(bytes) else {
                    fate.grew_too_large();
                    return Poll::Ready(Some(Err(BodyFailed)));
                };
                *left = rest;
                fate.passed(bytes);
                if body.is_end_stream() {
                    fate.is_over();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                fate.is_over();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => {
                fate.broke();
                Poll::Ready(Some(Err(BodyFailed)))
            }
            Poll::Pending => {
                ready!(stall.poll_stalled(context));
                fate.stalled();
                Poll::Ready(Some(Err(BodyFailed)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|streamed| streamed.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(streamed) => streamed.body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(given: &[(HeaderName, &'static str)], trusted: bool) -> [String; 3] {
        let field = |(name, value): &(HeaderName, &'static str)| {
            (name.clone(), HeaderValue::from_static(value))
        };
        let mut headers: HeaderMap = given.iter().map(field).collect();
        let peer = Peer::new("203.0.113.7:5000".parse().unwrap());
        let host = HeaderValue::from_static("example.org");
        let kinds = Kinds::of(&headers);
        set_forwarded(&mut headers, kinds, &peer, trusted, Some(&host));
        [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST]
            .map(|name| headers[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn what_strangers_say_about_others_is_replaced() {
        let said = [
            (FORWARDED_FOR, "198.51.100.1"),
            (FORWARDED_PROTO, "https"),
            (FORWARDED_HOST, "other.example"),
        ];
        assert_eq!(
            forwarded(&said, false),
            ["203.0.113.7", "http", "example.org"]
        );
        let trusted = forwarded(&said, true);
        assert_eq!(
            trusted,
            ["198.51.100.1, 203.0.113.7", "https", "other.example"]
        );
        assert_eq!(forwarded(&[], true), ["203.0.113.7", "http", "example.org"]);
    }

    #[test]
    fn what_strangers_say_in_other_words_is_taken_away() {
        let said = || -> HeaderMap {
            let names = HEARSAY.into_iter().chain([header::ACCEPT]);
            names
                .map(|name| (name, HeaderValue::from_static("1")))
                .collect()
        };
        let peer = Peer::new("203.0.113.7:5000".parse().unwrap());
        let mut headers = said();
        let kinds = Kinds::of(&headers);
        set_forwarded(&mut headers, kinds, &peer, false, None);
        assert!(HEARSAY.iter().all(|name| !headers.contains_key(name)));
        assert!(headers.contains_key(header::ACCEPT));
        let mut headers = said();
        set_forwarded(&mut headers, kinds, &peer, true, None);
        assert!(HEARSAY.iter().all(|name| headers.contains_key(name)));
    }

    #[test]
    fn one_host_and_no_tricks() {
        let check = |uri: &str, hosts: &[&'static str], version| {
            let values = hosts.iter().map(|host| HeaderValue::from_static(host));
            let headers = values.map(|value| (header::HOST, value)).collect();
            host(&uri.parse().unwrap(), &headers, version)
        };
        let ok = |text: &'static str| Ok(Some(HeaderValue::from_static(text)));
        assert_eq!(
            check("/", &["a.example:80"], Version::HTTP_11),
            ok("a.example:80")
        );
        assert_eq!(check("http://b/", &["B"], Version::HTTP_11), ok("b"));
        assert_eq!(check("http://b/", &[], Version::HTTP_2), ok("b"));
        assert_eq!(
            check("http://b/", &["a"], Version::HTTP_11),
            Err(BadRequest::Host)
        );
        assert_eq!(check("/", &[], Version::HTTP_10), Ok(None));
        assert_eq!(check("/", &[], Version::HTTP_11), Err(BadRequest::Host));
        assert_eq!(
            check("/", &["a", "b"], Version::HTTP_11),
            Err(BadRequest::Host)
        );
        assert_eq!(
            check("/", &["a/b"], Version::HTTP_11),
            Err(BadRequest::Host)
        );
        assert_eq!(
            check("http://u@b/", &["b"], Version::HTTP_11),
            Err(BadRequest::Target)
        );
    }

    #[test]
    fn cookies_become_one_field() {
        let cookies = ["a=1", "b=2"].map(|text| (header::COOKIE, HeaderValue::from_static(text)));
        let mut headers: HeaderMap = cookies.into_iter().collect();
        join_cookies(&mut headers);
        let all: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(all, ["a=1; b=2"]);
    }

    #[test]
    fn targets_take_the_form_of_origins() {
        for (given, sent) in [
            ("http://a/b?c", "/b?c"),
            ("/b?c", "/b?c"),
            ("http://a", "/"),
            ("*", "*"),
        ] {
            let mut uri = given.parse().unwrap();
            to_origin_form(&mut uri).unwrap();
            assert_eq!(uri.to_string(), sent);
        }
    }
}
