//! A tree as text again, with brackets wherever they could matter.

use std::fmt;

use super::{Part, Tree};
use crate::value::Value;

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Part::Null => f.write_str("null"),
            Part::Boolean(value) => write!(f, "{value}"),
            Part::Number(value) => f.write_str(&Value::Number(*value).to_text()),
            Part::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Part::Context(name) => f.write_str(name),
            Part::Property(of, name) if is_word(name) => write!(f, "{of}.{name}"),
            Part::Property(of, name) => write!(f, "{of}['{}']", name.replace('\'', "''")),
            Part::Filter(of) => write!(f, "{of}.*"),
            Part::Index(of, index) => write!(f, "{of}[{index}]"),
            Part::Call(name, parameters) => {
                write!(f, "{name}(")?;
                for (place, parameter) in parameters.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{parameter}")?;
                }
                f.write_str(")")
            }
            Part::Not(of) => {
                f.write_str("!")?;
                within(of, f)
            }
            Part::And(left, right) => binary(left, "&&", right, f),
            Part::Or(left, right) => binary(left, "||", right, f),
            Part::Compare(operator, left, right) => binary(left, operator, right, f),
        }
    }
}

fn is_word(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next();
    first.is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))
}

fn binary(left: &Tree, operator: &str, right: &Tree, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    within(left, f)?;
    write!(f, " {operator} ")?;
    within(right, f)
}

fn within(tree: &Tree, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match tree.part {
        Part::And(..) | Part::Or(..) | Part::Compare(..) => write!(f, "({tree})"),
        _ => write!(f, "{tree}"),
    }
}

impl Tree {
    /// The parts that it is made of, as far as each has a value of its own: not the steps on the way to a
    /// property.
    pub fn children(&self) -> Vec<&Self> {
        match &self.part {
            Part::Null
            | Part::Boolean(_)
            | Part::Number(_)
            | Part::Text(_)
            | Part::Context(_)
            | Part::Property(..)
            | Part::Filter(_)
            | Part::Index(..) => Vec::new(),
            Part::Call(_, parameters) => parameters.iter().collect(),
            Part::Not(of) => vec![of],
            Part::And(left, right) | Part::Or(left, right) | Part::Compare(_, left, right) => {
                vec![left, right]
            }
        }
    }

    /// Whether it stands for itself, so that nobody needs to be told its value.
    pub fn is_literal(&self) -> bool {
        matches!(
            self.part,
            Part::Null | Part::Boolean(_) | Part::Number(_) | Part::Text(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::tree;

    #[test]
    fn what_is_printed_means_the_same() {
        for text in [
            "github.ref == 'refs/heads/main'",
            "(a.b || !c) && startsWith(d, 'it''s')",
            "needs.*.result",
            "a['b c'][0].d",
            "!(a == b) != (c < 5)",
        ] {
            let one = tree(text).unwrap().unwrap();
            let again = tree(&one.to_string()).unwrap().unwrap();
            assert_eq!(one.to_string(), again.to_string(), "{text}");
        }
        let tree = tree("a && b || c").unwrap().unwrap();
        assert_eq!(tree.to_string(), "(a && b) || c");
        assert_eq!(tree.children().len(), 2);
    }
}
