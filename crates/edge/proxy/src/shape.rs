//! One request in the form of HTTP/1.1 or of HTTP/2, whichever its next upstream speaks.
//!
//! A request that could not be sent may go to another upstream, of another side, with another
//! protocol. So both ways are here, and nothing is lost on either.

use http::{
    HeaderValue, Request, Uri, Version, header,
    uri::{Authority, Parts, Scheme},
};

/// Stands where a client of HTTP/1.0 named no host; HTTP/2 cannot be without.
const NOBODY: Authority = Authority::from_static("localhost");

/// Makes it a request of HTTP/2: its host stands in the target, nothing concerns the connection.
pub(crate) fn for_h2<B>(request: &mut Request<B>) {
    if request.version() == Version::HTTP_2 {
        return;
    }
    let headers = request.headers_mut();
    headers.remove(header::CONNECTION);
    headers.remove(header::UPGRADE);
    let host = headers.remove(header::HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority.unwrap_or(NOBODY));
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}

/// Makes it a request of HTTP/1.1 again.
pub(crate) fn for_h1<B>(request: &mut Request<B>) {
    if request.version() != Version::HTTP_2 {
        return;
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let host = parts.authority.take();
    parts.scheme = None;
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_11;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{self, RequestBody};

    #[test]
    fn there_and_back_again() {
        let request = Request::get("/a?b").header("host", "shop.example:81");
        let mut request = request.header("te", "trailers").body(()).unwrap();
        for_h2(&mut request);
        assert_eq!(request.uri(), "http://shop.example:81/a?b");
        assert!(!request.headers().contains_key("host"));
        for_h2(&mut request);
        for_h1(&mut request);
        assert_eq!(request.uri(), "/a?b");
        assert_eq!(request.headers()["host"], "shop.example:81");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.version(), Version::HTTP_11);
    }

    #[test]
    fn what_concerns_the_connection_does_not_go_over_http2() {
        let request = Request::options("*").header("connection", "upgrade");
        let mut request = request.header("upgrade", "websocket").body(()).unwrap();
        for_h2(&mut request);
        assert!(request.headers().is_empty());
        assert_eq!(request.uri().authority(), Some(&NOBODY));
    }

    #[test]
    fn what_is_sent_again_over_http2_keeps_its_host() {
        let request = Request::get("/a").header("host", "shop.example");
        let mut request = request.body(RequestBody::default()).unwrap();
        for_h2(&mut request);
        let mut again = request::repeat(&request);
        for_h2(&mut again);
        assert_eq!(again.uri(), "http://shop.example/a");
    }
}
