//! One entry of `services:`.

use cutover_model::{
    Duration,
    delivery::{HealthCheck, Migrations},
    project::{BuildSpec, Service},
};

use super::{traffic, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::{Entry, Node},
};

const SERVICE: Schema = Schema {
    what: "a service",
    keys: &[
        "build",
        "command",
        "port",
        "env",
        "health",
        "start_timeout",
        "drain_timeout",
        "stop_grace",
        "config",
        "secrets",
        "flags",
        "migrations",
        "traffic",
    ],
    required: &[],
    later: &[],
};
const BUILD: Schema = Schema {
    what: "`build`",
    keys: &["dockerfile", "context"],
    required: &[],
    later: &[],
};
const HEALTH: Schema = Schema {
    what: "`health`",
    keys: &["path", "interval", "timeout", "healthy", "unhealthy"],
    required: &[],
    later: &[],
};
const MIGRATIONS: Schema = Schema {
    what: "`migrations`",
    keys: &["floor", "expand"],
    required: &[],
    later: &[(
        "contract",
        "run it by hand, or as a job, once nobody wants to go back any more",
    )],
};
/// What a shell would give a meaning to; programs are started without one.
const META: &str = "|&;<>()$`\\\"'*?[]#~\n";

pub(super) fn service(entry: &Entry, sink: &mut Sink) -> Option<Service> {
    let fields = Fields::open(&entry.value, &SERVICE, sink)?;
    let (build, has_dockerfile) = build(fields.get("build"), sink);
    let command = fields.get("command");
    if command.is_none() && !has_dockerfile {
        needs_a_way_to_start(entry, sink);
    }
    let command = command.map_or_else(Vec::new, |node| arguments(node, sink));
    Some(Service {
        build,
        command,
        port: fields
            .get("port")
            .and_then(|node| shape::whole(node, "`port`", 1..=65_535, sink))
            .and_then(|port| u16::try_from(port).ok()),
        env: value::env(fields.get("env"), sink),
        health: health(fields.get("health"), sink),
        start_timeout: value::some_time(&fields, "start_timeout", Duration::from_secs(60), sink),
        drain_timeout: value::length(&fields, "drain_timeout", Duration::from_secs(30), sink),
        stop_grace: value::length(&fields, "stop_grace", Duration::from_secs(10), sink),
        config: fields
            .get("config")
            .map_or_else(Vec::new, |node| paths(node, sink)),
        secrets: fields
            .get("secrets")
            .map_or_else(Vec::new, |node| secrets(node, sink)),
        flags: fields
            .get("flags")
            .and_then(|node| value::path(node, "`flags`", sink)),
        migrations: fields
            .get("migrations")
            .and_then(|node| migrations(node, sink)),
        traffic: fields
            .get("traffic")
            .and_then(|node| traffic::traffic(node, sink)),
    })
}

fn paths(node: &Node, sink: &mut Sink) -> Vec<String> {
    let mut paths: Vec<String> = shape::items(node, "`config`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| value::path(item, "an entry of `config`", sink))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Names of secrets; they become names of variables.
fn secrets(node: &Node, sink: &mut Sink) -> Vec<String> {
    let items = shape::items(node, "`secrets`", sink).unwrap_or_default();
    let mut names = Vec::new();
    for item in items {
        let Some(name) = value::filled(item, "an entry of `secrets`", sink) else {
            continue;
        };
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if is_name {
            names.push(name);
        } else {
            let message = format!("`{name}` cannot name a secret");
            let hint = "names have letters, digits and `_`, and do not begin with a digit";
            sink.error_hint(Code::BadValue, item.at, message, hint.to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

fn migrations(node: &Node, sink: &mut Sink) -> Option<Migrations> {
    let fields = Fields::open(node, &MIGRATIONS, sink)?;
    let expand = fields
        .get("expand")
        .map_or_else(Vec::new, |node| arguments(node, sink));
    Some(Migrations {
        floor: fields
            .get("floor")
            .and_then(|node| value::filled(node, "`floor`", sink)),
        expand,
    })
}

fn needs_a_way_to_start(entry: &Entry, sink: &mut Sink) {
    let message = format!(
        "service `{}` needs a `dockerfile` or a `command`",
        entry.key
    );
    let hint = "write `build: { dockerfile: Dockerfile }` for an image, or `command: [./program]` for a process";
    sink.error_hint(Code::MissingKey, entry.at, message, hint.to_owned());
}

/// And whether a Dockerfile is named, be it rightly or not.
fn build(node: Option<&Node>, sink: &mut Sink) -> (BuildSpec, bool) {
    let fields = node.and_then(|node| Fields::open(node, &BUILD, sink));
    let mut path = |key: &str| {
        fields
            .as_ref()
            .and_then(|fields| fields.get(key))
            .and_then(|node| value::path(node, &format!("`{key}`"), sink))
    };
    let build = BuildSpec {
        context: path("context").unwrap_or_else(|| ".".to_owned()),
        dockerfile: path("dockerfile"),
    };
    let names_one = fields.is_some_and(|fields| fields.get("dockerfile").is_some());
    (build, names_one)
}

/// A list of arguments, or a text that can be split at blanks without a doubt.
pub(super) fn arguments(node: &Node, sink: &mut Sink) -> Vec<String> {
    let words: Vec<String> = if node.scalar().is_some() {
        let text = value::plain(node, "`command`", sink).unwrap_or_default();
        if text.contains(|c| META.contains(c)) {
            let message =
                format!("`command` is started without a shell, and `{text}` is written for one");
            let hint = "write a list of arguments: `command: [./program, --flag]`".to_owned();
            sink.error_hint(Code::BadValue, node.at, message, hint);
            return Vec::new();
        }
        text.split_whitespace().map(str::to_owned).collect()
    } else {
        shape::list(node, "`command`", sink)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| value::plain(item, "an argument of `command`", sink))
            .collect()
    };
    if words.first().is_none_or(String::is_empty) {
        sink.error(
            Code::BadValue,
            node.at,
            "`command` must begin with a program",
        );
    }
    words
}

fn health(node: Option<&Node>, sink: &mut Sink) -> HealthCheck {
    let usual = HealthCheck::default();
    let Some(fields) = node.and_then(|node| Fields::open(node, &HEALTH, sink)) else {
        return usual;
    };
    let path = fields.get("path").and_then(|node| path(node, sink));
    let mut count = |key: &str, usual| {
        fields
            .get(key)
            .and_then(|node| shape::whole(node, &format!("`{key}`"), 1..=100, sink))
            .unwrap_or(usual)
    };
    let healthy = count("healthy", usual.healthy);
    let unhealthy = count("unhealthy", usual.unhealthy);
    HealthCheck {
        path: path.unwrap_or(usual.path),
        interval: value::some_time(&fields, "interval", usual.interval, sink),
        timeout: value::some_time(&fields, "timeout", usual.timeout, sink),
        healthy,
        unhealthy,
    }
}

/// It goes into the first line of a request as it is.
pub(super) fn path(node: &Node, sink: &mut Sink) -> Option<String> {
    let path = value::filled(node, "`path`", sink)?;
    if !path.starts_with('/') || path.contains(|c: char| c.is_ascii_control() || c == ' ') {
        let message = format!("`path` must begin with `/` and have no blanks, and is `{path}`");
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(path)
}
