//! Tables: no frames, two spaces between columns, nothing that a script would have to strip.

use comfy_table::{Table, presets::NOTHING};
use serde_json::Value;

use super::symbol;

/// Rows under a header.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if !header.is_empty() {
        table.set_header(header.iter().map(|title| title.to_uppercase()));
    }
    for row in rows {
        table.add_row(row);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn time(value: &Value) -> String {
    let at = cutover_model::Timestamp(value.as_i64().unwrap_or_default()).to_string();
    at.get(..19).unwrap_or(&at).replace('T', " ")
}

fn short_ref(value: &Value) -> String {
    cutover_model::source::GitRef(text(value))
        .short()
        .to_owned()
}

/// Runs, as the server lists them.
pub(crate) fn runs(rows: &[Value]) -> String {
    let rows = rows
        .iter()
        .map(|row| {
            vec![
                symbol(&text(&row["state"])).to_owned(),
                format!("#{}", row["number"]),
                text(&row["name"]),
                short_ref(&row["git_ref"]),
                text(&row["revision"]).chars().take(7).collect(),
                text(&row["actor"]),
                match row["waiting_on"].as_str() {
                    Some(on) => format!("waits on {on}"),
                    None => text(&row["state"]),
                },
                time(&row["created_at"]),
            ]
        })
        .collect();
    table(
        &[
            "",
            "run",
            "workflow",
            "ref",
            "commit",
            "by",
            "state",
            "created (UTC)",
        ],
        rows,
    )
}

/// Deployments, as the server lists them.
pub(crate) fn deployments(rows: &[Value]) -> String {
    let rows = rows
        .iter()
        .map(|row| {
            vec![
                symbol(&text(&row["state"])).to_owned(),
                text(&row["environment"]),
                format!("{}@{}", text(&row["service"]), text(&row["version"])),
                text(&row["strategy"]),
                text(&row["state"]),
                text(&row["reason"]),
                time(&row["created_at"]),
                text(&row["id"]),
            ]
        })
        .collect();
    let header = [
        "",
        "environment",
        "release",
        "strategy",
        "state",
        "why",
        "created (UTC)",
        "deployment",
    ];
    table(&header, rows)
}

/// Who deploys where, until when, and who waits.
fn lock(place: &Value) -> String {
    let name = format!(
        "{}@{}",
        text(&place["service"]),
        text(&place["environment"])
    );
    let mut lines = match place["holder"].as_object() {
        Some(holder) => vec![format!(
            "{name} is held by {} since {}, until {} unless renewed (fence {})",
            text(&holder["deployment"]),
            time(&holder["since"]),
            time(&holder["until"]),
            holder["fence"]
        )],
        None => vec![format!("{name} is held by nobody")],
    };
    for turn in place["queue"].as_array().into_iter().flatten() {
        let why = match (turn["frozen"].as_bool(), turn["urgent"].as_bool()) {
            (Some(true), _) => ", kept by a freeze",
            (_, Some(true)) => ", a way back",
            _ => "",
        };
        lines.push(format!(
            "  {}. {} waits since {}{why}",
            turn["position"],
            text(&turn["deployment"]),
            time(&turn["since"])
        ));
    }
    lines.join("\n")
}

/// What is going on.
pub(crate) fn status(status: &Value) -> String {
    let list = |name: &str| status[name].as_array().cloned().unwrap_or_default();
    let mut parts = Vec::new();
    if !list("runs").is_empty() {
        parts.push(runs(&list("runs")));
    }
    if !list("deployments").is_empty() {
        parts.push(deployments(&list("deployments")));
    }
    parts.extend(list("locks").iter().map(lock));
    for question in list("approvals") {
        parts.push(format!(
            "waits for an approval: {}\n  cutover approve {} -m 'why'",
            text(&question["subject"]),
            text(&question["gate"])
        ));
    }
    let mut rows = Vec::new();
    for service in list("services") {
        for side in service["sides"].as_array().into_iter().flatten() {
            let instances = side["instances"].as_array().map_or(0, Vec::len);
            rows.push(vec![
                text(&service["name"]),
                text(&service["address"]),
                text(&side["name"]),
                format!("{} %", side["percent"]),
                format!("{}/{instances} healthy", side["healthy"]),
                format!("{} requests", side["requests"]),
                format!("{} × 5xx", side["errors_5xx"]),
            ]);
        }
    }
    if !rows.is_empty() {
        let header = [
            "service",
            "address",
            "version",
            "traffic",
            "instances",
            "served",
            "errors",
        ];
        parts.push(table(&header, rows));
    }
    if status["balancer_answers"] == Value::Bool(false) {
        parts.push(
            "THE BALANCER DOES NOT ANSWER: nothing is served; it is being started again".to_owned(),
        );
    }
    let dead = status["notifications"]["dead"].as_u64().unwrap_or_default();
    if dead > 0 {
        parts.push(format!("{dead} notifications were given up"));
    }
    if parts.is_empty() {
        "nothing runs, nothing waits".to_owned()
    } else {
        parts.join("\n\n")
    }
}
