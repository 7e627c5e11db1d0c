//! Rules about single jobs and steps: ids, needs, labels of runners, shells, variables, credentials,
//! conditions and commands that are no longer there.

use std::collections::BTreeMap;

use cutover_model::Position;

use super::model::{Container, Defaults, Env, Job, Row, Step, Text, Workflow};
use crate::{
    diagnostic::{Code, Sink},
    github::value::id_fault,
    graph, suggest,
    yaml::Value,
};

/// Labels of the runners that the service hosts.
const HOSTED: [&str; 34] = [
    "windows-latest",
    "windows-latest-8-cores",
    "windows-2025",
    "windows-2022",
    "windows-11-arm",
    "ubuntu-slim",
    "ubuntu-latest",
    "ubuntu-latest-4-cores",
    "ubuntu-latest-8-cores",
    "ubuntu-latest-16-cores",
    "ubuntu-24.04",
    "ubuntu-24.04-arm",
    "ubuntu-22.04",
    "ubuntu-22.04-arm",
    "macos-latest",
    "macos-latest-xlarge",
    "macos-latest-large",
    "macos-26",
    "macos-26-xlarge",
    "macos-26-large",
    "macos-26-intel",
    "macos-15",
    "macos-15-intel",
    "macos-15-xlarge",
    "macos-15-large",
    "macos-14",
    "macos-14-xlarge",
    "macos-14-large",
    "macos-13",
    "macos-13-xlarge",
    "macos-13-large",
    "linux",
    "macos",
    "windows",
];
/// Labels that runners of one's own have from the start.
const OWN: [&str; 4] = ["self-hosted", "x64", "arm", "arm64"];

pub(super) fn check(workflow: &Workflow<'_>, sink: &mut Sink) {
    env_names(workflow.env.as_ref(), sink);
    shell(&workflow.defaults, Platform::Any, sink);
    for job in &workflow.jobs {
        check_job(job, sink);
    }
    needs(&workflow.jobs, sink);
}

fn check_job(job: &Job<'_>, sink: &mut Sink) {
    id(job.id, "job", sink);
    for need in &job.needs {
        id(*need, "job", sink);
    }
    labels(job, sink);
    let platform = platform(&job.runs_on);
    shell(&job.defaults, platform, sink);
    env_names(job.env.as_ref(), sink);
    if let Some(container) = &job.container {
        check_container(container, "the container", sink);
    }
    for (name, container) in &job.services {
        check_container(container, &format!("service `{}`", name.text()), sink);
    }
    condition(job.condition, sink);
    condition(job.snapshot.condition, sink);
    if let Some(version) = job.snapshot.version {
        super::glob::check_refs(&[version], sink);
    }
    let mut seen: BTreeMap<String, Position> = BTreeMap::new();
    for step in &job.steps {
        check_step(step, platform, &mut seen, sink);
    }
}

fn check_step(
    step: &Step<'_>,
    platform: Platform,
    seen: &mut BTreeMap<String, Position>,
    sink: &mut Sink,
) {
    if let Some(own) = step.id {
        id(own, "step", sink);
        if let Some(first) = seen.get(&own.lower()) {
            let message = format!(
                "step id `{}` is there twice; the first is in line {}",
                own.text(),
                first.line
            );
            sink.error(Code::DuplicateId, own.at(), message);
        } else {
            seen.insert(own.lower(), own.at());
        }
    }
    condition(step.condition, sink);
    env_names(step.env.as_ref(), sink);
    shell_name(step.shell, platform, sink);
    if let Some(run) = step.run {
        deprecated(run, sink);
    }
}

fn id(text: Text<'_>, what: &str, sink: &mut Sink) {
    if text.has_expression() || text.text().is_empty() {
        return;
    }
    if let Some(fault) = id_fault(text.text()) {
        sink.error(Code::BadId, text.at(), format!("{what} id: {fault}"));
    }
}

