//! `hooks:` and `smoke:` of an environment.

use std::collections::BTreeMap;

use cutover_model::{
    Duration,
    guard::{Expectation, Hook, HookAct, HookPoint, OnError, Smoke, SmokeRequest},
};

use super::{headers, notify, service, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::{Kind, Node, Value},
};

const HOOK: Schema = Schema {
    what: "a hook",
    keys: &[
        "name", "on", "command", "env", "webhook", "timeout", "retries", "required", "on_error",
    ],
    required: &["on"],
    later: &[],
};
const SMOKE: Schema = Schema {
    what: "`smoke`",
    keys: &["requests", "command", "timeout", "retries", "on_error"],
    required: &[],
    later: &[],
};
const REQUEST: Schema = Schema {
    what: "a request of `smoke`",
    keys: &["method", "path", "headers", "body", "expect"],
    required: &["path"],
    later: &[],
};
const EXPECT: Schema = Schema {
    what: "`expect`",
    keys: &["status", "body_contains", "json", "within"],
    required: &[],
    later: &[],
};
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const ON_ERROR: [&str; 3] = ["rollback", "pause", "continue"];
/// More tries than this are a slip.
const MAX_RETRIES: u32 = 100;

pub(super) fn hooks(node: &Node, sink: &mut Sink) -> Vec<Hook> {
    shape::list(node, "`hooks`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| hook(item, sink))
        .collect()
}

fn hook(node: &Node, sink: &mut Sink) -> Option<Hook> {
    let fields = Fields::open(node, &HOOK, sink)?;
    let on = fields.get("on").and_then(|node| point(node, sink));
    let act = act(node, &fields, sink);
    let name = fields
        .get("name")
        .and_then(|node| value::filled(node, "`name`", sink));
    let hook = Hook {
        name: String::new(),
        on: on?,
        act: act?,
        timeout: value::some_time(&fields, "timeout", Duration::from_mins(1), sink),
        retries: retries(&fields, sink),
        required: fields
            .get("required")
            .and_then(|node| shape::truth(node, "`required`", sink))
            .unwrap_or(true),
        on_error: on_error(&fields, sink),
    };
    let usual = || match &hook.act {
        HookAct::Command { argv, .. } => argv.first().cloned().unwrap_or_default(),
        HookAct::Webhook { .. } => format!("{} webhook", hook.on),
    };
    let name = name.unwrap_or_else(usual);
    Some(Hook { name, ..hook })
}

fn point(node: &Node, sink: &mut Sink) -> Option<HookPoint> {
    let words = HookPoint::ALL.map(HookPoint::word);
    let word = shape::word(node, "`on`", &words, sink)?;
    HookPoint::ALL
        .into_iter()
        .find(|point| point.word() == word)
}

fn act(node: &Node, fields: &Fields<'_>, sink: &mut Sink) -> Option<HookAct> {
    match (fields.get("command"), fields.get("webhook")) {
        (Some(command), None) => {
            let argv = service::arguments(command, sink);
            let env = value::env(fields.get("env"), sink);
            (!argv.is_empty()).then_some(HookAct::Command { argv, env })
        }
        (None, Some(webhook)) => {
            if let Some(env) = fields.get("env") {
                let message = "`env` is for a `command`; a webhook has a body";
                sink.error(Code::Conflict, env.at, message);
            }
            notify::url(webhook, sink).map(|url| HookAct::Webhook { url })
        }
        (Some(_), Some(both)) => {
            let message = "a hook is a `command` or a `webhook`";
            let hint = "write two hooks".to_owned();
            sink.error_hint(Code::Conflict, both.at, message, hint);
            None
        }
        (None, None) => {
            let message = "a hook needs a `command` or a `webhook`";
            sink.error(Code::MissingKey, node.at, message);
            None
        }
    }
}

fn retries(fields: &Fields<'_>, sink: &mut Sink) -> u32 {
    fields
        .get("retries")
        .and_then(|node| shape::whole(node, "`retries`", 0..=MAX_RETRIES, sink))
        .unwrap_or(2)
}

fn on_error(fields: &Fields<'_>, sink: &mut Sink) -> OnError {
    let word = fields
        .get("on_error")
        .and_then(|node| shape::word(node, "`on_error`", &ON_ERROR, sink));
    match word {
        Some("pause") => OnError::Pause,
        Some("continue") => OnError::Continue,
        _ => OnError::Rollback,
    }
}

/// A list of requests, or a mapping.
pub(super) fn smoke(node: &Node, sink: &mut Sink) -> Option<Smoke> {
    if matches!(&*node.value, Value::Sequence(_)) {
        return Some(Smoke {
            requests: requests(node, sink),
            command: Vec::new(),
            timeout: Duration::from_mins(1),
            retries: 2,
            on_error: OnError::Rollback,
        });
    }
    let fields = Fields::open(node, &SMOKE, sink)?;
    if fields.get("requests").is_none() && fields.get("command").is_none() {
        let message = "`smoke` asks for nothing";
        let hint = "add `requests` or a `command`".to_owned();
        sink.error_hint(Code::MissingKey, node.at, message, hint);
    }
    Some(Smoke {
        requests: fields
            .get("requests")
            .map_or_else(Vec::new, |node| requests(node, sink)),
        command: fields
            .get("command")
            .map_or_else(Vec::new, |node| service::arguments(node, sink)),
        timeout: value::some_time(&fields, "timeout", Duration::from_mins(1), sink),
        retries: retries(&fields, sink),
        on_error: on_error(&fields, sink),
    })
}

fn requests(node: &Node, sink: &mut Sink) -> Vec<SmokeRequest> {
    shape::list(node, "`requests`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| request(item, sink))
        .collect()
}

fn request(node: &Node, sink: &mut Sink) -> Option<SmokeRequest> {
    let fields = Fields::open(node, &REQUEST, sink)?;
    let path = fields
        .get("path")
        .and_then(|node| service::path(node, sink));
    let method = fields
        .get("method")
        .and_then(|node| shape::word(node, "`method`", &METHODS, sink));
    Some(SmokeRequest {
        method: method.unwrap_or("GET").to_owned(),
        path: path?,
        headers: headers::read(fields.get("headers"), sink, value::plain),
        body: fields
            .get("body")
            .and_then(|node| value::plain(node, "`body`", sink)),
        expect: expectation(fields.get("expect"), sink),
    })
}

fn expectation(node: Option<&Node>, sink: &mut Sink) -> Expectation {
    let fields = node.and_then(|node| Fields::open(node, &EXPECT, sink));
    let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
    let usual = Duration::from_secs(5);
    Expectation {
        status: get("status").map_or_else(Vec::new, |node| statuses(node, sink)),
        body_contains: get("body_contains")
            .map_or_else(Vec::new, |node| value::texts(node, "`body_contains`", sink)),
        json: get("json").map_or_else(BTreeMap::new, |node| json(node, sink)),
        within: fields.as_ref().map_or(usual, |fields| {
            value::some_time(fields, "within", usual, sink)
        }),
    }
}

fn statuses(node: &Node, sink: &mut Sink) -> Vec<u16> {
    shape::items(node, "`status`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| shape::whole(item, "`status`", 100..=599, sink))
        .filter_map(|status| u16::try_from(status).ok())
        .collect()
}

fn json(node: &Node, sink: &mut Sink) -> BTreeMap<String, serde_json::Value> {
    let mut wanted = BTreeMap::new();
    for entry in shape::entries(node, "`json`", sink).unwrap_or_default() {
        if !entry.key.is_empty() && !entry.key.starts_with('/') {
            let message = format!("`{}` is no JSON pointer", entry.key);
            let hint = format!("write `/{}`", entry.key);
            sink.error_hint(Code::BadValue, entry.at, message, hint);
            continue;
        }
        let Some(scalar) = entry.value.scalar() else {
            shape::wrong(
                &entry.value,
                "a value in `json`",
                "a text, a number, `true` or `false`",
                sink,
            );
            continue;
        };
        let value = match scalar.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool(value) => value.into(),
            Kind::Number(value) => number(value),
            Kind::Text => scalar.text.clone().into(),
        };
        wanted.insert(entry.key.clone(), value);
    }
    wanted
}

/// Whole numbers as such: in JSON `5` and `5.0` are written differently.
fn number(value: f64) -> serde_json::Value {
    let whole = (value.fract() == 0.0)
        .then(|| format!("{value:.0}").parse::<i64>().ok())
        .flatten();
    whole.map_or_else(|| value.into(), Into::into)
}
