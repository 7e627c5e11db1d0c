//! Which names an expression may use at its place.

use std::collections::{BTreeMap, BTreeSet};

use crate::{context::Contexts, function::Function};

/// The contexts and special functions that are known at a place of a workflow.
///
/// Ordinary functions (`contains`, `format` …) are known everywhere; the special ones (`success`,
/// `failure`, `always`, `cancelled`, `hashFiles`) only where they are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Lower-case names; `None`: all.
    roots: Option<BTreeSet<String>>,
    /// With their least and greatest number of parameters; `None`: all.
    special: Option<BTreeMap<Function, (usize, usize)>>,
}

impl Allowed {
    /// Every name of a context, every special function.
    pub fn any() -> Self {
        Self {
            roots: None,
            special: None,
        }
    }

    /// A list in the form of the workflow schema's `context` keys: `github` is a context,
    /// `hashFiles(1,255)` a special function with its least and greatest number of parameters,
    /// `success(0,MAX)` one without a greatest. A function that the language does not have is ignored.
    pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut roots = BTreeSet::new();
        let mut special = BTreeMap::new();
        for name in names {
            match name.split_once('(') {
                None => {
                    roots.insert(name.to_ascii_lowercase());
                }
                Some((function, bounds)) => {
                    if let Some(function) = Function::named(function) {
                        special.insert(function, arity(bounds));
                    }
                }
            }
        }
        Self {
            roots: Some(roots),
            special: Some(special),
        }
    }
}

fn arity(bounds: &str) -> (usize, usize) {
    let (least, greatest) = bounds
        .trim_end_matches(')')
        .split_once(',')
        .unwrap_or(("0", "0"));
    let number = |text: &str| text.trim().parse().unwrap_or(usize::MAX);
    (number(least), number(greatest))
}

/// What the parser asks about names.
pub(crate) trait Names {
    /// Whether there is such a context.
    fn knows_root(&self, name: &str) -> bool;
    /// The least and greatest number of parameters; `None` if the function is not available.
    fn arity(&self, function: Function) -> Option<(usize, usize)>;
}

impl Names for Allowed {
    fn knows_root(&self, name: &str) -> bool {
        self.roots
            .as_ref()
            .is_none_or(|roots| roots.contains(&name.to_ascii_lowercase()))
    }

    fn arity(&self, function: Function) -> Option<(usize, usize)> {
        match &self.special {
            Some(special) if function.is_special() => special.get(&function).copied(),
            _ => Some(function.arity()),
        }
    }
}

/// While evaluating, the contexts themselves say what is there.
pub(crate) struct Present<'a>(pub(crate) &'a dyn Contexts);

impl Names for Present<'_> {
    fn knows_root(&self, name: &str) -> bool {
        self.0.knows(&name.to_ascii_lowercase())
    }

    fn arity(&self, function: Function) -> Option<(usize, usize)> {
        Some(function.arity())
    }
}
