//! Properties and items: `a.b`, `a[0]`, `a.*`, and how a filtered array hands an index on to its items.

use std::sync::Arc;

use crate::value::Value;

/// What stands between the brackets.
pub(crate) enum Index {
    /// `*`.
    Wildcard,
    /// A value that names a property or counts items.
    At(Value),
}

/// A value, and whether it came from a `*`: then the next index goes to its items.
#[derive(Clone, Default)]
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) filtered: bool,
}

impl Found {
    pub(crate) fn filtered(items: Vec<Value>) -> Self {
        Self {
            value: items.into(),
            filtered: true,
        }
    }
}

impl From<Value> for Found {
    fn from(value: Value) -> Self {
        Self {
            value,
            filtered: false,
        }
    }
}

/// The property or item; null where there is none.
pub(crate) fn apply(found: &Found, index: &Index) -> Found {
    match (&found.value, index) {
        (Value::Array(items), _) if found.filtered => Found::filtered(
            items
                .iter()
                .flat_map(|item| children(item, index))
                .collect(),
        ),
        (value, Index::Wildcard) => Found::filtered(children(value, index)),
        (value, Index::At(_)) => children(value, index).pop().unwrap_or_default().into(),
    }
}

/// What an index finds in one value: everything, one or nothing.
fn children(value: &Value, index: &Index) -> Vec<Value> {
    match (value, index) {
        (Value::Array(items), Index::Wildcard) => Arc::clone(items).to_vec(),
        (Value::Object(object), Index::Wildcard) => {
            object.iter().map(|(_, value)| value.clone()).collect()
        }
        (Value::Array(items), Index::At(at)) => {
            let item = place(at).and_then(|place| items.get(place));
            item.cloned().into_iter().collect()
        }
        (Value::Object(object), Index::At(at)) if at.is_primitive() => {
            object.get(&at.to_text()).cloned().into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Which item a value means: its number rounded down, if that is not negative.
fn place(at: &Value) -> Option<usize> {
    let number = at.to_number().floor();
    if !(0.0..=f64::from(i32::MAX)).contains(&number) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative and within 31 bits"
    )]
    let place = number as usize;
    Some(place)
}
