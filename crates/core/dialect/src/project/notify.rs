//! `notify:`, who is told of what.

use cutover_model::project::{Channel, NotifyRule};

use super::value;
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    suggest,
    yaml::Node,
};

const RULE: Schema = Schema {
    what: "a rule of `notify`",
    keys: &["on", "to", "url"],
    required: &["on", "to", "url"],
    later: &[],
};
const LATER: [&str; 4] = ["slack", "teams", "mail", "sns"];

pub(super) fn rules(node: &Node, sink: &mut Sink) -> Vec<NotifyRule> {
    shape::list(node, "`notify`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| rule(item, sink))
        .collect()
}

fn rule(node: &Node, sink: &mut Sink) -> Option<NotifyRule> {
    let fields = Fields::open(node, &RULE, sink)?;
    let on = fields.present("on").map(|node| topics(node, sink));
    let to = fields.present("to").and_then(|node| channel(node, sink));
    let url = fields.present("url").and_then(|node| url(node, sink));
    Some(NotifyRule {
        on: on?,
        to: to?,
        url: url?,
    })
}

fn topics(node: &Node, sink: &mut Sink) -> Vec<String> {
    let topics = value::texts(node, "`on`", sink);
    if node.is_empty() {
        sink.error(Code::BadValue, node.at, "`on` needs at least one topic");
    }
    for topic in topics.iter().filter(|topic| !is_topic(topic)) {
        let message = format!("`{topic}` is not a topic");
        let hint = "topics look like `run.failed`, `deployment.*` or `*`".to_owned();
        sink.error_hint(Code::BadValue, node.at, message, hint);
    }
    topics
}

/// `run.failed`, `deployment.*`, `*`.
fn is_topic(topic: &str) -> bool {
    let word =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    match topic.split_once('.') {
        Some((noun, what)) => word(noun) && (what == "*" || word(what)),
        None => topic == "*",
    }
}

fn channel(node: &Node, sink: &mut Sink) -> Option<Channel> {
    let word = shape::text(node, "`to`", sink)?;
    if word == "webhook" {
        return Some(Channel::Webhook);
    }
    if LATER.contains(&word.as_str()) {
        let message = format!("channel `{word}` is not there yet");
        let hint = "use `to: webhook`".to_owned();
        sink.error_hint(Code::NotYet, node.at, message, hint);
    } else {
        let message = format!("`to` cannot be `{word}`");
        sink.error_hint(
            Code::BadValue,
            node.at,
            message,
            suggest::hint(&word, ["webhook"]),
        );
    }
    None
}

/// The address may hold secrets, and nothing else that would have to be evaluated. It is not repeated
/// in messages: people paste tokens into addresses.
pub(super) fn url(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = shape::filled(node, "`url`", sink)?;
    let allowed = cutover_expr::Allowed::list(["secrets"]);
    if let Err(error) = cutover_expr::template::check(&text, &allowed) {
        sink.error(
            Code::Expression,
            node.place_of(error.offset),
            error.to_string(),
        );
        return None;
    }
    let begins = ["https://", "http://", "${{"];
    if !begins.iter().any(|begin| text.starts_with(begin)) {
        let message = "`url` must begin with `https://` or `http://`";
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(text)
}
