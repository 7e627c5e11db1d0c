//! `permissions:`: what the tokens of a job may do. There are id tokens, and no others.

use std::collections::BTreeMap;

use cutover_model::plan::{Access, Permissions};

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

/// Reads it, and says once for each file that no token of the forge is given.
pub(super) fn read(entry: &Entry, is_news: &mut bool, sink: &mut Sink) -> Option<Permissions> {
    let node = &entry.value;
    let permissions = match &*node.value {
        Value::Scalar(_) => {
            let word = shape::word(node, "`permissions`", &["read-all", "write-all"], sink);
            word.map(|word| match word {
                "write-all" => Permissions::WriteAll,
                _ => Permissions::ReadAll,
            })
        }
        Value::Mapping(_) => {
            let scopes = value::names(node, "`permissions`", sink);
            let scopes = scopes.into_iter().filter_map(|entry| scope(entry, sink));
            let scopes: BTreeMap<String, Access> = scopes.collect();
            Some(Permissions::Only(scopes))
        }
        Value::Sequence(_) => {
            shape::wrong(node, "`permissions`", "a mapping", sink);
            None
        }
    };
    // Only what may write is missed: whoever limits a token that is not there has all that was wanted.
    let is_missed = match &permissions {
        Some(Permissions::WriteAll) => true,
        Some(Permissions::Only(scopes)) => scopes
            .iter()
            .any(|(scope, access)| scope != "id-token" && *access == Access::Write),
        Some(Permissions::ReadAll) | None => false,
    };
    if is_missed && std::mem::take(is_news) {
        sink.warning(
            Code::NoToken,
            entry.at,
            "`permissions` let nobody write: cutover gives jobs no token",
            "steps that call the forge need a secret of yours".to_owned(),
        );
    }
    permissions
}

fn scope(entry: &Entry, sink: &mut Sink) -> Option<(String, Access)> {
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
            return None;
        }
    };
    let what = format!("permission `{}`", entry.key);
    let word = shape::word(&entry.value, &what, levels, sink)?;
    let access = match word {
        "write" => Access::Write,
        "read" => Access::Read,
        _ => Access::None,
    };
    Some((entry.key.clone(), access))
}
