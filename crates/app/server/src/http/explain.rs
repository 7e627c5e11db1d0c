//! Why things did or did not run: for programs as JSON, for the page as text.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use cutover_model::run::StepPath;
use serde::Deserialize;

use super::{Fault, api::Answered};
use crate::{Control, Error, view};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    job: Option<String>,
    step: Option<String>,
}

impl Which {
    fn about(self) -> Result<view::About, Error> {
        let step = self.step.map(|step| step.parse::<StepPath>()).transpose();
        Ok(view::About {
            job: self.job,
            step: step.map_err(|error| Error::Refused(error.to_string()))?,
        })
    }
}

pub(super) async fn run(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Answered {
    let row = control.find_run(&run).await?;
    let found = control.explain(&row.id, &which.about()?).await?;
    Ok(Json(view::explained(&row, &found)))
}

pub(super) async fn text(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let row = control.find_run(&run).await?;
    let found = control.explain(&row.id, &which.about()?).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, view::explanation(&found)).into_response())
}
