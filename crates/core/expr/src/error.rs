//! What can be wrong with an expression: it does not parse, or it cannot be evaluated.
//!
//! The texts are those that workflow authors know from the hosted service, so they do not follow our
//! own form (lower-case fragments).

use std::fmt;

/// An expression that could not be parsed or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The author's text is wrong, whatever the contexts hold.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The text is right, and cannot be computed with these contexts.
    #[error(transparent)]
    Evaluate(#[from] EvalError),
}

/// Why an expression does not parse, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The piece of text it is about, if there is one.
    pub token: Option<String>,
    /// Byte offset of that piece in the text that was given (for a template: in the whole template).
    pub offset: usize,
    /// Where it is in the expression, counted in UTF-16 units from 1, as the message says it.
    pub position: usize,
    /// The expression.
    pub expression: String,
}

/// The kinds of [`ParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// Operators and calls are nested deeper than [`ParseErrorKind::MAX_DEPTH`].
    ExceededMaxDepth,
    /// The text is longer than [`ParseErrorKind::MAX_LENGTH`].
    ExceededMaxLength,
    /// A function call lacks parameters.
    TooFewParameters,
    /// A function call has more parameters than the function takes.
    TooManyParameters,
    /// `case` was given an even number of parameters.
    EvenParameters,
    /// The expression stops in the middle.
    UnexpectedEndOfExpression,
    /// Something is where it may not be.
    UnexpectedSymbol,
    /// No function has this name, or it is not available here.
    UnrecognizedFunction,
    /// No context has this name, or it is not available here.
    UnrecognizedNamedValue,
    /// There is nothing between `${{` and `}}`.
    ExpressionExpected,
    /// `${{` without `}}`.
    NotClosed,
}

impl ParseErrorKind {
    /// How deep an expression may be nested.
    pub const MAX_DEPTH: usize = 50;
    /// How many UTF-16 units an expression may have.
    pub const MAX_LENGTH: usize = 21_000;
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExceededMaxDepth => {
                return write!(f, "Exceeded max expression depth {}", Self::MAX_DEPTH);
            }
            Self::ExceededMaxLength => {
                return write!(f, "Exceeded max expression length {}", Self::MAX_LENGTH);
            }
            Self::TooFewParameters => "Too few parameters supplied",
            Self::TooManyParameters => "Too many parameters supplied",
            Self::EvenParameters => {
                "Even number of parameters supplied, requires an odd number of parameters"
            }
            Self::UnexpectedEndOfExpression => "Unexpected end of expression",
            Self::UnexpectedSymbol => "Unexpected symbol",
            Self::UnrecognizedFunction => "Unrecognized function",
            Self::UnrecognizedNamedValue => "Unrecognized named-value",
            Self::ExpressionExpected => "An expression was expected",
            Self::NotClosed => {
                "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found."
            }
        })
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.token {
            None => self.kind.fmt(f),
            Some(token) => write!(
                f,
                "{}: '{token}'. Located at position {} within expression: {}",
                self.kind, self.position, self.expression
            ),
        }
    }
}

/// Why an expression that parses has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The results on the way, or the final one, are larger than the language allows.
    #[error(
        "The maximum allowed memory size was exceeded while evaluating the following expression: {expression}"
    )]
    ExceededMemory {
        /// The expression.
        expression: String,
    },
    /// Braces in the first argument of `format` do not match, or hold no number.
    #[error("The following format string is invalid: {format}")]
    InvalidFormat {
        /// The first argument.
        format: String,
    },
    /// `format` has `{n}` and no such argument.
    #[error("The following format string references more arguments than were supplied: {format}")]
    MissingFormatArgument {
        /// The first argument.
        format: String,
    },
    /// `format` has `{n:specifiers}`; no kind of value has any.
    #[error("The format specifiers '{specifiers}' are not valid for objects of type '{kind}'")]
    InvalidFormatSpecifiers {
        /// What follows the colon.
        specifiers: String,
        /// Name of the kind of the argument.
        kind: &'static str,
    },
    /// The argument of `fromJSON` is not JSON.
    #[error("Error parsing fromJson: {why}")]
    InvalidJson {
        /// What the parser says, with line and column.
        why: String,
    },
    /// A condition of `case` is neither true nor false.
    #[error("case predicate must evaluate to a boolean value")]
    CasePredicate,
    /// The caller's `hashFiles` failed.
    #[error("{why}")]
    HashFiles {
        /// Its reason.
        why: String,
    },
}
