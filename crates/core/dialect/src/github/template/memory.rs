//! How large a template may become, counted as the official reader counts it.

use super::token::{Token, Value};

const OBJECT: usize = 24;
const STRING: usize = 26;

/// The limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Maximum object size exceeded")]
pub(super) struct TooMuch;

/// A count of bytes with a limit.
#[derive(Debug)]
pub(super) struct Memory {
    used: usize,
    limit: usize,
}

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), TooMuch> {
        self.add(STRING + 2 * units(text))
    }

    pub(super) fn collection(&mut self) -> Result<(), TooMuch> {
        self.add(OBJECT)
    }

    /// A scalar.
    pub(super) fn token(&mut self, token: &Token) -> Result<(), TooMuch> {
        self.add(match &token.value {
            Value::Text(text) | Value::Expression(text) => OBJECT + STRING + 2 * units(text),
            _ => OBJECT,
        })
    }

    fn add(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.limit {
            return Err(TooMuch);
        }
        Ok(())
    }
}

/// The official reader counts UTF-16.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
