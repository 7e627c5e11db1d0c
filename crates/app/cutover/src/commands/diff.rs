//! `cutover diff`: what differs between environments and releases.

use serde_json::Value;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::Diff) -> anyhow::Result<Exit> {
    let mut query = vec![("from", args.from)];
    query.extend(args.to.map(|to| ("to", to)));
    query.extend(args.service.map(|service| ("service", service)));
    let answer = Client::new(&args.listing.connection)?
        .get("/api/v1/diff", &query)
        .await?;
    if args.listing.json {
        render::json(&answer);
    } else {
        render::data(&text(&answer));
    }
    Ok(Exit::Ok)
}

fn said(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn text(answer: &Value) -> String {
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let mut parts = Vec::new();
    let rows: Vec<_> = list("differences")
        .iter()
        .map(|it| {
            ["what", "from", "to"]
                .map(|name| said(&it[name]).to_owned())
                .to_vec()
        })
        .collect();
    if rows.is_empty() {
        parts.push(format!(
            "{} and {} are the same",
            said(&answer["from"]),
            said(&answer["to"])
        ));
    } else {
        let header = ["", said(&answer["from"]), said(&answer["to"])];
        parts.push(render::table(&header, rows));
    }
    for (name, title) in [
        ("commits", "commits that come"),
        ("commits_back", "commits that go"),
    ] {
        let commits = list(name);
        if commits.is_empty() {
            continue;
        }
        let mut lines = vec![format!("{title}:")];
        lines.extend(commits.iter().map(|commit| {
            let id = said(&commit["id"]);
            format!(
                "  {}  {}",
                id.get(..7).unwrap_or(id),
                said(&commit["subject"])
            )
        }));
        parts.push(lines.join("\n"));
    }
    if let Some(why) = answer["commits_unknown"].as_str() {
        parts.push(format!("the commits between them are not known: {why}"));
    }
    parts.join("\n\n")
}
