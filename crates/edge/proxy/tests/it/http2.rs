//! HTTP/2 on either side, and gRPC through the middle.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cutover_proxy::{Health, Protocol, Service, Side, Timeouts, UpstreamState};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http2::{SendRequest, handshake},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};

use crate::support::{Balancer, Origin, SERVICE, get, owned, raw, service, side, text};

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

type Streaming = UnsyncBoxBody<Bytes, Infallible>;

/// An upstream that speaks nothing but HTTP/2, as gRPC servers do: an echo, message by message,
/// with the number of bytes in its trailers.
struct Grpc {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Grpc {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let connection = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                open.spawn(async move { drop(connection.await) });
            }
        });
        Self {
            address,
            connections,
            _tasks: tasks,
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Streaming>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    if request.uri().path() == "/grpc.health.v1.Health/Check" {
        assert_eq!(request.headers()["content-type"], "application/grpc");
        return Ok(Response::new(Full::from(SERVING).boxed_unsync()));
    }
    assert_eq!(request.uri().authority().unwrap(), "grpc.example");
    assert_eq!(request.headers()["te"], "trailers");
    assert!(!request.headers().contains_key("host"));
    let mut seen = 0;
    let frames = request.into_body().into_data_stream().map(move |data| {
        let data = data.unwrap();
        seen += data.len() as u64;
        (seen, data)
    });
    let last = Arc::new(AtomicU64::new(0));
    let noted = Arc::clone(&last);
    let echo = frames.map(move |(seen, data)| {
        noted.store(seen, Ordering::SeqCst);
        Ok(Frame::data(data))
    });
    let end = futures_util::stream::once(async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("x-seen", HeaderValue::from(last.load(Ordering::SeqCst)));
        Ok(Frame::trailers(trailers))
    });
    Ok(Response::new(
        StreamBody::new(echo.chain(end)).boxed_unsync(),
    ))
}

fn speaks_h2(sides: Vec<Side>) -> Service {
    let sides = sides.into_iter().map(|side| Side {
        protocol: Protocol::H2,
        ..side
    });
    let plain = service(sides.collect());
    let health = Health {
        path: "/grpc.health.v1.Health/Check".to_owned(),
        ..plain.health.clone()
    };
    Service { health, ..plain }
}

/// A client's connection, and the task that tells how it ended.
async fn connect<B>(address: SocketAddr) -> (SendRequest<B>, JoinHandle<hyper::Result<()>>)
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

type Messages =
    StreamBody<futures_util::stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

fn call() -> (mpsc::Sender<&'static str>, Request<Messages>) {
    let (send, mut receive) = mpsc::channel::<&str>(4);
    let messages = futures_util::stream::poll_fn(move |context| {
        receive
            .poll_recv(context)
            .map(|message| message.map(|text| Ok(Frame::data(Bytes::from(text)))))
    });
    let request = Request::post("http://grpc.example/Echo/Talk")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(StreamBody::new(messages.boxed()))
        .unwrap();
    (send, request)
}

#[tokio::test]
async fn grpc_streams_both_ways_with_trailers() {
    let balancer = Balancer::start().await;
    let origin = Grpc::start().await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, speaks_h2(sides), &["a"]).await;
    let (mut sender, _connection) = connect(address).await;
    let (send, request) = call();
    send.send("first").await.unwrap();
    let mut answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // Each message comes back before the next one is sent.
    for message in ["first", "second", "third"] {
        let frame = answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), message);
        if message == "first" {
            let status = balancer.client.status().await.unwrap();
            assert_eq!(status.services[0].sides[0].upstreams[0].in_flight, 1);
        }
        let next = match message {
            "first" => "second",
            "second" => "third",
            _ => break,
        };
        send.send(next).await.unwrap();
    }
    drop(send);
    let trailers = answer.body_mut().frame().await.unwrap().unwrap();
    let trailers = trailers.into_trailers().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-seen"]),
        (
            &HeaderValue::from(0),
            &HeaderValue::from("firstsecondthird".len())
        )
    );
    drop(answer);
    let drained = balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 5_000)
        .await
        .unwrap();
    assert_eq!(drained.cut_off, 0);
}

