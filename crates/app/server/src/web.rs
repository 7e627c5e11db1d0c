//! The live page: server-rendered, and rendered again when something was stored.
//!
//! The browser hears of a change by server-sent events and asks for the same address once more; what of
//! its `<main>` has changed takes the place of what was there. Logs come as a stream of their own.

mod delivery;
mod graph;
pub(crate) mod log;
mod page;
mod run;
mod summary;
mod why;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse as _, Redirect, Response},
};
use cutover_model::Timestamp;
use cutover_store::{DeploymentFilter, RunFilter};
use maud::Markup;

use crate::{Control, Error, http::Fault, view};

/// How many runs and deployments the lists show.
const LISTED: u32 = 12;
const LISTED_ALL: u32 = 100;

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

/// All that was lately: what a phone has in place of the lists beside a page.
pub(crate) async fn runs(State(control): State<Control>) -> Response {
    let page = async {
        let lists = lists(&control, LISTED_ALL).await?;
        let open = control.store().open_approvals().await?;
        Ok(page::all(&lists, &open, control.now()))
    };
    answer(&control, page.await).await
}

pub(crate) async fn run(State(control): State<Control>, Path(text): Path<String>) -> Response {
    answer(&control, run_page(&control, &text).await).await
}

async fn run_page(control: &Control, text: &str) -> Result<Markup, Error> {
    let row = control.find_run(text).await?;
    let run = control.run(&row.id).await?;
    let lists = lists(control, LISTED).await?;
    let status = view::status(control).await?;
    let view = view::RunView::of(&run)
        .ok_or_else(|| Error::NotFound(format!("run `{text}` does not exist yet")))?;
    let artifacts = control.artifacts(&row.id).await?;
    let artifacts: Vec<_> = artifacts
        .into_iter()
        .map(|(artifact, _)| artifact)
        .collect();
    Ok(run::page(&view, &artifacts, &lists, &status, control.now()))
}

/// Why jobs and steps of a run did or did not run.
pub(crate) async fn why(
    control: &Control,
    text: &str,
    about: Result<view::About, Error>,
) -> Response {
    let page = async {
        let row = control.find_run(text).await?;
        let found = control.explain(&row.id, &about?).await?;
        let lists = lists(control, LISTED).await?;
        Ok(why::page(&row, &found, &lists, control.now()))
    };
    answer(control, page.await).await
}

pub(crate) async fn deployment(
    State(control): State<Control>,
    Path(text): Path<String>,
) -> Response {
    answer(&control, deployment_page(&control, &text).await).await
}

async fn deployment_page(control: &Control, text: &str) -> Result<Markup, Error> {
    let id = text
        .parse()
        .map_err(|error: cutover_model::id::ParseIdError| Error::NotFound(error.to_string()))?;
    let deployment = control.deployment(&id).await?;
    let view = view::DeploymentView::of(control, &deployment)
        .await
        .ok_or_else(|| Error::NotFound(format!("deployment `{text}` does not exist yet")))?;
    let lists = lists(control, LISTED).await?;
    let status = view::status(control).await?;
    Ok(delivery::deployment(&view, &lists, &status, control.now()))
}

/// A page; or one that says what is wrong, with the lists beside it, so that there is a way on.
async fn answer(control: &Control, page: Result<Markup, Error>) -> Response {
    let error = match page {
        Ok(page) => return page.into_response(),
        Err(error) => error,
    };
    let lists = lists(control, LISTED).await.ok();
    let lists = lists.as_ref().map(|lists| (lists, control.now()));
    Broken(error).page(lists)
}

/// An error on a page: the page says it.
pub(crate) struct Broken(Error);

impl<E: Into<Error>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Broken {
    fn page(self, lists: Option<(&page::Lists, Timestamp)>) -> Response {
        let text = self.0.to_string();
        let status = Fault::from(self.0).status();
        (status, page::fault(status.as_u16(), &text, lists)).into_response()
    }
}

impl axum::response::IntoResponse for Broken {
    fn into_response(self) -> Response {
        self.page(None)
    }
}

/// What is at no address: a page for people, JSON for programs.
pub(crate) async fn missing(
    State(control): State<Control>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let why = format!("there is nothing at `{}`", uri.path());
    let accepts = headers.get(header::ACCEPT);
    let accepts = accepts.and_then(|value| value.to_str().ok());
    let is_page = accepts.is_some_and(|value| value.contains("text/html"));
    if is_page && !uri.path().starts_with("/api/") {
        return answer(&control, Err(Error::NotFound(why))).await;
    }
    Fault::from(Error::NotFound(why)).into_response()
}

async fn lists(control: &Control, limit: u32) -> Result<page::Lists, Error> {
    let runs = RunFilter {
        limit,
        ..RunFilter::default()
    };
    let deployments = DeploymentFilter {
        limit,
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
