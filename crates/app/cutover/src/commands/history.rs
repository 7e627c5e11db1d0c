//! `cutover history`: deployments, or one from beginning to end.

use anyhow::Context as _;
use cutover_model::{DeploymentId, Timestamp};
use serde_json::Value;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::History) -> anyhow::Result<Exit> {
    // No environment has such a name: it is an id, or a slip of the pen in one.
    if let Some(id) = args
        .environment
        .as_deref()
        .filter(|it| it.starts_with("dep_"))
    {
        return tell(&args.listing, &id.parse()?).await;
    }
    let mut query = vec![("limit", args.limit.to_string())];
    let texts = [
        ("environment", args.environment),
        ("service", args.service),
        ("outcome", args.outcome),
        ("version", args.version),
        ("actor", args.actor),
        ("unfinished", args.unfinished.then(|| "true".to_owned())),
        ("since", args.since.map(ago).transpose()?),
    ];
    let said = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)));
    query.extend(said);
    let answer = Client::new(&args.listing.connection)?
        .get("/api/v1/deployments", &query)
        .await?;
    let rows = answer["deployments"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if args.listing.json {
        render::json(&answer);
    } else if rows.is_empty() {
        render::talk("no such deployment");
    } else {
        render::data(&render::deployments(&rows));
    }
    Ok(Exit::Ok)
}

/// The instant so long ago, in milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "a length on the command line is counted from when it is said"
)]
fn ago(length: cutover_model::Duration) -> anyhow::Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = u64::try_from(now.as_millis()).context("the clock is far in the future")?;
    Ok(now.saturating_sub(length.as_millis()).to_string())
}

async fn tell(listing: &cli::Listing, id: &DeploymentId) -> anyhow::Result<Exit> {
    let path = format!("/api/v1/deployments/{id}");
    let answer = Client::new(&listing.connection)?.get(&path, &[]).await?;
    if listing.json {
        render::json(&answer);
    } else {
        render::data(&text(&answer));
    }
    Ok(Exit::Ok)
}

fn text(answer: &Value) -> String {
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = &answer["deployment"];
    let length = cutover_model::Duration(answer["duration_ms"].as_u64().unwrap_or_default());
    let mut lines = vec![
        said(&answer["line"]),
        format!(
            "{}, {}, {length}",
            said(&row["cause"]),
            said(&row["strategy"])
        ),
        String::new(),
    ];
    for moment in answer["timeline"].as_array().into_iter().flatten() {
        let at = Timestamp(moment["at"].as_i64().unwrap_or_default()).to_string();
        let at = at.get(..19).unwrap_or_default().replace('T', " ");
        let mut told = moment["line"].as_str().unwrap_or_default().lines();
        lines.push(format!("{at}  {}", told.next().unwrap_or_default()));
        lines.extend(told.map(|line| format!("{:21}{line}", "")));
    }
    let cost = &answer["cost"];
    if cost["seconds"].as_u64().unwrap_or_default() > 0 {
        lines.push(String::new());
        for side in ["candidate", "current"] {
            let sum = &cost[side];
            lines.push(format!(
                "{side}: {} requests, {} x 5xx, {} bad",
                sum["requests"], sum["errors_5xx"], sum["bad"]
            ));
        }
        let ledger = cost["ledger"].as_object();
        let drops = ledger.into_iter().flatten();
        lines.extend(drops.map(|(cause, count)| format!("ledger: {cause}: {count}")));
    }
    lines.join("\n")
}
