//! YAML text → a tree of nodes that know their places. Strict where YAML is lax: no merge keys, no
//! tags but those of the core schema, no second document, no key twice.
//!
//! What the keys mean is not known here.

mod build;
mod scalar;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use cutover_model::Position;

pub(crate) use build::{as_written, parse};
pub(crate) use scalar::Kind;

/// The largest file, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting, aliases included.
pub(crate) const MAX_DEPTH: usize = 50;
/// The most nodes, aliases counted as what they stand for.
pub(crate) const MAX_NODES: usize = 1_000_000;

/// A file as it was written.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its value; `None` when it is no YAML, or empty.
    pub(crate) root: Option<Node>,
    /// What is wrong, each with its place.
    pub(crate) faults: Vec<(Position, Fault)>,
    /// The anchors in the order of the file.
    pub(crate) anchors: Vec<Anchor>,
}

impl Document {
    fn refused(fault: Fault) -> Self {
        Self {
            root: None,
            faults: vec![(Position::new(1, 1), fault)],
            anchors: Vec::new(),
        }
    }
}

/// A name for a value.
#[derive(Debug)]
pub(crate) struct Anchor {
    /// Without the `&`.
    pub(crate) name: String,
    /// Where its `&` stands.
    pub(crate) at: Position,
    /// Whether an alias names it.
    pub(crate) used: bool,
}

/// A value and its place. Cheap to clone: an alias shares what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it begins, an anchor and a tag included; what an alias stands for begins where it was written.
    pub(crate) at: Position,
    /// What it is.
    pub(crate) value: Rc<Value>,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Value {
    /// A text, a number, a truth value or nothing.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in the order written, each key once.
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key's text.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) at: Position,
    /// The key itself.
    pub(crate) node: Node,
    /// Its value.
    pub(crate) value: Node,
}

/// A scalar: its text as written (escapes resolved) and what the core schema makes of it.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) kind: Kind,
    /// Where its first character stands, and what one must know to find the others.
    pub(crate) layout: Layout,
}

/// How the characters of a scalar lie in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// On one line without escapes, from here.
    Line(Position),
    /// A literal block: the first line of the text stands here, the others below it.
    Block(Position),
    /// Folded or with escapes: only the beginning is known.
    Opaque,
    /// Nowhere: an alias inside of what it names.
    Recursive,
}

impl Node {
    /// The scalar, when it is one.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &*self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// Whether nothing was written, or `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar()
            .is_some_and(|scalar| scalar.kind == Kind::Null)
    }

    /// Whether it is a list or a mapping with nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        match &*self.value {
            Value::Scalar(_) => false,
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
        }
    }

    /// What it is, for people.
    pub(crate) fn describe(&self) -> &'static str {
        match &*self.value {
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => "nothing",
                Kind::Bool(_) => "a truth value",
                Kind::Number(_) => "a number",
                Kind::Text => "a text",
            },
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The place of the character that begins at `byte` of a scalar's text.
    pub(crate) fn place_of(&self, byte: usize) -> Position {
        let Some(scalar) = self.scalar() else {
            return self.at;
        };
        let before = scalar.text.get(..byte).unwrap_or(&scalar.text);
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        match scalar.layout {
            Layout::Line(start) => {
                Position::new(start.line, start.column.saturating_add(count(before)))
            }
            Layout::Block(start) => {
                let lines = before.matches('\n').count();
                let last = before.rsplit('\n').next().unwrap_or(before);
                Position::new(
                    start
                        .line
                        .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX)),
                    start.column.saturating_add(count(last)),
                )
            }
            Layout::Opaque | Layout::Recursive => self.at,
        }
    }

    /// Whether it is `<<`; a quoted one begins one column later and is a key like others.
    pub(crate) fn is_merge_key(&self) -> bool {
        self.scalar().is_some_and(|scalar| {
            scalar.text == "<<" && matches!(scalar.layout, Layout::Line(at) if at == self.at)
        })
    }
}

/// Why a text is no tree, or what is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Syntax(String),
    #[error("the file has {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
    #[error("the file is not UTF-8 text")]
    NotText,
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("more than {MAX_NODES} values, aliases counted as what they stand for")]
    TooMany,
    #[error("key `{key}` is there twice; the first is in line {first}")]
    Duplicate { key: String, first: u32 },
    #[error("the merge key `<<` is not supported")]
    MergeKey,
    #[error("tag `{0}` is not supported")]
    Tag(String),
    #[error("`{text}` is not {wanted}, as tag `!!{tag}` says")]
    NotOfTag {
        text: String,
        wanted: &'static str,
        tag: String,
    },
    #[error("tag `!!{tag}` needs a value without quotes")]
    StyleOfTag { style: &'static str, tag: String },
    #[error("a key must be a scalar")]
    KeyNotScalar,
    #[error("alias `*{0}` names no anchor before it")]
    UnknownAlias(String),
    #[error("alias `*{name}` stands inside the value that it names, from line {} on", first.line)]
    RecursiveAlias { name: String, first: Position },
    #[error("a second document begins here")]
    SecondDocument,
}
