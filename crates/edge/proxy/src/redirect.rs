//! The plain address of a service with TLS: every request is sent on to the other one.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, uri::PathAndQuery};

use crate::{errors::BadRequest, response::ResponseBody, route::host_of};

/// The port that `https://` has by itself.
const HTTPS: u16 = 443;

/// Where the same is to be had with TLS. The method stays (308).
pub(crate) fn answer<B>(request: &Request<B>, port: u16) -> Response<ResponseBody> {
    let host = host_of(request);
    let target = request.uri().path_and_query();
    let target = target.map_or("/", PathAndQuery::as_str);
    let port = if port == HTTPS {
        String::new()
    } else {
        format!(":{port}")
    };
    let plain = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte));
    let location = HeaderValue::from_str(&format!("https://{host}{port}{target}"));
    let (Ok(location), true) = (location, plain && !host.is_empty()) else {
        return BadRequest::Host.response();
    };
    let mut response = Response::new(ResponseBody::text(Bytes::new()));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_target_stay() {
        for (host, target, port, expected) in [
            ("a.example:80", "/x?y=1", 443, "https://a.example/x?y=1"),
            ("a.example", "/", 8443, "https://a.example:8443/"),
            ("[::1]:80", "/", 443, "https://[::1]/"),
            ("", "http://b.example/x", 443, "https://b.example/x"),
        ] {
            let request = Request::get(target).header("host", host).body(()).unwrap();
            let answer = answer(&request, port);
            assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
            assert_eq!(answer.headers()["location"], expected);
        }
    }

    #[test]
    fn what_is_no_host_is_sent_nowhere() {
        for host in ["", "a/b", "user@evil.example"] {
            let request = Request::get("/").header("host", host).body(()).unwrap();
            assert_eq!(answer(&request, 443).status(), StatusCode::BAD_REQUEST);
        }
    }
}
