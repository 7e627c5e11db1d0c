//! The verbs of delivery: deploy and back, promote, pause, compare, plan. One handler a verb; what
//! they answer is in [`crate::view`] and [`crate::deliver`].

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use cutover_model::{DeploymentId, Duration, Timestamp, run::Outcome};
use cutover_release::freeze;
use cutover_store::DeploymentFilter;
use serde::Deserialize;
use serde_json::json;

use super::{
    Fault,
    api::{Answered, limit, not_found},
    auth::User,
};
use crate::{
    Ask, Control, Error,
    deliver::{
        inspect::{Compared, DeployPlan},
        rejudge::{Rejudgement, WhatIf},
        retention::Collected,
    },
    view,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeploymentList {
    limit: Option<u32>,
    unfinished: Option<bool>,
    environment: Option<String>,
    service: Option<String>,
    outcome: Option<Outcome>,
    version: Option<String>,
    actor: Option<String>,
    /// Milliseconds since 1970.
    since: Option<i64>,
}

pub(super) async fn deployments(
    State(control): State<Control>,
    Query(list): Query<DeploymentList>,
) -> Answered {
    let filter = DeploymentFilter {
        environment: list.environment,
        service: list.service,
        unfinished_only: list.unfinished.unwrap_or_default(),
        outcome: list.outcome,
        version: list.version,
        actor: list.actor,
        since: Timestamp(list.since.unwrap_or_default()),
        limit: limit(list.limit),
    };
    Ok(Json(
        json!({ "deployments": control.deployments(&filter).await? }),
    ))
}

pub(super) async fn deployment(
    State(control): State<Control>,
    Path(text): Path<String>,
) -> Result<Json<view::DeploymentView>, Fault> {
    let id: DeploymentId = text.parse().map_err(not_found)?;
    let deployment = control.deployment(&id).await?;
    let view = view::DeploymentView::of(&control, &deployment).await;
    Ok(Json(view.ok_or_else(|| {
        not_found("the deployment does not exist yet")
    })?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deploy {
    release: String,
    environment: String,
    service: Option<String>,
    strategy: Option<String>,
    break_glass: Option<String>,
    #[serde(default)]
    lift_hold: bool,
}

impl Deploy {
    fn ask(&self) -> Ask {
        Ask {
            environment: self.environment.clone(),
            service: self.service.clone(),
            strategy: self.strategy.clone(),
            break_glass: self.break_glass.clone(),
            lift_hold: self.lift_hold,
        }
    }
}

pub(super) async fn deploy(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Json(wanted): Json<Deploy>,
) -> Answered {
    let begun = control
        .deploy(&wanted.release, &wanted.ask(), &user)
        .await?;
    Ok(Json(
        json!({ "deployment": begun.id, "already": begun.already }),
    ))
}

/// What a deployment would do.
pub(super) async fn plan(
    State(control): State<Control>,
    Query(wanted): Query<Deploy>,
) -> Result<Json<DeployPlan>, Fault> {
    let ask = wanted.ask();
    Ok(Json(control.plan_deployment(&wanted.release, &ask).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sides {
    from: String,
    to: Option<String>,
    service: Option<String>,
}

/// What differs between two sides.
pub(super) async fn diff(
    State(control): State<Control>,
    Query(sides): Query<Sides>,
) -> Result<Json<Compared>, Fault> {
    let (to, service) = (sides.to.as_deref(), sides.service.as_deref());
    Ok(Json(control.compare(&sides.from, to, service).await?))
}

/// What may be said with a verb; no body is the same as an empty one.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Said {
    /// Counted from 1: `promote` does nothing when this step is over.
    step: Option<u32>,
}

pub(super) async fn command(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Path((text, verb)): Path<(String, String)>,
    said: Option<Json<Said>>,
) -> Answered {
    let step = said.and_then(|Json(said)| said.step);
    if step.is_some() && verb != "promote" {
        return Err(Error::Refused(format!("`{verb}` takes no `step`")).into());
    }
    if verb == "retry" {
        let of = control.find_ended(&text).await?;
        let begun = control.retry_deployment(&of, &user).await?;
        return Ok(Json(
            json!({ "deployment": begun.id, "already": begun.already, "of": of }),
        ));
    }
    if !["abort", "pause", "resume", "promote", "promote-full"].contains(&verb.as_str()) {
        return Err(Error::NotFound(format!("a deployment has no verb `{verb}`")).into());
    }
    let id = control.find_deployment(&text).await?;
    let already = match verb.as_str() {
        "abort" => control.abort_deployment(&id, &user).await?,
        "pause" => control.pause_deployment(&id, &user).await?,
        "resume" => control.resume_deployment(&id, &user).await?,
        verb => {
            let is_full = verb == "promote-full";
            control
                .promote_deployment(&id, &user, is_full, step)
                .await?
        }
    };
    let deployment = control.deployment(&id).await?;
    Ok(Json(json!({
        "deployment": id, "already": already.is_some(), "notice": already,
        "line": view::deployment_line(&deployment),
    })))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OfService {
    service: Option<String>,
}

/// Lifts the hold that an earlier rollback has put on a service of an environment.
pub(super) async fn resume_environment(
    State(control): State<Control>,
    Path(environment): Path<String>,
    Json(wanted): Json<OfService>,
) -> Answered {
    let lifted = control
        .resume_environment(wanted.service.as_deref(), &environment)
        .await?;
    Ok(Json(
        json!({ "already": lifted.is_none(), "lifted": lifted }),
    ))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rollback {
    service: Option<String>,
    to: Option<String>,
}

pub(super) async fn rollback(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Path(environment): Path<String>,
    Json(wanted): Json<Rollback>,
) -> Answered {
    let (service, to) = (wanted.service.as_deref(), wanted.to.as_deref());
    let begun = control.rollback(service, &environment, to, &user).await?;
    Ok(Json(
        json!({ "deployment": begun.id, "already": begun.already }),
    ))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Collecting {
    dry: bool,
}

/// Throws away packages that nobody goes back to.
pub(super) async fn collect(
    State(control): State<Control>,
    Json(wanted): Json<Collecting>,
) -> Result<Json<Collected>, Fault> {
    Ok(Json(control.collect(wanted.dry).await?))
}

/// Freezes of people: those that are in force, and the newest of all.
pub(super) async fn freezes(State(control): State<Control>) -> Answered {
    let mut in_force = control.store().open_freezes().await?;
    let now = control.now();
    in_force.retain(|row| row.until.is_none_or(|until| now < until));
    Ok(Json(json!({
        "freezes": in_force,
        "past": control.store().freezes(limit(None)).await?,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Freeze {
    /// All of them when absent.
    environment: Option<String>,
    reason: String,
    /// An instant as RFC 3339 has it.
    until: Option<String>,
    /// Instead of `until`.
    #[serde(rename = "for")]
    length: Option<Duration>,
}

pub(super) async fn freeze(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Json(wanted): Json<Freeze>,
) -> Answered {
    let until = match (&wanted.until, wanted.length) {
        (Some(_), Some(_)) => {
            let why = "say `until` or `for`, not both".to_owned();
            return Err(Error::Refused(why).into());
        }
        (Some(text), None) => Some(freeze::instant(text).map_err(Error::Refused)?),
        (None, length) => length.map(|length| control.now() + length),
    };
    let environment = wanted.environment.as_deref();
    let (row, already) = control
        .freeze(environment, &wanted.reason, until, &user)
        .await?;
    Ok(Json(json!({ "freeze": row, "already": already })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unfreeze {
    /// Those of all environments when absent.
    environment: Option<String>,
}

pub(super) async fn unfreeze(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Json(wanted): Json<Unfreeze>,
) -> Answered {
    let lifted = control
        .unfreeze(wanted.environment.as_deref(), &user)
        .await?;
    Ok(Json(
        json!({ "lifted": lifted, "already": lifted.is_empty() }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Other {
    alpha: Option<f64>,
    p_max: Option<f64>,
    min_ratio: Option<f64>,
}

/// What would have been, by other numbers.
pub(super) async fn rejudge(
    State(control): State<Control>,
    Path(text): Path<String>,
    Query(other): Query<Other>,
) -> Result<Json<Rejudgement>, Fault> {
    let id = control.find_newest(&text).await?;
    let what = WhatIf {
        alpha: other.alpha,
        p_max: other.p_max,
        min_ratio: other.min_ratio,
    };
    Ok(Json(control.rejudge(&id, what).await?))
}
