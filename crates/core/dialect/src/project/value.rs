//! Values that several parts of `cutover.yml` have: plain variables, lists of texts, lengths of time.

use std::collections::BTreeMap;

use cutover_model::Duration;

use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields},
    yaml::Node,
};

/// Plain configuration. What is secret does not belong into a file that everybody reads.
pub(super) fn env(node: Option<&Node>, sink: &mut Sink) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let Some(node) = node else {
        return env;
    };
    for entry in shape::entries(node, "`env`", sink).unwrap_or_default() {
        if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
            let message = format!("`{}` cannot name a variable", entry.key);
            sink.error(Code::BadValue, entry.at, message);
            continue;
        }
        let what = format!("`{}` in `env`", entry.key);
        if let Some(text) = plain(&entry.value, &what, sink) {
            env.insert(entry.key.clone(), text);
        }
    }
    env
}

/// A text; expressions are not evaluated in `cutover.yml` and would be taken for what they are not.
pub(super) fn plain(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = shape::text(node, what, sink)?;
    let fault = if text.contains("${{") {
        "an expression"
    } else if text.contains('\0') {
        "a zero byte"
    } else {
        return Some(text);
    };
    sink.error(
        Code::BadValue,
        node.at,
        format!("{what} cannot hold {fault}"),
    );
    None
}

/// A text that is not empty.
pub(super) fn filled(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = plain(node, what, sink)?;
    if text.is_empty() {
        sink.error(Code::BadValue, node.at, format!("{what} must not be empty"));
        return None;
    }
    Some(text)
}

/// A text or a list of texts.
pub(super) fn texts(node: &Node, what: &str, sink: &mut Sink) -> Vec<String> {
    shape::items(node, what, sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| filled(item, &format!("an entry of {what}"), sink))
        .collect()
}

/// A length of time under a key, else the usual one.
pub(super) fn length(fields: &Fields<'_>, key: &str, usual: Duration, sink: &mut Sink) -> Duration {
    fields
        .get(key)
        .and_then(|node| shape::duration(node, &format!("`{key}`"), sink))
        .unwrap_or(usual)
}

/// A length of time that is more than none.
pub(super) fn some_time(
    fields: &Fields<'_>,
    key: &str,
    usual: Duration,
    sink: &mut Sink,
) -> Duration {
    let length = length(fields, key, usual, sink);
    if length == Duration::ZERO
        && let Some(node) = fields.get(key)
    {
        sink.error(
            Code::BadValue,
            node.at,
            format!("`{key}` must be more than `0s`"),
        );
    }
    length
}

/// A path inside of the sources.
pub(super) fn path(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = filled(node, what, sink)?;
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        let message = format!("{what} must be a path inside of the sources, and is `{text}`");
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(text)
}
