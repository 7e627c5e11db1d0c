//! The shape of a workflow file as data: definitions of what may stand where, with the contexts that an
//! expression sees there. `events` and `workflow` hold the definitions, `reader` applies them.

mod events;
mod workflow;

pub(super) use events::events;
pub(super) use workflow::{
    BOOLEAN_INPUT, JOB as SNAPSHOT_IF, JOB_IF, NUMBER_INPUT, ROOT, STEP_IF, STRING_INPUT,
};

/// What may stand at a place.
#[derive(Debug)]
pub(super) struct Definition {
    /// Contexts and special functions that expressions see from here on inwards, in the form of
    /// [`cutover_expr::Allowed::list`]; nowhere in sight of any, no expression may stand.
    pub(super) context: &'static [&'static str],
    pub(super) shape: Shape,
}

/// The kinds of definitions.
#[derive(Debug)]
pub(super) enum Shape {
    Null,
    Boolean,
    Number,
    /// Any text.
    Text,
    /// Any text but the empty one.
    Filled,
    /// One of these words.
    Words(&'static [&'static str]),
    Sequence(&'static Definition),
    Mapping(Mapping),
    /// What one of these takes; none of them is itself a choice.
    OneOf(&'static [&'static Definition]),
}

/// A mapping by its known keys, and what others may be.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) properties: &'static [Property],
    /// Key and value of entries that are none of the properties.
    pub(super) loose: Option<(&'static Definition, &'static Definition)>,
}

/// A known key.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) value: &'static Definition,
    pub(super) required: bool,
}

impl Mapping {
    /// The property of that name, in this very case.
    pub(super) fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties.iter().find(|it| it.name == name)
    }
}

impl Definition {
    const fn new(shape: Shape) -> Self {
        Self {
            context: &[],
            shape,
        }
    }

    const fn within(context: &'static [&'static str], shape: Shape) -> Self {
        Self { context, shape }
    }

    /// The words that a property of it takes; none if it has no such property.
    pub(super) fn words_of(&'static self, property: &str) -> &'static [&'static str] {
        let property = self.choices().find_map(|shape| match shape {
            Shape::Mapping(mapping) => mapping.property(property),
            _ => None,
        });
        let words = property.and_then(|property| {
            property.value.choices().find_map(|shape| match shape {
                Shape::Words(words) => Some(*words),
                _ => None,
            })
        });
        words.unwrap_or_default()
    }

    /// The definitions that this one offers, itself if it is no choice.
    pub(super) fn choices(&'static self) -> impl Iterator<Item = &'static Shape> {
        let (own, others): (Option<&Shape>, &[&Self]) = match &self.shape {
            Shape::OneOf(choices) => (None, choices),
            shape => (Some(shape), &[]),
        };
        own.into_iter()
            .chain(others.iter().map(|choice| &choice.shape))
    }
}

const fn mapping(properties: &'static [Property]) -> Shape {
    Shape::Mapping(Mapping {
        properties,
        loose: None,
    })
}

const fn loose(key: &'static Definition, value: &'static Definition) -> Shape {
    Shape::Mapping(Mapping {
        properties: &[],
        loose: Some((key, value)),
    })
}

const fn may(name: &'static str, value: &'static Definition) -> Property {
    Property {
        name,
        value,
        required: false,
    }
}

const fn must(name: &'static str, value: &'static Definition) -> Property {
    Property {
        name,
        value,
        required: true,
    }
}

static NULL: Definition = Definition::new(Shape::Null);
static BOOLEAN: Definition = Definition::new(Shape::Boolean);
static NUMBER: Definition = Definition::new(Shape::Number);
static STRING: Definition = Definition::new(Shape::Text);
static FILLED: Definition = Definition::new(Shape::Filled);
static FILLED_LIST: Definition = Definition::new(Shape::Sequence(&FILLED));
static FILLED_OR_LIST: Definition = Definition::new(Shape::OneOf(&[&FILLED, &FILLED_LIST]));
static SEQUENCE: Definition = Definition::new(Shape::Sequence(&ANY));
static MAPPING: Definition = Definition::new(loose(&STRING, &ANY));
/// Whatever there is.
pub(super) static ANY: Definition = Definition::new(Shape::OneOf(&[
    &NULL, &BOOLEAN, &NUMBER, &STRING, &SEQUENCE, &MAPPING,
]));
