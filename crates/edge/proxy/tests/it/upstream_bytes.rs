//! The bytes of an upstream, as they come: early, without a length, in chunks that end too soon.

use std::time::Duration;

use cutover_proxy::FULL_WEIGHT;
use http::Response;
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Balancer, Origin, RawOrigin, get, raw, service, side};

const PATIENCE: Duration = Duration::from_secs(10);

async fn before(balancer: &Balancer, origin: std::net::SocketAddr) -> std::net::SocketAddr {
    let weight = u16::try_from(FULL_WEIGHT).unwrap();
    let sides = vec![side("1", weight, &[("a", origin)])];
    balancer.serve(1, service(sides), &["a"]).await
}

#[tokio::test]
async fn an_answer_may_begin_while_its_request_goes_on() {
    let balancer = Balancer::start().await;
    let echo = Origin::start(|request| async {
        let body = request
            .into_body()
            .map_err(|_| unreachable!("the client sends all"));
        Response::new(body.boxed())
    })
    .await;
    let address = before(&balancer, echo.address).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut got = String::new();
    for word in ["one", "two", "six"] {
        let chunk = format!("3\r\n{word}\r\n");
        stream.write_all(chunk.as_bytes()).await.unwrap();
        // Each piece is back before the next is sent.
        while !got.contains(&chunk) {
            let mut buffer = [0; 1024];
            let read = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap();
            let read = read.unwrap();
            assert!(read > 0, "closed after {got}");
            got.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    while !got.ends_with("0\r\n\r\n") {
        let mut buffer = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap();
        let read = read.unwrap();
        assert!(read > 0, "closed after {got}");
        got.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start("HTTP/1.1 200 OK\r\n\r\nall of it", true).await;
    let address = before(&balancer, origin.address).await;
    for _ in 0..3 {
        assert_eq!(get(address, "/").await.body, "all of it");
    }
    assert_eq!(origin.heads.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn an_answer_that_is_none_is_502_and_costs_the_connection_only() {
    let balancer = Balancer::start().await;
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "220 mail.example ESMTP\r\n\r\n",
    ] {
        let origin = RawOrigin::start(answer, false).await;
        let generation = balancer.client.status().await.unwrap().generation + 1;
        let sides = vec![side("1", 10_000, &[("a", origin.address)])];
        let address = balancer.serve(generation, service(sides), &["a"]).await;
        assert_eq!(get(address, "/").await.status, 502, "{answer}");
    }
}

#[tokio::test]
async fn chunks_that_break_off_reach_the_client_as_broken() {
    let balancer = Balancer::start().await;
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let origin = RawOrigin::start(answer, true).await;
    let address = before(&balancer, origin.address).await;
    let got = raw(address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // What had come may be lost with the rest, but it never looks whole.
    assert!(!got.contains("\r\n0\r\n"), "{got}");
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_not_the_next_answer() {
    let balancer = Balancer::start().await;
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers";
    let origin = RawOrigin::start(two, false).await;
    let address = before(&balancer, origin.address).await;
    for _ in 0..5 {
        assert_eq!(get(address, "/").await.body, "mine");
    }
}
