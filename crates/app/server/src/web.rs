//! The live page: server-rendered, and rendered again when something was stored.
//!
//! The browser hears of a change by server-sent events and asks for the same address once more; the
//! answer's `<main>` takes the place of the old one. Logs come as a stream of their own.

mod delivery;
mod graph;
mod page;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse as _, Redirect, Response},
};
use cutover_store::{DeploymentFilter, RunFilter};
use maud::Markup;

use crate::{Control, Error, http::Fault, view};

/// How many runs and deployments the lists show.
const LISTED: u32 = 12;

/// The newest run that there is, or how to make one.
pub(crate) async fn home(State(control): State<Control>) -> Result<Response, Broken> {
    let newest = RunFilter {
        limit: 1,
        ..RunFilter::default()
    };
    if let Some(row) = control.store().runs(&newest).await?.first() {
        Ok(Redirect::temporary(&format!("/runs/{}", row.id)).into_response())
    } else {
        let address = control.options().address.clone().unwrap_or_default();
        Ok(page::empty(&address).into_response())
    }
}

pub(crate) async fn run(
    State(control): State<Control>,
    Path(text): Path<String>,
) -> Result<Markup, Broken> {
    let row = control.find_run(&text).await?;
    let run = control.run(&row.id).await?;
    let lists = lists(&control).await?;
    let status = view::status(&control).await?;
    let view = view::RunView::of(&run)
        .ok_or_else(|| Error::NotFound(format!("run `{text}` does not exist yet")))?;
    let artifacts = control.artifacts(&row.id).await?;
    let artifacts: Vec<_> = artifacts
        .into_iter()
        .map(|(artifact, _)| artifact)
        .collect();
    Ok(page::run(&view, &artifacts, &lists, &status, control.now()))
}

pub(crate) async fn deployment(
    State(control): State<Control>,
    Path(text): Path<String>,
) -> Result<Markup, Broken> {
    let id = text
        .parse()
        .map_err(|error: cutover_model::id::ParseIdError| Error::NotFound(error.to_string()))?;
    let deployment = control.deployment(&id).await?;
    let view = view::DeploymentView::of(&control, &deployment)
        .await
        .ok_or_else(|| Error::NotFound(format!("deployment `{text}` does not exist yet")))?;
    let lists = lists(&control).await?;
    let status = view::status(&control).await?;
    Ok(delivery::deployment(&view, &lists, &status, control.now()))
}

/// An error on a page: the page says it.
pub(crate) struct Broken(Error);

impl<E: Into<Error>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl axum::response::IntoResponse for Broken {
    fn into_response(self) -> Response {
        let text = self.0.to_string();
        let status = Fault::from(self.0).status();
        (status, page::fault(status.as_u16(), &text)).into_response()
    }
}

/// What is at no address: a page for people, JSON for programs.
pub(crate) async fn missing(uri: Uri, headers: HeaderMap) -> Response {
    let why = format!("there is nothing at `{}`", uri.path());
    let accepts = headers.get(header::ACCEPT);
    let accepts = accepts.and_then(|value| value.to_str().ok());
    let is_page = accepts.is_some_and(|value| value.contains("text/html"));
    if is_page && !uri.path().starts_with("/api/") {
        return Broken(Error::NotFound(why)).into_response();
    }
    Fault::from(Error::NotFound(why)).into_response()
}

async fn lists(control: &Control) -> Result<page::Lists, Error> {
    let runs = RunFilter {
        limit: LISTED,
        ..RunFilter::default()
    };
    let deployments = DeploymentFilter {
        limit: LISTED,
        ..DeploymentFilter::default()
    };
    Ok(page::Lists {
        runs: control.store().runs(&runs).await?,
        deployments: control.store().deployments(&deployments).await?,
    })
}

/// What the page is made of besides its text; in the binary.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "cutover.css" => (
            "text/css; charset=utf-8",
            include_str!("web/assets/cutover.css"),
        ),
        "cutover.js" => (
            "text/javascript; charset=utf-8",
            include_str!("web/assets/cutover.js"),
        ),
        _ => return Broken(Error::NotFound(format!("there is no `{name}`"))).into_response(),
    };
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
