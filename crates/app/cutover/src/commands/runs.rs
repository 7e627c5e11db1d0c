//! `cutover runs` and `cutover cancel`.

use serde_json::json;

use crate::{
    cli,
    client::{Client, run_path},
    exit::Exit,
    known::Known,
    render,
};

pub(crate) async fn list(args: cli::Runs) -> anyhow::Result<Exit> {
    let known = Known::find(&args.listing.connection, &args.local, None).await?;
    let answer = known.runs(args.limit, args.unfinished).await?;
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
    let path = format!("{}/cancel", run_path(&args.run));
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
