//! `on:` of a template: the events with what they are filtered by, and inputs by their types.

use serde_json::{Map, Value as Json, json};

use super::{
    Reading,
    token::{Token, Value},
};
use crate::github::cron;

/// Says what the schema cannot say.
pub(super) fn check(on: &Token, reading: &mut Reading<'_>) {
    for schedule in on.get("schedule").map_or(&[][..], Token::items) {
        let Some(pattern) = schedule.get("cron") else {
            continue;
        };
        if pattern
            .text()
            .is_some_and(|text| cron::parse(text).is_err())
        {
            let message = "Invalid cron expression. Expected format: '* * * * *' (minute hour day month weekday)";
            reading.error(pattern, message);
        }
    }
    let inputs = on.get("workflow_dispatch").and_then(|it| it.get("inputs"));
    for (_, input) in inputs.map_or(&[][..], Token::entries) {
        let is_choice = input.get("type").and_then(Token::text) == Some("choice");
        let options = input.get("options");
        if is_choice && options.is_none_or(|options| options.items().is_empty()) {
            reading.error(input, "Missing 'options' for choice input");
        } else if !is_choice && options.is_some() {
            reading.error(
                input,
                "Input type is not 'choice', but 'options' is defined",
            );
        }
    }
}

/// The types of the inputs of `workflow_dispatch`.
pub(super) fn input_types(on: &Token) -> Map<String, Json> {
    let inputs = on.get("workflow_dispatch").and_then(|it| it.get("inputs"));
    let kind = |input: &Token| {
        let kind = input.get("type").and_then(Token::text);
        Json::from(kind.unwrap_or("string"))
    };
    let entries = inputs.map_or(&[][..], Token::entries).iter();
    entries
        .map(|(name, input)| (name.print(), kind(input)))
        .collect()
}

/// The events as JSON.
pub(super) fn json(on: &Token) -> Json {
    let mut events = Map::new();
    match &on.value {
        Value::Mapping(entries) => {
            for (name, value) in entries {
                let name = name.print();
                let config = config(&name, value);
                events.insert(name, config);
            }
        }
        Value::Sequence(items) => {
            events.extend(items.iter().map(|item| (item.print(), json!({}))));
        }
        _ => {
            events.insert(on.print(), json!({}));
        }
    }
    events.into()
}

fn config(event: &str, token: &Token) -> Json {
    match &token.value {
        Value::Sequence(items) => items.iter().map(plain).collect(),
        Value::Mapping(entries) => {
            let known = |key: &Token| event != "workflow_dispatch" || key.text() == Some("inputs");
            let entries = entries.iter().filter(|(key, _)| known(key));
            entries
                .map(|(key, value)| {
                    let value = match key.text() {
                        Some("inputs" | "secrets" | "outputs") => plain(value),
                        _ => list(value),
                    };
                    (key.print(), value)
                })
                .collect::<Map<_, _>>()
                .into()
        }
        _ => json!({}),
    }
}

/// A filter: one text is a list of one.
fn list(token: &Token) -> Json {
    match &token.value {
        Value::Sequence(items) => items.iter().map(plain).collect(),
        _ => vec![plain(token)].into(),
    }
}

fn plain(token: &Token) -> Json {
    match &token.value {
        Value::Sequence(items) => items.iter().map(plain).collect(),
        Value::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.print(), plain(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Null => json!({}),
        Value::Expression(_) | Value::Insert => token.print().into(),
        Value::Boolean(_) | Value::Number(_) | Value::Text(_) => token.json(false),
    }
}