#[tokio::test]
async fn many_streams_share_few_connections_and_count_each() {
    let balancer = Balancer::start().await;
    let origin = Grpc::start().await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, speaks_h2(sides), &["a"]).await;
    let checked = origin.connections.load(Ordering::SeqCst);
    let (mut sender, _connection) = connect(address).await;
    let mut calls = Vec::new();
    for _ in 0..100 {
        let (send, request) = call();
        send.send("hello").await.unwrap();
        let mut answer = sender.send_request(request).await.unwrap();
        let frame = answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "hello");
        calls.push((send, answer));
    }
    let status = balancer.client.status().await.unwrap();
    let upstream = &status.services[0].sides[0].upstreams[0];
    assert_eq!(upstream.in_flight, 100);
    assert!((1..=2).contains(&upstream.connections), "{upstream:?}");
    let opened = origin.connections.load(Ordering::SeqCst) - checked;
    // Health checks have connections of their own, ten a second.
    assert!(opened < 60, "{opened} connections for 100 streams");
    // The drain has a limit, and the limit is kept: what is left is cut, at once.
    let began = Instant::now();
    let drained = balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 100)
        .await
        .unwrap();
    assert_eq!(drained.cut_off, 100);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    for (_send, mut answer) in calls {
        answer.body_mut().frame().await.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_http2_serves_clients_that_do_not() {
    let balancer = Balancer::start().await;
    let origin = Grpc::start().await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, speaks_h2(sides), &["a"]).await;
    let asked = "POST /Echo/Once HTTP/1.1\r\nhost: grpc.example\r\nte: trailers\r\n\
                 connection: te, close\r\ncontent-length: 5\r\n\r\nhello";
    let answer = raw(address, asked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\r\nhello\r\n"), "{answer}");
}

#[tokio::test]
async fn an_upstream_of_the_other_protocol_is_not_healthy() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("one").await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    balancer.apply(1, speaks_h2(sides)).await;
    let ids = owned(&["a"]);
    let reports = balancer.client.wait_healthy(SERVICE, &ids, 300).await;
    let reports = reports.unwrap();
    assert!(!reports[0].healthy && reports[0].last_error.is_some());
    // Told what it really speaks it is another upstream, and served.
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(2, service(sides), &["a"]).await;
    assert_eq!(get(address, "/").await.body, "one");
    let status = balancer.client.status().await.unwrap();
    let upstream = &status.services[0].sides[0].upstreams[0];
    assert_eq!(upstream.state, UpstreamState::Healthy);
}

#[tokio::test]
async fn the_end_says_goaway_and_finishes_the_streams() {
    let balancer = Balancer::start().await;
    let slow = Origin::start(|_request| async {
        sleep(Duration::from_millis(300)).await;
        text("whole")
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", slow.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let (mut sender, connection) = connect::<Full<Bytes>>(address).await;
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let request = Request::get("http://h/").body(Full::default()).unwrap();
        let sent = sender.send_request(request);
        requests.spawn(async move { sent.await.unwrap().collect().await.unwrap().to_bytes() });
    }
    // All have arrived when their upstream has them.
    loop {
        let status = balancer.client.status().await.unwrap();
        if status.services[0].sides[0].upstreams[0].in_flight == 20 {
            break;
        }
    }
    let _folder = balancer.stop().await;
    while let Some(body) = requests.join_next().await {
        assert_eq!(body.unwrap(), "whole");
    }
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_resets_rapidly_is_left() {
    let balancer = Balancer::start().await;
    let never = Origin::start(|_request| std::future::pending()).await;
    let sides = vec![side("1", 10_000, &[("a", never.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for number in 0..2_000_u32 {
        let id = (number * 2 + 1).to_be_bytes();
        // `:method GET`, `:scheme http`, `:path /`, `:authority h`; then a reset.
        bytes.extend([0, 0, 6, 1, 5]);
        bytes.extend(id);
        bytes.extend([0x82, 0x86, 0x84, 0x41, 1, b'h']);
        bytes.extend([0, 0, 4, 3, 0]);
        bytes.extend(id);
        bytes.extend([0, 0, 0, 8]);
    }
    let _cut_before_the_end = stream.write_all(&bytes).await;
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut said));
    let _ended = read.await.expect("the connection is ended");
    let goaway = said.windows(5).any(|head| head[3] == 7 && head[4] == 0);
    assert!(goaway || said.is_empty(), "{said:?}");
    balancer.client.status().await.unwrap();
}

#[tokio::test]
async fn a_client_that_sends_frames_without_a_byte_is_left() {
    let balancer = Balancer::start().await;
    let never = Origin::start(|_request| std::future::pending()).await;
    let sides = vec![side("1", 10_000, &[("a", never.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // `:method POST` and so on, whose body never ends and never comes.
    bytes.extend([0, 0, 6, 1, 4, 0, 0, 0, 1]);
    bytes.extend([0x83, 0x86, 0x84, 0x41, 1, b'h']);
    for _ in 0..2_000 {
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
    let _cut_before_the_end = stream.write_all(&bytes).await;
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut said));
    let _ended = read.await.expect("the connection is ended");
    balancer.client.status().await.unwrap();
}

#[tokio::test]
async fn a_switch_of_protocol_over_http2_is_refused_clearly() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("one").await;
    let timeouts = Timeouts::default();
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let plain = Service {
        timeouts,
        ..service(sides)
    };
    let address = balancer.serve(1, plain, &["a"]).await;
    let (mut sender, _connection) = connect::<Full<Bytes>>(address).await;
    let request = Request::connect("elsewhere:80").body(Full::default());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}
