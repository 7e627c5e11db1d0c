//! One exchange at a time, beside the steady traffic: a long request, a stream, an upload, and how each
//! of them ended. Lasting conversations are in `talk.rs`.

use std::{
    convert::Infallible,
    future::Future,
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, Request, header};
use http_body_util::{BodyExt as _, Empty, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

/// How long anything on the wire may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// `host:port` of a URL.
pub(crate) fn address(url: &str) -> String {
    let host = url.trim_start_matches("http://");
    host.split('/').next().unwrap_or(host).to_owned()
}

/// An instant as the server writes it.
pub(crate) fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_millis()).expect("a clock")
}

/// Where asynchronous parts of a test run.
pub(crate) fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// Runs it here, now.
#[track_caller]
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let ended = runtime().block_on(async { timeout(PATIENCE, work).await });
    ended.unwrap_or_else(|_| panic!("not done within {PATIENCE:?}"))
}

/// Runs it beside the test.
pub(crate) struct Beside<T>(thread::JoinHandle<T>);

impl<T: Send + 'static> Beside<T> {
    pub(crate) fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(thread::spawn(move || run(work)))
    }

    #[track_caller]
    pub(crate) fn end(self) -> T {
        self.0.join().expect("what goes on beside the test")
    }
}

/// A new connection that speaks HTTP/1.1.
pub(crate) async fn connect<B>(address: &str) -> Result<SendRequest<B>, String>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("no connection: {error}"))?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn ask<B>(address: &str, request: Request<B>) -> Result<http::Response<Incoming>, String>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let mut sender = connect(address).await?;
    let response = sender.send_request(request).await;
    response.map_err(|error| format!("no answer: {error:?}"))
}

fn get(address: &str, path: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(path).header(header::HOST, address);
    request.body(Empty::new()).expect("a request")
}

/// The answer to a GET: status and body as JSON.
pub(crate) async fn fetch(address: String, path: String) -> Result<(u16, Value), String> {
    let response = ask(&address, get(&address, &path)).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| format!("half an answer: {error:?}"))?;
    Ok((
        status,
        serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
    ))
}

/// An answer with its head.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The answer to a GET with these fields besides.
pub(crate) async fn get_with(
    address: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<Got, String> {
    let mut request = get(address, path);
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = value.parse().expect("a value");
        request.headers_mut().append(name, value);
    }
    let response = ask(address, request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await;
    let body = body.map_err(|error| format!("half an answer: {error:?}"))?;
    Ok(Got {
        status: head.status.as_u16(),
        headers: head.headers,
        body: serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
    })
}

/// Tells a specimen how to be from now on.
#[track_caller]
pub(crate) fn set(address: &str, changes: &Value) {
    let request = Request::post("/set")
        .header(header::HOST, address)
        .body(changes.to_string())
        .expect("a request");
    let answered = run(async { ask(address, request).await.map(|it| it.status().as_u16()) });
    assert_eq!(answered, Ok(200), "{address} {changes}");
}

/// An order to the server's API, as the owner.
#[track_caller]
pub(crate) fn order(server: &str, token: &str, path: &str) -> u16 {
    let address = address(server);
    let request = Request::post(format!("/api/v1{path}"))
        .header(header::HOST, &address)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())
        .expect("a request");
    run(async { ask(&address, request).await.map(|it| it.status().as_u16()) }).unwrap()
}

/// Reads a stream to its end and compares each byte with what it should be.
pub(crate) async fn stream(address: String, bytes: usize, ms: u64) -> Result<usize, String> {
    let path = format!("/stream?bytes={bytes}&ms={ms}");
    let mut body = ask(&address, get(&address, &path)).await?.into_body();
    let mut place = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("cut after {place} bytes: {error:?}"))?;
        for byte in frame.into_data().unwrap_or_default() {
            if usize::from(byte) != place % 251 {
                return Err(format!("byte {place} is {byte}"));
            }
            place += 1;
        }
    }
    Ok(place)
}

/// Sends so many bytes over so many milliseconds; the answer must name them all.
pub(crate) async fn upload(address: String, bytes: usize, ms: u64) -> Result<Value, String> {
    const PIECE: usize = 64 * 1024;
    let all: Vec<u8> = (0_u8..253).cycle().take(bytes).collect();
    let hash = Sha256::digest(&all);
    let hash: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = hash.concat();
    let pieces = u64::try_from(bytes.div_ceil(PIECE)).unwrap();
    let pause = Duration::from_millis(ms / pieces);
    let all = Bytes::from(all);
    let body = stream::unfold(0, move |place| {
        let piece = all.slice(place..bytes.min(place + PIECE));
        async move {
            if piece.is_empty() {
                return None;
            }
            sleep(pause).await;
            let next = place + piece.len();
            Some((Ok::<_, Infallible>(Frame::data(piece)), next))
        }
    });
    let request = Request::post("/upload")
        .header(header::HOST, &address)
        .header(header::CONTENT_LENGTH, bytes)
        .body(UnsyncBoxBody::new(StreamBody::new(body)))
        .expect("a request");
    let response = ask(&address, request).await?;
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| format!("half an answer: {error:?}"))?;
    let said: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    if said["bytes"] == bytes && said["sha256"] == hash.as_str() {
        Ok(said)
    } else {
        Err(format!(
            "{bytes} bytes with {hash} were sent, this came: {said}"
        ))
    }
}
