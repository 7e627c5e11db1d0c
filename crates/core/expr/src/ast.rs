//! A parsed expression, and questions about it that need no evaluation.

use std::fmt::{self, Display as _};

use crate::{function::Function, number, token::Operator, value::Value};

/// A parsed expression. Its `Display` is an expression again, with brackets around every operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Ast {
    pub(crate) root: Node,
}

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// A value as it is written.
    Literal(Value),
    /// A context by name, as it is written.
    Context(String),
    /// `*` as an index.
    Wildcard,
    /// A property or an item of something.
    Index(Box<Self>, Box<Self>),
    /// A call.
    Call(Function, Vec<Self>),
    /// `!`.
    Not(Box<Self>),
    /// `&&` of several.
    And(Vec<Self>),
    /// `||` of several.
    Or(Vec<Self>),
    /// A comparison.
    Compare(Operator, Box<Self>, Box<Self>),
}

impl Ast {
    /// Whether `success`, `failure`, `always` or `cancelled` is called anywhere.
    pub fn calls_status(&self) -> bool {
        let mut found = false;
        self.root.walk(&mut |node| {
            found |= matches!(node, Node::Call(function, _) if function.is_status());
        });
        found
    }

    /// The contexts that it touches: name in lower case, and the path as far as it is known without
    /// evaluating (`needs.a.outputs[x]` gives `needs`, `[a, outputs]`). In reading order.
    pub fn uses(&self) -> Vec<(String, Vec<String>)> {
        let mut uses = Vec::new();
        self.root.uses(&mut uses);
        uses
    }

    /// Names of all functions that are called, as they are usually written. In reading order.
    pub fn calls(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        self.root.walk(&mut |node| {
            if let Node::Call(function, _) = node {
                names.push(function.name());
            }
        });
        names
    }

    /// Whether its value depends on nothing outside.
    pub fn is_constant(&self) -> bool {
        let mut constant = true;
        self.root.walk(&mut |node| {
            constant &= match node {
                Node::Context(_) => false,
                Node::Call(function, _) => !function.is_special(),
                _ => true,
            };
        });
        constant
    }
}

impl Node {
    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Literal(_) | Self::Context(_) | Self::Wildcard => Vec::new(),
            Self::Not(inner) => vec![inner],
            Self::Index(left, right) | Self::Compare(_, left, right) => vec![left, right],
            Self::Call(_, items) | Self::And(items) | Self::Or(items) => items.iter().collect(),
        }
    }

    fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    fn uses(&self, uses: &mut Vec<(String, Vec<String>)>) {
        // Down the chain of indexes to what it starts from, collecting the static names on the way.
        let mut segments = Vec::new();
        let mut dynamic = Vec::new();
        let mut node = self;
        while let Self::Index(left, right) = node {
            match right.as_ref() {
                Self::Literal(Value::String(name)) => segments.push(Some(name.clone())),
                other => {
                    segments.push(None);
                    dynamic.push(other);
                }
            }
            node = left;
        }
        if let Self::Context(name) = node {
            let path = segments.into_iter().rev().map_while(|segment| segment);
            uses.push((name.to_ascii_lowercase(), path.collect()));
        } else {
            for child in node.children() {
                child.uses(uses);
            }
        }
        for index in dynamic.into_iter().rev() {
            index.uses(uses);
        }
    }
}

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(Value::Null) => f.write_str("null"),
            Self::Literal(Value::Bool(value)) => value.fmt(f),
            Self::Literal(Value::Number(value)) => write_number(*value, f),
            Self::Literal(other) => write!(f, "'{}'", other.to_text().replace('\'', "''")),
            Self::Context(name) => f.write_str(name),
            Self::Wildcard => f.write_str("*"),
            Self::Index(left, right) => write!(f, "{left}[{right}]"),
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::And(items) => write_joined(items, " && ", f),
            Self::Or(items) => write_joined(items, " || ", f),
            Self::Compare(operator, left, right) => {
                write!(f, "({left} {} {right})", operator.symbol())
            }
            Self::Call(function, items) => {
                f.write_str(function.name())?;
                write_joined(items, ", ", f)
            }
        }
    }
}

/// The short form if it reads back as the same number, else all its digits.
fn write_number(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let short = number::print(value);
    if value.is_finite() && number::parse(&short).to_bits() != value.to_bits() {
        return write!(f, "{value:e}");
    }
    f.write_str(&short)
}

fn write_joined(items: &[Node], between: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(between)?;
        }
        item.fmt(f)?;
    }
    f.write_str(")")
}
