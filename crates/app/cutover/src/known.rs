//! Who knows about runs: a server that answers, or else the directories of `cutover run`, which are only
//! looked at. Both answer alike.

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::StepKey;
use cutover_forge::WorkingTree;
use cutover_model::{
    RunId,
    run::{Attempt, JobKey, StepPath},
};
use cutover_server::{Reader, view};
use cutover_store::{RunFilter, RunRow};
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use serde_json::{Value, json};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::{
    cli,
    client::{Client, Refused, run_path},
    commands::places,
    config,
};

/// Bytes as they come.
pub(crate) type Bytes = BoxStream<'static, anyhow::Result<tokio_util::bytes::Bytes>>;

/// Who is asked.
pub(crate) enum Known {
    /// A server.
    Server(Client),
    /// Directories of `cutover run`, or of a server that does not run.
    Here(Vec<Reader>),
}

/// Names one try of a step to whoever is asked.
pub(crate) struct StepName<'a> {
    pub(crate) run: &'a str,
    pub(crate) job: &'a str,
    pub(crate) step: &'a str,
    pub(crate) attempt: u32,
}

impl Known {
    /// Whoever knows about runs, or about the one that is named. What is said decides; when nothing is, the
    /// server that runs on the data directory does, and without one this repository.
    pub(crate) async fn find(
        connection: &cli::Connection,
        local: &cli::Local,
        run: Option<&str>,
    ) -> anyhow::Result<Self> {
        if let Some(here) = local.said() {
            if let Some(there) = connection.said() {
                bail!("`{here}` is for runs of `cutover run`, and `{there}` for those of a server");
            }
            let base = base(local).await?;
            let found = look(&base).await?;
            if found.is_empty() {
                bail!("`cutover run` has kept nothing in `{base}`");
            }
            return Ok(Self::Here(found));
        }
        let client = Client::new(connection);
        if connection.server.is_some() {
            return client.map(Self::Server);
        }
        let data_dir = config::server_dir(connection.data_dir.as_deref())?;
        // The environment is there for whoever says nothing: what it names may be without a server.
        let is_said = connection.said().is_some();
        if let Ok(client) = client
            && client.answers().await
        {
            if !is_said
                && let Some(run) = run
                && let Some(here) = only_here(&client, local, run).await
            {
                return Ok(here);
            }
            return Ok(Self::Server(client));
        }
        if is_said {
            let found = look(&data_dir).await?;
            if found.is_empty() {
                bail!("no server runs on `{data_dir}`, and no run is kept there");
            }
            return Ok(Self::Here(found));
        }
        let Ok(base) = base(local).await else {
            bail!(
                "no server runs on `{data_dir}`, and this is no repository in which `cutover run` was said; \
                 say which server with --server, or which repository with -C"
            )
        };
        let found = look(&base).await?;
        if found.is_empty() {
            bail!(
                "no server runs on `{data_dir}`, and `cutover run` has kept nothing of this repository; \
                 say which server with --server, or which repository with -C"
            );
        }
        Ok(Self::Here(found))
    }

