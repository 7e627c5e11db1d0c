//! One job under `jobs:`.

use std::collections::BTreeSet;

use cutover_model::plan::{EnvironmentUse, Template};

use super::{
    super::{context, matrix, model::Job, value},
    call, concurrency, container, permissions, step,
};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema, Spanned},
    yaml::{Entry, Node, Value},
};

const JOB: Schema = Schema {
    what: "a job",
    keys: &[
        "name",
        "needs",
        "if",
        "runs-on",
        "environment",
        "env",
        "outputs",
        "defaults",
        "permissions",
        "timeout-minutes",
        "cancel-timeout-minutes",
        "continue-on-error",
        "concurrency",
        "strategy",
        "container",
        "services",
        "steps",
        "uses",
        "with",
        "secrets",
        "snapshot",
    ],
    required: &[],
    later: &[],
};

/// A job; `None` when it is not even a mapping.
pub(super) fn job(entry: &Entry, token_is_news: &mut bool, sink: &mut Sink) -> Option<Job> {
    // A job with a bad id is read on: what else is wrong in it shall be told, and others need it.
    if let Some(fault) = value::id_fault(&entry.key) {
        sink.error(Code::BadId, entry.at, format!("job id: {fault}"));
    }
    let fields = Fields::open(&entry.value, &JOB, sink)?;
    let permissions = fields
        .entry("permissions")
        .and_then(|entry| permissions::read(entry, token_is_news, sink));
    if let Some(entry) = fields.entry("snapshot") {
        let message = "`snapshot` does nothing here: no image is made of this machine";
        let hint = "the job runs as it would without it".to_owned();
        sink.warning(Code::NotYet, entry.at, message, hint);
    }
    let is_call = fields.entry("uses").is_some();
    for key in ["runs-on", "steps"] {
        if !is_call && fields.present(key).is_none() {
            sink.error(
                Code::MissingKey,
                entry.at,
                format!("job `{}` needs `{key}`", entry.key),
            );
        }
    }
    let uses = fields.get("uses");
    let call =
        uses.and_then(|uses| call::job(uses, fields.get("with"), fields.get("secrets"), sink));
    let scope = context::JOB;
    Some(Job {
        id: entry.key.clone(),
        at: entry.at,
        name: fields
            .get("name")
            .and_then(|node| value::template(node, "`name`", scope, sink)),
        needs: fields
            .get("needs")
            .map_or_else(Vec::new, |node| needs(node, sink)),
        condition: fields
            .get("if")
            .and_then(|node| value::condition(node, context::JOB_IF, sink)),
        matrix: fields
            .get("strategy")
            .and_then(|node| matrix::strategy(node, sink)),
        runs_on: fields
            .present("runs-on")
            .map_or_else(Vec::new, |node| runs_on(node, sink)),
        environment: fields
            .get("environment")
            .and_then(|node| environment(node, sink)),
        env: value::env(fields.get("env"), context::JOB_ENV, sink),
        outputs: fields.get("outputs").map_or_else(Vec::new, |node| {
            value::bindings(node, "`outputs`", context::JOB_OUTPUTS, sink)
        }),
        defaults: value::defaults(fields.get("defaults"), Some(context::JOB_DEFAULTS), sink),
        timeout_minutes: fields
            .get("timeout-minutes")
            .and_then(|node| value::number(node, "`timeout-minutes`", scope, sink)),
        cancel_timeout_minutes: fields
            .get("cancel-timeout-minutes")
            .and_then(|node| value::number(node, "`cancel-timeout-minutes`", scope, sink)),
        concurrency: fields
            .get("concurrency")
            .and_then(|node| concurrency::read(node, scope, sink)),
        permissions,
        continue_on_error: fields
            .get("continue-on-error")
            .and_then(|node| value::truth(node, "`continue-on-error`", scope, sink)),
        container: fields
            .get("container")
            .and_then(|node| container::job_container(node, sink)),
        services: fields
            .get("services")
            .and_then(|node| container::services(node, sink)),
        steps: fields.present("steps").map_or_else(Vec::new, |node| {
            if node.is_empty() {
                sink.error(Code::MissingKey, node.at, "`steps` needs at least one step");
            }
            step::steps(node, &context::JOB_STEP, sink)
        }),
        call,
    })
}

fn needs(node: &Node, sink: &mut Sink) -> Vec<Spanned> {
    let items = shape::items(node, "`needs`", sink).unwrap_or_default();
    let mut needs: Vec<Spanned> = Vec::new();
    let mut seen = BTreeSet::new();
    for item in items {
        let Some(text) = value::literal(item, "`needs`", sink) else {
            continue;
        };
        // To name a job twice is to need it.
        if seen.insert(text.to_ascii_lowercase()) {
            needs.push(Spanned { text, at: item.at });
        }
    }
    needs
}

fn runs_on(node: &Node, sink: &mut Sink) -> Vec<Template> {
    if let Value::Mapping(_) = &*node.value {
        return runs_on_group(node, sink);
    }
    labels(node, sink)
}

/// A group counts as the label `group:NAME`.
fn runs_on_group(node: &Node, sink: &mut Sink) -> Vec<Template> {
    const RUNS_ON: Schema = Schema {
        what: "`runs-on`",
        keys: &["group", "labels"],
        required: &[],
        later: &[],
    };
    let Some(fields) = Fields::open(node, &RUNS_ON, sink) else {
        return Vec::new();
    };
    let group = fields.get("group").and_then(|node| {
        let group = value::filled(node, "`group` of `runs-on`", context::JOB, sink)?;
        Some(Template {
            text: format!("group:{}", group.text),
            at: group.at,
        })
    });
    let labels = fields
        .get("labels")
        .map_or_else(Vec::new, |node| labels(node, sink));
    group.into_iter().chain(labels).collect()
}

fn labels(node: &Node, sink: &mut Sink) -> Vec<Template> {
    let items = shape::items(node, "`runs-on`", sink).unwrap_or_default();
    if node.is_empty() {
        sink.error(
            Code::BadValue,
            node.at,
            "`runs-on` needs at least one label",
        );
    }
    items
        .iter()
        .filter_map(|item| value::filled(item, "a label of `runs-on`", context::JOB, sink))
        .collect()
}

fn environment(node: &Node, sink: &mut Sink) -> Option<EnvironmentUse> {
    const ENVIRONMENT: Schema = Schema {
        what: "`environment`",
        keys: &["name", "url", "deployment"],
        required: &["name"],
        later: &[],
    };
    if node.scalar().is_some() {
        let name = value::filled(node, "`environment`", context::JOB, sink)?;
        return Some(EnvironmentUse::new(name));
    }
    let fields = Fields::open(node, &ENVIRONMENT, sink)?;
    let url = fields
        .get("url")
        .and_then(|node| value::template(node, "`url`", context::ENVIRONMENT_URL, sink));
    let name = value::filled(fields.present("name")?, "`name`", context::JOB, sink)?;
    let deployment = fields
        .get("deployment")
        .and_then(|node| value::literal(node, "`deployment`", sink));
    Some(EnvironmentUse {
        name,
        url,
        deployment: deployment.is_none_or(|text| text != "false"),
    })
}
