//! `cutover status` and `cutover down`.

use serde_json::json;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::Listing) -> anyhow::Result<Exit> {
    let status = Client::new(&args.connection)?
        .get("/api/v1/status", &[])
        .await?;
    if args.json {
        render::json(&status);
    } else {
        render::data(&render::status(&status));
    }
    Ok(Exit::Ok)
}

pub(crate) async fn down(args: cli::Listing) -> anyhow::Result<Exit> {
    let answer = Client::new(&args.connection)?
        .post("/api/v1/down", &json!({}))
        .await?;
    if args.json {
        render::json(&answer);
    } else {
        render::talk("every instance and the balancer are stopped");
    }
    Ok(Exit::Ok)
}
