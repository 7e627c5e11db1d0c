//! A step's log: as bytes for programs, as events for the page; whole, or followed to its end.

use std::{convert::Infallible, io};

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use cutover_executor::StepKey;
use cutover_model::run::{Attempt, JobKey, StepPath};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use tokio::{fs::File, io::AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::Fault;
use crate::{Control, Error};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    job: String,
    step: String,
    attempt: Option<u32>,
    from: Option<u64>,
    follow: Option<bool>,
}

pub(super) async fn text(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let (from, follow) = (
        which.from.unwrap_or_default(),
        which.follow.unwrap_or_default(),
    );
    let key = key(&control, &run, which).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let body = if follow {
        Body::from_stream(followed(&control, &key, from).await?)
    } else {
        Body::from_stream(so_far(&control, &key, from).await?)
    };
    Ok((kind, body).into_response())
}

pub(super) async fn stream(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let from = which.from.unwrap_or_default();
    let key = key(&control, &run, which).await?;
    let closing = control.closing().clone();
    let mut cut = Vec::new();
    let chunks = followed(&control, &key, from)
        .await?
        .map(move |chunk| match chunk {
            Ok(bytes) => event("log", &whole_characters(&mut cut, &bytes)),
            Err(error) => event("fault", &error.to_string()),
        });
    let end = stream::once(async { event("end", "") });
    let events = chunks
        .chain(end)
        .take_until(closing.cancelled_owned())
        .map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// The log as it grows, until the step has ended.
async fn followed(
    control: &Control,
    key: &StepKey,
    from: u64,
) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>, Error> {
    let follow = control.follow_log(key, from).await?;
    Ok(stream::unfold(follow, |mut follow| async move {
        follow.next().await.transpose().map(|chunk| (chunk, follow))
    }))
}

/// The log as far as it has come.
async fn so_far(control: &Control, key: &StepKey, from: u64) -> Result<ReaderStream<File>, Error> {
    let path = control.executor().log_path(key);
    let mut file = match File::open(&path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NotFound(
                "that step has no log; it has not started".to_owned(),
            ));
        }
        opened => opened.map_err(Error::io("open", &path))?,
    };
    file.seek(io::SeekFrom::Start(from))
        .await
        .map_err(Error::io("read", &path))?;
    Ok(ReaderStream::new(file))
}

/// Characters may be cut at the border of two chunks: the beginning of one waits for its end.
fn whole_characters(cut: &mut Vec<u8>, bytes: &[u8]) -> String {
    cut.extend_from_slice(bytes);
    let whole = match std::str::from_utf8(cut) {
        Ok(text) => text.len(),
        // Without an `error_len` the text ends within a character.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => cut.len(),
    };
    let rest = cut.split_off(whole);
    let text = String::from_utf8_lossy(cut).into_owned();
    *cut = rest;
    text
}

/// As a JSON string: the data of an event must not hold a carriage return.
fn event(kind: &str, text: &str) -> Event {
    let text = serde_json::Value::String(text.to_owned()).to_string();
    Event::default().event(kind).data(text)
}

async fn key(control: &Control, run: &str, which: Which) -> Result<StepKey, Fault> {
    let row = control.find_run(run).await?;
    let step: StepPath =
        which
            .step
            .parse()
            .map_err(|error: cutover_model::run::ParseStepPathError| {
                Error::NotFound(error.to_string())
            })?;
    Ok(StepKey {
        run: row.id,
        job: JobKey(which.job),
        step,
        attempt: which.attempt.map_or(Attempt::FIRST, Attempt),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_cut_comes_whole() {
        let mut cut = Vec::new();
        let text = "aä€".as_bytes();
        let parts: Vec<String> = text
            .iter()
            .map(|byte| whole_characters(&mut cut, &[*byte]))
            .collect();
        assert_eq!(parts.concat(), "aä€");
        assert_eq!(whole_characters(&mut cut, b"\xff!"), "\u{fffd}!");
    }
}
