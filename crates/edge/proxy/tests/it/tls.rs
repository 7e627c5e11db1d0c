//! TLS at a door: what is agreed on, what is shown to whom, and who is sent elsewhere.

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use cutover_proxy::{Route, RouteTable, Service, Timeouts, Tls};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    certificates::{Authority, put, tls},
    support::{Answer, Balancer, Browser, Origin, empty, owned, raw, service, side, text},
};

/// An address that nobody listens at just now.
pub(crate) fn free() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

/// Answers with what it was told of the client.
async fn telling() -> Origin {
    Origin::start(|request| async move {
        let headers = request.headers();
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let said = format!("{} {}", text("x-forwarded-proto"), text("x-forwarded-host"));
        Answer::new(Full::new(Bytes::from(said)).boxed())
    })
    .await
}

pub(crate) fn secured(origin: &Origin, tls: Tls) -> Service {
    Service {
        tls: Some(tls),
        ..service(vec![side("1", 10_000, &[("a", origin.address)])])
    }
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, host: &str) -> (StatusCode, String) {
    let request = Request::get("/").header("host", host).body(Full::default());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

struct World {
    authority: Authority,
    files: TempDir,
    balancer: Balancer,
}

impl World {
    async fn new() -> Self {
        Self {
            authority: Authority::new(),
            files: tempfile::tempdir().unwrap(),
            balancer: Balancer::start().await,
        }
    }

    fn tls(&self, names: &[&str]) -> Tls {
        let pair = self.authority.sign(names);
        tls(vec![put(self.files.path(), names[0], &pair)])
    }
}

#[tokio::test]
async fn the_client_chooses_the_protocol_and_the_upstream_is_told_of_tls() {
    let world = World::new().await;
    let origin = telling().await;
    let service = secured(&origin, world.tls(&["a.example"]));
    let address = world.balancer.serve(1, service, &["a"]).await;
    let mut one = world.authority.browse(address, "a.example").await;
    let (status, body) = ask(&mut one, "a.example").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "https a.example"));
    let mut two = world.authority.browse_h2(address, "a.example").await;
    let request = Request::get("https://a.example/").body(Full::default());
    let answer = two.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "https a.example");
    let status = world.balancer.client.status().await.unwrap();
    let [certificate] = status.services[0].certificates.as_slice() else {
        panic!("{status:?}");
    };
    assert_eq!(certificate.names, ["a.example"]);
    assert_eq!(certificate.error, None);
    assert!(!certificate.self_signed && certificate.expires_unix_ms > 0);
}

