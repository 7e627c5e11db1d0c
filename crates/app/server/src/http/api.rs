//! The JSON that programs and our own command line ask for. One handler a verb; what they answer is
//! in [`crate::view`].

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use cutover_model::GateId;
use cutover_store::RunFilter;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Fault, auth::User};
use crate::{Control, Error, operate::Answer, view};

pub(super) type Answered = Result<Json<Value>, Fault>;

pub(super) async fn healthz(State(control): State<Control>) -> Result<&'static str, Fault> {
    // A store that cannot be read makes the server unhealthy.
    control.store().next_due_at().await?;
    Ok("ok\n")
}

pub(super) async fn status(State(control): State<Control>) -> Result<Json<view::Status>, Fault> {
    Ok(Json(view::status(&control).await?))
}

/// How many rows a list has when nothing is said, and at most.
const LISTED: u32 = 20;
const MOST_LISTED: u32 = 1_000;

pub(super) fn limit(said: Option<u32>) -> u32 {
    said.unwrap_or(LISTED).min(MOST_LISTED)
}

/// Each list has its own questions: one that it cannot answer is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunList {
    limit: Option<u32>,
    unfinished: Option<bool>,
    workflow: Option<String>,
    repository: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseList {
    limit: Option<u32>,
    service: Option<String>,
}

pub(super) async fn runs(State(control): State<Control>, Query(list): Query<RunList>) -> Answered {
    let filter = RunFilter {
        limit: limit(list.limit),
        unfinished_only: list.unfinished.unwrap_or_default(),
        workflow: list.workflow,
        repository: list.repository,
        ..RunFilter::default()
    };
    let rows = control.store().runs(&filter).await?;
    Ok(Json(json!({ "runs": rows })))
}

pub(super) async fn run(
    State(control): State<Control>,
    Path(text): Path<String>,
) -> Result<Json<view::RunView>, Fault> {
    let row = control.find_run(&text).await?;
    let run = control.run(&row.id).await?;
    let view = view::RunView::of(&run).ok_or_else(|| not_found("the run does not exist yet"))?;
    Ok(Json(view))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Because {
    comment: Option<String>,
}

pub(super) async fn cancel(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Path(text): Path<String>,
    Json(because): Json<Because>,
) -> Answered {
    let row = control.find_run(&text).await?;
    control.cancel(&row.id, &user, because.comment).await?;
    Ok(Json(json!({ "run": row.id })))
}

pub(super) async fn approvals(State(control): State<Control>) -> Answered {
    Ok(Json(
        json!({ "approvals": control.store().open_approvals().await? }),
    ))
}

pub(super) async fn answer(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Path((gate, answer)): Path<(String, String)>,
    Json(because): Json<Because>,
) -> Answered {
    let gate: GateId = gate.parse().map_err(not_found)?;
    let answer = match answer.as_str() {
        "approve" => Answer::Approve,
        "reject" => Answer::Reject,
        other => return Err(Error::NotFound(format!("no answer `{other}`")).into()),
    };
    control
        .answer(&gate, answer, &user, because.comment)
        .await?;
    Ok(Json(json!({ "gate": gate, "by": user })))
}

pub(super) async fn releases(
    State(control): State<Control>,
    Query(list): Query<ReleaseList>,
) -> Answered {
    let limit = limit(list.limit);
    let services = match list.service {
        Some(service) => vec![service],
        None => control.store().services().await?,
    };
    let mut releases = Vec::new();
    for service in services {
        releases.extend(control.store().releases(&service, limit).await?);
    }
    Ok(Json(json!({ "releases": releases })))
}

pub(super) async fn repositories(State(control): State<Control>) -> Answered {
    Ok(Json(json!({ "repositories": control.host().list()? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn create_repository(
    State(control): State<Control>,
    Json(wanted): Json<Named>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    control.host().create(&wanted.name).await?;
    let url = control.link(&format!("/git/{}.git", wanted.name));
    Ok((
        StatusCode::CREATED,
        Json(json!({ "repository": wanted.name, "url": url })),
    ))
}

pub(super) async fn users(State(control): State<Control>) -> Answered {
    Ok(Json(json!({ "users": control.users().await? })))
}

/// The token is in the answer, once.
pub(super) async fn add_user(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Json(wanted): Json<Named>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let token = control.add_user_by(&wanted.name, &user).await?;
    let body = json!({ "user": wanted.name, "token": token.expose() });
    Ok((StatusCode::CREATED, Json(body)))
}

pub(super) async fn down(State(control): State<Control>) -> Answered {
    control.take_down().await?;
    Ok(Json(json!({ "down": true })))
}

pub(super) fn not_found(error: impl std::fmt::Display) -> Error {
    Error::NotFound(error.to_string())
}
