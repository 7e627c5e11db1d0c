//! A balancer on a folder of its own, upstreams, and clients.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use camino::Utf8PathBuf;
use cutover_proxy::{Client, Error, Health, Options, RouteTable, Service, Side, Upstream, run};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

pub(crate) const SERVICE: &str = "hello@test";
const PATIENCE: Duration = Duration::from_secs(10);

/// A balancer that runs in this process.
pub(crate) struct Balancer {
    pub(crate) folder: TempDir,
    pub(crate) client: Client,
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

impl Balancer {
    pub(crate) async fn start() -> Self {
        Self::start_on(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn start_on(folder: TempDir) -> Self {
        let state_dir = path(&folder);
        let client = Client::new(&state_dir);
        let task = tokio::spawn(run(Options {
            state_dir,
            take_over: false,
        }));
        client.ready(PATIENCE).await.unwrap();
        Self {
            folder,
            client,
            task,
        }
    }

    /// Ends it in good order; its folder stays.
    pub(crate) async fn stop(self) -> TempDir {
        self.client.shutdown().await.unwrap();
        self.task.await.unwrap().unwrap();
        self.folder
    }

    /// Applies a table with one service, and tells where it listens.
    pub(crate) async fn apply(&self, generation: u64, service: Service) -> SocketAddr {
        let name = service.name.clone();
        let table = RouteTable {
            generation,
            services: vec![service],
        };
        self.client.apply(&table).await.unwrap().listeners[&name]
    }

    /// Applies a table with one service, and waits for these upstreams.
    pub(crate) async fn serve(
        &self,
        generation: u64,
        service: Service,
        ids: &[&str],
    ) -> SocketAddr {
        let address = self.apply(generation, service).await;
        self.wait_healthy(ids).await;
        address
    }

    pub(crate) async fn wait_healthy(&self, ids: &[&str]) {
        let reports = self
            .client
            .wait_healthy(SERVICE, &owned(ids), 10_000)
            .await
            .unwrap();
        assert!(reports.iter().all(|report| report.healthy), "{reports:?}");
    }

    pub(crate) async fn ledger(&self, cause: &str) -> u64 {
        self.client.status().await.unwrap().services[0].ledger[cause]
    }
}

pub(crate) fn path(folder: &TempDir) -> Utf8PathBuf {
    Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap()
}

pub(crate) fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// A service that is checked often, so that tests are fast.
pub(crate) fn service(sides: Vec<Side>) -> Service {
    let health = Health {
        interval_ms: 100,
        timeout_ms: 1_000,
        healthy: 1,
        unhealthy: 2,
        ..Health::default()
    };
    Service {
        sides,
        health,
        ..Service::new(SERVICE)
    }
}

pub(crate) fn side(name: &str, weight: u16, upstreams: &[(&str, SocketAddr)]) -> Side {
    let upstream = |(id, address): &(&str, SocketAddr)| Upstream::new(*id, address.to_string());
    Side {
        name: name.to_owned(),
        weight,
        matches: Vec::new(),
        upstreams: upstreams.iter().map(upstream).collect(),
        protocol: cutover_proxy::Protocol::default(),
    }
}

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An upstream. Dies at once when dropped, with all its connections.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Origin {
    /// Answers `/health` with 200 and everything else as told.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(loopback, move |request| -> Answering {
            if request.uri().path() == "/health" {
                return Box::pin(async { text("ok") });
            }
            Box::pin(answer(request))
        })
        .await
    }

    /// Answers everything as told, health checks included.
    pub(crate) async fn start_at<F>(address: SocketAddr, answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Answering + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = Arc::clone(&answer);
                let answer = service_fn(move |request| {
                    let answering = answer(request);
                    async move { Ok::<_, Infallible>(answering.await) }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                connections.spawn(async move { drop(connection.with_upgrades().await) });
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    /// Answers everything with its name.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::start(move |_request| async move { text(name) }).await
    }
}

/// An upstream below HTTP: hands every connection to a script.
pub(crate) struct RawOrigin {
    pub(crate) address: SocketAddr,
    /// The head of every request, but for health checks, as it arrived.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl RawOrigin {
    /// Answers each request head with these bytes; then closes, or goes on.
    pub(crate) async fn start(answer: &'static str, close: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let mut tasks = JoinSet::new();
        let noted = Arc::clone(&heads);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer_raw(stream, answer, close, Arc::clone(&noted)));
            }
        });
        Self {
            address,
            heads,
            _tasks: tasks,
        }
    }
}

async fn answer_raw(
    mut stream: TcpStream,
    answer: &'static str,
    close: bool,
    heads: Arc<Mutex<Vec<String>>>,
) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else {
            return;
        };
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        while let Some(end) = text.find("\r\n\r\n") {
            let head = text.drain(..end + 4).collect::<String>();
            if head.starts_with("GET /health") {
                let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(ok).await.unwrap();
                continue;
            }
            heads.lock().unwrap().push(head);
            if stream.write_all(answer.as_bytes()).await.is_err() || close {
                return;
            }
        }
    }
}

pub(crate) fn text(text: &'static str) -> Answer {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed())
}

pub(crate) fn status(status: StatusCode, body: &'static str) -> Answer {
    let mut answer = text(body);
    *answer.status_mut() = status;
    answer
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// One connection of a client, kept for many requests.
pub(crate) struct Browser(SendRequest<Full<Bytes>>);

impl Browser {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self(sender)
    }

    pub(crate) async fn get(&mut self, path: &str) -> hyper::Result<Got> {
        let request = Request::get(path).header("host", "example.org");
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Got> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Got {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Sends, and comes back with the head of the answer.
    pub(crate) async fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        self.0.send_request(request).await
    }
}

/// One request over a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Got {
    Browser::connect(address).await.get(path).await.unwrap()
}

/// Sends bytes, and reads until the other end closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// An answer of these bytes.
pub(crate) fn bytes(bytes: &Bytes) -> Answer {
    Response::new(Full::new(bytes.clone()).boxed())
}

/// An empty body, where the type matters.
pub(crate) fn empty() -> BoxBody<Bytes, Infallible> {
    Empty::new().boxed()
}
