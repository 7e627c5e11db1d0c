//! Where requests go, and what becomes of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cutover_proxy::{Hold, Service, Timeouts, UpstreamState};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Balancer, Browser, Origin, RawOrigin, SERVICE, empty, get, owned, service, side, text,
};

#[tokio::test]
async fn weights_are_exact() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let sides = vec![
        side("1.0.0", 9_000, &[("a", old.address)]),
        side("1.1.0", 1_000, &[("b", new.address)]),
    ];
    let address = balancer.serve(1, service(sides), &["a", "b"]).await;
    let mut browser = Browser::connect(address).await;
    for _ in 0..20 {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(browser.get("/").await.unwrap().body);
        }
        assert_eq!(
            answers.iter().filter(|body| *body == "new").count(),
            1,
            "{answers:?}"
        );
    }
    let status = balancer.client.status().await.unwrap();
    let totals: Vec<_> = status.services[0]
        .sides
        .iter()
        .map(|side| {
            (
                side.name.as_str(),
                side.totals.requests,
                side.totals.status_2xx,
            )
        })
        .collect();
    assert_eq!(totals, [("1.0.0", 180, 180), ("1.1.0", 20, 20)]);
    assert!(status.services[0].ledger.values().all(|count| *count == 0));
}

#[tokio::test]
async fn a_dead_upstream_costs_nothing_and_is_found_out() {
    let balancer = Balancer::start().await;
    let (stays, dies) = (Origin::named("stays").await, Origin::named("dies").await);
    let sides = vec![side(
        "1",
        10_000,
        &[("stays", stays.address), ("dies", dies.address)],
    )];
    let address = balancer.serve(1, service(sides), &["stays", "dies"]).await;
    let mut browser = Browser::connect(address).await;
    browser.get("/").await.unwrap();
    let place = dies.address;
    drop(dies);
    // Its socket is closed by the runtime of this test; until then it still takes connections.
    while TcpStream::connect(place).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for _ in 0..50 {
        let got = browser.get("/").await.unwrap();
        assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "stays"));
    }
    let status = balancer.client.status().await.unwrap();
    let dead = &status.services[0].sides[0].upstreams[1];
    assert_eq!(
        (dead.id.as_str(), dead.state),
        ("dies", UpstreamState::Unhealthy)
    );
    assert_eq!(status.services[0].sides[0].totals.bad, 0);
}

#[tokio::test]
async fn a_side_without_upstreams_falls_back_to_another() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let sides = vec![
        side("1.0.0", 5_000, &[("a", old.address)]),
        side("1.1.0", 5_000, &[("b", new.address)]),
    ];
    let address = balancer.serve(1, service(sides), &["a", "b"]).await;
    drop(new);
    let mut browser = Browser::connect(address).await;
    for _ in 0..20 {
        assert_eq!(browser.get("/").await.unwrap().body, "old");
    }
    let status = balancer.client.status().await.unwrap();
    let [old, new] = &status.services[0].sides[..] else {
        panic!("two sides")
    };
    assert_eq!(status.services[0].ledger["other_side"], 10);
    assert_eq!((old.totals.requests, old.totals.bad), (20, 0));
    // The judge sees what the user was spared: every request that the dead side was given first.
    assert_eq!(new.totals.requests, new.totals.bad);
    assert!(new.totals.errors.connect >= 1);
}

#[tokio::test]
async fn a_side_without_weight_answers_when_nobody_else_can() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let sides = service(vec![
        side("1.0.0", 0, &[("a", old.address)]),
        side("1.1.0", 10_000, &[("b", new.address)]),
    ]);
    let address = balancer.serve(1, sides.clone(), &["a", "b"]).await;
    let mut browser = Browser::connect(address).await;
    assert_eq!(browser.get("/").await.unwrap().body, "new");
    drop(new);
    for _ in 0..20 {
        let got = browser.get("/").await.unwrap();
        assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "old"));
    }
    let status = balancer.client.status().await.unwrap();
    assert_eq!(status.services[0].ledger["other_side"], 20);
    // Requests that are held wait for whoever is given weight.
    let held = Service {
        hold: Some(Hold {
            for_ms: 50,
            ..Hold::default()
        }),
        ..sides
    };
    balancer.apply(2, held).await;
    let got = browser.get("/").await.unwrap();
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{}", got.body);
}

