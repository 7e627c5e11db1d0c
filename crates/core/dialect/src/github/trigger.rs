//! Whether a trigger starts a workflow, and with which inputs.

use std::collections::BTreeMap;

use cutover_model::source::{Trigger, TriggerKind};
use serde_json::Value as Json;

use super::{
    model::{Dispatch, Filter, Filters, Input, InputKind, On, PullRequest},
    parse,
};
use crate::{
    SourceTree, Triggered,
    diagnostic::{Code, Sink},
    suggest,
    yaml::Value,
};

/// The types that start a workflow when none are written.
const USUAL_TYPES: [&str; 3] = ["opened", "synchronize", "reopened"];

/// Reads `on:` only: what else is wrong in the file is told when it is compiled.
fn read_on(tree: &SourceTree, path: &str, sink: &mut Sink) -> Option<On> {
    let bytes = parse::file(tree, path, sink)?;
    let root = parse::root(bytes, sink)?;
    let entry = match &*root.value {
        Value::Mapping(entries) => entries.iter().find(|entry| entry.key == "on"),
        Value::Sequence(_) | Value::Scalar(_) => None,
    };
    if entry.is_none() {
        sink.error(Code::MissingKey, root.at, "a workflow needs `on`");
    }
    entry.map(|entry| parse::on(entry, sink))
}

/// Whether the trigger starts the workflow.
pub(crate) fn triggered_by(tree: &SourceTree, path: &str, trigger: &Trigger) -> Triggered {
    let mut sink = Sink::new(path);
    let on = read_on(tree, path, &mut sink);
    match on {
        Some(on) if !sink.has_errors() => match reason_against(&on, trigger) {
            None => Triggered::Yes,
            Some(reason) => Triggered::No(reason),
        },
        _ => Triggered::Invalid(sink.finish()),
    }
}

fn reason_against(on: &On, trigger: &Trigger) -> Option<String> {
    let not_there = || format!("`on` does not have `{}`", trigger.kind.event_name());
    match trigger.kind {
        TriggerKind::Push => match &on.push {
            Some(filters) => push(filters, trigger),
            None => Some(not_there()),
        },
        TriggerKind::PullRequest => match &on.pull_request {
            Some(pull_request) => against_pull_request(pull_request, trigger),
            None => Some(not_there()),
        },
        TriggerKind::WorkflowDispatch => on.dispatch.is_none().then(not_there),
    }
}

fn push(filters: &Filters, trigger: &Trigger) -> Option<String> {
    if let Some(tag) = trigger.git_ref.tag() {
        // Paths are not looked at for tags.
        return match (&filters.tags, &filters.branches) {
            (Some(filter), _) => name(filter, tag, "tag", "tags"),
            (None, Some(_)) => Some(format!(
                "`push` filters branches only, and `{tag}` is a tag"
            )),
            (None, None) => None,
        };
    }
    let branch = trigger.git_ref.branch().unwrap_or(&trigger.git_ref.0);
    let against = match (&filters.branches, &filters.tags) {
        (Some(filter), _) => name(filter, branch, "branch", "branches"),
        (None, Some(_)) => Some(format!(
            "`push` filters tags only, and `{branch}` is a branch"
        )),
        (None, None) => None,
    };
    against.or_else(|| paths(filters.paths.as_ref(), trigger))
}

fn against_pull_request(pull_request: &PullRequest, trigger: &Trigger) -> Option<String> {
    if let Some(action) = trigger.payload.get("action").and_then(Json::as_str) {
        let known = match &pull_request.types {
            Some(types) => types.iter().any(|one| one == action),
            None => USUAL_TYPES.contains(&action),
        };
        if !known {
            return Some(format!(
                "`types` of `pull_request` does not have `{action}`"
            ));
        }
    }
    let filters = &pull_request.filters;
    let against = match (&filters.branches, &trigger.base_ref) {
        (Some(filter), Some(base)) => {
            let base = base.strip_prefix("refs/heads/").unwrap_or(base);
            name(filter, base, "base branch", "branches")
        }
        (Some(_), None) => Some("`branches` needs a base branch, and none is known".to_owned()),
        (None, _) => None,
    };
    against.or_else(|| paths(filters.paths.as_ref(), trigger))
}

