//! `on:`, the events that start a workflow, with their filters and inputs.

use cutover_model::{Position, source::TriggerKind};

use super::{
    super::{
        cron,
        filter::{Pattern, Patterns},
        model::{
            CallTrigger, Dispatch, Filter, Filters, Input, InputKind, On, RepositoryDispatch, Time,
            Webhook,
        },
        value,
    },
    call,
};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    suggest,
    yaml::{Entry, Kind, Node, Value},
};

/// The filters that one event or another has.
const WEBHOOK: Schema = Schema {
    what: "an event",
    keys: &[
        "types",
        "branches",
        "branches-ignore",
        "tags",
        "tags-ignore",
        "paths",
        "paths-ignore",
        "workflows",
        "names",
        "versions",
    ],
    required: &[],
    later: &[],
};
const PUSH: Schema = Schema {
    what: "`push`",
    ..WEBHOOK
};
const REPOSITORY_DISPATCH: Schema = Schema {
    what: "`repository_dispatch`",
    keys: &["types"],
    required: &[],
    later: &[],
};
const TIME: Schema = Schema {
    what: "an item of `schedule`",
    keys: &["cron", "timezone"],
    required: &["cron"],
    later: &[],
};
const DISPATCH: Schema = Schema {
    what: "`workflow_dispatch`",
    keys: &["inputs"],
    required: &[],
    later: &[],
};
const INPUT: Schema = Schema {
    what: "an input",
    keys: &[
        "description",
        "required",
        "default",
        "type",
        "options",
        "deprecationMessage",
    ],
    required: &[],
    later: &[],
};
const MAX_INPUTS: usize = 25;
/// Each pattern becomes an automaton; more of them than these are not written by hand.
const MAX_PATTERNS: usize = 500;

/// Reads `on:` in any of its three forms.
pub(crate) fn on(entry: &Entry, sink: &mut Sink) -> On {
    let node = &entry.value;
    let mut on = On::default();
    match &*node.value {
        Value::Mapping(entries) => {
            for entry in entries {
                event(&mut on, &entry.key, entry.at, Some(&entry.value), sink);
            }
        }
        Value::Sequence(items) => {
            for item in items {
                if let Some(name) = value::literal(item, "an event", sink) {
                    event(&mut on, &name, item.at, None, sink);
                }
            }
        }
        Value::Scalar(_) if node.is_null() => {}
        Value::Scalar(_) => {
            if let Some(name) = value::literal(node, "an event", sink) {
                event(&mut on, &name, node.at, None, sink);
            }
        }
    }
    if node.is_empty() || node.is_null() {
        sink.error_hint(
            Code::MissingKey,
            entry.at,
            "`on` needs at least one event",
            "for example `on: push`".to_owned(),
        );
    }
    on
}

fn event(on: &mut On, name: &str, at: Position, node: Option<&Node>, sink: &mut Sink) {
    let node = node.filter(|node| !node.is_null());
    match name {
        "workflow_dispatch" => {
            let mut dispatch = node.map_or_else(Dispatch::default, |node| dispatch(node, sink));
            dispatch.at = at;
            on.dispatch = Some(dispatch);
        }
        "repository_dispatch" => {
            let fields = node.and_then(|node| Fields::open(node, &REPOSITORY_DISPATCH, sink));
            let types = fields.as_ref().and_then(|fields| fields.get("types"));
            let types = types.map(|node| texts(node, "`types`", sink));
            on.repository_dispatch = Some(RepositoryDispatch { types });
        }
        "schedule" => {
            if let Some(node) = node {
                on.schedule.extend(schedule(node, sink));
            } else {
                let hint = "for example `schedule: [{cron: '0 6 * * 1'}]`".to_owned();
                let message = "event `schedule` needs a list of patterns";
                sink.error_hint(Code::MissingKey, at, message, hint);
            }
        }
        "workflow_call" => {
            on.call =
                Some(node.map_or_else(CallTrigger::default, |node| call::trigger(node, sink)));
        }
        name if name.parse::<TriggerKind>().is_ok() => {
            let webhook = node.map_or_else(Webhook::default, |node| {
                let schema = if name == "push" { &PUSH } else { &WEBHOOK };
                webhook(node, schema, sink)
            });
            on.webhooks.insert(name.to_owned(), webhook);
        }
        name => {
            let known = TriggerKind::all().map(TriggerKind::event_name);
            let hint = suggest::nearest(name, known).map_or_else(
                || "for example `push`, `pull_request` or `workflow_dispatch`".to_owned(),
                |nearest| format!("did you mean `{nearest}`?"),
            );
            let message = format!("unknown event `{name}`");
            sink.error_hint(Code::UnknownEvent, at, message, hint);
        }
    }
}

