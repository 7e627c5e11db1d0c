//! Places in files, and what there is to say about them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a file: line and column count from 1, columns in characters; 0:0 means "nowhere".
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// A place by line and column.
    pub const fn new(line: u32, column: u32) -> Self {
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is wrong; it is good to know.
    Note,
    /// Works, and may surprise.
    Warning,
    /// The file is refused.
    Error,
}

/// One thing to say about a file: `path:line:column: message`, and a hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// `CUT-1001` and the like; `cutover explain CODE` tells more.
    pub code: String,
    /// Whether the file is refused.
    pub severity: Severity,
    /// Path inside the source tree.
    pub path: String,
    /// Where in the file.
    pub at: Position,
    /// What is wrong: a lower-case fragment without a period, values in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(
            f,
            "{}:{}: {severity}[{}]: {}",
            self.path, self.at, self.code, self.message
        )?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
