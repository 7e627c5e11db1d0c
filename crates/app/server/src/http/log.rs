//! A step's log: as bytes for programs, whole or followed to its end; as lines for the page, a window of
//! them at a time.

use std::{convert::Infallible, io};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{
        IntoResponse as _, Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use cutover_executor::{Follow, StepKey};
use cutover_model::run::{Annotation, Attempt, JobKey, StepPath};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{fs::File, io::AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::Fault;
use crate::{
    Control, Error,
    web::{
        Broken,
        log::{Cut, Line, Lines},
    },
};

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
        // A step may take hours, and must not keep the server from going down.
        let closing = control.closing().clone().cancelled_owned();
        Body::from_stream(followed(&control, &key, from).await?.take_until(closing))
    } else {
        Body::from_stream(so_far(&control, &key, from).await?)
    };
    Ok((kind, body).into_response())
}

/// Which lines of which log the page wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichLines {
    job: String,
    step: String,
    attempt: Option<u32>,
    /// The first line; the last ones without it.
    from: Option<u64>,
    count: Option<usize>,
}

/// The last lines, and then all that come.
pub(super) async fn stream(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<WhichLines>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let (count, from) = (which.count, which.from);
    let key = key(&control, &run, which.log()).await?;
    if from.is_some() {
        let why = "a log is followed at its end; ask `log/lines` for lines before it";
        return Err(Error::Refused(why.to_owned()).into());
    }
    let path = control.executor().log_path(&key);
    let there = tokio::fs::metadata(&path).await;
    let there = there.map_or(0, |metadata| metadata.len());
    let closing = control.closing().clone();
    let follow = tokio::select! {
        follow = control.follow_log(&key, 0) => follow?,
        () = closing.cancelled() => return Err(Error::Closing.into()),
    };
    let feed = Feed {
        follow,
        lines: Lines::default(),
        begin: Some((Cut::new(None, size(count)), there)),
        over: false,
    };
    let events = stream::unfold(feed, |mut feed| async {
        feed.next().await.map(|event| (event, feed))
    });
    let events = events.take_until(closing.cancelled_owned()).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Some lines, for whoever looks further up.
pub(super) async fn lines(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<WhichLines>,
) -> Result<Response, Fault> {
    let mut cut = Cut::new(which.from, size(which.count));
    let key = key(&control, &run, which.log()).await?;
    read(&control, &key, |line, _| {
        cut.take(line);
        !cut.is_full()
    })
    .await?;
    Ok(Json(cut.finish()).into_response())
}

/// Which remark of which step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichRemark {
    job: String,
    step: String,
    attempt: Option<u32>,
    number: usize,
}

/// The way from a remark to its line in the log: looked up when somebody goes it, since logs are long.
pub(super) async fn remark(
    State(control): State<Control>,
    Path(run): Path<String>,
    Query(which): Query<WhichRemark>,
) -> Result<Response, Broken> {
    let row = control.find_run(&run).await?;
    let state = control.run(&row.id).await?;
    let (job, path) = (JobKey(which.job), step_path(&which.step)?);
    let step = state.step_view(&job, &path);
    let report = step.and_then(|step| step.report.cloned());
    let remarks = report.map(|report| report.annotations).unwrap_or_default();
    let missing = || Error::NotFound(format!("run #{} has no such remark", row.number));
    let wanted = remarks.get(which.number).ok_or_else(missing)?;
    let same = remarks[..which.number].iter();
    let before = same.filter(|other| is_same(other, wanted)).count();
    let mut place = Place::new(wanted, before);
    let key = StepKey {
        run: row.id.clone(),
        job,
        step: path,
        attempt: which.attempt.map_or(Attempt::FIRST, Attempt),
    };
    read(&control, &key, |line, remark| place.look(&line, remark)).await?;
    let line = place.line().map(|line| format!(":{line}"));
    let to = format!(
        "/runs/{}#{}:{}{}",
        row.id,
        key.job.0.replace('#', "%23"),
        key.step,
        line.unwrap_or_default()
    );
    Ok(Redirect::to(&to).into_response())
}

/// Where a remark stands in its log: as a command, or in a line that a problem matcher has read.
struct Place<'a> {
    wanted: &'a Annotation,
    /// How many that say the same come before it.
    before: usize,
    said: usize,
    read: usize,
    as_command: Option<u64>,
    as_text: Option<u64>,
}

impl<'a> Place<'a> {
    const fn new(wanted: &'a Annotation, before: usize) -> Self {
        Self {
            wanted,
            before,
            said: 0,
            read: 0,
            as_command: None,
            as_text: None,
        }
    }

    /// Whether it goes on.
    fn look(&mut self, line: &Line, remark: Option<Annotation>) -> bool {
        if let Some(remark) = remark {
            if is_same(&remark, self.wanted) {
                if self.said == self.before {
                    self.as_command = Some(line.number);
                }
                self.said += 1;
            }
        } else if self.as_text.is_none() && line.says(&self.wanted.message) {
            if self.read == self.before {
                self.as_text = Some(line.number);
            }
            self.read += 1;
        }
        self.as_command.is_none()
    }

    fn line(&self) -> Option<u64> {
        self.as_command.or(self.as_text)
    }
}

