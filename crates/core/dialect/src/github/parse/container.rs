//! `container:` and `services:` of a job, and steps that are an image: `uses: docker://…`.

use cutover_model::plan::{
    ActionSource, Bindings, StepBody, Template,
    container::{
        ContainerImage, ContainerOptions, ContainerSpec, ContainerStep, ContainerUse, Credentials,
        Services,
    },
};

use super::super::{
    context,
    model::{DockerRuns, With},
    value,
};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema, Spanned},
    yaml::Node,
};

const DOCKER: &str = "docker://";

const CONTAINER: Schema = Schema {
    what: "`container`",
    keys: &["image", "credentials", "env", "ports", "volumes", "options"],
    required: &["image"],
    later: &[],
};

const SERVICE: Schema = Schema {
    what: "a service",
    keys: &[
        "image",
        "credentials",
        "env",
        "ports",
        "volumes",
        "options",
        "entrypoint",
        "command",
    ],
    required: &["image"],
    later: &[],
};

const DOCKER_ACTION: Schema = Schema {
    what: "`runs`",
    keys: &[
        "using",
        "image",
        "args",
        "entrypoint",
        "env",
        "pre-entrypoint",
        "pre-if",
        "post-entrypoint",
        "post-if",
    ],
    required: &["using", "image"],
    later: &[],
};

const CREDENTIALS: Schema = Schema {
    what: "`credentials`",
    keys: &["username", "password"],
    required: &["username", "password"],
    later: &[],
};

/// `container:` of a job.
pub(super) fn job_container(node: &Node, sink: &mut Sink) -> Option<ContainerUse> {
    container(node, "`container`", &CONTAINER, sink)
}

/// `services:` of a job.
pub(super) fn services(node: &Node, sink: &mut Sink) -> Option<Services> {
    if let Some(scalar) = node.scalar()
        && value::is_dynamic(&scalar.text)
    {
        let all = value::filled(node, "`services`", context::CONTAINER, sink)?;
        return Some(Services::Expression(all));
    }
    let named = value::names(node, "`services`", sink)
        .into_iter()
        .filter_map(|entry| {
            let service = container(&entry.value, "a service", &SERVICE, sink)?;
            Some((entry.key.clone(), service))
        })
        .collect();
    Some(Services::Named(named))
}

fn container(
    node: &Node,
    what: &str,
    schema: &'static Schema,
    sink: &mut Sink,
) -> Option<ContainerUse> {
    if node.scalar().is_some() {
        let image = value::filled(node, what, context::CONTAINER, sink)?;
        // What it comes to is known later: an image, or a mapping.
        return Some(if is_one_expression(&image.text) {
            ContainerUse::Expression(image)
        } else {
            ContainerUse::Spec(Box::new(ContainerSpec::new(image)))
        });
    }
    let fields = Fields::open(node, schema, sink)?;
    let scope = context::CONTAINER;
    let text = |key: &str, sink: &mut Sink| {
        let node = fields.entry(key).map(|entry| &entry.value)?;
        value::template(node, &format!("`{key}`"), scope, sink).filter(|it| !it.text.is_empty())
    };
    let (entrypoint, command) = (text("entrypoint", sink), text("command", sink));
    let spec = ContainerSpec {
        env: value::env(fields.get("env"), context::CONTAINER_ENV, sink),
        ports: list(fields.get("ports"), "`ports`", sink),
        volumes: list(fields.get("volumes"), "`volumes`", sink),
        options: fields.get("options").and_then(|node| options(node, sink)),
        credentials: fields
            .get("credentials")
            .and_then(|node| credentials(node, sink)),
        entrypoint,
        command,
        ..ContainerSpec::new(value::template(
            fields.present("image")?,
            "`image`",
            scope,
            sink,
        )?)
    };
    Some(ContainerUse::Spec(Box::new(spec)))
}

fn is_one_expression(text: &str) -> bool {
    let text = text.trim();
    text.strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .is_some_and(|inner| !inner.contains("${{"))
}

fn list(node: Option<&Node>, what: &str, sink: &mut Sink) -> Vec<Template> {
    let Some(node) = node else {
        return Vec::new();
    };
    let one = format!("an item of {what}");
    shape::items(node, what, sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| value::filled(item, &one, context::CONTAINER, sink))
        .collect()
}

/// `options:`; without expressions its flags are looked at now.
fn options(node: &Node, sink: &mut Sink) -> Option<Template> {
    let template = value::template(node, "`options`", context::CONTAINER, sink)?;
    if !value::is_dynamic(&template.text)
        && let Err(error) = ContainerOptions::parse(&template.text)
    {
        sink.error(Code::BadValue, node.place_of(error.at), error.message);
        return None;
    }
    Some(template).filter(|template| !template.text.is_empty())
}

