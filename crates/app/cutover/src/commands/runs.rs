//! `cutover runs` and `cutover cancel`.

use serde_json::json;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn list(args: cli::Runs) -> anyhow::Result<Exit> {
    let query = [
        ("limit", args.limit.to_string()),
        ("unfinished", args.unfinished.to_string()),
    ];
    let answer = Client::new(&args.listing.connection)?
        .get("/api/v1/runs", &query)
        .await?;
    let rows = answer["runs"].as_array().cloned().unwrap_or_default();
    if args.listing.json {
        render::json(&answer);
    } else if rows.is_empty() {
        render::talk("there is no run yet: push something");
    } else {
        render::data(&render::runs(&rows));
    }
    Ok(Exit::Ok)
}

pub(crate) async fn cancel(args: cli::Cancel) -> anyhow::Result<Exit> {
    let path = format!("/api/v1/runs/{}/cancel", args.run.trim_start_matches('#'));
    let body = json!({ "comment": args.message });
    let answer = Client::new(&args.listing.connection)?
        .post(&path, &body)
        .await?;
    if args.listing.json {
        render::json(&answer);
    } else {
        render::talk(&format!("run {} is told to end", args.run));
    }
    Ok(Exit::Ok)
}
