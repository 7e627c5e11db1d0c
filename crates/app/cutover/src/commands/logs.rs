//! `cutover logs`: the log of a run, step by step in order, whole or to its end.

use anyhow::bail;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    cli,
    client::{Client, Refused},
    exit::Exit,
    render,
};

pub(crate) async fn run(args: cli::Logs) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    let path = format!("/api/v1/runs/{}", args.run.trim_start_matches('#'));
    let mut shown = Vec::new();
    let mut events = client.stream("/events", &[]).await?.bytes_stream();
    loop {
        let run = client.get(&path, &[]).await?;
        let mut found = false;
        for (job, step) in steps(&run, &args) {
            found = true;
            let id = format!(
                "{}/{}/{}",
                text(&job["key"]),
                text(&step["path"]),
                step["attempt"]
            );
            if shown.contains(&id) || step["started_at"].is_null() {
                continue;
            }
            if step["outcome"].is_null() && !args.follow {
                render::talk(&format!(
                    "{} / {} still runs; follow it with -f",
                    text(&job["name"]),
                    text(&step["name"])
                ));
            }
            print(&client, &args, &run, job, step).await?;
            shown.push(id);
        }
        if !found && args.job.is_some() {
            bail!("there is no such job or step in run {}", args.run);
        }
        if !args.follow || !run["outcome"].is_null() {
            return Ok(Exit::Ok);
        }
        match events.next().await {
            Some(chunk) => drop(chunk?),
            None => events = client.stream("/events", &[]).await?.bytes_stream(),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The steps that are wanted, with their jobs.
fn steps<'a>(run: &'a Value, args: &'a cli::Logs) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    let jobs = run["jobs"].as_array().into_iter().flatten();
    jobs.filter(|job| {
        args.job
            .as_ref()
            .is_none_or(|wanted| [text(&job["key"]), text(&job["name"])].contains(&wanted.as_str()))
    })
    .flat_map(|job| {
        job["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .map(move |step| (job, step))
    })
    .filter(|(_, step)| {
        args.step
            .as_ref()
            .is_none_or(|wanted| text(&step["path"]) == wanted)
    })
}

async fn print(
    client: &Client,
    args: &cli::Logs,
    run: &Value,
    job: &Value,
    step: &Value,
) -> anyhow::Result<()> {
    if !args.listing.json {
        render::talk(&format!(
            "── {} / {}",
            text(&job["name"]),
            text(&step["name"])
        ));
    }
    let has_ended = !step["outcome"].is_null();
    let path = format!("/api/v1/runs/{}/log", text(&run["id"]));
    let query = [
        ("job", text(&job["key"]).to_owned()),
        ("step", text(&step["path"]).to_owned()),
        ("attempt", step["attempt"].to_string()),
        // One that has ended without ever having begun a log would be waited for without end.
        ("follow", (args.follow && !has_ended).to_string()),
    ];
    let mut log = match client.stream(&path, &query).await {
        Ok(answer) => answer.bytes_stream(),
        // Faulted before it could say anything: what it has to say are its reasons.
        Err(error) if has_ended && error.is::<Refused>() => {
            reasons(args, job, step);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    while let Some(chunk) = log.next().await {
        let chunk = chunk?;
        if args.listing.json {
            render::json_line(&json!({
                "job": job["key"], "step": step["path"], "attempt": step["attempt"],
                "text": String::from_utf8_lossy(&chunk),
            }));
        } else {
            render::bytes(&chunk);
        }
    }
    Ok(())
}

/// Why a step did not succeed.
fn reasons(args: &cli::Logs, job: &Value, step: &Value) {
    if args.listing.json {
        render::json_line(&json!({
            "job": job["key"], "step": step["path"], "attempt": step["attempt"],
            "reasons": step["reasons"],
        }));
        return;
    }
    for reason in step["reasons"].as_array().into_iter().flatten() {
        render::data(text(reason));
    }
}
