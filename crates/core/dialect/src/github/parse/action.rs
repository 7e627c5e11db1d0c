//! `action.yml`: inputs, outputs, and what runs.

use super::{
    super::{
        context,
        model::{Action, ActionInput, Node as NodeAction, NodeHook, Runs},
        value,
    },
    container, root, step,
};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::Node,
};

const ACTION: Schema = Schema {
    what: "an action",
    keys: &[
        "name",
        "description",
        "author",
        "branding",
        "inputs",
        "outputs",
        "runs",
    ],
    required: &["runs"],
    later: &[],
};
const ACTION_INPUT: Schema = Schema {
    what: "an input",
    keys: &["description", "required", "default", "deprecationMessage"],
    required: &[],
    later: &[],
};
const ACTION_OUTPUT: Schema = Schema {
    what: "an output",
    keys: &["description", "value"],
    required: &[],
    later: &[],
};
const COMPOSITE: Schema = Schema {
    what: "`runs`",
    keys: &["using", "steps"],
    required: &["using"],
    later: &[],
};
const NODE: Schema = Schema {
    what: "`runs`",
    keys: &["using", "main", "pre", "pre-if", "post", "post-if"],
    required: &["using", "main"],
    later: &[],
};

/// The versions of node that the language has names for.
const NODES: [(&str, u16); 4] = [
    ("node12", 12),
    ("node16", 16),
    ("node20", 20),
    ("node24", 24),
];

/// An `action.yml`.
pub(crate) fn action(bytes: &[u8], sink: &mut Sink) -> Option<Action> {
    let node = root(bytes, sink)?;
    let fields = Fields::open_loosely(&node, &ACTION, sink)?;
    for key in ["name", "description", "author"] {
        if let Some(node) = fields.get(key) {
            shape::text(node, &format!("`{key}`"), sink);
        }
    }
    let inputs = match fields.get("inputs") {
        Some(node) => inputs(node, sink),
        None => Vec::new(),
    };
    let runs = runs(fields.get("runs")?, sink)?;
    let outputs = match (fields.get("outputs"), &runs) {
        (Some(node), Runs::Composite(_)) => outputs(node, sink),
        // Programs say what their outputs are when they run.
        (Some(_), Runs::Node(_) | Runs::Docker(_)) | (None, _) => Vec::new(),
    };
    Some(Action {
        inputs,
        outputs,
        runs,
    })
}

fn inputs(node: &Node, sink: &mut Sink) -> Vec<ActionInput> {
    value::names(node, "`inputs`", sink)
        .into_iter()
        .map(|entry| {
            let fields = (!entry.value.is_null())
                .then(|| Fields::open_loosely(&entry.value, &ACTION_INPUT, sink))
                .flatten();
            let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
            ActionInput {
                name: entry.key.clone(),
                required: get("required")
                    .and_then(|node| shape::text(node, "`required`", sink))
                    .is_some_and(|text| text == "true"),
                default: get("default").and_then(|node| {
                    value::template(node, "`default`", context::ACTION_INPUT, sink)
                }),
                deprecation: get("deprecationMessage")
                    .and_then(|node| shape::text(node, "`deprecationMessage`", sink)),
            }
        })
        .collect()
}

fn outputs(node: &Node, sink: &mut Sink) -> cutover_model::plan::Bindings {
    let scope = context::ACTION_OUTPUT;
    value::names(node, "`outputs`", sink)
        .into_iter()
        .filter_map(|entry| {
            let output = Fields::open_loosely(&entry.value, &ACTION_OUTPUT, sink)?;
            let Some(node) = output.get("value") else {
                sink.error(
                    Code::MissingKey,
                    entry.value.at,
                    "an output of an action made of steps needs `value`",
                );
                return None;
            };
            let value = value::template(node, "`value`", scope, sink)?;
            Some((entry.key.clone(), value))
        })
        .collect()
}

/// What `using` says decides which other keys there are, so it is looked at first.
fn runs(node: &Node, sink: &mut Sink) -> Option<Runs> {
    let using = shape::entries(node, "`runs`", sink)?
        .iter()
        .find(|entry| entry.key == "using")
        .map(|entry| &entry.value);
    let Some(using) = using else {
        sink.error(Code::MissingKey, node.at, "`runs` needs `using`");
        return None;
    };
    let text = shape::filled(using, "`using`", sink)?;
    if text.eq_ignore_ascii_case("composite") {
        return composite(node, sink).map(Runs::Composite);
    }
    let version = NODES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&text));
    if let Some((_, version)) = version {
        return self::node(node, *version, sink).map(Runs::Node);
    }
    if text.eq_ignore_ascii_case("docker") {
        return container::action(node, sink).map(|runs| Runs::Docker(Box::new(runs)));
    }
    let message = format!("an action that runs with `{text}` is not there yet");
    let hint =
        "known are `composite`, `docker`, `node12`, `node16`, `node20` and `node24`".to_owned();
    sink.error_hint(Code::NotYet, using.at, message, hint);
    None
}

fn composite(node: &Node, sink: &mut Sink) -> Option<Vec<super::super::model::Step>> {
    let fields = Fields::open(node, &COMPOSITE, sink)?;
    let steps = fields.present("steps");
    if steps.is_none() {
        sink.error(Code::MissingKey, node.at, "`runs` needs `steps`");
    }
    steps.map(|steps| step::steps(steps, &context::ACTION_STEP, sink))
}

fn node(node: &Node, version: u16, sink: &mut Sink) -> Option<NodeAction> {
    let fields = Fields::open(node, &NODE, sink)?;
    let main = file(fields.get("main")?, "`main`", sink)?;
    Some(NodeAction {
        version,
        main,
        pre: hook(&fields, ["pre", "pre-if"], sink),
        post: hook(&fields, ["post", "post-if"], sink),
    })
}

fn hook(fields: &Fields<'_>, [key, condition]: [&str; 2], sink: &mut Sink) -> Option<NodeHook> {
    let condition = fields
        .get(condition)
        .and_then(|node| value::condition(node, context::ACTION_STEP.condition, sink));
    let file = file(fields.get(key)?, &format!("`{key}`"), sink)?;
    Some(NodeHook { file, condition })
}

/// A program in the action's own files.
fn file(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = shape::filled(node, what, sink)?;
    let path = text.strip_prefix("./").unwrap_or(&text);
    let leads_out = path.starts_with('/') || path.contains('\\') || path.contains('\0');
    if leads_out {
        let message = format!("{what} must be a path from the action's directory");
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(path.to_owned())
}
