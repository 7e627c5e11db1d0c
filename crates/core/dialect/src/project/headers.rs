//! Header fields of a request that somebody describes: names that HTTP takes, values of one line.

use std::collections::BTreeMap;

use crate::{
    diagnostic::{Code, Sink},
    shape,
    yaml::Node,
};

/// Names and values as they go into a request; `text` reads a value, of which the second argument says
/// for people what it is. Values may hold secrets and are not repeated in messages.
pub(super) fn read(
    node: Option<&Node>,
    sink: &mut Sink,
    text: impl Fn(&Node, &str, &mut Sink) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let Some(node) = node else {
        return headers;
    };
    for entry in shape::entries(node, "`headers`", sink).unwrap_or_default() {
        if !is_token(&entry.key) {
            let message = format!("`{}` cannot name a header", entry.key);
            sink.error(Code::BadValue, entry.at, message);
            continue;
        }
        let what = format!("`{}` in `headers`", entry.key);
        let Some(text) = text(&entry.value, &what, sink) else {
            continue;
        };
        if text.contains(|c: char| c.is_ascii_control()) {
            let message = format!("{what} must be one line");
            sink.error(Code::BadValue, entry.value.at, message);
        } else {
            headers.insert(entry.key.to_ascii_lowercase(), text);
        }
    }
    headers
}

/// Whether HTTP takes it as a name.
fn is_token(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(token)
}
