//! `cutover retry`: does more of a run that has ended, here or on a server; or deploys once more what
//! failed. The id says which of them is meant.

use anyhow::bail;
use cutover_engine::Wish;
use cutover_model::RunId;
use cutover_server::{Control, Reader, Retried, Said};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{deployments, run as local, tree::Tree};
use crate::{
    cli,
    client::{Client, Refused, run_path},
    config,
    exit::Exit,
    known, render,
};

pub(crate) async fn run(args: cli::Retry) -> anyhow::Result<Exit> {
    if Said::parse(&args.what).is_none() {
        if let Some(said) = args.of_runs() {
            bail!("`{said}` is for runs, and `{}` is not one", args.what);
        }
        return deployments::retry(args).await;
    }
    let connection = &args.listing.connection;
    let here_said = args.here.local.said();
    if let (Some(here), Some(there)) = (here_said, connection.said()) {
        bail!("`{here}` is for runs of `cutover run`, and `{there}` for those of a server");
    }
    let is_here = here_said.is_some();
    let is_there = !is_here && (connection.server.is_some() || connection.said().is_some());
    let path = run_path(&args.what);
    let mut from_server = None;
    if !is_here && let Ok(client) = Client::new(connection) {
        match client.get(&path, &[]).await {
            Ok(_) => return there(&client, &args, &path).await,
            Err(error) => from_server = Some(error),
        }
    }
    let is_refused = |error: &anyhow::Error| {
        let refused = error.downcast_ref::<Refused>();
        refused.is_some_and(|refused| !refused.is_missing)
    };
    if is_there || from_server.as_ref().is_some_and(is_refused) {
        return Err(from_server.unwrap_or_else(|| anyhow::anyhow!("the server does not answer")));
    }
    match find(&args, &args.what).await? {
        Some((control, id)) => {
            let done = here(&args, &control, &id).await;
            control.settle().await;
            done
        }
        None => bail!(
            "there is no run `{}` here; say where with -C, or which server with --server",
            args.what
        ),
    }
}

fn wish(args: &cli::Retry) -> Wish {
    match (&args.from, &args.job) {
        (Some(step), job) => Wish::From {
            step: step.clone(),
            job: job.clone(),
        },
        (None, Some(job)) => Wish::Job(job.clone()),
        (None, None) => Wish::Failed,
    }
}

/// The run among those of this repository, and the directory that it is in, opened.
async fn find(args: &cli::Retry, wanted: &str) -> anyhow::Result<Option<(Control, RunId)>> {
    let here = &args.here;
    let base = known::base(&here.local).await?;
    let readers = known::look(&base).await?;
    let (place, run) = match Reader::find(&readers, wanted).await {
        Ok((reader, row)) => (reader.dir().to_owned(), row.id),
        Err(cutover_server::Error::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let directory = here.local.directory.as_deref().unwrap_or(".".into());
    let tree = Tree::open(directory).await?;
    let secrets = local::given::secrets(here.secret_file.as_deref(), &here.secrets)?;
    let actions = config::actions(&here.actions, here.local.run_dir.as_deref())?;
    let options = local::given::options(place, here.jobs, secrets, &tree.root, actions)?;
    Ok(Some((Control::open(options).await?, run)))
}

/// Of a run of `cutover run`: goes on in this process, and is followed.
async fn here(args: &cli::Retry, control: &Control, id: &RunId) -> anyhow::Result<Exit> {
    let ended = control.run(id).await?;
    let given = &control.options().secrets;
    let had = ended.secret_names().into_iter().flatten();
    let lacking: Vec<&str> = had
        .filter(|name| !given.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !lacking.is_empty() {
        bail!(
            "the run had secrets that are kept nowhere: give `{}` again with --secret or --secret-file",
            lacking.join("`, `")
        );
    }
    if args.detach {
        bail!("--detach is for runs of a server: here nobody would go on with it");
    }
    let retried = control.retry_run(id, &wish(args), &config::user()).await?;
    say(&retried, args.listing.json);
    let telling = local::Telling {
        as_json: args.listing.json,
        explain: false,
        how_to: options(args),
    };
    local::finish(control, id, &telling).await
}

fn options(args: &cli::Retry) -> String {
    let mut words = String::new();
    if let Some(directory) = &args.here.local.directory {
        words.extend([" -C ", directory.as_str()]);
    }
    if let Some(dir) = &args.here.local.run_dir {
        words.extend([" --run-dir ", dir.as_str()]);
    }
    if let Some(file) = &args.here.secret_file {
        words.extend([" --secret-file ", file.as_str()]);
    }
    for given in &args.here.secrets {
        let name = given
            .split_once('=')
            .map_or(given.as_str(), |(name, _)| name);
        words.extend([" --secret ", name]);
    }
    words
}

fn say(retried: &Retried, as_json: bool) {
    if as_json {
        render::json_line(&json!({ "event": "retry", "retry": retried }));
        return;
    }
    let (number, attempt) = (retried.number, retried.attempt);
    render::talk(&format!("run #{number}, attempt {attempt}"));
    for leg in &retried.legs {
        render::talk(&format!("  {}", leg.line()));
    }
}

/// Of a run of a server: asks it, and waits for the end unless that is not wanted.
async fn there(client: &Client, args: &cli::Retry, path: &str) -> anyhow::Result<Exit> {
    if let Some(said) = args.of_runs().filter(|said| said.starts_with("--secret")) {
        bail!("`{said}` is for runs of `cutover run`: a server has its own secrets");
    }
    let wanted = json!({ "from": args.from, "job": args.job });
    let retried = client.post(&format!("{path}/retry"), &wanted).await?;
    let as_json = args.listing.json;
    if !as_json {
        let (number, attempt) = (&retried["number"], &retried["attempt"]);
        render::talk(&format!("run #{number}, attempt {attempt}"));
        let id = retried["run"].as_str().unwrap_or_default();
        render::talk(&client.link(&format!("/runs/{id}")));
    }
    if args.detach {
        if as_json {
            render::json(&retried);
        }
        return Ok(Exit::Ok);
    }
    let last = follow(client, path, as_json).await?;
    if as_json {
        render::json(&last);
    }
    Ok(match last["outcome"].as_str() {
        Some("succeeded" | "skipped") => Exit::Ok,
        _ => Exit::Failed,
    })
}

/// Says of each job how it stands, whenever that is news. The events say when to look.
async fn follow(client: &Client, path: &str, as_json: bool) -> anyhow::Result<Value> {
    let mut events = client.stream("/events", &[]).await?.bytes_stream();
    let mut said = Vec::new();
    loop {
        let now = client.get(path, &[]).await?;
        for job in now["jobs"].as_array().into_iter().flatten() {
            let text = |name: &str| job[name].as_str().unwrap_or_default();
            let line = format!("{} {}", text("name"), text("state"));
            if !said.contains(&line) && !as_json {
                render::talk(&format!("{} {line}", render::mark(text("state"))));
            }
            said.push(line);
        }
        if !now["outcome"].is_null() {
            return Ok(now);
        }
        match events.next().await {
            Some(chunk) => drop(chunk?),
            None => events = client.stream("/events", &[]).await?.bytes_stream(),
        }
    }
}
