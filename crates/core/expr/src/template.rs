//! Text with `${{ }}` in it.
//!
//! Only the borders of expressions are found here; what is between them is the parser's.

use crate::{
    allowed::{Allowed, Names, Present},
    ast::Ast,
    context::Contexts,
    error::{Error, ParseError, ParseErrorKind},
    eval::{self, WORKFLOW_LIMIT},
    memory::{self, Memory},
    parser,
    value::Value,
};

/// The text with every `${{ }}` replaced by its value as text.
pub fn evaluate(text: &str, contexts: &dyn Contexts) -> Result<String, Error> {
    Ok(match evaluate_value(text, contexts)? {
        Value::String(text) => text,
        value => value.to_text(),
    })
}

/// The value itself if the whole text is one `${{ }}`, else the text as [`evaluate`] gives it.
pub fn evaluate_value(text: &str, contexts: &dyn Contexts) -> Result<Value, Error> {
    let names = Present(contexts);
    let value_of = |expression: &Expression<'_>| -> Result<Value, Error> {
        let ast = expression.parse(&names)?;
        Ok(eval::run(&ast, expression.text, contexts, WORKFLOW_LIMIT)?)
    };
    match Template::read(text)? {
        Template::Text(text) => Ok(text.into()),
        Template::Single(expression) => value_of(&expression),
        Template::Mixed(pieces) => {
            let memory = Memory::new(WORKFLOW_LIMIT, text);
            let mut result = memory.text();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => result.push(text)?,
                    Piece::Expression(expression) => {
                        result.push(&value_of(&expression)?.to_text())?;
                    }
                }
            }
            Ok(result.finish().into())
        }
    }
}

/// Whether every expression parses and uses only known names. The error's offset is in `text`.
pub fn check(text: &str, allowed: &Allowed) -> Result<(), ParseError> {
    parse_all(text, allowed).map(drop)
}

/// The contexts that the expressions touch, see [`Ast::uses`]. What does not parse touches nothing.
pub fn uses(text: &str) -> Vec<(String, Vec<String>)> {
    let expressions = parse_all(text, &Allowed::any()).unwrap_or_default();
    expressions.iter().flat_map(Ast::uses).collect()
}

/// Whether there is no expression in the text.
pub fn is_static(text: &str) -> bool {
    !text.contains(OPEN)
}

/// The bare expressions of a text, each with the byte where it begins, without blanks around them.
pub fn expressions(text: &str) -> Result<Vec<(usize, &str)>, ParseError> {
    let found = |expression: &Expression<'_>| {
        (expression.offset, expression.offset + expression.text.len())
    };
    let ranges = match Template::read(text)? {
        Template::Text(_) => Vec::new(),
        Template::Single(expression) => vec![found(&expression)],
        Template::Mixed(pieces) => pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(_) => None,
                Piece::Expression(expression) => Some(found(expression)),
            })
            .collect(),
    };
    let slice = |(start, end)| (start, text.get(start..end).unwrap_or_default());
    Ok(ranges.into_iter().map(slice).collect())
}

/// One expression that has the text which a template comes to: `format('a {0}', x)` for `a ${{ x }}`.
pub fn as_format(text: &str) -> Result<String, ParseError> {
    let (mut said, mut values) = (String::new(), String::new());
    let mut count = 0_usize;
    let mut value = |expression: &Expression<'_>, said: &mut String| {
        said.extend(["{", &count.to_string(), "}"]);
        values.extend([", ", expression.text]);
        count += 1;
    };
    match Template::read(text)? {
        Template::Text(text) => said.push_str(&quoted(text)),
        Template::Single(expression) => value(&expression, &mut said),
        Template::Mixed(pieces) => {
            for piece in &pieces {
                match piece {
                    Piece::Text(text) => said.push_str(&quoted(text)),
                    Piece::Expression(expression) => value(expression, &mut said),
                }
            }
        }
    }
    Ok(format!("format('{said}'{values})"))
}

/// As it stands in the first word of `format`.
fn quoted(text: &str) -> String {
    text.replace('\'', "''")
        .replace('{', "{{")
        .replace('}', "}}")
}

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// All expressions of a text, in order.
pub(crate) fn parse_all(text: &str, names: &dyn Names) -> Result<Vec<Ast>, ParseError> {
    match Template::read(text)? {
        Template::Text(_) => Ok(Vec::new()),
        Template::Single(expression) => Ok(vec![expression.parse(names)?]),
        Template::Mixed(pieces) => pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(_) => None,
                Piece::Expression(expression) => Some(expression.parse(names)),
            })
            .collect(),
    }
}

/// A text by what is in it.
pub(crate) enum Template<'a> {
    /// No expression.
    Text(&'a str),
    /// One expression and nothing around it.
    Single(Expression<'a>),
    /// Text and expressions.
    Mixed(Vec<Piece<'a>>),
}

/// A part of a template.
pub(crate) enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// To be replaced.
    Expression(Expression<'a>),
}

/// What is between `${{` and `}}`, without blanks around it.
#[derive(Clone, Copy)]
pub(crate) struct Expression<'a> {
    /// The bare expression.
    pub(crate) text: &'a str,
    /// Where it begins in the template.
    offset: usize,
}

impl Expression<'_> {
    /// Parses it; the error's offset is in the template.
    pub(crate) fn parse(&self, names: &dyn Names) -> Result<Ast, ParseError> {
        parser::parse_with(self.text, names).map_err(|error| ParseError {
            offset: error.offset + self.offset,
            ..error
        })
    }
}

impl<'a> Template<'a> {
    /// Finds the expressions.
    pub(crate) fn read(text: &'a str) -> Result<Self, ParseError> {
        if is_static(text) {
            return Ok(Self::Text(text));
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(open) = text.get(at..).and_then(|rest| rest.find(OPEN)) {
            let open = at + open;
            if open > at {
                pieces.push(Piece::Text(text.get(at..open).unwrap_or_default()));
            }
            let inside = open + OPEN.len();
            let Some(length) = length_inside(text.get(inside..).unwrap_or_default()) else {
                return Err(not_closed(text, open));
            };
            pieces.push(Piece::Expression(trimmed(text, inside, inside + length)));
            at = inside + length + CLOSE.len();
        }
        if at < text.len() {
            pieces.push(Piece::Text(text.get(at..).unwrap_or_default()));
        }
        match pieces.as_slice() {
            [Piece::Expression(expression)] => Ok(Self::Single(*expression)),
            _ => Ok(Self::Mixed(pieces)),
        }
    }
}

/// How much is before the `}}` that closes: one inside a string does not.
fn length_inside(text: &str) -> Option<usize> {
    let mut in_string = false;
    let mut last = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'\'' {
            in_string = !in_string;
        } else if byte == b'}' && last == b'}' && !in_string {
            return Some(at - 1);
        }
        last = byte;
    }
    None
}

fn trimmed(text: &str, start: usize, end: usize) -> Expression<'_> {
    let inside = text.get(start..end).unwrap_or_default();
    let blanks = inside.len() - inside.trim_start().len();
    Expression {
        text: inside.trim(),
        offset: start + blanks,
    }
}

fn not_closed(text: &str, open: usize) -> ParseError {
    ParseError {
        kind: ParseErrorKind::NotClosed,
        token: None,
        offset: open,
        position: memory::units(text.get(..open).unwrap_or_default()) + 1,
        expression: text.to_owned(),
    }
}
