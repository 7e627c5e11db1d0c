//! `cutover retry`: does more of a run that has ended, here or on a server; or deploys once more what
//! failed. The id says which of them is meant.

use anyhow::bail;
use cutover_engine::Wish;
use cutover_model::RunId;
use cutover_server::{Control, Retried};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{deployments, run as local, tree::Tree};
use crate::{cli, client::Client, config, exit::Exit, render};

pub(crate) async fn run(args: cli::Retry) -> anyhow::Result<Exit> {
    let number = args.what.trim_start_matches('#');
    let is_run = args.what.parse::<RunId>().is_ok() || number.parse::<u64>().is_ok();
    if !is_run {
        if let Some(said) = args.of_runs() {
            bail!("`{said}` is for runs, and `{}` is not one", args.what);
        }
        return deployments::retry(args).await;
    }
    let connection = &args.listing.connection;
    let is_here = args.here.directory.is_some();
    let server = connection.server.as_deref();
    let data_dir = connection.data_dir.as_ref().map(|dir| dir.as_str());
    // What the environment says is for whoever says nothing.
    let is_said =
        |said: Option<&str>, name| said.is_some() && config::environment(name).as_deref() != said;
    if is_here && (is_said(server, "CUTOVER_SERVER") || is_said(data_dir, "CUTOVER_DATA_DIR")) {
        bail!("-C is for runs of `cutover run`, and --server for those of a server");
    }
    let is_there = !is_here && (server.is_some() || data_dir.is_some());
    let path = format!("/api/v1/runs/{number}");
    let mut from_server = None;
    if !is_here && let Ok(client) = Client::new(connection) {
        match client.get(&path, &[]).await {
            Ok(_) => return there(&client, &args, &path).await,
            Err(error) => from_server = Some(error),
        }
    }
    if is_there {
        return Err(from_server.unwrap_or_else(|| anyhow::anyhow!("the server does not answer")));
    }
    match find(&args, number).await? {
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
    let directory = args.here.directory.as_deref().unwrap_or(".".into());
    let tree = Tree::open(directory).await?;
    let base = config::run_dir(args.here.run_dir.as_deref(), &tree.root)?;
    let secrets = local::given::secrets(args.here.secret_file.as_deref(), &args.here.secrets)?;
    let actions = config::actions(&args.here.actions, args.here.run_dir.as_deref())?;
    let mut in_use = None;
    for place in local::given::places(&base).filter(|place| place.join("cutover.db").exists()) {
        let options = local::given::options(
            place,
            args.here.jobs,
            secrets.clone(),
            &tree.root,
            actions.clone(),
        )?;
        let control = match Control::open(options).await {
            Ok(control) => control,
            Err(cutover_server::Error::Store(error)) => {
                in_use = Some(error);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if let Ok(row) = control.find_run(wanted).await {
            return Ok(Some((control, row.id)));
        }
        control.settle().await;
    }
    match in_use {
        Some(error) => Err(error.into()),
        None => Ok(None),
    }
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
    if let Some(directory) = &args.here.directory {
        words.extend([" -C ", directory.as_str()]);
    }
    if let Some(dir) = &args.here.run_dir {
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
