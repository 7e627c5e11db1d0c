//! Nodes → the words of a workflow. One slip does not stop the reading: what is refused is left out,
//! and the rest is still looked at.

mod concurrency;
pub(super) mod container;
mod job;
mod on;
mod permissions;
mod step;

use std::collections::BTreeMap;

use cutover_model::Position;

use super::{
    context,
    model::{Action, ActionInput, Job, On, Workflow},
    value,
};
use crate::{
    SourceTree,
    diagnostic::{Code, Sink},
    graph,
    shape::{self, Fields, Schema},
    suggest,
    yaml::{self, Node},
};

pub(crate) use on::on;

const WORKFLOW: Schema = Schema {
    what: "a workflow",
    keys: &[
        "name",
        "run-name",
        "description",
        "on",
        "env",
        "defaults",
        "permissions",
        "concurrency",
        "jobs",
    ],
    required: &["on", "jobs"],
    later: &[],
};

/// The bytes of a workflow that must be there.
pub(crate) fn file<'t>(tree: &'t SourceTree, path: &str, sink: &mut Sink) -> Option<&'t [u8]> {
    let bytes = tree.get(path);
    if bytes.is_none() {
        let message = format!("there is no file `{path}`");
        sink.error(Code::NoFile, Position::default(), message);
    }
    bytes
}

/// The root of a file; what is wrong with its YAML is told.
pub(crate) fn root(bytes: &[u8], sink: &mut Sink) -> Option<Node> {
    let (node, faults) = yaml::parse(bytes);
    for (at, fault) in &faults {
        sink.yaml(*at, fault);
    }
    if node.is_none() && faults.is_empty() {
        sink.error(Code::Syntax, Position::new(1, 1), "the file is empty");
    }
    node
}

/// A workflow file.
pub(crate) fn workflow(root: &Node, sink: &mut Sink) -> Option<Workflow> {
    let fields = Fields::open(root, &WORKFLOW, sink)?;
    if let Some(node) = fields.get("description") {
        value::literal(node, "`description`", sink);
    }
    let permissions = fields
        .entry("permissions")
        .and_then(|entry| permissions::read(entry, true, sink));
    Some(Workflow {
        permissions,
        concurrency: fields
            .get("concurrency")
            .and_then(|node| concurrency::read(node, context::RUN_NAME, sink)),
        name: fields
            .get("name")
            .and_then(|node| value::literal(node, "`name`", sink)),
        run_name: fields
            .get("run-name")
            .and_then(|node| value::template(node, "`run-name`", context::RUN_NAME, sink)),
        on: match fields.entry("on") {
            Some(entry) => on(entry, sink),
            None => On::default(),
        },
        env: value::env(fields.get("env"), context::WORKFLOW_ENV, sink),
        defaults: value::defaults(fields.get("defaults"), None, sink),
        jobs: match fields.present("jobs") {
            Some(node) => jobs(node, fields.entry("permissions").is_none(), sink),
            None => Vec::new(),
        },
    })
}

fn jobs(node: &Node, token_is_news: bool, sink: &mut Sink) -> Vec<Job> {
    let mut news = token_is_news;
    let names = value::names(node, "`jobs`", sink);
    let jobs: Vec<Job> = names
        .into_iter()
        .filter_map(|entry| job::job(entry, &mut news, sink))
        .collect();
    if node.is_empty() {
        sink.error(Code::MissingKey, node.at, "`jobs` needs at least one job");
    }
    check_needs(&jobs, sink);
    jobs
}

/// Every need is a job, and no job waits for itself.
fn check_needs(jobs: &[Job], sink: &mut Sink) {
    // The official language compares ids without regard to case.
    let ids: BTreeMap<String, &Job> = jobs
        .iter()
        .map(|job| (job.id.to_ascii_lowercase(), job))
        .collect();
    let mut edges = BTreeMap::new();
    for job in jobs {
        let mut targets = Vec::new();
        for need in &job.needs {
            if let Some(target) = ids.get(&need.text.to_ascii_lowercase()) {
                targets.push(target.id.as_str());
                continue;
            }
            let message = format!("job `{}` needs `{}`, which is no job", job.id, need.text);
            let known = ids.values().map(|job| job.id.as_str());
            let hint = (!sink.is_full())
                .then(|| suggest::hint(&need.text, known))
                .flatten();
            sink.error_hint(Code::UnknownNeed, need.at, message, hint);
        }
        edges.insert(job.id.as_str(), targets);
    }
    for circle in graph::circles(&edges) {
        let at = circle
            .first()
            .and_then(|id| ids.get(&id.to_ascii_lowercase()))
            .map_or_else(Position::default, |job| job.at);
        let message = format!("jobs wait for each other: {}", graph::arrows(&circle));
        sink.error_hint(
            Code::NeedsCycle,
            at,
            message,
            "remove one of these `needs`".to_owned(),
        );
    }
}

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
    required: &["value"],
    later: &[],
};
const RUNS: Schema = Schema {
    what: "`runs`",
    keys: &["using", "steps"],
    required: &["using"],
    later: &[],
};

/// An `action.yml`.
pub(crate) fn action(bytes: &[u8], sink: &mut Sink) -> Option<Action> {
    let node = root(bytes, sink)?;
    let fields = Fields::open(&node, &ACTION, sink)?;
    for key in ["name", "description", "author"] {
        if let Some(node) = fields.get(key) {
            shape::text(node, &format!("`{key}`"), sink);
        }
    }
    let inputs = match fields.get("inputs") {
        Some(node) => action_inputs(node, sink),
        None => Vec::new(),
    };
    let outputs = match fields.get("outputs") {
        Some(node) => value::names(node, "`outputs`", sink)
            .into_iter()
            .filter_map(|entry| {
                let output = Fields::open(&entry.value, &ACTION_OUTPUT, sink)?;
                let scope = context::ACTION_OUTPUT;
                let value = value::template(output.get("value")?, "`value`", scope, sink)?;
                Some((entry.key.clone(), value))
            })
            .collect(),
        None => Vec::new(),
    };
    let steps = composite_steps(fields.get("runs")?, sink)?;
    Some(Action {
        inputs,
        outputs,
        steps,
    })
}

fn action_inputs(node: &Node, sink: &mut Sink) -> Vec<ActionInput> {
    value::names(node, "`inputs`", sink)
        .into_iter()
        .map(|entry| {
            let fields = (!entry.value.is_null())
                .then(|| Fields::open(&entry.value, &ACTION_INPUT, sink))
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
            }
        })
        .collect()
}

fn composite_steps(node: &Node, sink: &mut Sink) -> Option<Vec<super::model::Step>> {
    // What `using` says decides which other keys there are, so it is looked at first.
    let using = shape::entries(node, "`runs`", sink)?
        .iter()
        .find(|entry| entry.key == "using")
        .map(|entry| &entry.value);
    if let Some(using) = using {
        let text = shape::filled(using, "`using`", sink)?;
        if text != "composite" {
            let message = format!("an action that runs with `{text}` is not there yet");
            let hint = "composite actions work: `using: composite` with `steps`".to_owned();
            sink.error_hint(Code::NotYet, using.at, message, hint);
            return None;
        }
    }
    let fields = Fields::open(node, &RUNS, sink)?;
    let steps = fields.present("steps");
    if steps.is_none() {
        sink.error(Code::MissingKey, node.at, "`runs` needs `steps`");
    }
    steps.map(|steps| step::steps(steps, &context::ACTION_STEP, sink))
}
