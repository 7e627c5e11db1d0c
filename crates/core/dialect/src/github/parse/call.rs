//! The two sides of a call: `on.workflow_call` of a workflow, and `uses`, `with`, `secrets` of a job.

use cutover_model::plan::{CallInputKind, CallSecrets};

use super::super::{
    context,
    model::{CallInput, CallTrigger, JobCall},
    value,
};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema, Spanned},
    yaml::{Entry, Node},
};

const TRIGGER: Schema = Schema {
    what: "`workflow_call`",
    keys: &["inputs", "secrets", "outputs"],
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
        "deprecationMessage",
    ],
    required: &["type"],
    later: &[],
};
const OUTPUT: Schema = Schema {
    what: "an output",
    keys: &["description", "value"],
    required: &["value"],
    later: &[],
};

/// `on.workflow_call`. What `secrets` declares only the reader needs, which holds callers against it.
pub(super) fn trigger(node: &Node, sink: &mut Sink) -> CallTrigger {
    let Some(fields) = Fields::open(node, &TRIGGER, sink) else {
        return CallTrigger::default();
    };
    let inputs = fields.get("inputs").map_or_else(Vec::new, |node| {
        value::names(node, "`inputs`", sink)
            .into_iter()
            .filter_map(|entry| input(entry, sink))
            .collect()
    });
    let outputs = fields.get("outputs").map_or_else(Vec::new, |node| {
        value::names(node, "`outputs`", sink)
            .into_iter()
            .filter_map(|entry| {
                let output = Fields::open(&entry.value, &OUTPUT, sink)?;
                let scope = context::CALL_OUTPUT;
                let value = value::template(output.get("value")?, "`value`", scope, sink)?;
                Some((entry.key.clone(), value))
            })
            .collect()
    });
    CallTrigger { inputs, outputs }
}

fn input(entry: &Entry, sink: &mut Sink) -> Option<CallInput> {
    const KINDS: [&str; 3] = ["string", "boolean", "number"];
    let fields = Fields::open(&entry.value, &INPUT, sink)?;
    let kind = match shape::word(fields.get("type")?, "`type`", &KINDS, sink)? {
        "boolean" => CallInputKind::Boolean,
        "number" => CallInputKind::Number,
        _ => CallInputKind::String,
    };
    let default = fields
        .get("default")
        .and_then(|node| value::template(node, "`default`", context::CALL_DEFAULT, sink));
    Some(CallInput {
        name: entry.key.clone(),
        kind,
        default,
    })
}

/// What a job calls.
pub(super) fn job(
    uses: &Node,
    with: Option<&Node>,
    secrets: Option<&Node>,
    sink: &mut Sink,
) -> Option<JobCall> {
    let with = with.map_or_else(Vec::new, |node| value::with(node, context::CALL_WITH, sink));
    let secrets = match secrets {
        None => CallSecrets::Named { values: Vec::new() },
        Some(node) if node.scalar().is_some() => {
            shape::word(node, "`secrets`", &["inherit"], sink)?;
            CallSecrets::Inherit
        }
        Some(node) => CallSecrets::Named {
            values: value::bindings(node, "`secrets`", context::CALL_SECRETS, sink),
        },
    };
    let text = value::literal(uses, "`uses`", sink)?.trim().to_owned();
    if text.is_empty() {
        sink.error(Code::BadValue, uses.at, "`uses` must not be empty");
        return None;
    }
    let reference = Spanned { text, at: uses.at };
    Some(JobCall {
        reference,
        with,
        secrets,
    })
}