#[tokio::test]
async fn nobody_there_is_503_with_the_reason() {
    let balancer = Balancer::start().await;
    let address = balancer
        .apply(1, service(vec![side("1", 10_000, &[])]))
        .await;
    let got = get(address, "/").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.headers["retry-after"], "1");
    assert!(got.body.contains("no_upstream"), "{}", got.body);
    assert_eq!(balancer.ledger("no_upstream").await, 1);
}

#[tokio::test]
async fn a_slow_upstream_is_504() {
    let balancer = Balancer::start().await;
    let slow = Origin::start(|_request| std::future::pending()).await;
    let timeouts = Timeouts {
        response_ms: 100,
        ..Timeouts::default()
    };
    let sides = vec![side("1", 10_000, &[("a", slow.address)])];
    let address = balancer
        .serve(
            1,
            Service {
                timeouts,
                ..service(sides)
            },
            &["a"],
        )
        .await;
    let got = get(address, "/").await;
    assert_eq!(got.status, StatusCode::GATEWAY_TIMEOUT);
    let status = balancer.client.status().await.unwrap();
    let side = &status.services[0].sides[0];
    assert_eq!(
        (
            side.totals.status_5xx,
            side.totals.bad,
            side.totals.errors.timeout
        ),
        (1, 1, 1)
    );
    assert_eq!(side.upstreams[0].in_flight, 0);
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_502_unless_the_connection_was_old() {
    let balancer = Balancer::start().await;
    let rude = RawOrigin::start("", true).await;
    let address = balancer
        .serve(
            1,
            service(vec![side("1", 10_000, &[("a", rude.address)])]),
            &["a"],
        )
        .await;
    assert_eq!(get(address, "/").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        rude.heads.lock().unwrap().len(),
        1,
        "a new connection is no reason to repeat"
    );
    assert_eq!(balancer.ledger("reset").await, 1);
}

#[tokio::test]
async fn kept_connections_that_close_are_replaced() {
    let balancer = Balancer::start().await;
    // Says nothing about closing, and closes.
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    let closing = RawOrigin::start(answer, true).await;
    let sides = vec![side("1", 10_000, &[("a", closing.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut browser = Browser::connect(address).await;
    for _ in 0..100 {
        assert_eq!(browser.get("/").await.unwrap().body, "hi");
    }
    let post = || {
        Request::post("/")
            .header("host", "h")
            .body(Full::from("body"))
            .unwrap()
    };
    assert_eq!(browser.send(post()).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_cut_in_the_middle_reaches_the_client_as_such() {
    let balancer = Balancer::start().await;
    let half = RawOrigin::start("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", true).await;
    let address = balancer
        .serve(
            1,
            service(vec![side("1", 10_000, &[("a", half.address)])]),
            &["a"],
        )
        .await;
    Browser::connect(address).await.get("/").await.unwrap_err();
    let status = balancer.client.status().await.unwrap();
    let totals = &status.services[0].sides[0].totals;
    assert_eq!(
        (totals.status_2xx, totals.bad, totals.errors.reset),
        (1, 1, 1)
    );
    assert_eq!(status.services[0].ledger["answer_cut"], 1);
}

#[tokio::test]
async fn bodies_go_through_and_headers_say_who_asked() {
    let balancer = Balancer::start().await;
    let echo = Origin::start(|request| async move {
        let headers = request.headers().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut answer = text("");
        for name in [
            "host",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
        ] {
            answer.headers_mut().insert(name, headers[name].clone());
        }
        if let Some(mark) = headers.get("x-cutover-mirror") {
            answer.headers_mut().insert("x-marked", mark.clone());
        }
        assert!(!headers.contains_key("keep-alive") && !headers.contains_key("x-mine"));
        answer
            .headers_mut()
            .insert("keep-alive", "timeout=1".parse().unwrap());
        *answer.body_mut() = Full::new(body).boxed();
        answer
    })
    .await;
    let sides = vec![side("1.2.3", 10_000, &[("a", echo.address)])];
    let mut exposed = Service {
        expose_version: true,
        ..service(sides)
    };
    let address = balancer.serve(1, exposed.clone(), &["a"]).await;
    let body = "x".repeat(300_000);
    let request = Request::post("http://example.org/path?q")
        .header("host", "example.org")
        .header("connection", "x-mine")
        .header("x-mine", "1")
        .header("keep-alive", "timeout=9")
        .header("expect", "100-continue")
        .header("x-forwarded-for", "198.51.100.1")
        .header("x-cutover-mirror", "1")
        .body(Full::from(body.clone()))
        .unwrap();
    let again = request.clone();
    let got = Browser::connect(address).await.send(request).await.unwrap();
    assert_eq!(got.body.len(), body.len());
    assert_eq!(got.headers["x-marked"], "1", "a trusted peer says so");
    assert_eq!(got.headers["host"], "example.org");
    assert_eq!(got.headers["x-forwarded-for"], "198.51.100.1, 127.0.0.1");
    assert_eq!(got.headers["x-forwarded-proto"], "http");
    assert_eq!(got.headers["x-forwarded-host"], "example.org");
    assert_eq!(got.headers["x-cutover-version"], "1.2.3");
    assert!(!got.headers.contains_key("keep-alive"));
    exposed.trusted_peers.clear();
    balancer.apply(2, exposed).await;
    let got = Browser::connect(address).await.send(again).await.unwrap();
    assert!(!got.headers.contains_key("x-marked"), "a stranger does");
    assert_eq!(got.headers["x-forwarded-for"], "127.0.0.1");
}

#[tokio::test]
async fn http2_clients_are_understood() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async move {
        assert_eq!(request.version(), Version::HTTP_11);
        assert_eq!(request.headers()["host"], "two.example");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
        text("two")
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://two.example/")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::<Bytes>::default())
        .unwrap();
    let body = sender
        .send_request(request)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(body.to_bytes(), "two");
}

#[tokio::test]
async fn a_switch_of_protocol_becomes_a_tunnel_that_counts_and_can_be_cut() {
    let balancer = Balancer::start().await;
    let echo = Origin::start(|mut request| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let mut buffer = [0; 4];
            while stream.read_exact(&mut buffer).await.is_ok() {
                stream.write_all(&buffer).await.unwrap();
            }
        });
        let mut answer = text("").map(|_| empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer
            .headers_mut()
            .insert("connection", "Upgrade".parse().unwrap());
        answer
            .headers_mut()
            .insert("upgrade", request.headers()["upgrade"].clone());
        answer
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", echo.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut browser = Browser::connect(address).await;
    let request = Request::get("/")
        .header("host", "h")
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Full::default())
        .unwrap();
    let mut answer = browser.begin(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers()["upgrade"], "echo");
    let mut tunnel = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
    let mut back = [0; 4];
    for word in [b"ping", b"pong"] {
        tunnel.write_all(word).await.unwrap();
        tunnel.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, word);
    }
    let status = balancer.client.status().await.unwrap();
    assert_eq!(status.services[0].sides[0].upstreams[0].in_flight, 1);
    let drained = balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 100)
        .await
        .unwrap();
    assert_eq!(drained.cut_off, 1);
    assert!(!matches!(tunnel.read(&mut back).await, Ok(1..)));
}

#[tokio::test]
async fn the_busy_upstream_gets_less() {
    let balancer = Balancer::start().await;
    let served = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&served);
    let slow = Origin::start(move |_request| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            text("slow")
        }
    })
    .await;
    let fast = Origin::named("fast").await;
    let sides = vec![side(
        "1",
        10_000,
        &[("slow", slow.address), ("fast", fast.address)],
    )];
    let address = balancer.serve(1, service(sides), &["slow", "fast"]).await;
    let mut browsers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        browsers.spawn(async move {
            let mut browser = Browser::connect(address).await;
            for _ in 0..20 {
                let get = browser.get("/");
                let Ok(got) = tokio::time::timeout(Duration::from_millis(500), get).await else {
                    return;
                };
                assert_eq!(got.unwrap().body, "fast");
            }
        });
    }
    while let Some(ended) = browsers.join_next().await {
        ended.unwrap();
    }
    // Each request chooses the slow one at most while it holds no more than the fast one.
    assert!(served.load(Ordering::SeqCst) <= 20, "{served:?}");
}
