//! Strangers' bytes.

use std::time::Duration;

use cutover_proxy::{Limits, Service, Timeouts};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::support::{Balancer, Origin, RawOrigin, get, raw, service, side, text};

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
async fn a_length_beside_chunks_is_not_passed_on() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start(OK, false).await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let orders = [
        "content-length: 6\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 6",
    ];
    for fields in orders {
        let bytes = format!(
            "POST /first HTTP/1.1\r\nhost: h\r\n{fields}\r\nconnection: close\r\n\r\n\
             0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n"
        );
        let answer = raw(address, bytes.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    // What arrives is in chunks only, and ends where they end.
    let heads = origin.heads.lock().unwrap().clone();
    let [first, end, second, other_end] = &heads[..] else {
        panic!("{heads:?}")
    };
    assert_eq!(
        (end.as_str(), other_end.as_str()),
        ("0\r\n\r\n", "0\r\n\r\n")
    );
    for head in [first, second] {
        assert!(head.starts_with("POST /first"), "{head}");
        assert!(!head.contains("content-length"), "{head}");
    }
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
