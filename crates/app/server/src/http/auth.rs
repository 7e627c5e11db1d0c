//! Who is there: a token for everything that changes something, and for everything at all when the
//! server listens beyond this machine. Foreign host names and origins are refused, so that a page
//! elsewhere cannot speak with a server on loopback.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::Control;

/// The guard at the door.
#[derive(Clone)]
pub(super) struct Door(Arc<Inner>);

struct Inner {
    control: Control,
    /// Whether only this machine can reach us.
    loopback: bool,
}

/// The user who asks, as authenticated.
#[derive(Debug, Clone)]
pub(super) struct User(pub(super) String);

impl Door {
    pub(super) fn new(control: Control, address: SocketAddr) -> Self {
        Self(Arc::new(Inner {
            control,
            loopback: address.ip().is_loopback(),
        }))
    }
}

pub(super) async fn guard(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    if door.0.loopback && !is_local(headers) {
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this server answers to `localhost` only",
        );
    }
    if !is_same_origin(headers) {
        return refuse(StatusCode::FORBIDDEN, "pages of another origin may not ask");
    }
    let user = match token(headers) {
        Some(token) => match door.0.control.user_of(&token).await {
            Ok(Some(user)) => Some(user),
            Ok(None) => return unauthorized("the token is not known"),
            Err(error) => return super::Fault::from(error).into_response(),
        },
        None => None,
    };
    let path = request.uri().path();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let needs_user = changes || path.starts_with("/git/") || !door.0.loopback;
    match user {
        Some(user) => drop(request.extensions_mut().insert(User(user))),
        None if needs_user && path != "/healthz" => {
            return unauthorized(
                "a token is needed: `Authorization: Bearer …`, or as the password",
            );
        }
        None => {}
    }
    next.run(request).await
}

/// `Bearer TOKEN`, or the password of `Basic`, which is what git and browsers send.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
        return pair
            .split_once(':')
            .map(|(_, password)| password.to_owned());
    }
    None
}

/// Whether a page that asks is ours. Browsers say where a page is from; a browser that remembers a
/// password would send it along with what any page asks, also one of another port of this machine.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| Some(headers.get(name)?.to_str().ok());
    match text(header::ORIGIN) {
        None => true,
        Some(origin) => {
            let from = origin.and_then(|origin| origin.split_once("://"));
            let host = text(header::HOST).flatten();
            from.is_some_and(|(_, from)| host.is_some_and(|host| from.eq_ignore_ascii_case(host)))
        }
    }
}

fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    let Some(host) = host.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": why }))).into_response()
}

fn unauthorized(why: &str) -> Response {
    let mut response = refuse(StatusCode::UNAUTHORIZED, why);
    let ask = header::HeaderValue::from_static("Basic realm=\"cutover\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, text.parse().unwrap());
        is_local(&headers)
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        for name in [
            "localhost",
            "localhost:80",
            "127.0.0.1:7800",
            "[::1]:7800",
            "LOCALHOST:1",
            "cutover.localhost:7800",
        ] {
            assert!(host(name), "{name}");
        }
        for name in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "10.0.0.1",
        ] {
            assert!(!host(name), "{name}");
        }
    }

    #[test]
    fn only_our_own_pages_may_ask() {
        let asks = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_same_origin(&headers)
        };
        assert!(asks(None, "127.0.0.1:7800"), "not a page");
        assert!(asks(Some("http://127.0.0.1:7800"), "127.0.0.1:7800"));
        assert!(asks(Some("https://ship.example"), "ship.example"));
        for origin in [
            "http://evil.example",
            "http://127.0.0.1:3000",
            "http://localhost:7800",
            "null",
        ] {
            assert!(!asks(Some(origin), "127.0.0.1:7800"), "{origin}");
        }
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_the_password() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Bearer abc".parse().unwrap());
        assert_eq!(token(&headers).as_deref(), Some("abc"));
        let basic = format!("Basic {}", BASE64_STANDARD.encode("ada:abc"));
        headers.insert(header::AUTHORIZATION, basic.parse().unwrap());
        assert_eq!(token(&headers).as_deref(), Some("abc"));
        headers.insert(header::AUTHORIZATION, "Digest abc".parse().unwrap());
        assert_eq!(token(&headers), None);
    }
}
