//! One expression: which contexts and functions there are, and whether its values fit together.

mod signature;

use cutover_expr::{Part, Tree};

use super::{
    types::{Object, Type},
    untrusted,
};
use crate::{diagnostic::Code, suggest};
use signature::{Signature, placeholders, signatures};

/// What expressions see at a place.
#[derive(Debug, Clone)]
pub(super) struct Scope<'a> {
    /// Every context there is, with its type.
    pub(super) contexts: &'a Object,
    /// Those that may be used here.
    pub(super) available: &'a [&'a str],
    /// The special functions that may be called here.
    pub(super) functions: &'a [&'a str],
    /// Whether the text goes into a shell.
    pub(super) is_script: bool,
    /// Whether somebody reads hints.
    pub(super) has_hints: bool,
}

/// Something that is wrong, at a byte of the expression.
#[derive(Debug)]
pub(super) struct Slip {
    pub(super) at: usize,
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The functions that exist only at some places.
const SPECIAL: [&str; 5] = ["success", "failure", "always", "cancelled", "hashfiles"];
/// All functions, as they are usually written.
const FUNCTIONS: [&str; 13] = [
    "contains",
    "startsWith",
    "endsWith",
    "format",
    "join",
    "toJSON",
    "fromJSON",
    "hashFiles",
    "success",
    "always",
    "cancelled",
    "failure",
    "case",
];

/// The type of an expression, and what is wrong in it.
pub(super) fn check(tree: &Tree, scope: &Scope<'_>) -> (Type, Vec<Slip>) {
    let mut checker = Checker {
        scope,
        slips: Vec::new(),
    };
    let kind = checker.kind(tree);
    if scope.is_script {
        for (at, path) in untrusted::paths(tree) {
            checker.slips.push(Slip {
                at,
                code: Code::Untrusted,
                message: format!(
                    "`{path}` is written by strangers, and becomes part of the script"
                ),
                hint: Some(
                    "hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`"
                        .to_owned(),
                ),
            });
        }
    }
    (kind, checker.slips)
}

struct Checker<'a> {
    scope: &'a Scope<'a>,
    slips: Vec<Slip>,
}