/// Which event has which filter is looked at by the rules before.
fn webhook(node: &Node, schema: &'static Schema, sink: &mut Sink) -> Webhook {
    let Some(fields) = Fields::open(node, schema, sink) else {
        return Webhook::default();
    };
    for key in ["names", "versions"] {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` is not looked at: nothing here makes images");
            let hint = "`cutover run --event image_version` starts the workflow".to_owned();
            sink.warning(Code::NotYet, entry.at, message, hint);
        }
    }
    Webhook {
        filters: Filters {
            branches: filter(&fields, "branches", "branches-ignore", sink),
            tags: filter(&fields, "tags", "tags-ignore", sink),
            paths: filter(&fields, "paths", "paths-ignore", sink),
        },
        types: fields.get("types").map(|node| texts(node, "`types`", sink)),
        workflows: fields
            .get("workflows")
            .map(|node| texts(node, "`workflows`", sink)),
    }
}

fn texts(node: &Node, what: &str, sink: &mut Sink) -> Vec<String> {
    let items = shape::items(node, what, sink).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| value::literal(item, what, sink))
        .collect()
}

fn schedule(node: &Node, sink: &mut Sink) -> Vec<Time> {
    let items = shape::list(node, "`schedule`", sink).unwrap_or_default();
    let mut times = Vec::new();
    for item in items {
        let Some(fields) = Fields::open(item, &TIME, sink) else {
            continue;
        };
        let Some(node) = fields.get("cron") else {
            continue;
        };
        let Some(cron) = value::literal(node, "`cron`", sink) else {
            continue;
        };
        if let Err(error) = cron::parse(&cron) {
            let message = format!("`{cron}` is no pattern of times: {error}");
            sink.error(Code::Schedule, node.at, message);
            continue;
        }
        let timezone = fields.get("timezone");
        times.push(Time {
            cron,
            timezone: timezone.and_then(|node| value::literal(node, "`timezone`", sink)),
        });
    }
    times
}

fn filter(
    fields: &Fields<'_>,
    only: &'static str,
    except: &'static str,
    sink: &mut Sink,
) -> Option<Filter> {
    let ignored = fields.get(except);
    match (fields.get(only), ignored) {
        (Some(node), None) => {
            let patterns = patterns(node, only, sink);
            if patterns.only_negative() {
                sink.warning(
                    Code::BadPattern,
                    node.at,
                    format!("`{only}` has only patterns with `!`, so nothing matches it"),
                    format!("use `{except}`, or put `'**'` first"),
                );
            }
            Some(Filter::Only(patterns))
        }
        (None, Some(node)) => Some(Filter::Except(patterns(node, except, sink))),
        (Some(_), Some(node)) => {
            let message = format!("`{only}` and `{except}` exclude each other");
            let hint = format!("use `{only}` with patterns that begin with `!`");
            sink.error_hint(Code::Conflict, node.at, message, hint);
            None
        }
        (None, None) => None,
    }
}

fn patterns(node: &Node, what: &str, sink: &mut Sink) -> Patterns {
    let what = format!("`{what}`");
    let mut patterns = Vec::new();
    let items = shape::items(node, &what, sink).unwrap_or_default();
    if let Some(beyond) = items.get(MAX_PATTERNS) {
        let message = format!("{what} may have {MAX_PATTERNS} patterns");
        sink.error(Code::Limit, beyond.at, message);
    }
    for item in items.iter().take(MAX_PATTERNS) {
        let Some(text) = value::literal(item, "a pattern", sink) else {
            continue;
        };
        match Pattern::parse(&text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let message = format!("pattern `{text}` in {what}: {error}");
                sink.error(Code::BadPattern, item.at, message);
            }
        }
    }
    Patterns::new(patterns)
}

fn dispatch(node: &Node, sink: &mut Sink) -> Dispatch {
    let mut dispatch = Dispatch::default();
    let inputs = Fields::open(node, &DISPATCH, sink).and_then(|fields| fields.get("inputs"));
    let Some(node) = inputs else {
        return dispatch;
    };
    let names = value::names(node, "`inputs`", sink);
    if let Some(beyond) = names.get(MAX_INPUTS) {
        let message = format!("`inputs` may have {MAX_INPUTS} names");
        sink.error(Code::Limit, beyond.at, message);
    }
    for entry in names {
        if let Some(fault) = value::id_fault(&entry.key) {
            sink.error(Code::BadId, entry.at, format!("input: {fault}"));
        } else {
            dispatch
                .inputs
                .insert(entry.key.clone(), input(&entry.value, sink));
        }
    }
    dispatch
}

fn input(node: &Node, sink: &mut Sink) -> Input {
    let fields = (!node.is_null())
        .then(|| Fields::open(node, &INPUT, sink))
        .flatten();
    let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
    for key in ["description", "deprecationMessage"] {
        if let Some(node) = get(key) {
            shape::text(node, &format!("`{key}`"), sink);
        }
    }
    let kind = kind(get("type"), get("options"), sink);
    let default = get("default").and_then(|node| default(node, &kind, sink));
    Input {
        required: get("required")
            .and_then(|node| shape::truth(node, "`required`", sink))
            .unwrap_or(false),
        default,
        kind,
    }
}

fn kind(node: Option<&Node>, options: Option<&Node>, sink: &mut Sink) -> InputKind {
    const KINDS: [&str; 5] = ["string", "boolean", "number", "choice", "environment"];
    let word = node.and_then(|node| shape::word(node, "`type`", &KINDS, sink));
    if word == Some("choice") {
        let choices: Vec<String> = options
            .and_then(|node| shape::list(node, "`options`", sink))
            .unwrap_or_default()
            .iter()
            .filter_map(|item| value::literal(item, "an option", sink))
            .collect();
        if let (Some(node), true) = (node, choices.is_empty()) {
            sink.error(Code::MissingKey, node.at, "type `choice` needs `options`");
        }
        return InputKind::Choice(choices);
    }
    if let Some(options) = options {
        let message = "`options` belongs to type `choice`";
        sink.error_hint(
            Code::Conflict,
            options.at,
            message,
            "add `type: choice`".to_owned(),
        );
    }
    match word {
        Some("boolean") => InputKind::Boolean,
        Some("number") => InputKind::Number,
        Some("environment") => InputKind::Environment,
        _ => InputKind::Text,
    }
}

fn default(node: &Node, kind: &InputKind, sink: &mut Sink) -> Option<serde_json::Value> {
    let what = "`default`";
    match kind {
        InputKind::Boolean => shape::truth(node, what, sink).map(serde_json::Value::Bool),
        InputKind::Number => {
            let number = shape::number(node, what, sink)?;
            serde_json::Number::from_f64(number).map(serde_json::Value::Number)
        }
        InputKind::Choice(options) => {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            shape::word(node, what, &options, sink).map(Into::into)
        }
        InputKind::Text | InputKind::Environment => {
            let is_text = node
                .scalar()
                .is_some_and(|scalar| !matches!(scalar.kind, Kind::Null));
            is_text
                .then(|| value::literal(node, what, sink))
                .flatten()
                .map(Into::into)
        }
    }
}
