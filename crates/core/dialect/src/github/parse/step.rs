//! `steps:` of a job or of a composite action.

use std::collections::BTreeMap;

use super::super::{
    context::StepScopes,
    model::{Does, Step},
    value,
};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema, Spanned},
    yaml::Node,
};

const STEP: Schema = Schema {
    what: "a step",
    keys: &[
        "id",
        "name",
        "if",
        "env",
        "run",
        "shell",
        "working-directory",
        "uses",
        "with",
        "timeout-minutes",
        "continue-on-error",
        "background",
        "wait",
        "wait-all",
        "cancel",
        "parallel",
    ],
    required: &[],
    later: &[],
};
/// What only the steps of a job have.
const OF_A_JOB: [&str; 5] = ["background", "wait", "wait-all", "cancel", "parallel"];

/// A list of steps; ids are there once, whatever their case.
pub(super) fn steps(node: &Node, scopes: &StepScopes, sink: &mut Sink) -> Vec<Step> {
    let Some(items) = shape::list(node, "`steps`", sink) else {
        return Vec::new();
    };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut steps = Vec::new();
    for item in items {
        let Some(step) = step(item, scopes, sink) else {
            continue;
        };
        if let Some(id) = &step.id
            && let Some(first) = seen.insert(id.text.to_ascii_lowercase(), id.at.line)
        {
            let message = format!(
                "step id `{}` is there twice; the first is in line {first}",
                id.text
            );
            sink.error(Code::DuplicateId, id.at, message);
        }
        steps.push(step);
    }
    steps
}

fn step(node: &Node, scopes: &StepScopes, sink: &mut Sink) -> Option<Step> {
    let fields = Fields::open(node, &STEP, sink)?;
    let other = scopes.other;
    if scopes.shell.is_some() {
        for entry in OF_A_JOB.iter().filter_map(|key| fields.entry(key)) {
            let message = format!("`{}` is for the steps of a job", entry.key);
            let hint = "an action as a whole goes in the background".to_owned();
            sink.error_hint(Code::UnknownKey, entry.at, message, hint);
        }
    }
    let timeout = fields.entry("timeout-minutes");
    if let Some(entry) = timeout.filter(|_| scopes.shell.is_some()) {
        sink.warning(
            Code::NotYet,
            entry.at,
            "`timeout-minutes` in an action's step works here and not at GitHub",
            None,
        );
    }
    Some(Step {
        id: fields.get("id").and_then(|node| id(node, sink)),
        name: fields
            .get("name")
            .and_then(|node| value::template(node, "`name`", other, sink)),
        condition: fields
            .get("if")
            .and_then(|node| value::condition(node, scopes.condition, sink)),
        env: value::env(fields.get("env"), other, sink),
        timeout_minutes: timeout
            .and_then(|entry| value::limit(&entry.value, "`timeout-minutes`", other, sink)),
        continue_on_error: fields
            .get("continue-on-error")
            .and_then(|node| value::truth(node, "`continue-on-error`", other, sink)),
        background: fields
            .get("background")
            .and_then(|node| value::literal(node, "`background`", sink))
            .is_some_and(|text| text == "true"),
        does: control(&fields, scopes, sink).unwrap_or_else(|| does(node, &fields, scopes, sink)),
        at: node.at,
    })
}

fn id(node: &Node, sink: &mut Sink) -> Option<Spanned> {
    let text = value::literal(node, "`id`", sink)?;
    if let Some(fault) = value::id_fault(&text) {
        sink.error(Code::BadId, node.at, fault);
        return None;
    }
    Some(Spanned { text, at: node.at })
}

/// What a step does that has neither `run` nor `uses`. Whether what it names stands above is looked at
/// by the reader of the whole language.
fn control(fields: &Fields<'_>, scopes: &StepScopes, sink: &mut Sink) -> Option<Does> {
    if let Some(node) = fields.present("wait") {
        let ids = shape::items(node, "`wait`", sink).unwrap_or_default();
        let ids = ids.iter();
        return Some(Does::Wait(
            ids.filter_map(|id| value::literal(id, "`wait`", sink))
                .collect(),
        ));
    }
    if fields.present("wait-all").is_some() {
        return Some(Does::WaitAll);
    }
    if let Some(node) = fields.present("cancel") {
        let id = value::literal(node, "`cancel`", sink);
        return Some(id.map_or(Does::Nothing, Does::Cancel));
    }
    let node = fields.present("parallel")?;
    Some(Does::Parallel(steps(node, scopes, sink)))
}

fn does(node: &Node, fields: &Fields<'_>, scopes: &StepScopes, sink: &mut Sink) -> Does {
    match (fields.present("run"), fields.present("uses")) {
        (Some(script), None) => run(node, script, fields, scopes, sink),
        (None, Some(reference)) => uses(reference, fields, scopes, sink),
        (Some(_), Some(uses)) => {
            let message = "a step has either `run` or `uses`, and this one has both";
            sink.error_hint(
                Code::Conflict,
                uses.at,
                message,
                "make two steps of it".to_owned(),
            );
            Does::Nothing
        }
        (None, None) => {
            sink.error(Code::MissingKey, node.at, "a step needs `run` or `uses`");
            Does::Nothing
        }
    }
}

fn run(
    node: &Node,
    script: &Node,
    fields: &Fields<'_>,
    scopes: &StepScopes,
    sink: &mut Sink,
) -> Does {
    if let Some(entry) = fields.entry("with") {
        let message = "`with` belongs to `uses`, and this step has `run`";
        sink.error_hint(Code::Conflict, entry.at, message, "use `env`".to_owned());
    }
    if fields.get("shell").is_none() && scopes.shell.is_some() {
        let message = "a `run` step of an action needs `shell`";
        sink.error_hint(
            Code::MissingKey,
            node.at,
            message,
            "add `shell: bash`".to_owned(),
        );
    }
    let shell = fields
        .get("shell")
        .and_then(|node| value::shell(node, scopes.shell, sink));
    let working_directory = fields
        .get("working-directory")
        .and_then(|node| value::filled(node, "`working-directory`", scopes.other, sink));
    // As on GitHub, one that is empty does nothing.
    match value::template(script, "`run`", scopes.other, sink) {
        Some(script) => Does::Run {
            script,
            shell,
            working_directory,
        },
        None => Does::Nothing,
    }
}

fn uses(reference: &Node, fields: &Fields<'_>, scopes: &StepScopes, sink: &mut Sink) -> Does {
    for key in ["shell", "working-directory"] {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` belongs to `run`, and this step has `uses`");
            sink.error_hint(Code::Conflict, entry.at, message, format!("remove `{key}`"));
        }
    }
    let with = match fields.get("with") {
        Some(node) => value::with(node, scopes.other, sink),
        None => Vec::new(),
    };
    let text = value::literal(reference, "`uses`", sink);
    match text.as_deref().map(str::trim) {
        None => Does::Nothing,
        Some("") => {
            sink.error(Code::BadValue, reference.at, "`uses` must not be empty");
            Does::Nothing
        }
        Some(text) => Does::Uses {
            reference: Spanned {
                text: text.to_owned(),
                at: reference.at,
            },
            with,
        },
    }
}
