//! Values to JSON and back: the printed form of `toJSON`, the reader of `fromJSON`, and conversions.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::{
    error::EvalError,
    memory::Text,
    number,
    value::{Object, Value},
};

/// Reads JSON, keeping the order of names.
pub(crate) fn read(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// Writes a value as `toJSON` does: two spaces of indentation, nothing between empty brackets.
pub(crate) fn write(value: &Value, depth: usize, out: &mut Text<'_>) -> Result<(), EvalError> {
    match value {
        Value::Null => out.push("null"),
        Value::Bool(_) | Value::Number(_) => out.push(&value.to_text()),
        Value::String(text) => write_string(text, out),
        Value::Array(items) if items.is_empty() => out.push("[]"),
        Value::Object(object) if object.is_empty() => out.push("{}"),
        Value::Array(items) => {
            out.push("[")?;
            for (place, item) in items.iter().enumerate() {
                write_break(place, depth, out)?;
                write(item, depth + 1, out)?;
            }
            write_end(depth, "]", out)
        }
        Value::Object(object) => {
            out.push("{")?;
            for (place, (name, item)) in object.iter().enumerate() {
                write_break(place, depth, out)?;
                write_string(name, out)?;
                out.push(": ")?;
                write(item, depth + 1, out)?;
            }
            write_end(depth, "}", out)
        }
    }
}

fn write_break(place: usize, depth: usize, out: &mut Text<'_>) -> Result<(), EvalError> {
    out.push(if place == 0 { "\n" } else { ",\n" })?;
    out.push(&"  ".repeat(depth + 1))
}

fn write_end(depth: usize, bracket: &str, out: &mut Text<'_>) -> Result<(), EvalError> {
    out.push("\n")?;
    out.push(&"  ".repeat(depth))?;
    out.push(bracket)
}

fn write_string(text: &str, out: &mut Text<'_>) -> Result<(), EvalError> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                push_escape(character, &mut quoted);
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    out.push(&quoted)
}

/// `\u00xx`, by the digits of the code.
fn push_escape(character: char, quoted: &mut String) {
    quoted.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        let digit = (u32::from(character) >> shift) & 0xf;
        quoted.extend(char::from_digit(digit, 16));
    }
}

impl Value {
    /// The value as JSON; numbers that JSON does not know become text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(value) => number_to_json(*value),
            Self::String(value) => value.clone().into(),
            Self::Array(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(object) => object
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_json()))
                .collect(),
        }
    }
}

fn number_to_json(value: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        let whole = value as i64;
        return whole.into();
    }
    serde_json::Number::from_f64(value)
        .map_or_else(|| number::print(value).into(), serde_json::Value::Number)
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(value) => Self::Number(value.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(value) => Self::String(value),
            serde_json::Value::Array(items) => Self::array(items),
            serde_json::Value::Object(map) => Self::object(map),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the language has no other numbers"
    )]
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the language has no other numbers"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Value>()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            object.insert(name, value);
        }
        Ok(object.into())
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Value, E> {
        Err(E::custom("bytes are no JSON value"))
    }
}
