//! `cutover dispatch`: asks a server for a workflow with its inputs, or for whatever listens to a word.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::{cli, client::Client, config, exit::Exit, render};

pub(crate) async fn run(args: cli::Dispatch) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    let answer = match (&args.workflow, &args.event_type) {
        (Some(workflow), None) => {
            let inputs: Map<String, Value> = args
                .inputs
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            let body = json!({
                "repository": args.repository, "workflow": workflow,
                "ref": args.git_ref, "inputs": inputs,
            });
            client.post("/api/v1/dispatch", &body).await?
        }
        (None, Some(event_type)) => {
            let body = json!({
                "repository": args.repository, "event_type": event_type,
                "client_payload": payload(args.payload.as_deref())?,
            });
            client.post("/api/v1/repository-dispatch", &body).await?
        }
        _ => bail!("name a workflow, or what it listens to with --type"),
    };
    if args.listing.json {
        render::json(&answer);
        return Ok(Exit::Ok);
    }
    let say = |run: &Value| {
        let id = run["run"].as_str().unwrap_or_default();
        render::data(&format!("run #{} {id}", run["number"]));
    };
    let Some(runs) = answer["runs"].as_array() else {
        say(&answer);
        return Ok(Exit::Ok);
    };
    runs.iter().for_each(say);
    for passed in answer["passed_over"].as_array().into_iter().flatten() {
        let said = |name: &str| passed[name].as_str().unwrap_or_default().to_owned();
        render::talk(&format!(
            "{}: not run: {}",
            said("workflow"),
            said("reason")
        ));
    }
    Ok(if runs.is_empty() {
        Exit::Nothing
    } else {
        Exit::Ok
    })
}

/// JSON as it stands, or from a file behind `@`.
fn payload(said: Option<&str>) -> anyhow::Result<Value> {
    let Some(said) = said else {
        return Ok(json!({}));
    };
    let text = match said.strip_prefix('@') {
        Some(path) => config::file("--payload", path.into(), "a JSON object")?,
        None => said.to_owned(),
    };
    serde_json::from_str(&text).context("the payload is not JSON")
}
