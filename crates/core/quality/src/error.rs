//! Why a report cannot be read, and where.

use cutover_model::Position;

/// Why a report cannot be read. The tool that wrote it, or who cut it off, is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes are no text.
    #[error("not UTF-8 at byte {byte}")]
    NotText {
        /// How many bytes were good.
        byte: usize,
    },
    /// The XML is not well-formed.
    #[error("{at}: not well-formed XML: {why}")]
    Xml {
        /// Where it goes wrong.
        at: Position,
        /// What the parser says.
        why: String,
    },
    /// The file ends in the middle.
    #[error("{at}: the report is cut off: `{open}` is not closed")]
    Truncated {
        /// Where it ends.
        at: Position,
        /// What is open there.
        open: String,
    },
    /// Well-formed, and another kind of file.
    #[error("{at}: expected {wanted}, found {found}")]
    Unexpected {
        /// Where.
        at: Position,
        /// What belongs there.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// A number that is none.
    #[error("{at}: `{name}` must be a whole number, found `{found}`")]
    Number {
        /// Where.
        at: Position,
        /// The attribute or field.
        name: &'static str,
        /// What it says.
        found: String,
    },
}
