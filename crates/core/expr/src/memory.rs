//! How much an evaluation may hold at a time, counted as the original counts (UTF-16 text, results of
//! finished deeper nodes given back), so that the same expressions are refused.

use crate::{error::EvalError, value::Value};

const TEXT_OVERHEAD: usize = 26;
const OBJECT_SIZE: usize = 24;

/// What is held, by depth of the node that holds it.
pub(crate) struct Memory<'a> {
    limit: usize,
    expression: &'a str,
    held: Vec<usize>,
    total: usize,
}

impl<'a> Memory<'a> {
    /// Nothing held, at most `limit` bytes.
    pub(crate) fn new(limit: usize, expression: &'a str) -> Self {
        Self {
            limit,
            expression,
            held: Vec::new(),
            total: 0,
        }
    }

    /// A node at this depth is done: what deeper nodes held is given back, its own result is held.
    pub(crate) fn hold(&mut self, depth: usize, bytes: usize) -> Result<(), EvalError> {
        while self.held.len() > depth + 1 {
            self.total -= self.held.pop().unwrap_or_default();
        }
        self.held.resize(depth + 1, 0);
        if let Some(held) = self.held.get_mut(depth) {
            *held += bytes;
        }
        self.total += bytes;
        self.check(0)
    }

    /// Whether so many more bytes would still be allowed.
    pub(crate) fn check(&self, more: usize) -> Result<(), EvalError> {
        if self.total.saturating_add(more) > self.limit {
            return Err(EvalError::ExceededMemory {
                expression: self.expression.to_owned(),
            });
        }
        Ok(())
    }

    /// A text that grows no further than is allowed.
    pub(crate) fn text(&self) -> Text<'_> {
        Text {
            memory: self,
            bytes: TEXT_OVERHEAD,
            built: String::new(),
        }
    }
}

/// A text under construction.
pub(crate) struct Text<'a> {
    memory: &'a Memory<'a>,
    bytes: usize,
    built: String,
}

impl Text<'_> {
    /// Adds to the text.
    pub(crate) fn push(&mut self, more: &str) -> Result<(), EvalError> {
        self.bytes += units(more) * 2;
        self.memory.check(self.bytes)?;
        self.built.push_str(more);
        Ok(())
    }

    /// The finished text.
    pub(crate) fn finish(self) -> String {
        self.built
    }
}

/// What the value itself takes; arrays and objects that were there before cost only a reference.
pub(crate) fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => TEXT_OVERHEAD + units(text) * 2,
        _ => OBJECT_SIZE,
    }
}

/// What the value takes with everything in it.
pub(crate) fn deep_size(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(items) => items.iter().map(deep_size).sum(),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| TEXT_OVERHEAD + units(name) * 2 + deep_size(value))
            .sum(),
        _ => 0,
    };
    size(value) + inside
}

/// Length in UTF-16 units.
pub(crate) fn units(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    }
}
