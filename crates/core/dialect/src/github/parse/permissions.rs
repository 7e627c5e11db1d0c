//! `permissions:` is read and checked, and then there is nothing to do: no token is minted.

use super::super::value;
use crate::{
    diagnostic::{Code, Sink},
    shape, suggest,
    yaml::{Entry, Value},
};

/// The scopes that a token may have.
const SCOPES: [&str; 20] = [
    "actions",
    "artifact-metadata",
    "attestations",
    "checks",
    "code-quality",
    "contents",
    "copilot-requests",
    "deployments",
    "discussions",
    "drives",
    "id-token",
    "issues",
    "models",
    "packages",
    "pages",
    "pull-requests",
    "repository-projects",
    "security-events",
    "statuses",
    "vulnerability-alerts",
];

/// Reads it, and says once for each file that no token is given.
pub(super) fn check(entry: &Entry, is_news: bool, sink: &mut Sink) {
    let node = &entry.value;
    match &*node.value {
        Value::Scalar(_) => {
            shape::word(node, "`permissions`", &["read-all", "write-all"], sink);
        }
        Value::Mapping(_) => {
            for entry in value::names(node, "`permissions`", sink) {
                scope(entry, sink);
            }
        }
        Value::Sequence(_) => shape::wrong(node, "`permissions`", "a mapping", sink),
    }
    if is_news {
        sink.warning(
            Code::NoToken,
            entry.at,
            "`permissions` has nothing to limit: cutover gives jobs no token",
            "steps that call the forge need a secret of yours".to_owned(),
        );
    }
}

fn scope(entry: &Entry, sink: &mut Sink) {
    let levels: &[&str] = match entry.key.as_str() {
        "id-token" => &["write", "none"],
        "models" | "vulnerability-alerts" => &["read", "none"],
        key if SCOPES.contains(&key) => &["read", "write", "none"],
        key => {
            let message = format!("unknown permission `{key}`");
            sink.error_hint(
                Code::UnknownKey,
                entry.at,
                message,
                suggest::hint(key, SCOPES),
            );
            return;
        }
    };
    let what = format!("permission `{}`", entry.key);
    shape::word(&entry.value, &what, levels, sink);
}
