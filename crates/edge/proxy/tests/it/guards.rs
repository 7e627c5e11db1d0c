//! What routes keep away from their services.

use bytes::Bytes;
use cutover_proxy::{Action, RateLimit, Route, Rule, Service};
use futures_util::stream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::support::{Balancer, Browser, Got, Origin, get, service, side};

fn guarded(route: Route, origin: &Origin) -> Service {
    Service {
        routes: vec![route],
        ..service(vec![side("1", 10_000, &[("a", origin.address)])])
    }
}

async fn from(browser: &mut Browser, client: &str) -> Got {
    let request = Request::get("/")
        .header("host", "h")
        .header("x-forwarded-for", client);
    browser
        .send(request.body(Full::default()).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn clients_that_ask_too_often_are_told_when_to_come_back() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("a").await;
    let rate = RateLimit {
        requests: 2,
        per_ms: 60_000,
        burst: 0,
        header: None,
        keys: 1_000,
    };
    let limited = Route {
        rate: Some(rate),
        ..Route::default()
    };
    let mut entry = guarded(limited, &origin);
    let address = balancer.serve(1, entry.clone(), &["a"]).await;
    let mut browser = Browser::connect(address).await;
    for _ in 0..2 {
        assert_eq!(
            from(&mut browser, "198.51.100.1").await.status,
            StatusCode::OK
        );
    }
    let refused = from(&mut browser, "198.51.100.1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u32 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((25..=30).contains(&wait), "{wait}");
    assert_eq!(
        from(&mut browser, "198.51.100.2").await.status,
        StatusCode::OK
    );
    // Another table that says the same of the route forgets nothing.
    entry.expose_version = true;
    balancer.apply(2, entry.clone()).await;
    let refused = from(&mut browser, "198.51.100.1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    // What strangers say about themselves is not believed: they are all the peer.
    entry.trusted_peers.clear();
    balancer.apply(3, entry).await;
    for (client, status) in [
        ("198.51.100.7", StatusCode::OK),
        ("198.51.100.8", StatusCode::OK),
        ("198.51.100.9", StatusCode::TOO_MANY_REQUESTS),
    ] {
        assert_eq!(from(&mut browser, client).await.status, status);
    }
    assert_eq!(balancer.ledger("rate_limited").await, 3);
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_known_or_not() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async move {
        let body = request.into_body().collect().await;
        let length = body.map_or(0, |body| body.to_bytes().len());
        crate::support::text(if length == 1_000 { "whole" } else { "other" })
    })
    .await;
    let route = Route {
        body_bytes: Some(1_000),
        ..Route::default()
    };
    let address = balancer.serve(1, guarded(route, &origin), &["a"]).await;
    for (length, status) in [
        (1_000, StatusCode::OK),
        (1_001, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let request = Request::post("/").header("host", "h");
        let request = request.body(Full::from(vec![b'x'; length])).unwrap();
        let got = Browser::connect(address).await.send(request).await.unwrap();
        assert_eq!(got.status, status);
    }
    // In pieces, whose sum nobody knows before.
    for (pieces, status) in [(10, StatusCode::OK), (11, StatusCode::PAYLOAD_TOO_LARGE)] {
        let piece = || Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[b'x'; 100])));
        let pieces = stream::iter(std::iter::repeat_with(piece).take(pieces));
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::post("/").header("host", "h");
        let request = request.body(StreamBody::new(pieces)).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), status);
    }
    assert_eq!(balancer.ledger("bad_request").await, 2);
}

#[tokio::test]
async fn rules_deny_or_note_and_are_counted() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("a").await;
    let rule = |name: &str, action, path: &str| Rule {
        name: name.to_owned(),
        action,
        methods: Vec::new(),
        path: Some(path.to_owned()),
        header: None,
        from: Vec::new(),
    };
    let route = Route {
        rules: vec![
            rule("no-admin", Action::Deny, "/admin*"),
            rule("old", Action::Log, "/v1/*"),
        ],
        common: Some(Action::Deny),
        ..Route::default()
    };
    let address = balancer.serve(1, guarded(route, &origin), &["a"]).await;
    for (path, status) in [
        ("/", StatusCode::OK),
        ("/v1/x", StatusCode::OK),
        ("/admin/x", StatusCode::FORBIDDEN),
        ("/x/%2e%2e/y", StatusCode::FORBIDDEN),
        ("/.git/config", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(get(address, path).await.status, status, "{path}");
    }
    let long = format!("/{}", "x".repeat(9_000));
    assert_eq!(get(address, &long).await.status, StatusCode::URI_TOO_LONG);
    let status = balancer.client.status().await.unwrap();
    let counts: Vec<_> = status.services[0]
        .rules
        .iter()
        .map(|count| (count.rule.as_str(), count.requests))
        .collect();
    assert_eq!(
        counts,
        [
            ("no-admin", 1),
            ("old", 1),
            ("common/traversal", 1),
            ("common/null_byte", 0),
            ("common/probe", 1),
            ("common/long_target", 1),
        ]
    );
    assert_eq!(status.services[0].ledger["denied"], 4);
}
