//! Why things did or did not run: for programs as JSON, for people as a page.

use axum::{
    Json,
    extract::{Path, Query, State},
    response::Response,
};
use cutover_model::run::StepPath;
use serde::Deserialize;

use super::api::Answered;
use crate::{Control, Error, view, web};

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

pub(super) async fn page(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Response {
    web::why(&control, &run, which.about()).await
}
