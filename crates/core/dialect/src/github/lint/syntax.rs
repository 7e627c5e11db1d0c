//! The pieces of which the syntax of a workflow is made: mappings with known keys, texts, lists, truth
//! values and numbers. Each says what does not hold and gives what can still be looked at.

use std::collections::BTreeMap;

use cutover_model::Position;

use super::model::{Env, Named, Text};
use crate::{
    diagnostic::{Code, Sink},
    suggest,
    yaml::{Entry, Kind, Layout, Node, Value},
};

/// Reads nodes and tells what is wrong.
pub(super) struct Syntax<'s> {
    pub(super) sink: &'s mut Sink,
}

/// Whether the names of a mapping differ in more than case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

/// Whether something may be empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Fine,
    Refused,
}

impl Syntax<'_> {
    pub(super) fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} must be {wanted}, and is {}", node.describe());
        self.sink.error(Code::WrongType, node.at, message);
    }

    pub(super) fn missing(&mut self, at: Position, what: &str, key: &str) {
        self.sink
            .error(Code::MissingKey, at, format!("{what} needs `{key}`"));
    }

    /// An entry that does not belong where it stands.
    pub(super) fn unknown(&mut self, entry: &Entry, what: &str, keys: &[&str]) {
        let hint = (!self.sink.is_full())
            .then(|| suggest::hint(&entry.key, keys.iter().copied()))
            .flatten();
        let message = format!("unknown key `{}` in {what}", entry.key);
        self.sink
            .error_hint(Code::UnknownKey, entry.at, message, hint);
    }

    /// The entries of a mapping, each name once.
    pub(super) fn mapping<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
        empty: Empty,
        case: Case,
    ) -> Vec<&'a Entry> {
        let entries: &[Entry] = match &*node.value {
            Value::Mapping(entries) => entries,
            _ if node.is_null() => &[],
            _ => {
                self.wrong_type(node, what, "a mapping");
                return Vec::new();
            }
        };
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mut kept = Vec::new();
        for entry in entries {
            if entry.node.is_merge_key() {
                let hint = "write the keys out, or use an alias for the whole mapping".to_owned();
                let message = "the merge key `<<` is not supported";
                self.sink.error_hint(Code::Yaml, entry.at, message, hint);
                continue;
            }
            let text = entry.node.scalar().map_or("", |scalar| &scalar.text);
            if text.is_empty() {
                self.sink.error(
                    Code::BadValue,
                    entry.at,
                    format!("a key of {what} must not be empty"),
                );
            }
            let name = match case {
                Case::Matters => text.to_owned(),
                Case::Ignored => text.to_lowercase(),
            };
            if let Some(first) = seen.get(&name) {
                let message = match case {
                    Case::Matters => {
                        format!("key `{text}` is there twice; the first is in line {first}")
                    }
                    Case::Ignored => format!(
                        "`{text}` is there twice in {what}, regardless of case; the first is in line {first}"
                    ),
                };
                let hint = "remove one of them".to_owned();
                self.sink
                    .error_hint(Code::DuplicateKey, entry.at, message, hint);
                continue;
            }
            seen.insert(name, entry.at.line);
            kept.push(entry);
        }
        if kept.is_empty() && empty == Empty::Refused {
            self.sink
                .error(Code::BadValue, node.at, format!("{what} must not be empty"));
        }
        kept
    }

    /// A text; a number or a truth value is one, too.
    pub(super) fn text<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
        empty: Empty,
    ) -> Option<Text<'a>> {
        let Some(scalar) = node.scalar() else {
            self.wrong_type(node, what, "a text");
            return None;
        };
        if empty == Empty::Refused && (scalar.text.is_empty() || node.is_null()) {
            self.sink
                .error(Code::BadValue, node.at, format!("{what} must not be empty"));
            return None;
        }
        Some(Text { node })
    }

    /// The nodes of a list.
    pub(super) fn sequence<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
        empty: Empty,
    ) -> Option<&'a [Node]> {
        let Value::Sequence(items) = &*node.value else {
            self.wrong_type(node, what, "a list");
            return None;
        };
        if items.is_empty() && empty == Empty::Refused {
            self.sink
                .error(Code::BadValue, node.at, format!("{what} must not be empty"));
            return None;
        }
        Some(items)
    }

    /// The texts of a list.
    pub(super) fn texts<'a>(&mut self, node: &'a Node, what: &str, empty: Empty) -> Vec<Text<'a>> {
        let items = self.sequence(node, what, empty).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| self.text(item, what, Empty::Refused))
            .collect()
    }

    /// The texts of a list, or one text.
    pub(super) fn one_or_more<'a>(&mut self, node: &'a Node, what: &str) -> Vec<Text<'a>> {
        match node.scalar() {
            Some(_) => self.text(node, what, Empty::Refused).into_iter().collect(),
            None => self.texts(node, what, Empty::Refused),
        }
    }

    /// A truth value, or the expression that gives it.
    pub(super) fn truth<'a>(&mut self, node: &'a Node, what: &str) -> Option<Text<'a>> {
        match node.scalar().map(|scalar| scalar.kind) {
            Some(Kind::Bool(_)) => None,
            Some(Kind::Text) if is_expression(node) => Some(Text { node }),
            _ => {
                self.wrong_type(node, what, "`true`, `false` or one `${{ }}`");
                None
            }
        }
    }

    /// A number above zero, or the expression that gives it.
    pub(super) fn number<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
        whole: bool,
    ) -> Option<Text<'a>> {
        let wanted = if whole {
            "a whole number or one `${{ }}`"
        } else {
            "a number or one `${{ }}`"
        };
        match node.scalar().map(|scalar| scalar.kind) {
            Some(Kind::Number(value)) if whole && value.fract() != 0.0 => {
                self.wrong_type(node, what, wanted);
                None
            }
            Some(Kind::Number(value)) if value <= 0.0 => {
                self.sink
                    .error(Code::BadValue, node.at, format!("{what} must be above 0"));
                None
            }
            Some(Kind::Number(_)) => None,
            Some(Kind::Text) if is_expression(node) => Some(Text { node }),
            _ => {
                self.wrong_type(node, what, wanted);
                None
            }
        }
    }

    /// The one expression that stands in place of something else.
    pub(super) fn expression<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
        wanted: &str,
    ) -> Option<Text<'a>> {
        if is_expression(node) {
            return Some(Text { node });
        }
        self.wrong_type(node, what, &format!("{wanted} or one `${{{{ }}}}`"));
        None
    }

    /// Names with texts, such as inputs.
    pub(super) fn bindings<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
        empty: Empty,
    ) -> Vec<Named<'a>> {
        self.mapping(node, what, empty, Case::Ignored)
            .into_iter()
            .filter_map(|entry| {
                let value = self.text(&entry.value, what, Empty::Fine)?;
                Some((Text { node: &entry.node }, value))
            })
            .collect()
    }

    pub(super) fn env<'a>(&mut self, node: &'a Node) -> Option<Env<'a>> {
        if node.scalar().is_some() {
            let expression = self.expression(node, "`env`", "a mapping")?;
            return Some(Env::Expression(expression));
        }
        Some(Env::Variables(self.bindings(node, "`env`", Empty::Refused)))
    }
}

/// Whether a node is one expression and nothing else.
pub(super) fn is_expression(node: &Node) -> bool {
    let is_text = node
        .scalar()
        .is_some_and(|scalar| scalar.kind == Kind::Text);
    is_text && Text { node }.is_expression()
}

/// Whether a node is an alias inside of what it names.
pub(super) fn is_recursive(node: &Node) -> bool {
    node.scalar()
        .is_some_and(|scalar| matches!(scalar.layout, Layout::Recursive))
}
