//! Why something could not be done: the user's file asks for what cannot be evaluated.
//! Their script saying no is not a fault, and neither is a refused command.

use cutover_model::{Position, plan::Template};

/// What is wrong, and where: `file:line:column: what`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{at}: {message}")]
pub struct Fault {
    /// The file, from the root of the sources.
    pub path: String,
    /// The place in the file.
    pub at: Position,
    /// What is wrong: a lower-case fragment.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(path: &str, at: Position, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            at,
            message: message.into(),
        }
    }

    pub(crate) fn of(path: &str, template: &Template, message: impl Into<String>) -> Self {
        Self::new(path, template.at, message)
    }
}
