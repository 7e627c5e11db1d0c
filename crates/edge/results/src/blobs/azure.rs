//! The part of Azure's blob protocol that clients of artifacts and caches use: "Put Block", "Put Block List",
//! "Put Blob", "Append Block", "Get Blob" with ranges, "Get Blob Properties". Signed addresses only.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse as _, Response},
    routing::put,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::{block_list, download};
use crate::{
    blobs::Upload,
    core::{Core, Place},
    refusal::Refusal,
    signed::{Operation, Signature},
};

/// A list of as many blocks as there may be is shorter.
const LONGEST_LIST: usize = 8 << 20;

pub(crate) fn router() -> Router<Arc<Core>> {
    Router::new().route("/blobs/{shelf}/{group}/{id}", put(write).get(read))
}

/// What the client adds to a signed address.
#[derive(Deserialize)]
struct Asked {
    comp: Option<String>,
    blockid: Option<String>,
}

type Parts = Path<(String, String, String)>;

fn place(Path((shelf, group, id)): &Parts) -> Result<Place, Refusal> {
    Place::parse(shelf, group, id)
        .ok_or_else(|| Refusal::NotFound("there is no such blob".to_owned()))
}

async fn write(
    State(core): State<Arc<Core>>,
    path: Parts,
    Query(signature): Query<Signature>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let written = try_write(&core, &path, &signature, &asked, &headers, body).await;
    let Err(refusal) = written else {
        return created();
    };
    refusal.azure()
}

async fn try_write(
    core: &Core,
    path: &Parts,
    signature: &Signature,
    asked: &Asked,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Refusal> {
    let place = place(path)?;
    let holder = core.holder(&place, Operation::Write, signature)?;
    let Place::Upload(id) = place else {
        return Err(Refusal::Denied("what is whole is never changed".to_owned()));
    };
    let Some((upload, _)) = core.uploads.find(id, &holder) else {
        return Err(Refusal::NotFound(
            "the upload is over; begin another".to_owned(),
        ));
    };
    match (asked.comp.as_deref(), &asked.blockid) {
        (Some("block"), Some(id)) => upload.put_block(&block_list::block_name(id)?, body).await,
        (Some("block"), None) => Err(Refusal::Invalid(
            "`comp=block` needs a `blockid`".to_owned(),
        )),
        (Some("blocklist"), _) => put_list(&upload, body).await,
        (Some("appendblock"), _) => {
            let at = header(headers, "x-ms-blob-condition-appendpos");
            let at = at.map(str::parse).transpose();
            let at = at.map_err(|_| {
                Refusal::Invalid("`x-ms-blob-condition-appendpos` is not a number".to_owned())
            })?;
            upload.append(at, body).await
        }
        (Some(other), _) => Err(Refusal::Invalid(format!(
            "`comp={}` is not supported here; use `block`, `blocklist`, `appendblock` or a plain PUT",
            other.chars().take(40).collect::<String>()
        ))),
        (None, _) => match header(headers, "x-ms-blob-type") {
            Some("BlockBlob") | None => upload.put_whole(body).await,
            // It begins empty.
            Some("AppendBlob") => upload.put_whole(Body::empty()).await,
            Some(other) => Err(Refusal::Invalid(format!(
                "a blob of type `{other}` is not supported here; use `BlockBlob` or `AppendBlob`"
            ))),
        },
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn put_list(upload: &Upload, body: Body) -> Result<(), Refusal> {
    let list = axum::body::to_bytes(body, LONGEST_LIST).await;
    let list = list.map_err(|error| Refusal::Invalid(format!("the list of blocks: {error}")))?;
    upload.put_block_list(block_list::parse(&list)?).await
}

fn created() -> Response {
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    let yes = HeaderValue::from_static("true");
    headers.insert("x-ms-request-server-encrypted", yes);
    response
}

async fn read(
    State(core): State<Arc<Core>>,
    method: Method,
    path: Parts,
    Query(signature): Query<Signature>,
    headers: HeaderMap,
) -> Response {
    let with_body = method != Method::HEAD;
    let read = try_read(core, &path, &signature, &headers, with_body).await;
    read.unwrap_or_else(|refusal| refusal.azure())
}

async fn try_read(
    core: Arc<Core>,
    path: &Parts,
    signature: &Signature,
    headers: &HeaderMap,
    with_body: bool,
) -> Result<Response, Refusal> {
    let place = place(path)?;
    core.holder(&place, Operation::Read, signature)?;
    let finding = tokio::task::spawn_blocking(move || core.download(&place));
    let found = finding.await.map_err(std::io::Error::other)??;
    download::send(found, headers, with_body).await
}
