//! The artifacts of a run: which there are, and their bytes; and what its steps say to have made.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use tokio_util::io::ReaderStream;

use super::{Fault, api::Answered};
use crate::{Control, Error, view};

pub(super) async fn list(State(control): State<Control>, Path(run): Path<String>) -> Answered {
    let row = control.find_run(&run).await?;
    let artifacts = control.artifacts(&row.id).await?;
    let artifacts: Vec<_> = artifacts
        .into_iter()
        .map(|(artifact, _)| artifact)
        .collect();
    let run = control.run(&row.id).await?;
    Ok(Json(view::kept(&row, &run, &artifacts)))
}

/// By its id, or the newest of that name.
pub(super) async fn bytes(
    State(control): State<Control>,
    Path((run, which)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let row = control.find_run(&run).await?;
    let all = control.artifacts(&row.id).await?;
    let found = all
        .into_iter()
        .rev()
        .find(|(artifact, _)| artifact.id.to_string() == which || artifact.name == which);
    let missing = || Error::NotFound(format!("run #{} has no artifact `{which}`", row.number));
    let (artifact, path) = found.ok_or_else(missing)?;
    let file = tokio::fs::File::open(&path).await;
    let file = file.map_err(Error::io("read", &path))?;
    let ending = if artifact.mime_type == "application/zip" {
        ".zip"
    } else {
        ""
    };
    // Names have been checked when they were given; a header takes fewer characters still.
    let plain = |c: char| {
        if c.is_ascii_graphic() && c != '"' {
            c
        } else {
            '_'
        }
    };
    let name: String = artifact.name.chars().map(plain).collect();
    let headers = [
        (header::CONTENT_TYPE, artifact.mime_type.clone()),
        (header::CONTENT_LENGTH, artifact.size.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}{ending}\""),
        ),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
