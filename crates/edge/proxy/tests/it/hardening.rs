//! Strangers' bytes.

use std::time::Duration;

use bytes::Bytes;
use cutover_proxy::{Limits, Service, Timeouts};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::support::{Balancer, Browser, Origin, RawOrigin, bytes, get, raw, service, side, text};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Requests that two readers might cut up differently, and what becomes of them.
const DOUBTFUL: [(&str, &str, &str); 12] = [
    (
        "two lengths that differ",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
        "400",
    ),
    (
        "two lengths in one field",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4, 5\r\n\r\nabcde",
        "400",
    ),
    (
        "a length with a sign",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: +4\r\n\r\nabcd",
        "400",
    ),
    (
        "an encoding that does not end with chunked",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "an encoding nobody knows",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "chunks over HTTP/1.0",
        "POST / HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "a space before the colon",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length : 4\r\n\r\nabcd",
        "400",
    ),
    (
        "a folded line",
        "GET / HTTP/1.1\r\nhost: h\r\nx-a: b\r\n c\r\n\r\n",
        "400",
    ),
    ("no host", "GET / HTTP/1.1\r\nx: y\r\n\r\n", "400"),
    (
        "two hosts",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "400",
    ),
    (
        "a connection to elsewhere",
        "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
        "405",
    ),
    (
        "a zero byte",
        "GET / HTTP/1.1\r\nhost: h\r\nx: a\0b\r\n\r\n",
        "400",
    ),
];