fn name(filter: &Filter, name: &str, what: &str, key: &str) -> Option<String> {
    match filter {
        Filter::Only(patterns) if !patterns.matches(name) => {
            Some(format!("{what} `{name}` does not match `{key}`"))
        }
        Filter::Except(patterns) if patterns.matches(name) => {
            Some(format!("{what} `{name}` matches `{key}-ignore`"))
        }
        Filter::Only(_) | Filter::Except(_) => None,
    }
}

/// Without a list of what changed every path filter matches.
fn paths(filter: Option<&Filter>, trigger: &Trigger) -> Option<String> {
    let changed = trigger.changed_paths.as_ref()?;
    match filter? {
        Filter::Only(patterns) => (!changed.iter().any(|path| patterns.matches(path)))
            .then(|| format!("none of {} changed paths matches `paths`", changed.len())),
        Filter::Except(patterns) => changed
            .iter()
            .all(|path| patterns.matches(path))
            .then(|| format!("all {} changed paths match `paths-ignore`", changed.len())),
    }
}

/// The inputs of a manual trigger with defaults filled in and types made right.
pub(crate) fn inputs(
    tree: &SourceTree,
    path: &str,
    trigger: &Trigger,
) -> (BTreeMap<String, Json>, Vec<cutover_model::Diagnostic>) {
    let mut sink = Sink::new(path);
    let inputs = match read_on(tree, path, &mut sink) {
        Some(on) => resolve_inputs(&on, trigger, &mut sink),
        None => BTreeMap::new(),
    };
    (inputs, sink.finish())
}

/// Holds what was given against what is declared.
pub(crate) fn resolve_inputs(
    on: &On,
    trigger: &Trigger,
    sink: &mut Sink,
) -> BTreeMap<String, Json> {
    // A workflow may be started by hand for a try although it does not offer it.
    let nothing = Dispatch::default();
    let dispatch = on.dispatch.as_ref().unwrap_or(&nothing);
    for name in trigger.inputs.keys() {
        if !dispatch.inputs.contains_key(name) {
            let known = dispatch.inputs.keys().map(String::as_str);
            let message = format!("there is no input `{name}`");
            sink.error_hint(
                Code::Input,
                dispatch.at,
                message,
                suggest::hint(name, known),
            );
        }
    }
    let mut inputs = BTreeMap::new();
    for (name, input) in &dispatch.inputs {
        match value(input, trigger.inputs.get(name)) {
            Ok(value) => {
                inputs.insert(name.clone(), value);
            }
            Err(why) => sink.error(Code::Input, dispatch.at, format!("input `{name}` {why}")),
        }
    }
    inputs
}

/// Given texts become what the type says, as `--input dry-run=true` and the API both send texts.
fn value(input: &Input, given: Option<&Json>) -> Result<Json, String> {
    let Some(given) = given.filter(|given| !given.is_null()) else {
        return match &input.default {
            Some(default) => Ok(default.clone()),
            None if input.required => Err("is required".to_owned()),
            None => Ok(absent(&input.kind)),
        };
    };
    match (&input.kind, given) {
        (InputKind::Boolean, Json::Bool(_)) | (InputKind::Number, Json::Number(_)) => {
            Ok(given.clone())
        }
        (InputKind::Boolean, Json::String(text)) => text
            .parse()
            .map(Json::Bool)
            .map_err(|_| format!("must be `true` or `false`, and is `{text}`")),
        (InputKind::Number, Json::String(text)) => text
            .parse()
            .map(Json::Number)
            .map_err(|_| format!("must be a number, and is `{text}`")),
        (InputKind::Choice(options), Json::String(text)) => {
            if options.contains(text) {
                Ok(given.clone())
            } else {
                Err(format!(
                    "must be one of `{}`, and is `{text}`",
                    options.join("`, `")
                ))
            }
        }
        (InputKind::Text | InputKind::Environment, Json::String(_)) => Ok(given.clone()),
        (InputKind::Text | InputKind::Environment, Json::Bool(_) | Json::Number(_)) => {
            Ok(Json::String(given.to_string()))
        }
        _ => Err(format!("cannot be `{given}`")),
    }
}

fn absent(kind: &InputKind) -> Json {
    match kind {
        InputKind::Boolean => Json::Bool(false),
        InputKind::Number => Json::from(0),
        InputKind::Choice(options) => options.first().cloned().unwrap_or_default().into(),
        InputKind::Text | InputKind::Environment => Json::String(String::new()),
    }
}
