//! Streams that would never end: what a drain does with them.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use cutover_proxy::{Drained, Service, Timeouts, UpstreamState};
use http::StatusCode;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};

use crate::support::{
    Answer, Balancer, Browser, Origin, SERVICE, empty, owned, service, side, text,
};

const GRACE: u64 = 150;

async fn serve(balancer: &Balancer, upstream: SocketAddr) -> SocketAddr {
    let sides = vec![side("1", 10_000, &[("a", upstream)])];
    let timeouts = Timeouts {
        stream_grace_ms: GRACE,
        ..Timeouts::default()
    };
    let service = Service {
        timeouts,
        ..service(sides)
    };
    balancer.serve(1, service, &["a"]).await
}

async fn drain(balancer: &Balancer, timeout_ms: u64) -> Drained {
    let ids = owned(&["a"]);
    let drained = balancer.client.drain(SERVICE, &ids, timeout_ms).await;
    drained.unwrap()
}

/// A WebSocket upstream that sends half of a frame, the other half when it is told to, and then
/// answers the close frame and tells what it read.
struct Chatty {
    origin: Origin,
    go_on: Arc<Notify>,
    read: oneshot::Receiver<Vec<u8>>,
}

async fn chatty() -> Chatty {
    let (tell, read) = oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let origin = Origin::start(move |mut request| {
        let tell = tell.lock().unwrap().take().unwrap();
        let told = Arc::clone(&told);
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                stream.write_all(b"\x81\x0ahello").await.unwrap();
                told.notified().await;
                stream.write_all(b"world\x81\x04late").await.unwrap();
                let mut read = Vec::new();
                while !read.ends_with(&[0x03, 0xE9]) {
                    read.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(CLOSE).await.unwrap();
                tell.send(read).unwrap();
            });
            let mut answer = text("").map(|_| empty());
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = answer.headers_mut();
            headers.insert("connection", "Upgrade".parse().unwrap());
            headers.insert("upgrade", "websocket".parse().unwrap());
            answer
        }
    })
    .await;
    Chatty {
        origin,
        go_on,
        read,
    }
}

const CLOSE: &[u8] = &[0x88, 2, 0x03, 0xE9];

/// Waits until a drain has begun and the grace of its streams is over.
async fn grace_is_over(balancer: &Balancer) {
    loop {
        let status = balancer.client.status().await.unwrap();
        let upstream = &status.services[0].sides[0].upstreams[0];
        if upstream.state == UpstreamState::Draining {
            break;
        }
    }
    sleep(Duration::from_millis(GRACE * 3)).await;
}

const ASK: &[u8] =
    b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\n";

/// Reads up to and with these bytes.
async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.push(stream.read_u8().await.unwrap());
    }
    read
}

#[tokio::test]
async fn a_websocket_is_closed_between_two_frames_when_its_grace_is_over() {
    let balancer = Balancer::start().await;
    let upstream = chatty().await;
    let address = serve(&balancer, upstream.origin.address).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(ASK).await.unwrap();
    let head = read_until(&mut client, b"\r\n\r\n").await;
    assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
    client.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    assert_eq!(read_until(&mut client, b"hello").await, b"\x81\x0ahello");
    let heard = async {
        grace_is_over(&balancer).await;
        upstream.go_on.notify_one();
        let heard = read_until(&mut client, CLOSE).await;
        client.write_all(b"\x88\x82\0\0\0\0\x03\xe9").await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        heard
    };
    let began = Instant::now();
    let (drained, heard) = tokio::join!(drain(&balancer, 10_000), heard);
    assert!(began.elapsed() < Duration::from_secs(2), "both answered");
    // The frame is whole, what came behind it is not let through, 1001 is the last word.
    assert_eq!(heard, b"world\x88\x02\x03\xe9");
    assert_eq!((drained.cut_off, drained.closed_after_grace), (0, 1));
    let upstream_heard = upstream.read.await.unwrap();
    assert_eq!(
        upstream_heard,
        b"\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe9"
    );
    assert_eq!(balancer.ledger("closed_after_grace").await, 1);
    assert_eq!(balancer.ledger("drain_cut").await, 0);
}

#[tokio::test]
async fn a_websocket_that_stops_in_the_middle_of_a_frame_is_cut_at_the_limit() {
    let balancer = Balancer::start().await;
    let upstream = chatty().await;
    let address = serve(&balancer, upstream.origin.address).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(ASK).await.unwrap();
    read_until(&mut client, b"hello").await;
    let began = Instant::now();
    let drained = drain(&balancer, GRACE + 50).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!((drained.cut_off, drained.closed_after_grace), (1, 0));
}

/// Sends these pieces of events, each when it is told to, and never ends by itself.
async fn events(pieces: &'static [&'static str]) -> (Origin, Arc<Notify>) {
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let origin = Origin::start(move |_request| {
        let told = Arc::clone(&told);
        async move {
            let frames = futures_util::stream::unfold((pieces, told), |(pieces, told)| async {
                told.notified().await;
                let Some((first, rest)) = pieces.split_first() else {
                    return std::future::pending().await;
                };
                let frame = Frame::data(Bytes::from_static(first.as_bytes()));
                Some((Ok::<_, Infallible>(frame), (rest, told)))
            });
            let mut answer: Answer = text("").map(|_| empty());
            let kind = "text/event-stream".parse().unwrap();
            answer.headers_mut().insert("content-type", kind);
            *answer.body_mut() = StreamBody::new(frames).boxed();
            answer
        }
    })
    .await;
    (origin, go_on)
}

#[tokio::test]
async fn a_stream_of_events_ends_behind_an_event_when_its_grace_is_over() {
    let balancer = Balancer::start().await;
    let (origin, go_on) = events(&["data: 1\n\ndata: ", "2\n\ndata: 3\n\n"]).await;
    let address = serve(&balancer, origin.address).await;
    let mut browser = Browser::connect(address).await;
    let request = http::Request::get("/").header("host", "h");
    let answer = browser.begin(request.body(http_body_util::Full::default()).unwrap());
    let mut answer = answer.await.unwrap();
    go_on.notify_one();
    let first = answer.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: 1\n\ndata: ");
    let rest = async {
        grace_is_over(&balancer).await;
        go_on.notify_one();
        answer.into_body().collect().await.unwrap()
    };
    let (drained, rest) = tokio::join!(drain(&balancer, 10_000), rest);
    assert_eq!(rest.to_bytes(), "2\n\n");
    assert_eq!((drained.cut_off, drained.closed_after_grace), (0, 1));
    let status = balancer.client.status().await.unwrap();
    let totals = &status.services[0].sides[0].totals;
    assert_eq!((totals.bad, totals.client_gone), (0, 0));
    // The connection is whole: the client may ask again over it, and is told who is there.
    let again = browser.get("/").await.unwrap();
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_quiet_stream_of_events_ends_at_once_and_with_the_grace_of_the_drain() {
    let balancer = Balancer::start().await;
    let (origin, go_on) = events(&["data: 1\n\n"]).await;
    let address = serve(&balancer, origin.address).await;
    let mut browser = Browser::connect(address).await;
    let request = http::Request::get("/").header("host", "h");
    let answer = browser.begin(request.body(http_body_util::Full::default()).unwrap());
    let mut answer = answer.await.unwrap();
    go_on.notify_one();
    answer.body_mut().frame().await.unwrap().unwrap();
    let began = Instant::now();
    let ids = owned(&["a"]);
    let drained = balancer
        .client
        .drain_with_grace(SERVICE, &ids, 60_000, Some(0));
    assert_eq!(drained.await.unwrap().closed_after_grace, 1);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}