/// The file is left out: in the log it is as the step has named it.
fn is_same(one: &Annotation, other: &Annotation) -> bool {
    (one.level, &one.message, &one.title) == (other.level, &other.message, &other.title)
}

/// Lines of a window when nothing is said, and at most.
const WINDOW: usize = 1_000;
const MOST_LINES: usize = 5_000;

fn size(count: Option<usize>) -> usize {
    count.unwrap_or(WINDOW).clamp(1, MOST_LINES)
}

/// What a page that looks at a log is told.
struct Feed {
    follow: Follow,
    lines: Lines,
    /// What is there already comes as one window: its end, and how long it is.
    begin: Option<(Cut, u64)>,
    over: bool,
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        match self.step().await {
            Ok(Some(event)) => Some(event),
            Ok(None) => {
                self.over = true;
                Some(event("end", &()))
            }
            Err(error) => {
                self.over = true;
                Some(event("fault", &error.to_string()))
            }
        }
    }

    async fn step(&mut self) -> io::Result<Option<Event>> {
        if let Some((mut cut, there)) = self.begin.take() {
            while self.follow.position() < there {
                match self.follow.next().await? {
                    Some(bytes) => self.lines.push(&bytes, |line, _| cut.take(line)),
                    None => break,
                }
            }
            let window = cut.finish();
            let open = self.lines.open();
            return Ok(Some(event(
                "begin",
                &json!({ "window": window, "head": self.lines.head(), "open": open }),
            )));
        }
        let mut lines = Vec::new();
        if let Some(bytes) = self.follow.next().await? {
            self.lines.push(&bytes, |line, _| lines.push(line));
        } else {
            self.lines.finish(|line, _| lines.push(line));
            if lines.is_empty() {
                return Ok(None);
            }
        }
        let open = self.lines.open();
        let news = json!({ "lines": lines, "head": self.lines.head(), "open": open });
        Ok(Some(event("lines", &news)))
    }
}

/// Reads a log as far as it has come, until it is enough.
async fn read(
    control: &Control,
    key: &StepKey,
    mut take: impl FnMut(Line, Option<Annotation>) -> bool,
) -> Result<(), Error> {
    let path = control.executor().log_path(key);
    let mut bytes = so_far(control, key, 0).await?;
    let mut lines = Lines::default();
    let mut goes_on = true;
    while let (true, Some(chunk)) = (goes_on, bytes.next().await) {
        let chunk = chunk.map_err(Error::io("read", &path))?;
        lines.push(&chunk, |line, remark| {
            goes_on = goes_on && take(line, remark);
        });
    }
    if goes_on {
        lines.finish(|line, remark| goes_on = take(line, remark));
    }
    Ok(())
}

/// The log as it grows, until the step has ended.
async fn followed(
    control: &Control,
    key: &StepKey,
    from: u64,
) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>, Error> {
    let follow = tokio::select! {
        follow = control.follow_log(key, from) => follow?,
        () = control.closing().cancelled() => return Err(Error::Closing),
    };
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

/// As JSON: the data of an event must not hold a carriage return.
fn event(kind: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(kind);
    let fallback = event.clone();
    event.json_data(data).unwrap_or(fallback)
}

impl WhichLines {
    fn log(self) -> Which {
        Which {
            job: self.job,
            step: self.step,
            attempt: self.attempt,
            from: None,
            follow: None,
        }
    }
}

fn step_path(text: &str) -> Result<StepPath, Error> {
    text.parse()
        .map_err(|error: cutover_model::run::ParseStepPathError| Error::NotFound(error.to_string()))
}

async fn key(control: &Control, run: &str, which: Which) -> Result<StepKey, Fault> {
    let row = control.find_run(run).await?;
    let step = step_path(&which.step)?;
    Ok(StepKey {
        run: row.id,
        job: JobKey(which.job),
        step,
        attempt: which.attempt.map_or(Attempt::FIRST, Attempt),
    })
}

#[cfg(test)]
mod tests {
    use cutover_model::run::Level;

    use super::*;

    fn place(log: &str, wanted: &Annotation, before: usize) -> Option<u64> {
        let mut lines = Lines::default();
        let mut place = Place::new(wanted, before);
        lines.push(log.as_bytes(), |line, remark| {
            place.look(&line, remark);
        });
        place.line()
    }

    #[test]
    fn a_remark_is_found_where_it_was_said() {
        let log = "x\n::group::g\n::warning file=a.rs,line=3::twice\nsays no: twice\n::endgroup::\n\
                   ::warning::twice\n::error::twice\na.rs(3): of a matcher\n";
        let remark = |level, text: &str| Annotation::new(level, text.to_owned());
        let twice = remark(Level::Warning, "twice");
        assert_eq!(place(log, &twice, 0), Some(3));
        assert_eq!(place(log, &twice, 1), Some(6));
        assert_eq!(place(log, &remark(Level::Error, "twice"), 0), Some(7));
        assert_eq!(
            place(log, &remark(Level::Error, "of a matcher"), 0),
            Some(8)
        );
        assert_eq!(place(log, &remark(Level::Error, "of ours"), 0), None);
    }
}
