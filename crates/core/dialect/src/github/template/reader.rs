//! Nodes held against the schema → tokens. What does not fit is told and left out, and the rest is
//! still read; only a limit ends the reading.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use cutover_expr::Allowed;
use cutover_model::Position;

use super::{
    memory::{Memory, TooMuch},
    scalar,
    schema::{ANY, Definition, Mapping, Shape},
    token::{Place, Token, Value},
};
use crate::yaml::{Entry, Kind, Node, Value as Yaml};

/// Properties that are never proposed: such a step begins with another one's `background`.
const NOT_PROPOSED: [&str; 4] = ["background", "cancel", "wait", "wait-all"];

/// Reads one file.
pub(super) struct Reader<'a> {
    file: usize,
    memory: &'a mut Memory,
    /// What is wrong, each with its place.
    pub(super) errors: Vec<(Position, String)>,
    /// Scopes that have been entered before, by the addresses of what is outside and of the definition.
    scopes: BTreeMap<(usize, usize), Scope>,
}

/// A definition with what expressions see there.
#[derive(Clone)]
struct Scope {
    definition: &'static Definition,
    names: Rc<Vec<&'static str>>,
    allowed: Rc<Allowed>,
}

impl Scope {
    fn root(definition: &'static Definition) -> Self {
        let names = definition.context.to_vec();
        Self {
            definition,
            allowed: Rc::new(Allowed::list(names.iter().copied())),
            names: Rc::new(names),
        }
    }

    fn inner(
        &self,
        definition: &'static Definition,
        known: &mut BTreeMap<(usize, usize), Self>,
    ) -> Self {
        if definition
            .context
            .iter()
            .all(|name| self.names.contains(name))
        {
            return Self {
                definition,
                ..self.clone()
            };
        }
        // Whoever is outside lives as long as the scopes that were entered from it.
        let key = (
            Rc::as_ptr(&self.names).addr(),
            std::ptr::from_ref(definition).addr(),
        );
        let enter = || {
            let mut names = self.names.to_vec();
            names.extend(definition.context);
            Self {
                definition,
                allowed: Rc::new(Allowed::list(names.iter().copied())),
                names: Rc::new(names),
            }
        };
        known.entry(key).or_insert_with(enter).clone()
    }

