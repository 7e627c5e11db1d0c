//! `cutover logs`: the log of a run, step by step in order, whole or to its end.

use anyhow::bail;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    cli,
    exit::Exit,
    known::{Known, StepName},
    render,
};

pub(crate) async fn run(args: cli::Logs) -> anyhow::Result<Exit> {
    let known = Known::find(&args.listing.connection, &args.local, Some(&args.run)).await?;
    let mut shown = Vec::new();
    let mut news = known.news().await?;
    loop {
        let run = known.run(&args.run).await?;
        let has_ended = !run["outcome"].is_null();
        if args.follow && !has_ended && matches!(known, Known::Here(_)) {
            bail!(
                "run {} goes on in a process of its own, and is followed there; without -f its log is shown as \
                 far as it has come",
                args.run
            );
        }
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
                    "{} / {} still runs{}",
                    text(&job["name"]),
                    text(&step["name"]),
                    match known {
                        Known::Server(_) => "; follow it with -f",
                        Known::Here(_) => "",
                    }
                ));
            }
            print(&known, &args, &run, job, step).await?;
            shown.push(id);
        }
        if !found && args.job.is_some() {
            bail!("there is no such job or step in run {}", args.run);
        }
        if !args.follow || has_ended {
            return Ok(Exit::Ok);
        }
        match news.next().await {
            Some(chunk) => drop(chunk?),
            None => news = known.news().await?,
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
    known: &Known,
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
    let attempt = step["attempt"].as_u64().unwrap_or(1);
    let name = StepName {
        run: text(&run["id"]),
        job: text(&job["key"]),
        step: text(&step["path"]),
        attempt: u32::try_from(attempt)?,
    };
    // One that has ended without ever having begun a log would be waited for without end.
    let Some(mut log) = known.log(&name, args.follow && !has_ended).await? else {
        // Faulted before it could say anything: what it has to say are its reasons.
        reasons(args, job, step);
        return Ok(());
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
