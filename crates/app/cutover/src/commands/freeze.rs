//! `cutover freeze` and `cutover unfreeze`.

use cutover_model::Timestamp;
use serde_json::{Value, json};

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn freeze(args: cli::Freeze) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    if args.list {
        return list(&client, args.listing.json).await;
    }
    let mut body = json!({ "environment": args.environment, "reason": args.reason });
    body["until"] = json!(args.until);
    body["for"] = json!(args.length);
    let answer = client.post("/api/v1/freezes", &body).await?;
    if args.listing.json {
        render::json(&answer);
    } else {
        let already = if answer["already"] == Value::Bool(true) {
            " already"
        } else {
            ""
        };
        render::talk(&format!("frozen{already}: {}", line(&answer["freeze"])));
    }
    Ok(Exit::Ok)
}

pub(crate) async fn unfreeze(args: cli::Unfreeze) -> anyhow::Result<Exit> {
    let body = json!({ "environment": args.environment });
    let answer = Client::new(&args.listing.connection)?
        .post("/api/v1/unfreeze", &body)
        .await?;
    let lifted = answer["lifted"].as_array().cloned().unwrap_or_default();
    if args.listing.json {
        render::json(&answer);
    } else if lifted.is_empty() {
        let which = args.environment.as_deref().unwrap_or("all environments");
        render::talk(&format!(
            "nobody has frozen {which}; a window of `cutover.yml` ends by itself"
        ));
    } else {
        for row in &lifted {
            render::talk(&format!("lifted: {}", line(row)));
        }
    }
    Ok(Exit::Ok)
}

async fn list(client: &Client, as_json: bool) -> anyhow::Result<Exit> {
    let answer = client.get("/api/v1/freezes", &[]).await?;
    if as_json {
        render::json(&answer);
        return Ok(Exit::Ok);
    }
    let in_force: Vec<&Value> = answer["freezes"].as_array().into_iter().flatten().collect();
    let rows: Vec<_> = answer["past"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| row(it, in_force.iter().any(|open| open["id"] == it["id"])))
        .collect();
    if rows.is_empty() {
        render::talk("nothing was ever frozen");
    } else {
        let header = [
            "",
            "environment",
            "why",
            "by",
            "since (UTC)",
            "until (UTC)",
            "lifted by",
        ];
        render::data(&render::table(&header, rows));
    }
    Ok(Exit::Ok)
}

fn said(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn at(value: &Value) -> String {
    let at = value.as_i64().map(|at| Timestamp(at).to_string());
    let at = at.unwrap_or_default();
    at.get(..16).unwrap_or_default().replace('T', " ")
}

fn environment(row: &Value) -> String {
    row["environment"].as_str().unwrap_or("all").to_owned()
}

fn line(row: &Value) -> String {
    let until = match at(&row["until"]) {
        until if until.is_empty() => "until it is lifted".to_owned(),
        until => format!("until {until} UTC"),
    };
    format!("{}, {until}: {}", environment(row), said(&row["reason"]))
}

fn row(row: &Value, is_in_force: bool) -> Vec<String> {
    let mark = if is_in_force { "frozen" } else { "" };
    vec![
        mark.to_owned(),
        environment(row),
        said(&row["reason"]),
        said(&row["frozen_by"]),
        at(&row["since"]),
        at(&row["until"]),
        said(&row["lifted_by"]),
    ]
}
