//! The reader against the cases of the service's own parsers: options, a workflow, the workflows that it
//! calls, and the template or the errors that come of it.

use std::fs;

use cutover_dialect::{DefaultPermissions, ReadOptions, SourceTree, read};
use serde_json::{Value, json};

use super::{excuse, files, name};

/// Cases that are knowingly answered otherwise, with the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    (
        "errors-anchor-tag.yml",
        "anchors are part of the language since August 2025",
    ),
    (
        "is-partial-rerun.yml",
        "pins a defect of the service (a table of files in another order than their numbers), to be removed with it",
    ),
];

/// The scopes of permissions when the cases were written. `read-all` and `write-all` give more today.
const SCOPES_THEN: [&str; 13] = [
    "actions",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "id-token",
    "issues",
    "packages",
    "pages",
    "pull-requests",
    "repository-projects",
    "security-events",
    "statuses",
];

struct Case {
    tree: SourceTree,
    path: String,
    options: ReadOptions,
    expected: Value,
    /// Whether the case is one of the implementation that knows events.
    has_events: bool,
}

impl Case {
    /// What the file says; none when it is written in a way that is not known here.
    fn parse(name: &str, text: &str) -> Option<Self> {
        let text = text.replace("\r\n", "\n");
        let parts = split(&text);
        let (first, rest) = parts.split_first()?;
        let (last, files) = rest.split_last()?;
        let path = format!(".github/workflows/{name}");
        let mut tree = SourceTree::new();
        tree.insert(path.clone(), files.first()?.as_bytes());
        for pair in files[1..].chunks_exact(2) {
            tree.insert(pair[0].trim(), pair[1].as_bytes());
        }
        let skips = |who: &str| first.lines().any(|line| line.trim() == format!("- {who}"));
        Some(Self {
            tree,
            path,
            options: options(first)?,
            expected: serde_json::from_str(last).ok()?,
            has_events: skips("Go") && skips("C#"),
        })
    }
}

/// The parts between the lines `---`.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            parts.push(String::new());
        } else {
            let last = parts.last_mut().unwrap();
            last.push_str(line);
            last.push('\n');
        }
    }
    parts
}

fn options(text: &str) -> Option<ReadOptions> {
    let mut options = ReadOptions::default();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.split('#').next().unwrap().trim();
        let number = || value.parse().ok();
        match key.trim() {
            "include-source" => options.places = value == "true",
            "max-file-size" => options.max_file_size = number()?,
            "max-result-size" => options.max_result_size = number()?,
            "max-job-limit" => options.max_jobs = number()?,
            "max-files" => options.max_files = number()?,
            "max-nested-reusable-workflows-depth" => options.max_call_depth = number()?,
            "skip-reusable-workflows" => options.skip_calls = value == "true",
            "permissions-policy" => {
                options.default_permissions = match value {
                    "LimitedRead" => DefaultPermissions::LimitedRead,
                    "Write" => DefaultPermissions::Write,
                    _ => return None,
                };
            }
            "skip" | "is-partial-rerun" | "experimental-features" | "" => {}
            _ if key.starts_with([' ', '-']) => {}
            _ => return None,
        }
    }
    Some(options)
}

/// What is answered otherwise.
fn objection(case: &Case) -> Option<String> {
    let found = read(&case.tree, &case.path, &case.options);
    let errors = case.expected.get("errors").and_then(Value::as_array);
    match (found, errors) {
        (Ok(found), None) => {
            let found = comparable(&found, case);
            let differs = difference("", &found, &case.expected);
            differs.map(|(place, found, wanted)| format!("{place}: {found}\n    wanted: {wanted}"))
        }
        (Err(errors), Some(wanted)) => {
            let found: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            let wanted: Vec<&str> = wanted
                .iter()
                .map(|error| error["Message"].as_str().unwrap())
                .collect();
            let same = found.len() == wanted.len()
                && found.iter().zip(&wanted).all(|(found, wanted)| {
                    found == wanted || (names_all_scopes(wanted) && same_start(found, wanted))
                });
            (!same).then(|| format!("{found:#?}\n    wanted: {wanted:#?}"))
        }
        (found, _) => Some(format!("{found:?}")),
    }
}

/// A list of all scopes is the list of those days; before it everything must be the same.
fn names_all_scopes(message: &str) -> bool {
    message.contains("discussions: ") && message.contains("repository-projects: ")
}

fn same_start(found: &str, wanted: &str) -> bool {
    let start = |text: &str| {
        text.split_once("is requesting '")
            .map(|(start, _)| start.to_owned())
    };
    start(found).is_some() && start(found) == start(wanted)
}

/// The template without what this case's implementation does not give.
fn comparable(found: &Value, case: &Case) -> Value {
    let mut found = found.clone();
    let root = found.as_object_mut().unwrap();
    if !case.has_events {
        root.remove("events");
    }
    if case.expected.get("input-types").is_none() {
        root.remove("input-types");
    }
    found
}

/// The first place where two values differ.
fn difference(place: &str, found: &Value, wanted: &Value) -> Option<(String, String, String)> {
    match (found, wanted) {
        (Value::Object(own), Value::Object(other)) => {
            if place.ends_with(".permissions")
                && SCOPES_THEN.iter().all(|it| other.contains_key(*it))
            {
                let then = own
                    .iter()
                    .filter(|(key, _)| SCOPES_THEN.contains(&key.as_str()));
                let then: serde_json::Map<_, _> = then
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                return (then != *other).then(|| {
                    (
                        place.to_owned(),
                        json!(then).to_string(),
                        wanted.to_string(),
                    )
                });
            }
            let keys = own.keys().chain(other.keys());
            keys.into_iter().find_map(|key| {
                let place = format!("{place}.{key}");
                let null = Value::String("(absent)".to_owned());
                difference(
                    &place,
                    own.get(key).unwrap_or(&null),
                    other.get(key).unwrap_or(&null),
                )
            })
        }
        (Value::Array(own), Value::Array(other)) if own.len() == other.len() => own
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(at, (own, other))| difference(&format!("{place}[{at}]"), own, other)),
        (Value::Number(own), Value::Number(other)) if own.as_f64() == other.as_f64() => None,
        _ if found == wanted => None,
        _ => Some((place.to_owned(), found.to_string(), wanted.to_string())),
    }
}

#[test]
fn conformance_reader() {
    let mut wrong = Vec::new();
    let (mut accepted, mut refused) = ((0, 0), (0, 0));
    for path in files("reader", "yml") {
        let name = name(&path);
        let text = fs::read_to_string(&path).unwrap();
        let Some(case) = Case::parse(&name, &text) else {
            refused.1 += 1;
            wrong.push(format!("{name}: its options or its end are not known here"));
            continue;
        };
        let group = match case.expected.get("errors") {
            Some(_) => &mut refused,
            None => &mut accepted,
        };
        group.1 += 1;
        match (objection(&case), excuse(&EXCEPTIONS, &name)) {
            (None, _) => group.0 += 1,
            (Some(_), Some(reason)) => eprintln!("excepted {name}: {reason}"),
            (Some(why), None) => wrong.push(format!("{name}: {why}")),
        }
    }
    println!(
        "reader {}/{} (accepted {}/{}, errors with line, column and text {}/{})",
        accepted.0 + refused.0,
        accepted.1 + refused.1,
        accepted.0,
        accepted.1,
        refused.0,
        refused.1
    );
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
