//! The shapes that files have: mappings with known keys, texts, numbers, lists. Readers of both
//! dialects are written with these, so that every slip is told in the same words.

use cutover_model::{Duration, Position};

use crate::{
    diagnostic::{Code, Sink},
    suggest,
    yaml::{Entry, Kind, Node, Value},
};

/// What a mapping may hold.
pub(crate) struct Schema {
    /// What it is, for people: `a job`.
    pub(crate) what: &'static str,
    /// The keys that are honoured.
    pub(crate) keys: &'static [&'static str],
    /// Those of them that must be there.
    pub(crate) required: &'static [&'static str],
    /// The keys that are refused for now, each with what to do instead.
    pub(crate) later: &'static [(&'static str, &'static str)],
}

/// A mapping whose keys have been held against a schema.
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    schema: &'static Schema,
}

impl<'a> Fields<'a> {
    /// Opens a mapping and tells what does not belong there.
    pub(crate) fn open(node: &'a Node, schema: &'static Schema, sink: &mut Sink) -> Option<Self> {
        let entries = entries(node, schema.what, sink)?;
        for entry in entries {
            check_key(entry, schema, sink);
        }
        for key in schema.required {
            if !entries.iter().any(|entry| entry.key == *key) {
                let message = format!("{} needs `{key}`", schema.what);
                sink.error(Code::MissingKey, node.at, message);
            }
        }
        Some(Self { entries, schema })
    }

    /// Opens a mapping that may hold what others have put there for themselves: that is warned of.
    pub(crate) fn open_loosely(
        node: &'a Node,
        schema: &'static Schema,
        sink: &mut Sink,
    ) -> Option<Self> {
        let mut aside = sink.aside();
        let fields = Self::open(node, schema, &mut aside);
        sink.take_in(aside, &[Code::UnknownKey]);
        fields
    }

    /// The value of a key of the schema; a null counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.present(key).filter(|node| !node.is_null())
    }

    /// The value of a key of the schema, be it null.
    pub(crate) fn present(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(
            self.schema.keys.contains(&key),
            "{key} is not in the schema"
        );
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

fn check_key(entry: &Entry, schema: &Schema, sink: &mut Sink) {
    if schema.keys.contains(&entry.key.as_str()) {
        return;
    }
    if let Some((key, instead)) = schema.later.iter().find(|(key, _)| *key == entry.key) {
        let message = format!("`{key}` in {} is not there yet", schema.what);
        sink.error_hint(Code::NotYet, entry.at, message, (*instead).to_owned());
        return;
    }
    let keys = || schema.keys.iter().copied();
    let all = keys().chain(schema.later.iter().map(|(key, _)| *key));
    // A slip may be one in a word that comes later; what is listed is what works.
    let hint = match suggest::nearest(&entry.key, all) {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if sink.is_full() => None,
        None => suggest::hint(&entry.key, keys()),
    };
    let message = format!("unknown key `{}` in {}", entry.key, schema.what);
    sink.error_hint(Code::UnknownKey, entry.at, message, hint);
}

/// The entries of a mapping with free keys.
pub(crate) fn entries<'a>(node: &'a Node, what: &str, sink: &mut Sink) -> Option<&'a [Entry]> {
    match &*node.value {
        Value::Mapping(entries) => Some(entries),
        Value::Sequence(_) | Value::Scalar(_) => {
            wrong(node, what, "a mapping", sink);
            None
        }
    }
}

/// The items of a list; a single scalar counts as a list of one.
pub(crate) fn items<'a>(node: &'a Node, what: &str, sink: &mut Sink) -> Option<&'a [Node]> {
    match &*node.value {
        Value::Sequence(items) => Some(items),
        Value::Scalar(scalar) if scalar.kind != Kind::Null => Some(std::slice::from_ref(node)),
        Value::Scalar(_) | Value::Mapping(_) => {
            wrong(node, what, "a list", sink);
            None
        }
    }
}

/// The items of a list and of nothing else.
pub(crate) fn list<'a>(node: &'a Node, what: &str, sink: &mut Sink) -> Option<&'a [Node]> {
    match &*node.value {
        Value::Sequence(items) => Some(items),
        Value::Scalar(_) | Value::Mapping(_) => {
            wrong(node, what, "a list", sink);
            None
        }
    }
}

/// Says that a value is of the wrong kind.
pub(crate) fn wrong(node: &Node, what: &str, wanted: &str, sink: &mut Sink) {
    let message = format!("{what} must be {wanted}, and is {}", node.describe());
    sink.error(Code::WrongType, node.at, message);
}

/// A scalar as text: numbers and truth values in the words of the workflow language.
pub(crate) fn text(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        wrong(node, what, "a text", sink);
        return None;
    };
    Some(match scalar.kind {
        Kind::Null => String::new(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number(value) => cutover_expr::Value::Number(value).to_text(),
        Kind::Text => scalar.text.clone(),
    })
}

