//! `cutover deploy`, `rollback`, `retry`, and what is said to one that is under way: `abort`, `pause`,
//! `resume`, `promote`.

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn deploy(args: cli::Deploy) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    let body = json!({
        "release": args.release, "environment": args.environment,
        "service": args.service, "strategy": args.strategy,
        "break_glass": args.break_glass, "lift_hold": args.lift_hold,
    });
    let answer = client.post("/api/v1/deployments", &body).await?;
    begun(&client, &answer, args.detach, args.listing.json).await
}

pub(crate) async fn rollback(args: cli::Rollback) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    let path = format!("/api/v1/environments/{}/rollback", args.environment);
    let answer = client
        .post(&path, &json!({ "service": args.service, "to": args.to }))
        .await?;
    begun(&client, &answer, args.detach, args.listing.json).await
}

pub(crate) async fn verb(args: cli::OneDeployment, verb: &str) -> anyhow::Result<Exit> {
    tell(&args.listing, &args.deployment, verb, &json!({})).await
}

pub(crate) async fn promote(args: cli::Promote) -> anyhow::Result<Exit> {
    let verb = if args.full { "promote-full" } else { "promote" };
    let body = args
        .step
        .map_or_else(|| json!({}), |step| json!({ "step": step }));
    tell(&args.listing, &args.deployment, verb, &body).await
}

pub(crate) async fn resume(args: cli::Resume) -> anyhow::Result<Exit> {
    if let Some(deployment) = &args.deployment {
        return tell(&args.listing, deployment, "resume", &json!({})).await;
    }
    let environment = args.environment.unwrap_or_default();
    let path = format!("/api/v1/environments/{environment}/resume");
    let answer = Client::new(&args.listing.connection)?
        .post(&path, &json!({ "service": args.service }))
        .await?;
    if args.listing.json {
        render::json(&answer);
    } else if answer["already"] == Value::Bool(true) {
        render::talk(&format!("nothing is held at {environment}"));
    } else {
        let reason = answer["lifted"]["reason"].as_str().unwrap_or_default();
        render::talk(&format!("the hold is lifted: {reason}"));
    }
    Ok(Exit::Ok)
}

pub(crate) async fn retry(args: cli::Retry) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    let path = format!("/api/v1/deployments/{}/retry", args.what);
    let answer = client.post(&path, &json!({})).await?;
    begun(&client, &answer, args.detach, args.listing.json).await
}

/// Says a verb to a deployment. What is so already is said, and is no failure.
async fn tell(
    listing: &cli::Listing,
    deployment: &str,
    verb: &str,
    body: &Value,
) -> anyhow::Result<Exit> {
    let path = format!("/api/v1/deployments/{deployment}/{verb}");
    let answer = Client::new(&listing.connection)?.post(&path, body).await?;
    if listing.json {
        render::json(&answer);
    } else {
        let line = answer["line"].as_str().unwrap_or_default();
        let said = match answer["notice"].as_str() {
            Some(notice) => format!("nothing to do: {notice}"),
            None => format!("told to {}", verb.replace('-', " ")),
        };
        render::talk(&format!("{line}\n{said}"));
    }
    Ok(Exit::Ok)
}

/// Follows a deployment to its end, unless that is not wanted.
async fn begun(
    client: &Client,
    answer: &Value,
    detach: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let id = answer["deployment"].as_str().unwrap_or_default().to_owned();
    if detach {
        if as_json {
            render::json(answer);
        } else {
            render::data(&id);
        }
        return Ok(Exit::Ok);
    }
    if answer["already"] == Value::Bool(true) {
        render::talk("you have asked for this before, and it is under way");
    }
    render::talk(&client.link(&format!("/deployments/{id}")));
    let last = follow(client, &id).await?;
    if as_json {
        render::json(&last);
    }
    Ok(how(&last))
}

/// How to leave after a deployment: a rule or a person that said no is not the same as a failure.
fn how(last: &Value) -> Exit {
    match last["deployment"]["outcome"].as_str() {
        Some("succeeded") => Exit::Ok,
        Some("cancelled") => Exit::Refused,
        _ if last["refused"] == Value::Bool(true) => Exit::Refused,
        _ => Exit::Failed,
    }
}

/// Says each new line until the end. The events say when to look.
async fn follow(client: &Client, id: &str) -> anyhow::Result<Value> {
    let path = format!("/api/v1/deployments/{id}");
    let mut events = client.stream("/events", &[]).await?.bytes_stream();
    let mut said = String::new();
    loop {
        let now = client.get(&path, &[]).await?;
        let line = now["line"].as_str().unwrap_or_default();
        if line != said {
            render::talk(line);
            line.clone_into(&mut said);
            if now["paused_by"].is_string() && now["deployment"]["outcome"].is_null() {
                render::talk(&format!(
                    "  `cutover resume {id}` lets it go on, `cutover abort {id}` takes it back"
                ));
            }
        }
        if !now["deployment"]["outcome"].is_null() {
            for line in now["detail"].as_array().into_iter().flatten() {
                render::talk(&format!("  {}", line.as_str().unwrap_or_default()));
            }
            return Ok(now);
        }
        if let Some(chunk) = events.next().await {
            chunk?;
        } else {
            events = client.stream("/events", &[]).await?.bytes_stream();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_said_no_is_told_from_a_failure() {
        let ended = |outcome: &str, refused: bool| {
            how(&json!({ "deployment": { "outcome": outcome }, "refused": refused }))
        };
        assert_eq!(ended("succeeded", false), Exit::Ok);
        assert_eq!(ended("failed", false), Exit::Failed);
        assert_eq!(ended("rolled_back", false), Exit::Failed);
        assert_eq!(ended("failed", true), Exit::Refused);
        assert_eq!(ended("cancelled", false), Exit::Refused);
    }
}