    /// Runs, the newest first.
    pub(crate) async fn runs(&self, limit: u32, unfinished: bool) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => {
                let query = [
                    ("limit", limit.to_string()),
                    ("unfinished", unfinished.to_string()),
                ];
                client.get("/api/v1/runs", &query).await
            }
            Self::Here(readers) => {
                let filter = RunFilter {
                    limit,
                    unfinished_only: unfinished,
                    ..RunFilter::default()
                };
                let mut rows: Vec<RunRow> = Vec::new();
                for reader in readers {
                    rows.extend(reader.runs(&filter).await?);
                }
                rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
                rows.truncate(usize::try_from(limit)?);
                Ok(json!({ "runs": rows }))
            }
        }
    }

    /// Something comes each time when there is news of any run; nothing ever does when nobody tells.
    pub(crate) async fn news(&self) -> anyhow::Result<Bytes> {
        match self {
            Self::Server(client) => streamed(client, "/events", &[]).await,
            Self::Here(_) => Ok(stream::pending().boxed()),
        }
    }

    /// A run as it stands, with its jobs and steps.
    pub(crate) async fn run(&self, said: &str) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => client.get(&run_path(said), &[]).await,
            Self::Here(readers) => {
                let (reader, row) = Reader::find(readers, said).await?;
                let run = reader.run(&row.id).await?;
                let view = view::RunView::of(&run).context("the run does not exist yet")?;
                Ok(serde_json::to_value(view)?)
            }
        }
    }

    /// Why things of a run did or did not run.
    pub(crate) async fn explain(
        &self,
        said: &str,
        job: Option<String>,
        step: Option<String>,
    ) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => {
                let mut query = Vec::new();
                query.extend(job.map(|job| ("job", job)));
                query.extend(step.map(|step| ("step", step)));
                let path = format!("{}/explain", run_path(said));
                client.get(&path, &query).await
            }
            Self::Here(readers) => {
                let (reader, row) = Reader::find(readers, said).await?;
                let step = step.map(|step| step.parse::<StepPath>()).transpose()?;
                let found = reader.explain(&row.id, &view::About { job, step }).await?;
                Ok(view::explained(&row, &found))
            }
        }
    }

    /// What a run has kept, and what its steps say to have made.
    pub(crate) async fn artifacts(&self, said: &str) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => {
                let path = format!("{}/artifacts", run_path(said));
                client.get(&path, &[]).await
            }
            Self::Here(readers) => {
                let (reader, row) = Reader::find(readers, said).await?;
                let run = reader.run(&row.id).await?;
                let found = reader.artifacts(&row.id).await?.into_iter();
                let found: Vec<_> = found.map(|(artifact, _)| artifact).collect();
                Ok(view::kept(&row, &run, &found))
            }
        }
    }

    /// The bytes of an artifact, by its id.
    pub(crate) async fn artifact(&self, run: &str, id: u64) -> anyhow::Result<Bytes> {
        match self {
            Self::Server(client) => {
                let path = format!("{}/artifacts/{id}", run_path(run));
                Ok(streamed(client, &path, &[]).await?)
            }
            Self::Here(readers) => {
                let (reader, row) = Reader::find(readers, run).await?;
                let found = reader.artifacts(&row.id).await?;
                let found = found.into_iter().find(|(artifact, _)| artifact.id == id);
                let (_, path) = found.context("it has been removed meanwhile")?;
                read(&path).await
            }
        }
    }

    /// The log of a step: as far as it has come, or followed to its end. `None` when it has none.
    pub(crate) async fn log(
        &self,
        name: &StepName<'_>,
        follow: bool,
    ) -> anyhow::Result<Option<Bytes>> {
        match self {
            Self::Server(client) => {
                let path = format!("{}/log", run_path(name.run));
                let query = [
                    ("job", name.job.to_owned()),
                    ("step", name.step.to_owned()),
                    ("attempt", name.attempt.to_string()),
                    ("follow", follow.to_string()),
                ];
                match streamed(client, &path, &query).await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if is_missing(&error) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Self::Here(readers) => {
                let (reader, row) = Reader::find(readers, name.run).await?;
                if !reader.has_logs(&row.id) {
                    bail!(
                        "the logs of run {} have been removed: there are those of the newest runs",
                        name.run
                    );
                }
                match reader.log(&key(row.id, name)?) {
                    Some(path) => read(&path).await.map(Some),
                    None => Ok(None),
                }
            }
        }
    }
}

fn key(run: RunId, name: &StepName<'_>) -> anyhow::Result<StepKey> {
    Ok(StepKey {
        run,
        job: JobKey(name.job.to_owned()),
        step: name.step.parse()?,
        attempt: Attempt(name.attempt),
    })
}

async fn streamed(client: &Client, path: &str, query: &[(&str, String)]) -> anyhow::Result<Bytes> {
    let answer = client.stream(path, query).await?;
    Ok(answer.bytes_stream().map_err(Into::into).boxed())
}

async fn read(path: &Utf8Path) -> anyhow::Result<Bytes> {
    let file = File::open(path)
        .await
        .with_context(|| format!("could not read `{path}`"))?;
    Ok(ReaderStream::new(file).map_err(Into::into).boxed())
}

/// Whether a server says that what was named is not there.
fn is_missing(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.is_missing)
}

/// The directories of this repository, when they know a run and the server does not.
async fn only_here(client: &Client, local: &cli::Local, run: &str) -> Option<Known> {
    let error = client.get(&run_path(run), &[]).await.err()?;
    if !is_missing(&error) {
        return None;
    }
    let readers = look(&base(local).await.ok()?).await.ok()?;
    Reader::find(&readers, run).await.ok()?;
    Some(Known::Here(readers))
}

/// Where `cutover run` keeps the runs that are meant.
pub(crate) async fn base(local: &cli::Local) -> anyhow::Result<Utf8PathBuf> {
    if let Some(dir) = &local.run_dir {
        return config::absolute(dir);
    }
    let directory = local.directory.as_deref().unwrap_or(".".into());
    let tree = WorkingTree::open(&config::absolute(directory)?).await?;
    config::run_dir(None, tree.root())
}

/// All that is kept there.
pub(crate) async fn look(base: &Utf8Path) -> anyhow::Result<Vec<Reader>> {
    let mut readers = Vec::new();
    for place in places(base) {
        readers.extend(Reader::open(&place).await?);
    }
    Ok(readers)
}
