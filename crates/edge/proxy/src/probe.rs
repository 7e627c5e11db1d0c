//! One health check: a request over a connection of its own, and what came back.
//!
//! Plain HTTP asks with `GET`. The health service of gRPC is asked in its own words, which are few
//! enough to be written down here as bytes.

use std::{error::Error as _, future::Future, pin::pin, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::timeout};

use crate::control::{Health, Protocol};

/// As much of a body as is shown to a person who asks why.
const HEAD_LIMIT: usize = 512;
/// Where gRPC servers tell how they are.
const GRPC_HEALTH: &str = "/grpc.health.v1.Health/Check";
/// The empty question: how is the server as a whole.
const GRPC_QUESTION: &[u8] = &[0, 0, 0, 0, 0];
/// A message of two bytes: `status` is `SERVING`.
const GRPC_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

const AGENT: &str = "cutover-health";

/// What a check saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: Option<u16>,
    /// Why it failed. `None`: it passed.
    pub(crate) error: Option<String>,
    /// Head of the body, when it failed.
    pub(crate) body_head: Option<String>,
}

/// A way to check.
pub(crate) trait Probe: Send + Sync + 'static {
    fn probe(&self, address: &str, health: &Health) -> impl Future<Output = Seen> + Send;
}

/// Checks over HTTP.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Http(pub(crate) Protocol);

impl Probe for Http {
    async fn probe(&self, address: &str, health: &Health) -> Seen {
        let patience = Duration::from_millis(health.timeout_ms.max(1));
        match timeout(patience, ask(self.0, address, &health.path)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(failed)) => Seen {
                error: Some(failed.to_string()),
                ..Seen::default()
            },
            Err(_) => {
                let error = format!("no whole answer within {} ms", health.timeout_ms);
                Seen {
                    error: Some(error),
                    ..Seen::default()
                }
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("cannot connect to `{address}`: {reason}")]
    Connect { address: String, reason: String },
    #[error("no answer from `{address}`: {reason}")]
    Exchange { address: String, reason: String },
    #[error("`{0}` cannot be asked for")]
    Request(String),
}

async fn ask(protocol: Protocol, address: &str, path: &str) -> Result<Seen, ProbeError> {
    let request = match protocol {
        Protocol::H1 => over_h1(address, path),
        Protocol::H2 => over_h2(address, path),
    };
    let request = request.ok_or_else(|| ProbeError::Request(format!("http://{address}{path}")))?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| ProbeError::Connect {
            address: address.to_owned(),
            reason: error.to_string(),
        })?;
    let answer = match protocol {
        Protocol::H1 => exchange_h1(stream, request).await,
        Protocol::H2 => exchange_h2(stream, request).await,
    };
    answer.map_err(|error| {
        let reason = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        ProbeError::Exchange {
            address: address.to_owned(),
            reason,
        }
    })
}

fn over_h1(address: &str, path: &str) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(address).ok()?);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    Some(request)
}

fn over_h2(address: &str, path: &str) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::default());
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = format!("http://{address}{path}").parse::<Uri>().ok()?;
    let agent = HeaderValue::from_static(AGENT);
    request.headers_mut().insert(header::USER_AGENT, agent);
    if path == GRPC_HEALTH {
        *request.method_mut() = Method::POST;
        *request.body_mut() = Full::from(GRPC_QUESTION);
        let headers = request.headers_mut();
        let kind = HeaderValue::from_static("application/grpc");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    Some(request)
}

async fn exchange_h1(stream: TcpStream, request: Request<Full<Bytes>>) -> hyper::Result<Seen> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async { Ok(judge(sender.send_request(request).await?).await) };
    until_ended(exchange, connection).await
}

async fn exchange_h2(stream: TcpStream, request: Request<Full<Bytes>>) -> hyper::Result<Seen> {
    let grpc = request.method() == Method::POST;
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await?;
    let exchange = async move {
        let answer = sender.send_request(request).await?;
        Ok(if grpc {
            judge_grpc(answer).await
        } else {
            judge(answer).await
        })
    };
    until_ended(exchange, connection).await
}

/// The connection ends with the exchange, whatever the upstream thinks.
async fn until_ended<C: Future>(
    exchange: impl Future<Output = hyper::Result<Seen>>,
    connection: C,
) -> hyper::Result<Seen> {
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        seen = &mut exchange => return seen,
        _ended = &mut connection => {}
    }
    exchange.await
}

async fn judge(answer: Response<Incoming>) -> Seen {
    let status = answer.status();
    let head = head(answer.into_body()).await;
    if status.is_success() {
        return Seen {
            status: Some(status.as_u16()),
            ..Seen::default()
        };
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    Seen {
        status: Some(status.as_u16()),
        error: Some(format!("status {} is not 2xx", status.as_u16())),
        body_head: Some(head).filter(|head| !head.is_empty()),
    }
}

async fn judge_grpc(answer: Response<Incoming>) -> Seen {
    let status = answer.status();
    let said = |headers: &http::HeaderMap, name| {
        let value = headers.get(name)?.to_str().ok();
        value.map(str::to_owned)
    };
    // A server that does not know the service says so in the head already.
    let refused = said(answer.headers(), "grpc-status");
    let head = head(answer.into_body()).await;
    let error = match refused {
        _ if status.is_success() && head == GRPC_SERVING => None,
        Some(code) => Some(format!("the gRPC status of the check is {code}")),
        None => Some("the gRPC health service does not say that it is serving".to_owned()),
    };
    Seen {
        status: Some(status.as_u16()),
        error,
        body_head: None,
    }
}

/// The first bytes of a body; what cannot be read any more is left out.
async fn head(mut body: Incoming) -> Vec<u8> {
    let mut head = Vec::new();
    while head.len() < HEAD_LIMIT
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            head.extend_from_slice(&data[..data.len().min(HEAD_LIMIT - head.len())]);
        }
    }
    head
}