impl Checker<'_> {
    fn slip(&mut self, at: usize, code: Code, message: String) {
        self.hinted(at, code, message, None);
    }

    fn hinted(&mut self, at: usize, code: Code, message: String, hint: Option<String>) {
        self.slips.push(Slip {
            at,
            code,
            message,
            hint,
        });
    }

    fn known(&self, name: &str, object: &Object) -> Option<String> {
        let known = object.properties.keys().map(String::as_str);
        let hint = || suggest::hint(name, known);
        self.scope.has_hints.then(hint).flatten()
    }

    fn kind(&mut self, tree: &Tree) -> Type {
        match &tree.part {
            Part::Null => Type::Null,
            Part::Boolean(_) => Type::Bool,
            Part::Number(_) => Type::Number,
            Part::Text(_) => Type::Text,
            Part::Context(name) => self.context(tree.start, name),
            Part::Property(of, name) => {
                let of = self.kind(of);
                self.property(tree.start, of, name)
            }
            Part::Filter(of) => {
                let of = self.kind(of);
                self.filter(tree.start, &of)
            }
            Part::Index(of, index) => {
                let index_kind = self.kind(index);
                let of = self.kind(of);
                self.index(tree.start, of, index, &index_kind)
            }
            Part::Call(name, parameters) => self.call(tree.start, name, parameters),
            Part::Not(of) => {
                self.kind(of);
                Type::Bool
            }
            Part::And(left, right) => {
                let left = self.assuming(left, false);
                left.merged(self.kind(right))
            }
            Part::Or(left, right) => {
                let left = self.assuming(left, true);
                left.merged(self.kind(right))
            }
            Part::Compare(operator, left, right) => {
                let (left, right) = (self.kind(left), self.kind(right));
                let ordered = !matches!(*operator, "==" | "!=");
                if !left.compares(&right, ordered) {
                    let message = format!("`{operator}` cannot compare {left} with {right}");
                    self.slip(tree.start, Code::Typing, message);
                }
                Type::Bool
            }
        }
    }

    /// The type of an operand that is known to hold, or not to.
    fn assuming(&mut self, tree: &Tree, holds: bool) -> Type {
        match (&tree.part, holds) {
            (Part::And(left, right), true) | (Part::Or(left, right), false) => {
                self.kind(left);
                self.kind(right)
            }
            (Part::Not(of), _) => self.assuming(of, !holds),
            _ => self.kind(tree),
        }
    }

    fn context(&mut self, at: usize, name: &str) -> Type {
        let Some(kind) = self.scope.contexts.property(name) else {
            let hint = self.known(name, self.scope.contexts);
            self.hinted(
                at,
                Code::Expression,
                format!("there is no context `{name}`"),
                hint,
            );
            return Type::Any;
        };
        let lower = name.to_lowercase();
        if !self.scope.available.contains(&lower.as_str()) {
            let hint = match self.scope.available {
                [] => "no context is available here".to_owned(),
                _ if !self.scope.has_hints => String::new(),
                names => format!("available here: `{}`", names.join("`, `")),
            };
            let message = format!("context `{name}` is not available here");
            self.hinted(at, Code::Expression, message, Some(hint));
        }
        kind
    }

    fn property(&mut self, at: usize, of: Type, name: &str) -> Type {
        match of {
            Type::Any => Type::Any,
            Type::Object(object) => object.property(name).unwrap_or_else(|| {
                self.unknown(at, &object, name);
                Type::Any
            }),
            Type::List(item, true) => match *item {
                Type::Any => Type::List(Box::new(Type::Any), true),
                Type::Object(object) => {
                    let item = object.property(name).unwrap_or_else(|| {
                        self.unknown(at, &object, name);
                        Type::Any
                    });
                    Type::List(Box::new(item), true)
                }
                other => {
                    let message = format!("`{name}` is asked of items that are {other}");
                    self.slip(at, Code::Typing, message);
                    Type::Any
                }
            },
            other => {
                let message = format!("`{name}` is asked of what is {other}, not an object");
                self.slip(at, Code::Typing, message);
                Type::Any
            }
        }
    }

    fn unknown(&mut self, at: usize, object: &Object, name: &str) {
        let hint = self.known(name, object);
        self.hinted(
            at,
            Code::Typing,
            format!("there is no property `{name}`"),
            hint,
        );
    }

    fn filter(&mut self, at: usize, of: &Type) -> Type {
        let any = || Type::List(Box::new(Type::Any), true);
        let fits = match of {
            Type::Any => return any(),
            Type::List(item, _) => return Type::List(item.clone(), true),
            Type::Object(object) => match object.others.as_deref() {
                Some(Type::Any) => return any(),
                Some(Type::Object(item)) => {
                    return Type::List(Box::new(Type::Object(item.clone())), true);
                }
                Some(_) => false,
                None => {
                    let mut kinds = object.properties.values();
                    kinds.any(|kind| matches!(kind, Type::Object(_)))
                }
            },
            _ => false,
        };
        if fits {
            return any();
        }
        self.slip(at, Code::Typing, format!("`.*` cannot filter what is {of}"));
        Type::Any
    }

    fn index(&mut self, at: usize, of: Type, index: &Tree, kind: &Type) -> Type {
        match (of, kind) {
            (Type::Any, _) | (Type::Object(_), Type::Any) => Type::Any,
            (Type::List(item, _), Type::Any | Type::Number) => *item,
            (Type::List(..), _) => {
                let message = format!("the index of a list must be a number, and is {kind}");
                self.slip(index.start, Code::Typing, message);
                Type::Any
            }
            (Type::Object(object), Type::Text) => object.others.map_or(Type::Any, |others| *others),
            (Type::Object(_), _) => {
                let message = format!("the name of a property must be a text, and is {kind}");
                self.slip(index.start, Code::Typing, message);
                Type::Any
            }
            (of, _) => {
                self.slip(at, Code::Typing, format!("{of} has no items"));
                Type::Any
            }
        }
    }

    fn call(&mut self, at: usize, name: &str, parameters: &[Tree]) -> Type {
        let lower = name.to_lowercase();
        let signatures = signatures(&lower);
        if signatures.is_empty() {
            let hint = suggest::hint(name, FUNCTIONS);
            let message = format!("there is no function `{name}`");
            self.hinted(at, Code::Expression, message, hint);
            return Type::Any;
        }
        let kinds: Vec<Type> = parameters.iter().map(|it| self.kind(it)).collect();
        let mut slips = Vec::new();
        for signature in &signatures {
            match signature.objection(name, &kinds) {
                None => return self.called(at, &lower, name, parameters, signature),
                Some((index, message)) => {
                    let at = index.map_or(at, |index| parameters[index].start);
                    slips.push((at, message));
                }
            }
        }
        for (at, message) in slips {
            self.slip(at, Code::Typing, message);
        }
        Type::Any
    }

    fn called(
        &mut self,
        at: usize,
        lower: &str,
        name: &str,
        parameters: &[Tree],
        signature: &Signature,
    ) -> Type {
        if SPECIAL.contains(&lower) && !self.scope.functions.contains(&lower) {
            let message = format!("function `{name}` is not available here");
            self.slip(at, Code::Expression, message);
        }
        let first = parameters.first();
        let literal = first.and_then(|first| match &first.part {
            Part::Text(text) => Some((first.start, text.as_str())),
            _ => None,
        });
        match (lower, literal) {
            ("format", Some((_, text))) => self.format(at, text, parameters.len() - 1),
            ("fromjson", Some((at, text))) => match serde_json::from_str(text) {
                Ok(value) => return Type::of_json(&value),
                Err(error) => {
                    self.slip(
                        at,
                        Code::Typing,
                        format!("`fromJSON` gets no JSON: {error}"),
                    );
                }
            },
            ("case", _) if parameters.len().is_multiple_of(2) => {
                let message = "`case` takes pairs and a value for everything else".to_owned();
                self.slip(at, Code::Expression, message);
            }
            _ => {}
        }
        signature.gives.clone()
    }

    /// Every placeholder has a parameter, and every parameter a placeholder.
    fn format(&mut self, at: usize, text: &str, count: usize) {
        let places = placeholders(text);
        for unused in (0..count).filter(|index| !places.contains(index)) {
            let message =
                format!("`{{{unused}}}` is not in the text, so that its value is not used");
            self.slip(at, Code::Typing, message);
        }
        for missing in places.iter().filter(|index| **index >= count) {
            let message = format!("`{{{missing}}}` has no value: there are {count}");
            self.slip(at, Code::Typing, message);
        }
    }
}
