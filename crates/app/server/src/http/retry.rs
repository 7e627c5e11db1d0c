//! Doing more of a run that has ended, for programs and our own command line.

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use cutover_engine::Wish;
use serde::Deserialize;

use super::{Fault, auth::User};
use crate::{Control, Retried};

/// What is wished; nothing means what failed.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    from: Option<String>,
    job: Option<String>,
}

pub(super) async fn retry(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Path(text): Path<String>,
    wanted: Option<Json<Wanted>>,
) -> Result<Json<Retried>, Fault> {
    let Json(wanted) = wanted.unwrap_or_default();
    let wish = match (wanted.from, wanted.job) {
        (Some(step), job) => Wish::From { step, job },
        (None, Some(job)) => Wish::Job(job),
        (None, None) => Wish::Failed,
    };
    let row = control.find_run(&text).await?;
    Ok(Json(control.retry_run(&row.id, &wish, &user).await?))
}
