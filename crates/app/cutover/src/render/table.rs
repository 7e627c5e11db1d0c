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

/// How much of a reason a table shows.
const REASON: usize = 100;

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// An instant in milliseconds, to the second, in UTC.
pub(crate) fn time(value: &Value) -> String {
    let at = cutover_model::Timestamp(value.as_i64().unwrap_or_default()).to_string();
    at.get(..19).unwrap_or(&at).replace('T', " ")
}

fn short_ref(value: &Value) -> String {
    cutover_model::source::GitRef(text(value))
        .short()
        .to_owned()
}

/// Runs, as the server lists them. Where they are of several repositories a number alone is not enough,
/// and each is shown as it has to be said.
pub(crate) fn runs(rows: &[Value]) -> String {
    let of_several = rows
        .windows(2)
        .any(|two| two[0]["repository"] != two[1]["repository"]);
    let repository = |row: &Value| {
        let shown = of_several.then(|| text(&row["repository"]));
        shown.unwrap_or_default()
    };
    let rows = rows
        .iter()
        .map(|row| {
            vec![
                symbol(&text(&row["state"])).to_owned(),
                format!("{}#{}", repository(row), row["number"]),
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

/// Who wanted it: a user, or a job by its name.
fn by(row: &Value) -> String {
    let actor = text(&row["actor"]);
    match (row["run"].is_string(), actor.split_once('/')) {
        (true, Some((_, job))) => format!("job {job}"),
        _ => actor,
    }
}

/// How long something took that has ended.
fn took(row: &Value) -> String {
    let (from, to) = (row["created_at"].as_u64(), row["finished_at"].as_u64());
    from.zip(to).map_or_else(String::new, |(from, to)| {
        let seconds = to.saturating_sub(from).div_ceil(1_000);
        cutover_model::Duration::from_secs(seconds).to_string()
    })
}

/// As much of a reason as a table has room for; all of it is in `cutover history ID`.
fn shortened(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    if line.chars().count() <= REASON {
        return line.to_owned();
    }
    let head: String = line.chars().take(REASON - 1).collect();
    format!("{}…", head.trim_end())
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
                shortened(&text(&row["reason"])),
                by(row),
                time(&row["created_at"]),
                took(row),
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
        "by",
        "created (UTC)",
        "took",
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
            "{} deploys to {name} since {}; its lease lasts until {} and is renewed (fence {})",
            text(&holder["deployment"]),
            time(&holder["since"]),
            time(&holder["until"]),
            holder["fence"]
        )],
        None => vec![format!("nobody deploys to {name} now")],
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

/// A freeze that is in force, and how it ends.
fn freeze(freeze: &Value) -> String {
    let environment = freeze["environment"].as_str();
    let until = match freeze["until"].as_i64() {
        Some(_) => format!(" until {}", time(&freeze["until"])),
        None => String::new(),
    };
    let by = match freeze["by"].as_str() {
        Some(by) => format!(
            "by {by}, lifted with `cutover unfreeze {}`",
            environment.unwrap_or("--all")
        ),
        None => "by a window of `cutover.yml`".to_owned(),
    };
    let what = environment.unwrap_or("everything");
    format!(
        "{what} is frozen{until}: {} ({by})",
        text(&freeze["reason"])
    )
}

/// What a rollback has pinned, and how that is lifted.
fn hold(hold: &Value) -> String {
    let (service, environment) = (text(&hold["service"]), text(&hold["environment"]));
    format!(
        "{service}@{environment} is held since {}: {}\n  cutover resume --environment {environment} \
         --service {service}",
        time(&hold["since"]),
        text(&hold["reason"])
    )
}

/// What the clock starts, and when.
fn schedule(schedule: &Value) -> Vec<String> {
    let zone = schedule["timezone"].as_str().unwrap_or("UTC");
    let next = match schedule["error"].as_str() {
        Some(error) => format!("never: {error}"),
        None => time(&schedule["next_at"]),
    };
    vec![
        text(&schedule["repository"]),
        text(&schedule["workflow"]),
        format!("{} {zone}", text(&schedule["cron"])),
        next,
        match &schedule["last_at"] {
            Value::Null => String::new(),
            last => time(last),
        },
    ]
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
    parts.extend(list("freezes").iter().map(freeze));
    parts.extend(list("holds").iter().map(hold));
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
    let schedules = list("schedules");
    if !schedules.is_empty() {
        let rows = schedules.iter().map(schedule).collect();
        parts.push(table(
            &["repository", "workflow", "schedule", "next", "last"],
            rows,
        ));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn status_says_what_is_held_and_frozen_and_how_that_ends() {
        let shown = status(&json!({
            "holds": [{ "environment": "production", "service": "hello", "since": 0, "reason": "1.1.0 was bad" }],
            "freezes": [
                { "environment": null, "reason": "incident 17", "by": "ada", "until": null },
                { "environment": "production", "reason": "the fair", "by": null, "until": 60_000 },
            ],
        }));
        for part in [
            "hello@production is held since 1970-01-01 00:00:00: 1.1.0 was bad",
            "cutover resume --environment production --service hello",
            "everything is frozen: incident 17 (by ada, lifted with `cutover unfreeze --all`)",
            "production is frozen until 1970-01-01 00:01:00: the fair (by a window of `cutover.yml`)",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn runs_of_several_repositories_are_shown_as_they_have_to_be_said() {
        let row = |repository: &str| json!({ "number": 1, "repository": repository });
        let one = runs(&[row("hello"), row("hello")]);
        assert!(one.contains(" #1") && !one.contains("hello"), "{one}");
        let two = runs(&[row("hello"), row("hello"), row("demo/other")]);
        for said in ["hello#1", "demo/other#1"] {
            assert!(two.contains(said), "{two}");
        }
    }

    #[test]
    fn a_long_reason_has_an_end_in_a_table_and_a_length_is_rounded_up() {
        let long = "word ".repeat(50);
        assert_eq!(shortened("short\nsecond line"), "short");
        assert!(shortened(&long).chars().count() <= REASON);
        assert!(shortened(&long).ends_with('…'));
        assert_eq!(
            by(&json!({ "actor": "run_1/staging", "run": "run_1" })),
            "job staging"
        );
        assert_eq!(by(&json!({ "actor": "ada", "run": null })), "ada");
        let row = json!({ "created_at": 1_000, "finished_at": 62_500 });
        assert_eq!(took(&row), "1m2s");
        assert_eq!(
            took(&json!({ "created_at": 1_000, "finished_at": null })),
            ""
        );
    }
}