#[tokio::test]
async fn doubtful_requests_are_refused_and_never_passed_on() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start(OK, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    for (what, bytes, status) in DOUBTFUL {
        let answer = raw(address, bytes.as_bytes()).await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(
            answer.starts_with(&expected)
                || (answer.starts_with("HTTP/1.0") && answer[9..].starts_with(status)),
            "{what}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{what}: {answer}");
    }
    assert_eq!(*origin.heads.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_smuggled_behind_a_request_is_not_served() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start(OK, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let doubtful = [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "content-length: 5\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked\nx: y\r\n",
    ];
    for fields in doubtful {
        let text = format!(
            "GET /good HTTP/1.1\r\nhost: h\r\n\r\nPOST /bad HTTP/1.1\r\nhost: h\r\n{fields}\r\n\
             0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n"
        );
        // At once, and in pieces that end anywhere.
        for size in [text.len(), 1, 7] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in text.as_bytes().chunks(size) {
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let mut answer = Vec::new();
            let _reset = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let statuses: Vec<_> = answer
                .match_indices("HTTP/1.1 ")
                .map(|(at, _)| &answer[at + 9..at + 12])
                .collect();
            assert!(
                matches!(statuses[..], ["200", "400"] | ["200"]),
                "{fields}: {answer}"
            );
        }
    }
    let heads = origin.heads.lock().unwrap();
    assert!(
        heads.iter().all(|head| head.starts_with("GET /good")),
        "{heads:?}"
    );
}

#[tokio::test]
async fn a_body_in_doubtful_chunks_is_refused() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async {
        let _broken = request.into_body().collect().await;
        text("whole")
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    for body in [
        "4 \r\nabcd\r\n",
        "4\nabcd\r\n",
        "4\r\nabcde\r\n",
        "0x4\r\nabcd\r\n",
    ] {
        let text = format!(
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{body}0\r\n\r\n"
        );
        let answer = raw(address, text.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
    }
}

#[tokio::test]
async fn clients_of_http_1_0_get_what_they_understand() {
    let balancer = Balancer::start().await;
    // Without a length it would go to others in chunks.
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let origin = RawOrigin::start(chunked, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let answer = raw(address, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    assert!(
        !answer.to_lowercase().contains("transfer-encoding"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_left_and_holds_up_nobody() {
    let balancer = Balancer::start().await;
    // More than the sockets between would hold.
    let large = Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
    let origin = Origin::start(move |request| {
        let answer = match request.uri().path() {
            "/large" => bytes(&large),
            _ => text("small"),
        };
        async { answer }
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let timeouts = Timeouts {
        body_ms: 1_500,
        ..Timeouts::default()
    };
    let slow = Service {
        timeouts,
        ..service(sides)
    };
    let address = balancer.serve(1, slow, &["a"]).await;
    let mut dawdlers = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = b"GET /large HTTP/1.1\r\nhost: h\r\n\r\n";
        stream.write_all(head).await.unwrap();
        dawdlers.push(stream);
    }
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(get(address, "/small").await.body, "small");
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    // What they hold is given back though they never leave.
    loop {
        let status = balancer.client.status().await.unwrap();
        let side = &status.services[0].sides[0];
        if (side.upstreams[0].in_flight, side.totals.client_gone) == (0, 20) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{status:?}");
        sleep(Duration::from_millis(20)).await;
    }
    drop(dawdlers);
}

#[tokio::test]
async fn heads_are_bounded() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start(OK, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let limits = Limits {
        header_fields: 20,
        header_bytes: 8_192,
        ..Limits::default()
    };
    let address = balancer
        .serve(
            1,
            Service {
                limits,
                ..service(sides)
            },
            &["a"],
        )
        .await;
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(20));
    assert!(
        raw(address, many.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    let long = format!(
        "GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n",
        "y".repeat(20_000)
    );
    assert!(
        raw(address, long.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
}

#[tokio::test]
async fn one_client_has_so_many_connections_and_no_more() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start(OK, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let limits = Limits {
        connections_per_client: Some(2),
        ..Limits::default()
    };
    let mut bounded = Service {
        limits,
        trusted_peers: Vec::new(),
        ..service(sides)
    };
    let address = balancer.serve(1, bounded.clone(), &["a"]).await;
    let mut first = Browser::connect(address).await;
    let mut second = Browser::connect(address).await;
    for browser in [&mut first, &mut second] {
        assert_eq!(browser.get("/").await.unwrap().body, "ok");
    }
    // Closed, or already reset when the request comes.
    let mut third = Browser::connect(address).await;
    assert!(third.get("/").await.is_err());
    drop(first);
    let began = Instant::now();
    while Browser::connect(address).await.get("/").await.is_err() {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "no seat came free"
        );
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(second.get("/").await.unwrap().body, "ok");
    // Who brings the clients of others is not one client.
    bounded.trusted_peers = vec!["127.0.0.0/8".to_owned()];
    balancer.apply(2, bounded).await;
    let mut many = Vec::new();
    for _ in 0..4 {
        let mut browser = Browser::connect(address).await;
        assert_eq!(browser.get("/").await.unwrap().body, "ok");
        many.push(browser);
    }
}

#[tokio::test]
async fn clients_that_dawdle_are_left() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async {
        let _whole = request.into_body().collect().await;
        text("whole")
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let timeouts = Timeouts {
        header_ms: 200,
        idle_ms: 400,
        body_ms: 200,
        ..Timeouts::default()
    };
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
    let begun = [
        "",
        "GET / HTTP/1.1\r\nhost:",
        "PRI * HT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for bytes in begun {
        let began = Instant::now();
        raw(address, bytes.as_bytes()).await;
        let took = began.elapsed();
        assert!(
            took < Duration::from_secs(2),
            "{bytes:?} was kept for {took:?}"
        );
    }
    let answer = raw(
        address,
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // A kept connection is closed when it has been idle for long enough.
    let answer = raw(address, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start(OK, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let address = balancer
        .serve(
            1,
            Service {
                limits,
                ..service(sides)
            },
            &["a"],
        )
        .await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 12];
    first.read_exact(&mut buffer).await.unwrap();
    let second = tokio::spawn(raw(
        address,
        b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    ));
    let status = balancer.client.status().await.unwrap();
    assert_eq!(status.services[0].connections, 1);
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_unfinished_upload_does_not_hold_up_the_next_request() {
    let balancer = Balancer::start().await;
    // Answers as soon as it has the head, and goes on reading.
    let origin = RawOrigin::start(OK, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut uploading = TcpStream::connect(address).await.unwrap();
    let begun = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc";
    uploading.write_all(begun).await.unwrap();
    let mut answer = [0; 12];
    uploading.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let next = tokio::time::timeout(Duration::from_secs(5), get(address, "/next")).await;
    assert_eq!(next.unwrap().body, "ok");
}

#[tokio::test]
async fn a_long_upload_is_not_a_slow_upstream() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async {
        assert_eq!(
            request
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .len(),
            6
        );
        text("whole")
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let timeouts = Timeouts {
        response_ms: 150,
        ..Timeouts::default()
    };
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
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 6\r\n\r\n";
    stream.write_all(head).await.unwrap();
    for byte in b"upload" {
        sleep(Duration::from_millis(60)).await;
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
