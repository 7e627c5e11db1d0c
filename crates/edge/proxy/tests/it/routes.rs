//! Several services behind one address: by host, then by path.

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use cutover_proxy::{ClientError, Route, RouteTable, Service};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{Answer, Balancer, Browser, Got, Origin, owned, service, side};

/// An address that nobody listens at just now.
fn free() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

fn routed(name: &str, at: SocketAddr, routes: &[(Option<&str>, &str)], to: SocketAddr) -> Service {
    let route = |(host, path): &(Option<&str>, &str)| Route {
        host: host.map(str::to_owned),
        path: (*path).to_owned(),
        ..Route::default()
    };
    Service {
        name: name.to_owned(),
        listen: Some(at.to_string()),
        routes: routes.iter().map(route).collect(),
        ..service(vec![side("1", 10_000, &[(name, to)])])
    }
}

async fn ask(browser: &mut Browser, host: &str, path: &str) -> Got {
    let request = Request::get(path).header("host", host);
    browser
        .send(request.body(Full::default()).unwrap())
        .await
        .unwrap()
}

async fn serve(balancer: &Balancer, generation: u64, services: Vec<Service>) {
    let names: Vec<_> = services
        .iter()
        .map(|service| service.name.clone())
        .collect();
    let table = RouteTable {
        generation,
        services,
    };
    balancer.client.apply(&table).await.unwrap();
    for name in &names {
        let reports = balancer
            .client
            .wait_healthy(name, &owned(&[name]), 10_000)
            .await
            .unwrap();
        assert!(reports[0].healthy, "{reports:?}");
    }
}

#[tokio::test]
async fn services_share_an_address_by_host_and_path() {
    let balancer = Balancer::start().await;
    let (shop, api, rest) = (
        Origin::named("shop").await,
        Origin::named("api").await,
        Origin::named("rest").await,
    );
    let at = free();
    let services = vec![
        routed("shop", at, &[(Some("shop.example.org"), "/")], shop.address),
        routed("api", at, &[(Some("*.example.org"), "/api")], api.address),
        routed("rest", at, &[(Some("*.example.org"), "/")], rest.address),
    ];
    serve(&balancer, 1, services.clone()).await;
    let mut browser = Browser::connect(at).await;
    for (host, path, name) in [
        ("shop.example.org", "/api", "shop"),
        ("a.example.org", "/api/x", "api"),
        ("a.example.org:80", "/apis", "rest"),
    ] {
        assert_eq!(
            ask(&mut browser, host, path).await.body,
            name,
            "{host}{path}"
        );
    }
    let unknown = ask(&mut browser, "example.org", "/").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.body.contains("no_route"), "{}", unknown.body);

    // One leaves; those who stay do so on the same connection.
    serve(&balancer, 2, services[..1].to_vec()).await;
    assert_eq!(
        ask(&mut browser, "shop.example.org", "/").await.body,
        "shop"
    );
    let gone = ask(&mut browser, "a.example.org", "/").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let status = balancer.client.status().await.unwrap();
    assert_eq!(status.services[0].listener, Some(at));
    assert_eq!(status.services[0].connections, 1);
}

#[tokio::test]
async fn shared_addresses_come_back_with_the_balancer() {
    let balancer = Balancer::start().await;
    let (one, two) = (Origin::named("one").await, Origin::named("two").await);
    let at = free();
    let services = vec![
        routed("one", at, &[(None, "/one")], one.address),
        routed("two", at, &[], two.address),
    ];
    serve(&balancer, 1, services).await;
    let balancer = Balancer::start_on(balancer.stop().await).await;
    for name in ["one", "two"] {
        let ids = owned(&[name]);
        balancer
            .client
            .wait_healthy(name, &ids, 10_000)
            .await
            .unwrap();
    }
    let mut browser = Browser::connect(at).await;
    assert_eq!(ask(&mut browser, "h", "/one/x").await.body, "one");
    assert_eq!(ask(&mut browser, "h", "/").await.body, "two");
}

#[tokio::test]
async fn a_host_unknown_on_a_shared_connection_is_misdirected() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("a").await;
    let at = free();
    serve(
        &balancer,
        1,
        vec![routed("a", at, &[(Some("a.example"), "/")], origin.address)],
    )
    .await;
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    for (host, expected) in [
        ("a.example", StatusCode::OK),
        ("b.example", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = Request::get(format!("http://{host}/")).body(Full::<Bytes>::default());
        let answer = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), expected, "{host}");
    }
}

#[tokio::test]
async fn a_prefix_is_taken_away_and_told() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async move {
        let prefix = &request.headers()["x-forwarded-prefix"];
        let seen = format!("{} {}", request.uri(), prefix.to_str().unwrap());
        Answer::new(Full::new(Bytes::from(seen)).boxed())
    })
    .await;
    let at = free();
    let mut entry = routed("a", at, &[(None, "/api")], origin.address);
    entry.routes[0].strip_prefix = true;
    serve(&balancer, 1, vec![entry]).await;
    let mut browser = Browser::connect(at).await;
    assert_eq!(
        ask(&mut browser, "h", "/api/x?y=1").await.body,
        "/x?y=1 /api"
    );
    assert_eq!(ask(&mut browser, "h", "/api").await.body, "/ /api");
}

#[tokio::test]
async fn an_ambiguous_table_is_refused_with_both_names() {
    let balancer = Balancer::start().await;
    let at = free();
    let table = RouteTable {
        generation: 1,
        services: vec![routed("one", at, &[], at), routed("two", at, &[], at)],
    };
    let refused = balancer.client.apply(&table).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(_)));
    let reason = refused.to_string();
    assert!(reason.contains("`one` and `two`"), "{reason}");
}
