//! `permissions:`.

use super::{
    model::{Granted, Text},
    syntax::{Case, Empty, Syntax},
};
use crate::{
    diagnostic::Code,
    suggest,
    yaml::{Node, Value},
};

const ALL: &[&str] = &["read", "write", "none"];

/// The scopes with the levels that each has.
const SCOPES: [(&str, &[&str]); 20] = [
    ("actions", ALL),
    ("artifact-metadata", ALL),
    ("attestations", ALL),
    ("checks", ALL),
    ("code-quality", ALL),
    ("contents", ALL),
    ("copilot-requests", &["write", "none"]),
    ("deployments", ALL),
    ("discussions", ALL),
    ("drives", ALL),
    ("id-token", &["write", "none"]),
    ("issues", ALL),
    ("models", &["read", "none"]),
    ("packages", ALL),
    ("pages", ALL),
    ("pull-requests", ALL),
    ("repository-projects", ALL),
    ("security-events", ALL),
    ("statuses", ALL),
    ("vulnerability-alerts", ALL),
];

/// Says which scopes and levels there are not; gives what is left.
pub(super) fn granted<'a>(syntax: &mut Syntax<'_>, node: &'a Node) -> Granted<'a> {
    let mut granted = Granted::default();
    if let Value::Scalar(_) = &*node.value {
        if let Some(text) = syntax.text(node, "`permissions`", Empty::Refused) {
            let known = ["read-all", "write-all"];
            level(syntax, node, "`permissions`", text.text(), &known);
            granted.all = Some(text);
        }
        return granted;
    }
    for entry in syntax.mapping(node, "`permissions`", Empty::Fine, Case::Matters) {
        let Some((_, levels)) = SCOPES.iter().find(|(scope, _)| *scope == entry.key) else {
            let hint = suggest::hint(&entry.key, SCOPES.iter().map(|(scope, _)| *scope));
            let message = format!("unknown scope `{}` of permissions", entry.key);
            syntax
                .sink
                .error_hint(Code::Permission, entry.at, message, hint);
            continue;
        };
        let what = format!("permission `{}`", entry.key);
        if let Some(text) = syntax.text(&entry.value, &what, Empty::Refused) {
            level(syntax, &entry.value, &what, text.text(), levels);
            granted.scopes.push((Text { node: &entry.node }, text));
        }
    }
    granted
}

fn level(syntax: &mut Syntax<'_>, node: &Node, what: &str, text: &str, levels: &[&str]) {
    if levels.contains(&text) {
        return;
    }
    let hint = format!("known here: `{}`", levels.join("`, `"));
    let message = format!("{what} cannot be `{text}`");
    syntax
        .sink
        .error_hint(Code::Permission, node.at, message, hint);
}
