//! What is known of a value before it is there.

use std::{collections::BTreeMap, fmt};

use serde_json::Value as Json;

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// Nothing is known.
    Any,
    Null,
    Number,
    Bool,
    Text,
    /// A list; `true` when it is what `.*` gave, so that properties are those of its items.
    List(Box<Self>, bool),
    Object(Object),
}

/// An object by its properties.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Object {
    /// By names in lower case.
    pub(super) properties: BTreeMap<String, Type>,
    /// What other properties are; nothing when there are none.
    pub(super) others: Option<Box<Type>>,
}

impl Type {
    /// An object with these properties and no others.
    pub(super) fn strict<'a>(properties: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let lower = |(name, kind): (&str, Self)| (name.to_lowercase(), kind);
        Self::Object(Object {
            properties: properties.into_iter().map(lower).collect(),
            others: None,
        })
    }

    /// An object with any names, each with a value of a type.
    pub(super) fn map(of: Self) -> Self {
        Self::Object(Object {
            properties: BTreeMap::new(),
            others: Some(Box::new(of)),
        })
    }

    /// Objects of which nothing is known.
    pub(super) fn loose() -> Self {
        Self::map(Self::Any)
    }

    /// What a text becomes when it is read as a value of YAML.
    pub(super) fn of_text(text: &str) -> Self {
        match text {
            "true" | "false" => Self::Bool,
            "null" => Self::Null,
            text if text.parse::<f64>().is_ok() => Self::Number,
            _ => Self::Text,
        }
    }

    pub(super) fn of_json(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Bool,
            Json::Number(_) => Self::Number,
            Json::String(_) => Self::Text,
            Json::Array(items) => {
                let mut items = items.iter().map(Self::of_json);
                let first = items.next().unwrap_or(Self::Any);
                Self::List(Box::new(items.fold(first, Self::merged)), false)
            }
            Json::Object(entries) => {
                let entries = entries.iter();
                Self::strict(entries.map(|(name, value)| (name.as_str(), Self::of_json(value))))
            }
        }
    }

    /// The type of what may be one or the other.
    pub(super) fn merged(self, other: Self) -> Self {
        match (self, other) {
            (one, two) if one == two => one,
            (Self::Text, Self::Number | Self::Bool) | (Self::Number | Self::Bool, Self::Text) => {
                Self::Text
            }
            (Self::List(one, _), Self::List(two, _)) => {
                let item = match (*one, *two) {
                    (Self::Any, _) | (_, Self::Any) => Self::Any,
                    (one, two) => one.merged(two),
                };
                Self::List(Box::new(item), false)
            }
            (Self::Object(one), Self::Object(two)) => Self::Object(one.merged(two)),
            _ => Self::Any,
        }
    }

    /// Whether a value of the other type may stand where this one is wanted.
    pub(super) fn takes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any | Self::Bool, _)
            | (_, Self::Any)
            | (Self::Null, Self::Null)
            | (Self::Number, Self::Number)
            | (Self::Text, Self::Text | Self::Number) => true,
            (Self::List(own, _), Self::List(other, _)) => own.takes(other),
            (Self::Object(own), Self::Object(other)) => own
                .properties
                .iter()
                .all(|(name, kind)| other.properties.get(name).is_none_or(|it| kind.takes(it))),
            _ => false,
        }
    }

    /// Whether the two can be compared by `==`, or (when `ordered`) by `<`.
    pub(super) fn compares(&self, other: &Self, ordered: bool) -> bool {
        match (self, other) {
            (Self::Any | Self::Number | Self::Text, _) if ordered => {
                matches!(other, Self::Any | Self::Number | Self::Text)
            }
            _ if ordered => false,
            (Self::Any | Self::Null, _)
            | (_, Self::Any | Self::Null)
            | (Self::Object(_), Self::Object(_)) => true,
            (Self::List(one, _), Self::List(two, _)) => one.compares(two, false),
            (Self::Object(_) | Self::List(..), _) | (_, Self::Object(_) | Self::List(..)) => false,
            _ => true,
        }
    }
}

impl Object {
    fn merged(self, other: Self) -> Self {
        let others = match (self.others, other.others) {
            (Some(one), Some(two)) => Some(Box::new(one.merged(*two))),
            (one, two) => one.or(two),
        };
        let mut properties = self.properties;
        for (name, kind) in other.properties {
            let kind = match properties.remove(&name) {
                Some(own) => own.merged(kind),
                None => kind,
            };
            properties.insert(name, kind);
        }
        Self { properties, others }
    }

    /// The type of a property; `None` when there is none of that name.
    pub(super) fn property(&self, name: &str) -> Option<Type> {
        let own = self.properties.get(&name.to_lowercase());
        own.or(self.others.as_deref()).cloned()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Number => "a number",
            Self::Bool => "a truth value",
            Self::Text => "a text",
            Self::List(..) => "a list",
            Self::Object(_) => "an object",
        })
    }
}