    fn mappings(&self) -> Vec<&'static Mapping> {
        let mapping = |shape: &'static Shape| match shape {
            Shape::Mapping(mapping) => Some(mapping),
            _ => None,
        };
        self.definition.choices().filter_map(mapping).collect()
    }

    fn sequence(&self) -> Option<&'static Definition> {
        self.definition.choices().find_map(|shape| match shape {
            Shape::Sequence(item) => Some(*item),
            _ => None,
        })
    }

    fn takes(&self, value: &Value) -> bool {
        self.definition.choices().any(|shape| match (shape, value) {
            (Shape::Null, Value::Null)
            | (Shape::Boolean, Value::Boolean(_))
            | (Shape::Number, Value::Number(_))
            | (Shape::Text, Value::Text(_)) => true,
            (Shape::Filled, Value::Text(text)) => !text.is_empty(),
            (Shape::Words(words), Value::Text(text)) => words.contains(&text.as_str()),
            _ => false,
        })
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: usize, memory: &'a mut Memory) -> Self {
        Self {
            file,
            memory,
            errors: Vec::new(),
            scopes: BTreeMap::new(),
        }
    }

    fn enter(&mut self, scope: &Scope, definition: &'static Definition) -> Scope {
        scope.inner(definition, &mut self.scopes)
    }

    /// The tokens of a node.
    pub(super) fn read(
        &mut self,
        node: &Node,
        definition: &'static Definition,
    ) -> Result<Token, TooMuch> {
        self.value(node, &Scope::root(definition))
    }

    /// Holds a scalar that was read for something else against another definition.
    pub(super) fn again(&mut self, token: Token, definition: &'static Definition) -> Token {
        self.validate(token, &Scope::root(definition))
    }

    fn place(&self, at: Position) -> Place {
        Place {
            file: self.file,
            at,
        }
    }

    fn error(&mut self, at: Position, message: impl Into<String>) {
        self.errors.push((at, message.into()));
    }

    fn value(&mut self, node: &Node, scope: &Scope) -> Result<Token, TooMuch> {
        match &*node.value {
            Yaml::Scalar(_) => {
                let token = self.scalar(node, scope);
                let token = self.validate(token, scope);
                self.memory.token(&token)?;
                Ok(token)
            }
            Yaml::Sequence(items) => {
                self.memory.collection()?;
                let mut tokens = Vec::new();
                match scope.sequence() {
                    Some(item) => {
                        let scope = self.enter(scope, item);
                        for item in items {
                            tokens.push(self.value(item, &scope)?);
                        }
                    }
                    None => self.error(node.at, "A sequence was not expected"),
                }
                Ok(Token::new(self.place(node.at), Value::Sequence(tokens)))
            }
            Yaml::Mapping(entries) => {
                self.memory.collection()?;
                let mappings = scope.mappings();
                let tokens = match mappings.as_slice() {
                    [] => {
                        self.error(node.at, "A mapping was not expected");
                        Vec::new()
                    }
                    [only] if only.properties.is_empty() && only.loose.is_some() => {
                        self.loose(entries, only, scope)?
                    }
                    _ => self.known(node, entries, mappings, scope)?,
                };
                Ok(Token::new(self.place(node.at), Value::Mapping(tokens)))
            }
        }
    }

    /// A key; `None` when it may not stand here, which has been told then.
    fn key(&mut self, entry: &Entry, seen: &mut BTreeSet<String>, scope: &Scope) -> Option<Token> {
        let key = self.scalar(&entry.node, scope);
        if key.is_expression() {
            if scope.names.is_empty() {
                self.error(
                    entry.at,
                    "A template expression is not allowed in this context",
                );
                return None;
            }
            return Some(key);
        }
        let text = key.print();
        if !seen.insert(text.to_uppercase()) {
            self.error(entry.at, format!("'{text}' is already defined"));
            return None;
        }
        Some(Token {
            value: Value::Text(text),
            ..key
        })
    }

    /// A mapping whose keys are the author's.
    fn loose(
        &mut self,
        entries: &[Entry],
        mapping: &Mapping,
        scope: &Scope,
    ) -> Result<Vec<(Token, Token)>, TooMuch> {
        let Some((key_definition, value_definition)) = mapping.loose else {
            return Ok(Vec::new());
        };
        let (keys, values) = (
            self.enter(scope, key_definition),
            self.enter(scope, value_definition),
        );
        let mut seen = BTreeSet::new();
        let mut tokens = Vec::new();
        for entry in entries {
            let Some(mut key) = self.key(entry, &mut seen, scope) else {
                continue;
            };
            if !key.is_expression() {
                key = self.validate(key, &keys);
            }
            self.memory.token(&key)?;
            tokens.push((key, self.value(&entry.value, &values)?));
        }
        Ok(tokens)
    }

    /// A mapping with known keys; of several that it may be, each key leaves those that have it.
    fn known(
        &mut self,
        node: &Node,
        entries: &[Entry],
        mut mappings: Vec<&'static Mapping>,
        scope: &Scope,
    ) -> Result<Vec<(Token, Token)>, TooMuch> {
        let loose = mappings.first().and_then(|first| first.loose);
        let mut seen = BTreeSet::new();
        let mut tokens = Vec::new();
        let mut has_expression = false;
        for entry in entries {
            let Some(key) = self.key(entry, &mut seen, scope) else {
                continue;
            };
            let Some(name) = key.text() else {
                has_expression = true;
                self.memory.token(&key)?;
                let inner = self.enter(scope, &ANY);
                tokens.push((key, self.value(&entry.value, &inner)?));
                continue;
            };
            let property = mappings.iter().find_map(|mapping| mapping.property(name));
            if let Some(property) = property {
                mappings.retain(|mapping| mapping.property(name).is_some());
                self.memory.token(&key)?;
                let inner = self.enter(scope, property.value);
                let value = self.value(&entry.value, &inner)?;
                tokens.push((key, value));
            } else if let Some((key_definition, value_definition)) = loose {
                let inner = self.enter(scope, key_definition);
                let key = self.validate(key, &inner);
                self.memory.token(&key)?;
                let inner = self.enter(scope, value_definition);
                let value = self.value(&entry.value, &inner)?;
                tokens.push((key, value));
            } else {
                let message = format!("Unexpected value '{name}'");
                self.error(entry.at, message);
            }
        }
        match mappings.as_slice() {
            [only] if !has_expression => {
                for property in only.properties.iter().filter(|it| it.required) {
                    if !seen.contains(&property.name.to_uppercase()) {
                        let message = format!("Required property is missing: {}", property.name);
                        self.error(node.at, message);
                    }
                }
            }
            [] | [_] => {}
            several => self.error(node.at, undecided(several)),
        }
        Ok(tokens)
    }

    /// The token of a scalar, its expressions parsed.
    fn scalar(&mut self, node: &Node, scope: &Scope) -> Token {
        let value = match node.scalar() {
            None => Value::Null,
            Some(scalar) => match scalar.kind {
                Kind::Null => Value::Null,
                Kind::Bool(value) => Value::Boolean(value),
                Kind::Number(value) => Value::Number(value),
                Kind::Text => Value::Text(scalar.text.clone()),
            },
        };
        let token = Token::new(self.place(node.at), value);
        scalar::parse(token, &scope.allowed).unwrap_or_else(|(token, message)| {
            self.error(node.at, message);
            token
        })
    }

    fn validate(&mut self, token: Token, scope: &Scope) -> Token {
        let at = token.place.map_or_else(Position::default, |place| place.at);
        if matches!(token.value, Value::Expression(_)) {
            if scope.names.is_empty() {
                self.error(at, "A template expression is not allowed in this context");
            }
            return token;
        }
        if scope.takes(&token.value) {
            return token;
        }
        let text = token.print();
        if !matches!(token.value, Value::Text(_) | Value::Insert) {
            let value = Value::Text(text.clone());
            if scope.takes(&value) {
                return Token { value, ..token };
            }
        }
        self.error(at, format!("Unexpected value '{text}'"));
        token
    }
}

fn undecided(mappings: &[&Mapping]) -> String {
    let names = |mapping: &&Mapping| mapping.properties.iter().map(|it| it.name);
    let count = |name: &str| {
        let having = mappings.iter().filter(|it| it.property(name).is_some());
        having.count()
    };
    let mut unique: Vec<&str> = mappings
        .iter()
        .flat_map(names)
        .filter(|name| count(name) == 1 && !NOT_PROPOSED.contains(name))
        .collect();
    unique.sort_unstable();
    format!(
        "There's not enough info to determine what you meant. Add one of these properties: {}",
        unique.join(", ")
    )
}