/// A text that is not empty.
pub(crate) fn filled(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = text(node, what, sink)?;
    if text.is_empty() {
        sink.error(Code::BadValue, node.at, format!("{what} must not be empty"));
        return None;
    }
    Some(text)
}

/// A truth value.
pub(crate) fn truth(node: &Node, what: &str, sink: &mut Sink) -> Option<bool> {
    if let Some(Kind::Bool(value)) = node.scalar().map(|scalar| scalar.kind) {
        return Some(value);
    }
    wrong(node, what, "`true` or `false`", sink);
    None
}

/// A number.
pub(crate) fn number(node: &Node, what: &str, sink: &mut Sink) -> Option<f64> {
    if let Some(Kind::Number(value)) = node.scalar().map(|scalar| scalar.kind) {
        return Some(value);
    }
    wrong(node, what, "a number", sink);
    None
}

/// A whole number in a range.
pub(crate) fn whole(
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u32>,
    sink: &mut Sink,
) -> Option<u32> {
    let value = number(node, what, sink)?;
    let (low, high) = (*range.start(), *range.end());
    if value.fract() != 0.0 || value < f64::from(low) || value > f64::from(high) {
        let message = format!("{what} must be a whole number from {low} to {high}");
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    // In range and whole: printing and reading is the conversion that loses nothing.
    format!("{value:.0}").parse().ok()
}

/// A number in steps of 1 / `parts`, as a count of such steps: 12.5 by hundredths is 1 250.
pub(crate) fn fixed(value: f64, parts: u32) -> Option<u64> {
    let scaled = value * f64::from(parts);
    let whole = scaled.round();
    let near = (scaled - whole).abs() < 1e-6;
    (near && (0.0..1e15).contains(&whole))
        .then(|| format!("{whole:.0}").parse().ok())
        .flatten()
}

/// Percent with up to two decimals, in hundredths.
pub(crate) fn percent(node: &Node, what: &str, sink: &mut Sink) -> Option<u32> {
    let value = number(node, what, sink)?;
    let points = fixed(value, 100)
        .filter(|points| *points <= 10_000)
        .and_then(|points| u32::try_from(points).ok());
    if points.is_none() {
        let message = format!("{what} must be from 0 to 100 percent with at most two decimals");
        sink.error(Code::BadValue, node.at, message);
    }
    points
}

/// A length of time such as `30s`.
pub(crate) fn duration(node: &Node, what: &str, sink: &mut Sink) -> Option<Duration> {
    let Some(scalar) = node.scalar() else {
        wrong(node, what, "a length of time", sink);
        return None;
    };
    match scalar.text.parse::<Duration>() {
        Ok(length) => Some(length),
        Err(error) => {
            sink.error(Code::BadValue, node.at, format!("{what}: {error}"));
            None
        }
    }
}

/// One of a few words.
pub(crate) fn word<'w>(
    node: &Node,
    what: &str,
    words: &[&'w str],
    sink: &mut Sink,
) -> Option<&'w str> {
    let text = text(node, what, sink)?;
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Some(word);
    }
    sink.error_hint(
        Code::BadValue,
        node.at,
        format!("{what} cannot be `{text}`"),
        suggest::hint(&text, words.iter().copied()),
    );
    None
}

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned {
    pub(crate) text: String,
    pub(crate) at: Position,
}

/// One of the schema's words, bare or as the single key of a mapping that holds its settings.
pub(crate) fn choice<'a>(
    node: &'a Node,
    schema: &'static Schema,
    sink: &mut Sink,
) -> Option<(&'a str, Option<&'a Node>)> {
    let Some(scalar) = node.scalar() else {
        let entries = entries(node, schema.what, sink)?;
        for entry in entries {
            check_key(entry, schema, sink);
        }
        let [entry] = entries else {
            let message = format!("{} must name exactly one kind", schema.what);
            sink.error(Code::Conflict, node.at, message);
            return None;
        };
        let settings = Some(&entry.value).filter(|node| !node.is_null());
        return schema
            .keys
            .contains(&entry.key.as_str())
            .then_some((entry.key.as_str(), settings));
    };
    let word = scalar.text.as_str();
    if schema.keys.contains(&word) {
        return Some((word, None));
    }
    let later = schema.later.iter().find(|(later, _)| *later == word);
    if let Some((_, instead)) = later {
        let message = format!("{} `{word}` is not there yet", schema.what);
        sink.error_hint(Code::NotYet, node.at, message, (*instead).to_owned());
    } else {
        let message = format!("{} cannot be `{word}`", schema.what);
        let hint = suggest::hint(word, schema.keys.iter().copied());
        sink.error_hint(Code::BadValue, node.at, message, hint);
    }
    None
}
