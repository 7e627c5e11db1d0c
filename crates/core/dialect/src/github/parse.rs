//! Nodes → the words of a workflow. One slip does not stop the reading: what is refused is left out,
//! and the rest is still looked at.

mod action;
mod call;
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
    model::{Job, On, Workflow},
    value,
};
use crate::{
    SourceTree,
    diagnostic::{Code, Sink},
    graph,
    shape::{Fields, Schema},
    suggest,
    yaml::{self, Node},
};

pub(crate) use action::action;
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
    let mut token_is_news = true;
    let permissions = fields
        .entry("permissions")
        .and_then(|entry| permissions::read(entry, &mut token_is_news, sink));
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
            Some(node) => jobs(node, &mut token_is_news, sink),
            None => Vec::new(),
        },
    })
}

fn jobs(node: &Node, token_is_news: &mut bool, sink: &mut Sink) -> Vec<Job> {
    let names = value::names(node, "`jobs`", sink);
    let jobs: Vec<Job> = names
        .into_iter()
        .filter_map(|entry| job::job(entry, token_is_news, sink))
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