#[tokio::test]
async fn who_speaks_plain_http_is_told_and_who_says_nothing_is_left() {
    let world = World::new().await;
    let origin = telling().await;
    let mut service = secured(&origin, world.tls(&["a.example"]));
    service.timeouts = Timeouts {
        header_ms: 300,
        ..Timeouts::default()
    };
    let address = world.balancer.serve(1, service, &["a"]).await;
    let told = raw(address, b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    assert!(told.contains("https://"), "{told}");
    // Neither nothing nor half a handshake holds a place for ever.
    for bytes in [&b""[..], b"\x16\x03\x01", b"\0\0"] {
        assert_eq!(raw(address, bytes).await, "", "{bytes:?}");
    }
}

#[tokio::test]
async fn who_names_a_host_is_shown_the_certificate_for_it() {
    let world = World::new().await;
    let origin = telling().await;
    let mut told = world.tls(&["a.example"]);
    for names in ["*.b.example", "c.b.example"] {
        told.certificates.extend(world.tls(&[names]).certificates);
    }
    let address = world
        .balancer
        .serve(1, secured(&origin, told), &["a"])
        .await;
    let authority = &world.authority;
    let exact = authority.shown(address, "c.b.example").await;
    let wild = authority.shown(address, "x.b.example").await;
    assert_ne!(exact, wild);
    assert_ne!(authority.shown(address, "a.example").await, wild);
    // None covers these: the first one is shown, which such a client does not take.
    for host in ["b.example", "x.y.b.example", "127.0.0.1"] {
        assert!(
            authority.connect(address, host, &[]).await.is_err(),
            "{host}"
        );
    }
}

#[tokio::test]
async fn services_that_share_an_address_are_kept_apart_by_their_certificates() {
    let world = World::new().await;
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let at = free().to_string();
    let named = |name: &str, origin: &Origin| Service {
        name: name.to_owned(),
        listen: Some(at.clone()),
        routes: vec![Route {
            host: Some(format!("{name}.example")),
            ..Route::default()
        }],
        ..secured(origin, world.tls(&[&format!("{name}.example")]))
    };
    let table = RouteTable {
        generation: 1,
        services: vec![named("a", &a), named("b", &b)],
    };
    let client = &world.balancer.client;
    let address = client.apply(&table).await.unwrap().listeners["a"];
    for name in ["a", "b"] {
        client
            .wait_healthy(name, &owned(&["a"]), 10_000)
            .await
            .unwrap();
    }
    let mut sender = world.authority.browse(address, "b.example").await;
    assert_eq!(ask(&mut sender, "b.example").await.1, "b");
    let (status, body) = ask(&mut sender, "a.example").await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{body}");
    assert!(body.contains("open another one"), "{body}");
    let mut sender = world.authority.browse(address, "a.example").await;
    assert_eq!(ask(&mut sender, "a.example").await.1, "a");
}

#[tokio::test]
async fn plain_requests_are_sent_on() {
    let world = World::new().await;
    let origin = telling().await;
    let from = free();
    let mut told = world.tls(&["a.example"]);
    told.redirect_from = Some(from.to_string());
    let address = world
        .balancer
        .serve(1, secured(&origin, told.clone()), &["a"])
        .await;
    let mut browser = Browser::connect(from).await;
    let request = Request::post("/x?y=1").header("host", "a.example:80");
    let got = browser
        .send(request.body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(got.status, StatusCode::PERMANENT_REDIRECT);
    let expected = format!("https://a.example:{}/x?y=1", address.port());
    assert_eq!(got.headers["location"], expected);
    // Without it the plain address is closed; after a restart it is open again.
    let folder = world.balancer.stop().await;
    let balancer = Balancer::start_on(folder).await;
    assert!(TcpStream::connect(from).await.is_ok());
    told.redirect_from = None;
    balancer.apply(2, secured(&origin, told)).await;
    assert!(TcpStream::connect(from).await.is_err());
}

#[tokio::test]
async fn a_service_turns_to_tls_and_back_at_its_address() {
    let world = World::new().await;
    let origin = Origin::named("hello").await;
    let mut service = secured(&origin, world.tls(&["a.example"]));
    let told = service.tls.take();
    let address = world.balancer.serve(1, service.clone(), &["a"]).await;
    let mut before = Browser::connect(address).await;
    assert_eq!(before.get("/").await.unwrap().body, "hello");
    service.tls = told;
    assert_eq!(world.balancer.apply(2, service.clone()).await, address);
    let mut sender = world.authority.browse(address, "a.example").await;
    assert_eq!(ask(&mut sender, "a.example").await.1, "hello");
    assert_eq!(before.get("/").await.unwrap().body, "hello", "it goes on");
    service.tls = None;
    world.balancer.apply(3, service).await;
    let mut after = Browser::connect(address).await;
    assert_eq!(after.get("/").await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_websocket_goes_through_tls() {
    let world = World::new().await;
    let origin = Origin::start(|mut request| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
            let mut frame = [0; 7];
            stream.read_exact(&mut frame).await.unwrap();
            stream.write_all(b"\x81\x05hello").await.unwrap();
        });
        let mut answer = text("").map(|_| empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert("connection", "Upgrade".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        answer
    })
    .await;
    let service = secured(&origin, world.tls(&["a.example"]));
    let address = world.balancer.serve(1, service, &["a"]).await;
    let connected = world.authority.connect(address, "a.example", &["http/1.1"]);
    let mut stream = connected.await.unwrap();
    let ask =
        b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    assert!(read.starts_with(b"HTTP/1.1 101"));
    stream.write_all(b"\x81\x81\0\0\0\0x").await.unwrap();
    let mut frame = [0; 7];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x05hello");
}
