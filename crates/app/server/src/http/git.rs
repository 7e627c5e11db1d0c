//! Git's smart protocol: bytes through to the git CLI and back; a push becomes a trigger.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
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
    control: State<Control>,
    path: Path<String>,
    asked: Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let answered = advertise(control, path, asked, headers).await;
    answered.unwrap_or_else(Fault::into_text)
}

async fn advertise(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let name = path
        .strip_suffix("/info/refs")
        .and_then(|rest| rest.strip_suffix(".git"))
        .ok_or_else(not_git)?;
    let Some(Ok(service)) = asked.service.as_deref().map(str::parse::<Service>) else {
        let why = "only git's smart protocol is spoken here; use a newer git";
        return Ok((StatusCode::FORBIDDEN, why).into_response());
    };
    if service == Service::ReceivePack {
        control.host().create(name).await?;
    }
    let refs = control
        .host()
        .info_refs(name, service, protocol(&headers))
        .await?;
    Ok(answer(
        service,
        "advertisement",
        Body::from(Bytes::from(refs)),
    ))
}

/// `POST /git/NAME.git/git-upload-pack` and `…/git-receive-pack`.
pub(super) async fn post(
    control: State<Control>,
    user: Extension<User>,
    path: Path<String>,
    request: Request,
) -> Response {
    let answered = serve(control, user, path, request).await;
    answered.unwrap_or_else(Fault::into_text)
}

async fn serve(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let (name, verb) = path.split_once(".git/").ok_or_else(not_git)?;
    let service: Service = verb.parse().map_err(|_| not_git())?;
    let (name, repository) = (name.to_owned(), name);
    let headers = request.headers().clone();
    let packed = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| value == "gzip");
    let body = request
        .into_body()
        .into_data_stream()
        .map_err(std::io::Error::other);
    let body = StreamReader::new(body);
    if service == Service::UploadPack {
        let reply = control
            .host()
            .upload(&name, protocol(&headers), body, packed)?;
        return Ok(answer(
            service,
            "result",
            Body::from_stream(ReaderStream::new(reply)),
        ));
    }
    // In a task of its own: a client that hangs up must not cut off what git has begun.
    let taking = tokio::spawn(take_push(control, name, user, body, packed));
    let taken = taking
        .await
        .map_err(|error| Error::Refused(format!("the push failed: {error}")))
        .flatten();
    let body = match taken {
        Ok(reply) => Body::from_stream(ReaderStream::new(reply)),
        Err(error) => {
            let error = super::fault::chain(&error);
            tracing::error!(error, repository, "a push was not taken");
            Body::from(fatal(&error))
        }
    };
    Ok(answer(service, "result", body))
}

/// Git shows nothing of the body of an answer that is an error. A packet on the band for errors is
/// shown, and ends it.
fn fatal(why: &str) -> Vec<u8> {
    let why: String = why.chars().take(200).collect();
    let text = format!("\u{3}cutover: {why}\n");
    format!("{:04x}{text}0000", text.len() + 4).into_bytes()
}

/// Takes a push and acts upon it. When acting fails, the push stays unacknowledged and is heard at
/// the next start.
async fn take_push(
    control: Control,
    name: String,
    user: String,
    body: impl tokio::io::AsyncRead + Send + Unpin + 'static,
    packed: bool,
) -> Result<tokio::fs::File, Error> {
    let received = control.host().receive(&name, body, packed).await?;
    for update in &received.updates {
        match control.hear_push(&name, &user, update).await {
            Ok(_) => {
                control
                    .host()
                    .acknowledge(&name, std::slice::from_ref(update))
                    .await?;
            }
            Err(error) => {
                tracing::error!(%error, repository = name, git_ref = %update.git_ref, "a push was not heard");
            }
        }
    }
    Ok(received.reply)
}

fn not_git() -> Error {
    Error::NotFound("there is only `NAME.git` here".to_owned())
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("git-protocol")
        .and_then(|value| value.to_str().ok())
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