/// Every need is a job, and no job waits for itself.
fn needs(jobs: &[Job<'_>], sink: &mut Sink) {
    let ids: BTreeMap<String, &Job<'_>> = jobs.iter().map(|job| (job.id.lower(), job)).collect();
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut all_known = true;
    for job in jobs {
        let mut targets: BTreeMap<String, &str> = BTreeMap::new();
        for need in &job.needs {
            let lower = need.lower();
            if targets.contains_key(&lower) {
                let message = format!("job `{}` is needed twice", need.text());
                sink.warning(Code::DoubleNeed, need.at(), message, None);
                continue;
            }
            let target = ids.get_key_value(&lower);
            if let Some((id, _)) = target {
                targets.insert(lower, id);
                continue;
            }
            all_known = false;
            let message = format!(
                "job `{}` needs `{}`, which is no job",
                job.id.text(),
                need.text()
            );
            let hint = (!sink.is_full())
                .then(|| suggest::hint(need.text(), ids.values().map(|job| job.id.text())))
                .flatten();
            sink.error_hint(Code::UnknownNeed, job.id.at(), message, hint);
        }
        if let Some((id, _)) = ids.get_key_value(&job.id.lower()) {
            edges.insert(id, targets.into_values().collect());
        }
    }
    if !all_known {
        return;
    }
    for circle in graph::circles(&edges) {
        let first = circle.first().and_then(|id| ids.get(*id));
        let at = first.map_or_else(Position::default, |job| job.id.at());
        let message = format!("jobs wait for each other: {}", graph::arrows(&circle));
        sink.error_hint(
            Code::NeedsCycle,
            at,
            message,
            "remove one of these `needs`".to_owned(),
        );
    }
}

fn labels(job: &Job<'_>, sink: &mut Sink) {
    let mut machines: Vec<(&str, &str)> = Vec::new();
    // Runners of one's own, and groups of them, have labels of one's own.
    let is_own = |label: &Text<'_>| label.text().eq_ignore_ascii_case("self-hosted");
    let are_own = job.group.is_some() || job.runs_on.iter().any(is_own);
    for label in &job.runs_on {
        // What a matrix puts in one place never meets itself.
        let mut own = Vec::new();
        for (text, at) in spelled_out(*label, job) {
            let lower = text.to_lowercase();
            if OWN.contains(&lower.as_str()) {
                continue;
            }
            let Some(known) = HOSTED.into_iter().find(|known| *known == lower) else {
                if are_own {
                    continue;
                }
                let hint = (!sink.is_full())
                    .then(|| suggest::nearest(&lower, HOSTED.into_iter().chain(OWN)))
                    .flatten();
                let hint = hint.map(|near| format!("did you mean `{near}`?"));
                let message = format!("no hosted runner has the label `{text}`");
                sink.warning(Code::RunnerLabel, at, message, hint);
                continue;
            };
            let machine = machine(known);
            let clash = machines.iter().find(|(other, _)| !together(other, machine));
            if let Some((_, other)) = clash {
                let message = format!("no runner has the labels `{other}` and `{text}`");
                let hint = "use a matrix to run on both".to_owned();
                sink.error_hint(Code::RunnerLabel, at, message, hint);
            } else if !machines.iter().any(|(other, _)| *other == machine) {
                own.push((machine, text));
            }
        }
        machines.extend(own);
    }
}

/// Which machine a hosted label stands for.
fn machine(label: &str) -> &str {
    match label {
        "ubuntu-latest" => "ubuntu-24.04",
        "windows-latest" => "windows-2025",
        "macos-latest" => "macos-15",
        "macos-latest-large" => "macos-15-large",
        "macos-latest-xlarge" => "macos-15-xlarge",
        other => other,
    }
}

/// Whether one runner can have both labels.
fn together(one: &str, two: &str) -> bool {
    let covers = |wide: &str, narrow: &str| match wide {
        "linux" => narrow.starts_with("ubuntu"),
        "macos" | "windows" => narrow.starts_with(wide),
        _ => false,
    };
    one == two || covers(one, two) || covers(two, one)
}

/// A label, or what a matrix puts in its place.
fn spelled_out<'a>(label: Text<'a>, job: &Job<'a>) -> Vec<(&'a str, Position)> {
    if !label.text().contains("${{") {
        return vec![(label.text(), label.at())];
    }
    let bare = label.text().trim();
    let name = bare
        .strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .and_then(|inner| inner.trim().strip_prefix("matrix."));
    let (Some(name), Some(matrix)) = (name, &job.strategy.matrix) else {
        return Vec::new();
    };
    let row = matrix.rows.iter().filter_map(|(own, row)| match row {
        Row::Values(values) if own.text().eq_ignore_ascii_case(name) => Some(values.iter()),
        _ => None,
    });
    let added = matrix.include.items.iter().filter_map(|item| match item {
        super::model::Combination::Values(values) => values
            .iter()
            .find(|(own, _)| own.text().eq_ignore_ascii_case(name))
            .map(|(_, value)| *value),
        super::model::Combination::Expression(_) => None,
    });
    row.flatten()
        .chain(added)
        .filter_map(|node| match &*node.value {
            Value::Scalar(scalar) if !scalar.text.contains("${{") => {
                Some((scalar.text.as_str(), node.at))
            }
            _ => None,
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Platform {
    Any,
    Unix,
    Windows,
}

/// Whether labels are those of a system whose shell is `bash`.
pub(super) fn is_unix(labels: &[Text<'_>]) -> bool {
    platform(labels) == Platform::Unix
}

fn platform(labels: &[Text<'_>]) -> Platform {
    let mut platform = Platform::Any;
    for label in labels {
        let label = label.lower();
        let own = if label == "windows" || label.starts_with("windows-") {
            Platform::Windows
        } else if ["macos-", "ubuntu-"]
            .iter()
            .any(|start| label.starts_with(start))
            || matches!(label.as_str(), "macos" | "linux")
        {
            Platform::Unix
        } else {
            continue;
        };
        if platform != Platform::Any && platform != own {
            return Platform::Any;
        }
        platform = own;
    }
    platform
}

fn shell(defaults: &Defaults<'_>, platform: Platform, sink: &mut Sink) {
    shell_name(defaults.shell, platform, sink);
}

fn shell_name(name: Option<Text<'_>>, platform: Platform, sink: &mut Sink) {
    let Some(name) = name else {
        return;
    };
    let known: &[&str] = match platform {
        Platform::Any => &["bash", "pwsh", "python", "sh", "cmd", "powershell"],
        Platform::Unix => &["bash", "pwsh", "python", "sh"],
        Platform::Windows => &["bash", "pwsh", "python", "cmd", "powershell"],
    };
    let text = name.text();
    if text.contains("{0}")
        || text.contains("${{")
        || known.iter().any(|it| it.eq_ignore_ascii_case(text))
    {
        return;
    }
    let hint = suggest::hint(text, known.iter().copied());
    let message = format!("unknown shell `{text}`");
    sink.error_hint(Code::UnknownShell, name.at(), message, hint);
}

fn env_names(env: Option<&Env<'_>>, sink: &mut Sink) {
    let Some(Env::Variables(variables)) = env else {
        return;
    };
    for (name, _) in variables {
        if !name.has_expression() && name.text().contains(['&', '=', ' ', '\t']) {
            let message = format!("a variable cannot be named `{}`", name.text());
            sink.error(Code::VariableName, name.at(), message);
        }
    }
}

fn check_container(container: &Container<'_>, what: &str, sink: &mut Sink) {
    env_names(container.env.as_ref(), sink);
    if let (Some(_), Some(password)) = (container.username, container.password)
        && !password.is_expression()
    {
        let hint = "take it from a secret: `${{ secrets.… }}`".to_owned();
        let message = format!("the password of {what} stands in the file");
        sink.error_hint(Code::Credentials, password.at(), message, hint);
    }
}

fn condition(text: Option<Text<'_>>, sink: &mut Sink) {
    let Some(text) = text else {
        return;
    };
    let own = text.text();
    if text.has_expression() {
        let is_whole =
            own.starts_with("${{") && own.ends_with("}}") && own.matches("${{").count() == 1;
        if !is_whole {
            let hint = "leave out `${{` and `}}`, or put them around the whole".to_owned();
            let message = "the condition always holds, because there is text around the `${{ }}`";
            sink.error_hint(Code::ConstantCondition, text.at(), message, hint);
        }
    } else if matches!(own.trim(), "true" | "false") {
        let message = format!("the condition is always {}", own.trim());
        sink.warning(Code::ConstantCondition, text.at(), message, None);
    }
}

/// Commands in a script that are switched off, or about to be.
fn deprecated(run: Text<'_>, sink: &mut Sink) {
    for part in run
        .text()
        .split("::")
        .skip(1)
        .collect::<Vec<_>>()
        .windows(2)
    {
        let [command, value] = part else {
            continue;
        };
        let (name, file) = match command.split_whitespace().next() {
            Some("add-path") if *command == "add-path" => ("add-path", "GITHUB_PATH"),
            Some("set-output") => ("set-output", "GITHUB_OUTPUT"),
            Some("save-state") => ("save-state", "GITHUB_STATE"),
            Some("set-env") => ("set-env", "GITHUB_ENV"),
            _ => continue,
        };
        let has_name = name == "add-path"
            || command.split_whitespace().nth(1).is_some_and(|word| {
                word.strip_prefix("name=")
                    .is_some_and(|it| it.starts_with(|letter: char| letter.is_ascii_alphabetic()))
            });
        if !has_name || !value.starts_with(|letter: char| !letter.is_whitespace()) {
            continue;
        }
        let hint = format!("write to the file `${file}`");
        let message = format!("command `::{name}::` is deprecated");
        sink.warning(Code::DeprecatedCommand, run.at(), message, hint);
    }
}
