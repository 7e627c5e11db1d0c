//! The demo's HTTP service: `/`, `/health`, `/version`, JSON logs, graceful shutdown, configured by
//! its environment and by `service.json` beside it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{config, exit::Exit, render};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    greeting: String,
    fail_percent: u64,
}

struct Service {
    settings: Settings,
    version: String,
    environment: String,
    served: AtomicU64,
}

/// `demo-service` serves; `demo-service get PORT-FILE PATH` asks one that serves.
pub(crate) async fn run(args: crate::cli::DemoService) -> anyhow::Result<Exit> {
    if let Some(crate::cli::DemoVerb::Get { port_file, path }) = args.verb {
        return get_one(&port_file, &path).await;
    }
    let text = std::fs::read_to_string("service.json").context("service.json")?;
    let service = Arc::new(Service {
        settings: serde_json::from_str(&text).context("service.json")?,
        version: config::environment("CUTOVER_VERSION").unwrap_or_else(|| "unreleased".to_owned()),
        environment: config::environment("CUTOVER_ENVIRONMENT").unwrap_or_default(),
        served: AtomicU64::new(0),
    });
    let port: u16 = config::environment("PORT")
        .unwrap_or_default()
        .parse()
        .context("PORT")?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    let address = listener.local_addr()?;
    if let Some(file) = config::environment("PORT_FILE") {
        // Renamed into place, so that whoever waits for it never reads half a number.
        std::fs::write(format!("{file}.new"), address.port().to_string())?;
        std::fs::rename(format!("{file}.new"), file)?;
    }
    log(
        &json!({ "event": "listening", "address": address.to_string(), "version": service.version }),
    );
    let router = Router::new()
        .route("/", get(front))
        .route("/health", get(health))
        .route("/version", get(version))
        .layer(middleware::from_fn(logged))
        .with_state(service);
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
            log(&json!({ "event": "stopping" }));
        })
        .await?;
    Ok(Exit::Ok)
}

/// In production so many of a hundred requests fail; anywhere else none does, which is how such
/// things come through tests and staging.
async fn front(State(service): State<Arc<Service>>) -> Response {
    let count = service.served.fetch_add(1, Ordering::Relaxed);
    // Spread evenly: of any hundred requests in a row so many fail.
    let failures = |count: u64| count * service.settings.fail_percent / 100;
    let unlucky = failures(count + 1) > failures(count);
    if unlucky && service.environment == "production" {
        let body = Json(json!({ "error": "the new cache is not there" }));
        return (StatusCode::INTERNAL_SERVER_ERROR, body).into_response();
    }
    let body = json!({ "message": service.settings.greeting, "version": service.version });
    Json(body).into_response()
}

async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

async fn version(State(service): State<Arc<Service>>) -> Json<serde_json::Value> {
    Json(json!({ "version": service.version }))
}

async fn logged(request: Request, next: Next) -> Response {
    let (method, path) = (
        request.method().to_string(),
        request.uri().path().to_owned(),
    );
    let response = next.run(request).await;
    let status = response.status().as_u16();
    // Health checks by the thousand would hide everything else.
    if path != "/health" {
        log(&json!({ "event": "request", "method": method, "path": path, "status": status }));
    }
    response
}

fn log(line: &serde_json::Value) {
    render::json_line(line);
}

async fn get_one(port_file: &str, path: &str) -> anyhow::Result<Exit> {
    let port = wait_for(port_file).await?;
    // A proxy that is set for the tests of a project is not meant for this machine.
    let client = reqwest::Client::builder().no_proxy().build()?;
    let address = format!("http://127.0.0.1:{port}{path}");
    let answer = client.get(address).send().await?;
    let status = answer.status().as_u16();
    render::data(&format!("{status} {}", answer.text().await?));
    Ok(Exit::Ok)
}

/// The service writes its port when it listens; ten seconds are enough for that anywhere.
async fn wait_for(port_file: &str) -> anyhow::Result<String> {
    for _ in 0..200 {
        if let Ok(port) = std::fs::read_to_string(port_file) {
            return Ok(port);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("the service did not start: there is no `{port_file}`")
}
