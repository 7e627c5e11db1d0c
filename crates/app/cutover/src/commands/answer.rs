//! `cutover approve` and `cutover reject`.

use serde_json::json;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::AnswerGate, answer: &str) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    let path = format!("/api/v1/approvals/{}/{answer}", args.gate);
    let said = client
        .post(&path, &json!({ "comment": args.message }))
        .await?;
    if args.listing.json {
        render::json(&said);
    } else {
        let by = said["by"].as_str().unwrap_or_default();
        let word = if answer == "approve" {
            "approved"
        } else {
            "rejected"
        };
        render::talk(&format!("{word} by {by}"));
    }
    Ok(Exit::Ok)
}