fn credentials(node: &Node, sink: &mut Sink) -> Option<Credentials> {
    let scope = context::CONTAINER_CREDENTIALS;
    if node.scalar().is_some() {
        let all = value::filled(node, "`credentials`", scope, sink)?;
        return Some(Credentials::Expression(all));
    }
    let fields = Fields::open(node, &CREDENTIALS, sink)?;
    Some(Credentials::Pair {
        username: value::filled(fields.present("username")?, "`username`", scope, sink)?,
        password: value::filled(fields.present("password")?, "`password`", scope, sink)?,
    })
}

/// `runs:` of a container action.
pub(super) fn action(node: &Node, sink: &mut Sink) -> Option<DockerRuns> {
    let fields = Fields::open(node, &DOCKER_ACTION, sink)?;
    let scope = context::CONTAINER_ACTION;
    let image = value::literal(fields.get("image")?, "`image`", sink)?;
    if !image.starts_with(DOCKER) && leads_out(&image) {
        let message = "`image` must be `docker://IMAGE`, or a file below the action's directory";
        sink.error(Code::BadValue, fields.get("image")?.at, message);
        return None;
    }
    let text = |key: &str, sink: &mut Sink| {
        let node = fields.get(key)?;
        value::template(node, &format!("`{key}`"), scope, sink).filter(|it| !it.text.is_empty())
    };
    let condition = |key: &str, sink: &mut Sink| {
        let node = fields.get(key)?;
        value::condition(node, context::ACTION_STEP.condition, sink)
    };
    let args = fields.get("args").map_or_else(Vec::new, |node| {
        let items = shape::items(node, "`args`", sink).unwrap_or_default();
        let templates = items
            .iter()
            .filter_map(|item| value::template(item, "an item of `args`", scope, sink));
        templates.collect()
    });
    let entrypoint = text("entrypoint", sink);
    let (pre_entrypoint, pre_if) = (text("pre-entrypoint", sink), condition("pre-if", sink));
    let (post_entrypoint, post_if) = (text("post-entrypoint", sink), condition("post-if", sink));
    let nothing = ContainerImage::Reference {
        reference: String::new(),
    };
    let step = ContainerStep {
        args,
        entrypoint,
        env: value::env(fields.get("env"), scope, sink),
        pre_entrypoint,
        pre_if,
        post_entrypoint,
        post_if,
        ..ContainerStep::new("", nothing)
    };
    Some(DockerRuns { image, step })
}

fn leads_out(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..")
}

/// What every container action takes without declaring it.
fn is_override(entry: &With) -> bool {
    let name = &entry.name.text;
    name.eq_ignore_ascii_case("args") || name.eq_ignore_ascii_case("entrypoint")
}

/// `with:` of a container action, as far as it goes to its declared inputs.
pub(crate) fn without_overrides(with: &[With]) -> Vec<With> {
    let rest = with.iter().filter(|entry| !is_override(entry));
    rest.cloned().collect()
}

/// `args` and `entrypoint` of `with:`.
pub(crate) fn overrides(with: &[With]) -> Bindings {
    let found = with.iter().filter(|entry| is_override(entry));
    found
        .map(|entry| (entry.name.text.clone(), entry.value.clone()))
        .collect()
}

/// A step of a container action that lies here.
pub(crate) fn action_step(
    runs: &DockerRuns,
    source: &ActionSource,
    directory: &str,
    reference: &Spanned,
    inputs: Bindings,
) -> StepBody {
    let image = match runs.image.strip_prefix(DOCKER) {
        Some(image) => ContainerImage::Reference {
            reference: image.to_owned(),
        },
        None => ContainerImage::Dockerfile {
            source: source.clone(),
            directory: directory.to_owned(),
            file: runs.image.trim_start_matches("./").to_owned(),
        },
    };
    StepBody::Container(Box::new(ContainerStep {
        uses: reference.text.clone(),
        image,
        inputs,
        ..runs.step.clone()
    }))
}

/// The image that a `uses:` names with `docker://`; `None` when it names something else, and within
/// it `None` when it has been said what is wrong with it.
pub(crate) fn image(reference: &Spanned, sink: &mut Sink) -> Option<Option<String>> {
    let text = &reference.text;
    let scheme = text.get(..DOCKER.len())?;
    if !scheme.eq_ignore_ascii_case(DOCKER) {
        return None;
    }
    let image = text.get(DOCKER.len()..).unwrap_or_default();
    if image.is_empty() {
        sink.error(Code::BadValue, reference.at, "`docker://` needs an image");
        return Some(None);
    }
    Some(Some(image.to_owned()))
}

/// A step of an image.
pub(crate) fn step(reference: &Spanned, image: String, with: &[With]) -> StepBody {
    let inputs: Bindings = with
        .iter()
        .map(|entry| (entry.name.text.clone(), entry.value.clone()))
        .collect();
    let image = ContainerImage::Reference { reference: image };
    StepBody::Container(Box::new(ContainerStep {
        inputs,
        ..ContainerStep::new(&reference.text, image)
    }))
}
