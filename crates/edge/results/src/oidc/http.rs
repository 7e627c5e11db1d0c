//! The endpoint at which a job asks for its id token, and the documents for whoever verifies one.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::claims;
use crate::{core::Core, refusal::Refusal, tokens::Purpose};

/// As long as an audience may be.
const LONGEST_AUDIENCE: usize = 1_024;

/// Where jobs ask.
pub(crate) fn asking() -> Router<Arc<Core>> {
    Router::new().route("/oidc/token", get(token))
}

/// What verifies; nothing in it is secret.
pub(crate) fn documents() -> Router<Arc<Core>> {
    Router::new()
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/.well-known/jwks", get(jwks))
}

#[derive(Deserialize)]
struct Asked {
    audience: Option<String>,
}

async fn token(
    State(core): State<Arc<Core>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    try_token(&core, asked, &headers).unwrap_or_else(|refusal| refusal.plain())
}

fn try_token(core: &Core, asked: Asked, headers: &HeaderMap) -> Result<Response, Refusal> {
    let session = core.bearer(headers, Purpose::IdToken)?;
    if !session.job.may_ask_for_id_tokens() {
        return Err(Refusal::Denied(
            "the job has no `id-token: write`".to_owned(),
        ));
    }
    let audience = asked.audience.filter(|audience| !audience.is_empty());
    if audience
        .as_ref()
        .is_some_and(|audience| audience.len() > LONGEST_AUDIENCE)
    {
        return Err(Refusal::Invalid("the audience is too long".to_owned()));
    }
    let claims = claims::of(&session.job, &core.issuer.url, audience, core.now())?;
    let failed = || std::io::Error::other("the token could not be signed");
    let token = core.issuer.sign(&claims).ok_or_else(failed)?;
    Ok(Json(json!({"value": token})).into_response())
}

async fn configuration(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(core.issuer.configuration())
}

async fn jwks(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(core.issuer.jwks())
}
