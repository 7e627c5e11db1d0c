//! Values, and how one kind passes for another.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use crate::{number, text};

/// What an expression evaluates to.
///
/// Arrays and objects are shared, cheap to clone, and equal to the language only if they are the
/// same one ([`Value::loosely_equals`]); the `==` of Rust compares contents.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing; also what a missing property is.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// Text.
    String(String),
    /// A list.
    Array(Arc<Vec<Self>>),
    /// Named values.
    Object(Arc<Object>),
}

/// Named values in the order in which they came; names are found in upper and lower case alike.
#[derive(Debug, Clone, Default)]
pub struct Object {
    entries: Vec<(String, Value)>,
    places: BTreeMap<String, usize>,
}

impl Object {
    /// An object without anything in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self.places.get(&text::fold(name))?;
        self.entries.get(*place).map(|(_, value)| value)
    }

    /// Sets a value; a name that is there already, in whatever case, keeps its place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let entry = (name.into(), value.into());
        let end = self.entries.len();
        let place = *self.places.entry(text::fold(&entry.0)).or_insert(end);
        match self.entries.get_mut(place) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut object = Self::new();
        for (name, value) in entries {
            object.insert(name, value);
        }
        object
    }
}

impl Value {
    /// A list of values.
    pub fn array<V: Into<Self>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::Array(Arc::new(items.into_iter().map(Into::into).collect()))
    }

    /// An object of names and values.
    pub fn object<N: Into<String>, V: Into<Self>>(
        entries: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self::Object(Arc::new(entries.into_iter().collect()))
    }

    /// What the language calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Bool(_) => "Boolean",
            Self::Number(_) => "Number",
            Self::String(_) => "String",
            Self::Array(_) => "Array",
            Self::Object(_) => "Object",
        }
    }

    /// Whether it passes for true: not null, not false, not 0, not NaN, not the empty string.
    pub fn truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(value) => *value != 0.0 && !value.is_nan(),
            Self::String(value) => !value.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// The value as text. Null is empty; arrays and objects are only their kind's name.
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => number::print(*value),
            Self::String(value) => value.clone(),
            Self::Array(_) | Self::Object(_) => self.kind().to_owned(),
        }
    }

    /// The value as a number; NaN if it is none.
    pub fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Number(value) => *value,
            Self::String(value) => number::parse(value),
            Self::Array(_) | Self::Object(_) => f64::NAN,
        }
    }

    /// `==` of the language: different kinds meet as numbers, text ignores case, NaN equals nothing,
    /// arrays and objects equal only themselves.
    pub fn loosely_equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(left), Self::String(right)) => text::equal(left, right),
            _ => self.loosely_compared(other) == Some(Ordering::Equal),
        }
    }

    /// Order of the language (`<`, `>`); `None` where neither comes first nor are both equal.
    pub fn loosely_compared(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            (Self::String(left), Self::String(right)) => Some(text::compare(left, right)),
            (Self::Array(_) | Self::Object(_), _) | (_, Self::Array(_) | Self::Object(_)) => {
                self.is_same(other).then_some(Ordering::Equal)
            }
            _ => self.to_number().partial_cmp(&other.to_number()),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(left), Self::Array(right)) => Arc::ptr_eq(left, right),
            (Self::Object(left), Self::Object(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }

    /// Whether it is neither array nor object.
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// The value of a property; `None` if there is none or this is no object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(object) => object.get(name),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Number(f64::from(value))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Number(f64::from(value))
    }
}

impl From<u64> for Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the language has no other numbers"
    )]
    fn from(value: u64) -> Self {
        Self::Number(value as f64)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(Arc::new(items))
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(Arc::new(object))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
