//! What the specimen answers to one request. What goes on for longer is in `lasting.rs`.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use crate::{lasting, settings::Settings};

pub(crate) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// The service and what it has done so far.
#[derive(Debug, Clone)]
pub(crate) struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Mutex<Settings>,
    version: String,
    served: AtomicU64,
    health_answers: AtomicU64,
    seen: AtomicU64,
}

impl Service {
    pub(crate) fn new(settings: Settings, version: String) -> Self {
        Self(Arc::new(Inner {
            settings: Mutex::new(settings),
            version,
            served: AtomicU64::new(0),
            health_answers: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        }))
    }

    pub(crate) fn version(&self) -> &str {
        &self.0.version
    }

    fn settings(&self) -> Settings {
        let settings = self.0.settings.lock();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, changes: &Value) -> Result<(), serde_json::Error> {
        let settings = self.0.settings.lock();
        let mut settings = settings.unwrap_or_else(PoisonError::into_inner);
        *settings = settings.with(changes)?;
        Ok(())
    }

    /// Of any hundred requests in a row as many as are wanted fail.
    fn is_unlucky(&self, percent: u64) -> bool {
        let count = self.0.served.fetch_add(1, Ordering::Relaxed);
        let failures = |count: u64| count * percent / 100;
        failures(count + 1) > failures(count)
    }
}

/// Answers one request.
pub(crate) async fn answer(
    service: Service,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let asked = Asked::new(request.uri().query());
    let settings = service.settings();
    match path.as_str() {
        "/health" => return Ok(health(&service, &settings)),
        "/set" => return set(&service, request).await,
        "/seen" => {
            let requests = service.0.seen.load(Ordering::Relaxed);
            return Ok(answered(StatusCode::OK, &json!({ "requests": requests })));
        }
        _ => service.0.seen.fetch_add(1, Ordering::Relaxed),
    };
    sleep(Duration::from_secs_f64(settings.latency() / 1_000.0)).await;
    if service.is_unlucky(settings.fail_percent) {
        let body = json!({ "error": "the new cache is not there", "version": service.version() });
        return Ok(answered(StatusCode::INTERNAL_SERVER_ERROR, &body));
    }
    Ok(match path.as_str() {
        "/" | "/version" => answered(StatusCode::OK, &json!({ "version": service.version() })),
        "/slow" => {
            sleep(Duration::from_millis(asked.number("ms"))).await;
            answered(StatusCode::OK, &json!({ "version": service.version() }))
        }
        "/fail" => {
            let said = json!({ "error": "as you wish", "version": service.version() });
            answered(StatusCode::INTERNAL_SERVER_ERROR, &said)
        }
        "/upload" => upload(&service, request).await?,
        "/stream" => lasting::stream(asked.number("bytes"), asked.number("ms")),
        "/events" => lasting::events(service.version()),
        "/socket" => lasting::socket(service.version(), &mut request),
        "/specimen.Echo/Unary" => lasting::unary(request).await?,
        "/specimen.Echo/Bidi" => lasting::bidi(request),
        _ => answered(StatusCode::NOT_FOUND, &json!({ "error": "no such path" })),
    })
}

fn health(service: &Service, settings: &Settings) -> Response<Body> {
    let before = service.0.health_answers.fetch_add(1, Ordering::Relaxed);
    let is_spent = settings
        .healthy_answers
        .is_some_and(|limit| before >= limit);
    if settings.healthy && !is_spent {
        answered(StatusCode::OK, &json!({ "status": "ok" }))
    } else {
        let body = json!({ "status": "the pool of connections is empty" });
        answered(StatusCode::SERVICE_UNAVAILABLE, &body)
    }
}

async fn set(
    service: &Service,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let changed = serde_json::from_slice(&body).and_then(|changes| service.set(&changes));
    Ok(match changed {
        Ok(()) => answered(StatusCode::OK, &json!({})),
        Err(error) => answered(
            StatusCode::BAD_REQUEST,
            &json!({ "error": error.to_string() }),
        ),
    })
}

/// Reads all of it, and says what came.
async fn upload(
    service: &Service,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes += data.len();
            hash.update(&data);
        }
    }
    let hash: Vec<String> = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let said = json!({ "version": service.version(), "bytes": bytes, "sha256": hash.concat() });
    Ok(answered(StatusCode::OK, &said))
}

pub(crate) fn answered(status: StatusCode, body: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(body.to_string()));
    let body = body
        .map_err(|never: Infallible| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// What stands behind the `?`.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn new(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&');
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        Self(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    fn number(&self, name: &str) -> u64 {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
    }
}
