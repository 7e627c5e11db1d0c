//! One health check: a `GET` over a connection of its own, and what came back.

use std::{error::Error as _, future::Future, pin::pin, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::control::Health;

/// As much of a body as is shown to a person who asks why.
const HEAD_LIMIT: usize = 512;

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
pub(crate) struct Http;

impl Probe for Http {
    async fn probe(&self, address: &str, health: &Health) -> Seen {
        let patience = Duration::from_millis(health.timeout_ms.max(1));
        match timeout(patience, get(address, &health.path)).await {
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

async fn get(address: &str, path: &str) -> Result<Seen, ProbeError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| ProbeError::Connect {
            address: address.to_owned(),
            reason: error.to_string(),
        })?;
    let failed = |error: hyper::Error| {
        let reason = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        ProbeError::Exchange {
            address: address.to_owned(),
            reason,
        }
    };
    let unusable = || ProbeError::Request(format!("http://{address}{path}"));
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| unusable())?;
    let host = HeaderValue::from_str(address).map_err(|_| unusable())?;
    request.headers_mut().insert(header::HOST, host);
    let agent = HeaderValue::from_static("cutover-health");
    request.headers_mut().insert(header::USER_AGENT, agent);
    request
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        Ok(judge(response.status(), head(response.into_body()).await))
    };
    // The connection ends with the exchange, whatever the upstream thinks.
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        seen = &mut exchange => return seen,
        _ended = &mut connection => {}
    }
    exchange.await
}

fn judge(status: http::StatusCode, head: String) -> Seen {
    if status.is_success() {
        return Seen {
            status: Some(status.as_u16()),
            ..Seen::default()
        };
    }
    Seen {
        status: Some(status.as_u16()),
        error: Some(format!("status {} is not 2xx", status.as_u16())),
        body_head: Some(head).filter(|head| !head.is_empty()),
    }
}

/// The first bytes of a body; what cannot be read any more is left out.
async fn head(mut body: Incoming) -> String {
    let mut head = Vec::new();
    while head.len() < HEAD_LIMIT
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            head.extend_from_slice(&data[..data.len().min(HEAD_LIMIT - head.len())]);
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
