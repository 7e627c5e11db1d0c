//! `cutover.yml` → [`Project`]. Every key is honoured or refused.

mod environment;
mod freeze;
mod gate;
mod headers;
mod hook;
mod judge;
mod notify;
mod service;
mod strategy;
mod traffic;
mod trigger;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use cutover_model::{Diagnostic, Position, delivery::Strategy, project::Project};

use crate::{
    SourceTree,
    diagnostic::{Code, Sink},
    graph,
    shape::{self, Fields, Schema, Spanned},
    suggest,
    yaml::{self, Entry, Node},
};

const PATH: &str = "cutover.yml";
const OTHER_PATH: &str = "cutover.yaml";

const PROJECT: Schema = Schema {
    what: "`cutover.yml`",
    keys: &["services", "environments", "gates", "notify"],
    required: &[],
    later: &[],
};

/// A strategy by its word, with its usual figures.
pub(crate) fn default_strategy(word: &str) -> Option<Strategy> {
    strategy::usual(word)
}

/// Reads the file, when there is one.
pub(crate) fn read(tree: &SourceTree) -> (Option<Project>, Vec<Diagnostic>) {
    let (path, bytes, is_double) = match (tree.get(PATH), tree.get(OTHER_PATH)) {
        (Some(bytes), other) => (PATH, bytes, other.is_some()),
        (None, Some(bytes)) => (OTHER_PATH, bytes, false),
        (None, None) => return (None, Vec::new()),
    };
    let mut sink = Sink::new(path);
    if is_double {
        sink.error_hint(
            Code::TwoProjects,
            Position::new(1, 1),
            "`cutover.yml` and `cutover.yaml` are both there",
            "remove one of them".to_owned(),
        );
    }
    let project = parse(bytes, &mut sink);
    let project = project.filter(|_| !sink.has_errors());
    (project, sink.finish())
}

fn parse(bytes: &[u8], sink: &mut Sink) -> Option<Project> {
    let (node, faults) = yaml::parse(bytes);
    for (at, fault) in &faults {
        sink.yaml(*at, fault);
    }
    let Some(node) = node.filter(|node| !node.is_null()) else {
        // An empty file is a project with nothing in it; one that is no YAML is none.
        return faults.is_empty().then(Project::default);
    };
    let fields = Fields::open(&node, &PROJECT, sink)?;
    Some(Project {
        services: named(fields.get("services"), "service", sink, service::service),
        environment_vars: environment_vars(fields.get("environments"), sink),
        environments: environments(fields.get("environments"), sink),
        gates: named(fields.get("gates"), "gate", sink, gate::gate),
        notify: fields
            .get("notify")
            .map_or_else(Vec::new, |node| notify::rules(node, sink)),
    })
}

/// A mapping of names of our own to things of one kind.
fn named<T>(
    node: Option<&Node>,
    what: &str,
    sink: &mut Sink,
    read: impl Fn(&Entry, &mut Sink) -> Option<T>,
) -> BTreeMap<String, T> {
    let mut things = BTreeMap::new();
    let Some(node) = node else {
        return things;
    };
    for entry in shape::entries(node, &format!("`{what}s`"), sink).unwrap_or_default() {
        if !is_name(&entry.key) {
            let message = format!("`{}` cannot name a {what}", entry.key);
            let hint = "names have letters, digits, `-` and `_`, begin with a letter or a digit, and have at most 63 characters";
            sink.error_hint(Code::BadId, entry.at, message, hint.to_owned());
        } else if let Some(thing) = read(entry, sink) {
            things.insert(entry.key.clone(), thing);
        }
    }
    things
}

/// Names become parts of paths, addresses and containers' names.
fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// `vars` of environments; what else is in them is looked at elsewhere.
fn environment_vars(
    node: Option<&Node>,
    sink: &mut Sink,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for environment in node.map(entries).unwrap_or_default() {
        let mut own = entries(&environment.value).iter();
        if let Some(vars) = own.find(|entry| entry.key == "vars" && !entry.value.is_null()) {
            let values = value::env(Some(&vars.value), sink);
            found.insert(environment.key.clone(), values);
        }
    }
    found
}

fn entries(node: &Node) -> &[Entry] {
    match &*node.value {
        yaml::Value::Mapping(entries) => entries,
        yaml::Value::Sequence(_) | yaml::Value::Scalar(_) => &[],
    }
}

fn environments(
    node: Option<&Node>,
    sink: &mut Sink,
) -> BTreeMap<String, cutover_model::project::Environment> {
    let read = named(node, "environment", sink, environment::environment);
    // Names with faults inside are still names: `after` may point at them.
    let names: BTreeSet<&str> = node
        .map_or(&[][..], entries)
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    let mut places: BTreeMap<&str, &Spanned> = BTreeMap::new();
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, (_, after)) in &read {
        let Some(after) = after else {
            continue;
        };
        if !names.contains(after.text.as_str()) {
            let message = format!("`after` names `{}`, which is no environment", after.text);
            let hint = suggest::hint(&after.text, names.iter().copied());
            sink.error_hint(Code::UnknownName, after.at, message, hint);
        }
        places.insert(name, after);
        edges.insert(name, vec![after.text.as_str()]);
    }
    for circle in graph::circles(&edges) {
        let at = circle
            .first()
            .and_then(|name| places.get(name))
            .map_or_else(Position::default, |after| after.at);
        let message = format!("environments follow each other: {}", graph::arrows(&circle));
        sink.error(Code::PromotionCycle, at, message);
    }
    read.into_iter()
        .map(|(name, (environment, _))| (name, environment))
        .collect()
}
