//! The two services that speak twirp: how a request comes in, in JSON or in protobuf, and which method
//! it is for. What the methods do is with artifacts and with caches.

mod codec;
mod wire;

use std::{io, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    response::Response,
    routing::post,
};
use bytes::Bytes;
use http::HeaderMap;

use self::codec::{Answer, Codec, Request};
pub(crate) use self::wire::*;
use crate::{artifacts, caches, core::Core, refusal::Refusal, sessions::Session, tokens::Purpose};

/// What a request may be long: names, keys and numbers.
const LONGEST_REQUEST: usize = 1 << 16;

pub(crate) fn router() -> Router<Arc<Core>> {
    Router::new()
        .route("/twirp/{service}/{method}", post(call))
        .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
}

async fn call(
    State(core): State<Arc<Core>>,
    Path((service, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered = answer(core, service, method, &headers, body).await;
    answered.unwrap_or_else(|refusal| refusal.twirp())
}

async fn answer(
    core: Arc<Core>,
    service: String,
    method: String,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let session = core.bearer(headers, Purpose::Results)?;
    let codec = Codec::of(headers)?;
    let request = Request { codec, body };
    // Every method looks into the folder.
    let doing = move || dispatch(&core, &session, &service, &method, &request);
    let answer = tokio::task::spawn_blocking(doing)
        .await
        .map_err(io::Error::other)??;
    Ok(answer.into_response(codec))
}

fn dispatch(
    core: &Core,
    session: &Session,
    service: &str,
    method: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    const ARTIFACTS: &str = "github.actions.results.api.v1.ArtifactService";
    const CACHES: &str = "github.actions.results.api.v1.CacheService";
    match (service, method) {
        (ARTIFACTS, "CreateArtifact") => {
            let answer = artifacts::create(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        (ARTIFACTS, "FinalizeArtifact") => {
            let answer = artifacts::finalize(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        (ARTIFACTS, "ListArtifacts") => {
            let answer = artifacts::list(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        (ARTIFACTS, "GetSignedArtifactURL") => {
            let answer = artifacts::signed_url(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        (ARTIFACTS, "DeleteArtifact") => {
            let answer = artifacts::delete(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        (CACHES, "CreateCacheEntry") => {
            let answer = caches::create(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        (CACHES, "FinalizeCacheEntryUpload") => {
            let answer = caches::finalize(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        (CACHES, "GetCacheEntryDownloadURL") => {
            let answer = caches::download_url(core, session, &request.read()?)?;
            Ok(request.answer(&answer))
        }
        _ => Err(Refusal::NotFound(format!(
            "there is no method `{service}/{method}`"
        ))),
    }
}
