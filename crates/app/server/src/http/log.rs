//! A step's log: as bytes for programs, as events for the page; whole, or followed to its end.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::header,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use cutover_executor::StepKey;
use cutover_model::run::{Attempt, JobKey, StepPath};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;

use super::Fault;
use crate::{Control, Error};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    job: String,
    step: String,
    attempt: Option<u32>,
    from: Option<u64>,
}

pub(super) async fn text(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let from = which.from.unwrap_or_default();
    let key = key(&control, &run, which).await?;
    let bytes = control.executor().follow(&key, from);
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, Body::from_stream(bytes)).into_response())
}

pub(super) async fn stream(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let from = which.from.unwrap_or_default();
    let key = key(&control, &run, which).await?;
    let closing = control.closing().clone();
    let chunks = control.executor().follow(&key, from).map(|chunk| match chunk {
        Ok(bytes) => event("log", &String::from_utf8_lossy(&bytes)),
        Err(error) => event("fault", &error.to_string()),
    });
    let end = futures_util::stream::once(async { event("end", "") });
    let events = chunks.chain(end).take_until(closing.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// As a JSON string: the data of an event must not hold a carriage return.
fn event(kind: &str, text: &str) -> Result<Event, Infallible> {
    let text = serde_json::Value::String(text.to_owned()).to_string();
    Ok(Event::default().event(kind).data(text))
}

async fn key(control: &Control, run: &str, which: Which) -> Result<StepKey, Fault> {
    let row = control.find_run(run).await?;
    let step: StepPath = which.step.parse().map_err(|error: cutover_model::run::ParseStepPathError| {
        Error::NotFound(error.to_string())
    })?;
    Ok(StepKey {
        run: row.id,
        job: JobKey(which.job),
        step,
        attempt: which.attempt.map_or(Attempt::FIRST, Attempt),
    })
}
