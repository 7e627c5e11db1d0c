//! Git's smart protocol: bytes through to the git CLI and back; a push becomes a trigger.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cutover_forge::Service;
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use tokio_util::io::{ReaderStream, StreamReader};

use super::{Fault, auth::User};
use crate::{Control, Error};

#[derive(Deserialize)]
pub(super) struct Asked {
    service: Option<String>,
}

/// `GET /git/NAME.git/info/refs?service=…`. A repository that is pushed to for the first time comes
/// to be.
pub(super) async fn get(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let name = path
        .strip_suffix("/info/refs")
        .and_then(|rest| rest.strip_suffix(".git"))
        .ok_or_else(|| Error::NotFound("there is only `NAME.git` here".to_owned()))?;
    let Some(service) = asked.service.as_deref().and_then(Service::parse) else {
        let why = "only git's smart protocol is spoken here; use a newer git";
        return Ok((StatusCode::FORBIDDEN, why).into_response());
    };
    if service == Service::ReceivePack {
        control.host().create(name).await?;
    }
    let refs = control.host().info_refs(name, service, protocol(&headers)).await?;
    Ok(answer(service, "advertisement", Body::from(Bytes::from(refs))))
}

/// `POST /git/NAME.git/git-upload-pack` and `…/git-receive-pack`.
pub(super) async fn post(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let (name, service) = path
        .split_once(".git/")
        .and_then(|(name, verb)| Some((name.to_owned(), Service::parse(verb)?)))
        .ok_or_else(|| Error::NotFound("there is only `NAME.git` here".to_owned()))?;
    let headers = request.headers().clone();
    let packed = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value == "gzip");
    let body = request.into_body().into_data_stream().map_err(std::io::Error::other);
    let body = StreamReader::new(body);
    if service == Service::UploadPack {
        let out = control.host().rpc(&name, service, protocol(&headers), body, packed).await?;
        return Ok(answer(service, "result", Body::from_stream(ReaderStream::new(out))));
    }
    let received = control.host().receive(&name, protocol(&headers), body, packed).await?;
    let (out, updates) = (received.response, received.updates);
    let hearing = control.clone();
    control.spawn(async move {
        let updates = match updates.await {
            Ok(updates) => updates,
            Err(error) => {
                tracing::warn!(%error, repository = name, "a push failed");
                return;
            }
        };
        for update in updates {
            if let Err(error) = hearing.hear_push(&name, &user, &update).await {
                tracing::error!(%error, repository = name, git_ref = %update.git_ref, "a push was not heard");
            }
        }
    });
    Ok(answer(service, "result", Body::from_stream(ReaderStream::new(out))))
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers.get("git-protocol").and_then(|value| value.to_str().ok())
}

fn answer(service: Service, what: &str, body: Body) -> Response {
    let kind = format!("application/x-{}-{what}", service.name());
    let mut response = body.into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
