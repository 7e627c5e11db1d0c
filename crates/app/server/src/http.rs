//! The door: HTTP for people (pages), programs (JSON) and git.

mod api;
mod artifacts;
mod auth;
mod delivery;
mod dispatch;
mod explain;
mod fault;
mod git;
mod log;
mod retry;
mod sse;

use std::{
    future::{Future, IntoFuture as _},
    net::SocketAddr,
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    routing::{get, post},
};
use tokio::net::TcpListener;
use tower_http::{limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer};

use crate::{Control, Error, web};

pub use fault::Fault;

/// What a JSON body may weigh. Pushes have no such limit: packs are streamed to disk.
const MAX_BODY: usize = 1 << 20;

/// How long requests in flight may take when the server goes down: a push, a slow client.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// Pages load nothing from elsewhere and run no inline script.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// All routes.
pub fn router(control: Control, address: SocketAddr) -> Router {
    let door = auth::Door::new(control.clone(), address);
    let api = Router::new()
        .route("/status", get(api::status))
        .route("/runs", get(api::runs))
        .route("/runs/{run}", get(api::run))
        .route("/runs/{run}/log", get(log::text))
        .route("/runs/{run}/explain", get(explain::run))
        .route("/runs/{run}/artifacts", get(artifacts::list))
        .route("/runs/{run}/artifacts/{artifact}", get(artifacts::bytes))
        .route("/runs/{run}/cancel", post(api::cancel))
        .route("/runs/{run}/retry", post(retry::retry))
        .route("/dispatch", post(dispatch::workflow))
        .route("/repository-dispatch", post(dispatch::repository))
        .route("/approvals", get(api::approvals))
        .route("/approvals/{gate}/{answer}", post(api::answer))
        .route("/releases", get(api::releases))
        .route(
            "/deployments",
            get(delivery::deployments).post(delivery::deploy),
        )
        .route("/deployments/{deployment}", get(delivery::deployment))
        .route("/deployments/{deployment}/{verb}", post(delivery::command))
        .route("/deployments/{deployment}/rejudge", get(delivery::rejudge))
        .route("/plan/deploy", get(delivery::plan))
        .route("/diff", get(delivery::diff))
        .route("/gc", post(delivery::collect))
        .route("/freezes", get(delivery::freezes).post(delivery::freeze))
        .route("/unfreeze", post(delivery::unfreeze))
        .route(
            "/environments/{environment}/resume",
            post(delivery::resume_environment),
        )
        .route(
            "/environments/{environment}/rollback",
            post(delivery::rollback),
        )
        .route(
            "/repositories",
            get(api::repositories).post(api::create_repository),
        )
        .route("/users", get(api::users).post(api::add_user))
        .route("/down", post(api::down))
        .layer(RequestBodyLimitLayer::new(MAX_BODY));
    let policy = HeaderValue::from_static(POLICY);
    let documents = control.results().service().documents();
    Router::new()
        .route("/healthz", get(api::healthz))
        .nest("/api/v1", api)
        .route("/git/{*path}", get(git::get).post(git::post))
        .route("/events", get(sse::events))
        .route("/", get(web::home))
        .route("/runs", get(web::runs))
        .route("/runs/{run}", get(web::run))
        .route("/runs/{run}/log", get(log::stream))
        .route("/runs/{run}/log/lines", get(log::lines))
        .route("/runs/{run}/remark", get(log::remark))
        .route("/runs/{run}/explain", get(explain::page))
        .route("/runs/{run}/artifacts/{artifact}", get(artifacts::bytes))
        .route("/deployments/{deployment}", get(web::deployment))
        .route("/assets/{name}", get(web::asset))
        .fallback(web::missing)
        .layer(middleware::from_fn_with_state(door, auth::guard))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CONTENT_SECURITY_POLICY,
            policy,
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ))
        .with_state(control)
        // Whoever trusts our id tokens reads the keys here, without being anybody.
        .merge(documents)
}

/// Serves until `stop` comes; then requests in flight are finished, as far as they finish in time.
pub async fn serve(
    control: Control,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let here = camino::Utf8Path::new("the listener");
    let address = listener
        .local_addr()
        .map_err(Error::io("read the address of", here))?;
    let closing = control.clone();
    let stop = async move {
        stop.await;
        // Ends the streams that would otherwise keep us for ever.
        closing.close();
    };
    let in_time = async {
        control.closing().cancelled().await;
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    let served = axum::serve(listener, router(control.clone(), address))
        .with_graceful_shutdown(stop)
        .into_future();
    tokio::select! {
        served = served => served.map_err(Error::io("serve at", here)),
        () = in_time => {
            tracing::warn!("a client does not come to its end; going down all the same");
            Ok(())
        }
    }
}
