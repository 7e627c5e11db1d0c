//! What a file consists of once it has been held against the schema: values with their places, and
//! expressions in the one form that is evaluated later.

use cutover_model::Position;
use serde_json::{Value as Json, json};

/// Where something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the file, from 1.
    pub(super) file: usize,
    pub(super) at: Position,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// Nothing for what no file says, such as the condition of a job without `if`.
    pub(super) place: Option<Place>,
    pub(super) value: Value,
}

/// The kinds of values.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
    /// `${{ }}`, or text with `${{ }}` in it as a call of `format`.
    Expression(String),
    /// `${{ insert }}`.
    Insert,
    Sequence(Vec<Token>),
    Mapping(Vec<(Token, Token)>),
}

impl Token {
    pub(super) fn new(place: Place, value: Value) -> Self {
        Self {
            place: Some(place),
            value,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    pub(super) fn entries(&self) -> &[(Self, Self)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key of a mapping, whatever case it is written in.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let same = |name: &Self| {
            name.text()
                .is_some_and(|name| name.eq_ignore_ascii_case(key))
        };
        self.entries()
            .iter()
            .find(|(name, _)| same(name))
            .map(|(_, value)| value)
    }

    pub(super) fn is_expression(&self) -> bool {
        matches!(self.value, Value::Expression(_) | Value::Insert)
    }

    /// Whether there is an expression anywhere in it.
    pub(super) fn has_expression(&self) -> bool {
        self.is_expression()
            || self.items().iter().any(Self::has_expression)
            || self
                .entries()
                .iter()
                .any(|(key, value)| key.has_expression() || value.has_expression())
    }

    /// A scalar as the language prints it.
    pub(super) fn print(&self) -> String {
        match &self.value {
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => String::new(),
            Value::Boolean(value) => value.to_string(),
            Value::Number(value) => cutover_expr::Value::Number(*value).to_text(),
            Value::Text(text) => text.clone(),
            Value::Expression(expression) => format!("${{{{ {expression} }}}}"),
            Value::Insert => "${{ insert }}".to_owned(),
        }
    }

    /// The token as JSON, with the places if they are wanted.
    pub(super) fn json(&self, places: bool) -> Json {
        let place = self.place.filter(|_| places);
        let (number, name, value) = match &self.value {
            Value::Null => (7, None, Json::Null),
            Value::Boolean(value) => (5, Some("bool"), Json::from(*value)),
            Value::Number(value) => (6, Some("num"), json_number(*value)),
            Value::Text(text) => (0, Some("lit"), Json::from(text.as_str())),
            Value::Expression(text) => (3, Some("expr"), Json::from(text.as_str())),
            Value::Insert => (4, Some("directive"), Json::from("insert")),
            Value::Sequence(items) => {
                let items = items.iter().map(|item| item.json(places)).collect();
                (1, Some("seq"), Json::Array(items))
            }
            Value::Mapping(entries) => {
                let entry = |(key, value): &(Self, Self)| json!({"Key": key.json(places), "Value": value.json(places)});
                (2, Some("map"), entries.iter().map(entry).collect())
            }
        };
        // Literals without a place stand for themselves.
        if place.is_none() && matches!(number, 0 | 5..) {
            return value;
        }
        let mut object = serde_json::Map::new();
        object.insert("type".to_owned(), number.into());
        if let Some(place) = place {
            object.insert("file".to_owned(), place.file.into());
            object.insert("line".to_owned(), place.at.line.into());
            object.insert("col".to_owned(), place.at.column.into());
        }
        if let Some(name) = name
            && value.as_array().is_none_or(|items| !items.is_empty())
        {
            object.insert(name.to_owned(), value);
        }
        object.into()
    }
}

/// A number as JSON: whole ones without a fraction, and those that JSON does not have by name.
fn json_number(value: f64) -> Json {
    let whole = value.fract() == 0.0 && value.abs() < 9e15;
    if whole && let Ok(whole) = format!("{value:.0}").parse::<i64>() {
        return whole.into();
    }
    serde_json::Number::from_f64(value).map_or_else(
        || cutover_expr::Value::Number(value).to_text().into(),
        Json::Number,
    )
}
