//! `cutover rejudge`: what would have been, by other numbers.

use cutover_model::Timestamp;
use serde_json::Value;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::Rejudge) -> anyhow::Result<Exit> {
    let path = format!("/api/v1/deployments/{}/rejudge", args.deployment);
    let numbers = [
        ("alpha", args.alpha),
        ("p_max", args.p_max),
        ("min_ratio", args.min_ratio),
    ];
    let said = numbers.into_iter();
    let query: Vec<_> = said
        .filter_map(|(name, number)| Some((name, number?.to_string())))
        .collect();
    let answer = Client::new(&args.listing.connection)?
        .get(&path, &query)
        .await?;
    let nothing = answer["nothing"].as_str();
    if args.listing.json {
        render::json(&answer);
    } else if let Some(why) = nothing {
        render::talk(why);
    } else {
        render::data(&text(&answer));
    }
    Ok(nothing.map_or(Exit::Ok, |_| Exit::Nothing))
}

fn text(answer: &Value) -> String {
    let at = |value: &Value| {
        let at = Timestamp(value.as_i64().unwrap_or_default()).to_string();
        at.get(..19).unwrap_or_default().replace('T', " ")
    };
    let rows = answer["moments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| {
            vec![
                at(&it["at"]),
                format!("{} %", it["percent"]),
                it["evidence"]
                    .as_f64()
                    .map_or_else(String::new, |it| format!("{it:.3}")),
                it["word"].as_str().unwrap_or_default().to_owned(),
            ]
        });
    let header = ["at (UTC)", "share", "evidence", "known"];
    let mut parts = vec![
        format!("{} seconds were kept", answer["seconds"]),
        render::table(&header, rows.collect()),
    ];
    parts.push(match answer["fired"].as_str() {
        Some(why) => format!(
            "it would have been taken back at {}: {why}",
            at(&answer["fired_at"])
        ),
        None => "it would not have been taken back".to_owned(),
    });
    parts.extend(
        answer["verdict"]["sentence"]
            .as_str()
            .map(ToOwned::to_owned),
    );
    parts.join("\n\n")
}
