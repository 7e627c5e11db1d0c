//! The first cache protocol: reserve, send pieces at their offsets, commit; look up by keys.

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Query, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{methods, scope, stock::Cache};
use crate::{
    blobs::parse_content_range, core::Core, refusal::Refusal, sessions::Session, tokens::Purpose,
};

const LONGEST_REQUEST: usize = 1 << 16;
/// As many as one answer lists.
const MOST_LISTED: usize = 100;

pub(crate) fn router() -> Router<Arc<Core>> {
    Router::new()
        .route("/_apis/artifactcache/cache", get(look_up))
        .route("/_apis/artifactcache/caches", get(list).post(reserve))
        .route(
            "/_apis/artifactcache/caches/{id}",
            post(commit).patch(send_piece),
        )
        // Pieces are not held in memory, so that this is not for them.
        .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
}

#[derive(Deserialize)]
struct LookUp {
    /// Separated by commas.
    keys: String,
    version: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reserve {
    key: String,
    version: String,
    cache_size: Option<u64>,
}

#[derive(Deserialize)]
struct Commit {
    size: u64,
}

/// A cache, as this protocol tells of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    cache_id: u64,
    cache_key: String,
    cache_version: String,
    scope: String,
    creation_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_location: Option<String>,
}

impl From<Cache> for Found {
    fn from(cache: Cache) -> Self {
        Self {
            cache_id: cache.id,
            cache_key: cache.key,
            cache_version: cache.version,
            scope: cache.git_ref,
            creation_time: cache.created.to_string(),
            archive_location: None,
        }
    }
}

/// Does what looks into the folder, for whoever has a token.
async fn with<T: Send + 'static>(
    core: Arc<Core>,
    headers: &HeaderMap,
    doing: impl FnOnce(&Core, &Session) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let session = core.bearer(headers, Purpose::Results)?;
    let done = tokio::task::spawn_blocking(move || doing(&core, &session));
    done.await.map_err(io::Error::other)?
}

fn answer(result: Result<Response, Refusal>) -> Response {
    result.unwrap_or_else(|refusal| refusal.plain())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::Invalid(format!("the request cannot be read: {error}")))
}

async fn look_up(
    State(core): State<Arc<Core>>,
    Query(asked): Query<LookUp>,
    headers: HeaderMap,
) -> Response {
    let finding = with(core, &headers, move |core, session| {
        let keys: Vec<String> = asked
            .keys
            .split(',')
            .map(|key| key.trim().to_owned())
            .collect();
        let Some(cache) = methods::restore(core, session, &keys, &asked.version)? else {
            return Ok(StatusCode::NO_CONTENT.into_response());
        };
        let archive_location = Some(methods::address(core, session, &cache));
        let found = Found {
            archive_location,
            ..Found::from(cache)
        };
        Ok(Json(found).into_response())
    });
    answer(finding.await)
}

async fn list(
    State(core): State<Arc<Core>>,
    Query(asked): Query<List>,
    headers: HeaderMap,
) -> Response {
    let listing = with(core, &headers, move |core, session| {
        let scopes = scope::readable(&session.job);
        let all = core
            .caches
            .beginning(&session.job.repository, &scopes, &asked.key);
        let total = all.len();
        let shown: Vec<Found> = all.into_iter().take(MOST_LISTED).map(Found::from).collect();
        Ok(Json(json!({"totalCount": total, "artifactCaches": shown})).into_response())
    });
    answer(listing.await)
}

async fn reserve(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Response {
    let reserving = with(core, &headers, move |core, session| {
        let asked: Reserve = read(&body)?;
        if asked
            .cache_size
            .is_some_and(|size| size > core.limits.cache_bytes)
        {
            return Err(Refusal::TooLarge {
                what: "one cache",
                limit: core.limits.cache_bytes,
            });
        }
        let id = methods::begin(core, session, &asked.key, &asked.version)?;
        Ok((StatusCode::CREATED, Json(json!({"cacheId": id}))).into_response())
    });
    answer(reserving.await)
}

async fn send_piece(
    State(core): State<Arc<Core>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(try_send_piece(&core, id, &headers, body).await)
}

async fn try_send_piece(
    core: &Core,
    id: u64,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let session = core.bearer(headers, Purpose::Results)?;
    let range = parse_content_range(headers).ok_or_else(|| {
        Refusal::Invalid("a piece needs `Content-Range: bytes FIRST-LAST/*`".to_owned())
    })?;
    let Some((upload, _)) = core.uploads.find(id, &session.id()) else {
        return Err(not_reserved(id));
    };
    upload.put_piece(range, body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn commit(
    State(core): State<Arc<Core>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Response {
    answer(try_commit(core, id, &headers, &body).await)
}

async fn try_commit(
    core: Arc<Core>,
    id: u64,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let Commit { size } = read(body)?;
    let session = core.bearer(headers, Purpose::Results)?;
    let Some((upload, _)) = core.uploads.find(id, &session.id()) else {
        return Err(not_reserved(id));
    };
    upload.seal_pieces(size).await?;
    with(core, headers, move |core, session| {
        methods::end(core, id, session, size)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

fn not_reserved(id: u64) -> Refusal {
    Refusal::NotFound(format!("this job has not reserved a cache `{id}`"))
}
