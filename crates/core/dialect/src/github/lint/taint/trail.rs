//! What is tainted, and by which way it has become so.

use std::{collections::BTreeMap, fmt, rc::Rc};

use crate::github::lint::untrusted::{self, Segment};

/// Where all of something is asked for, so many of its parts are looked at.
const MAX_LOOKED_AT: usize = 1_000;

/// The way of a tainted value, from where it comes to where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trail {
    pub(super) origin: Origin,
    /// Where it came through, in order, as people read it.
    hops: Vec<Rc<str>>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A value that strangers write.
    Stranger(Rc<str>),
    /// An input of the file: tainted if its caller says so.
    Input(Rc<str>),
}

/// Longer ways are told by their beginning and their end.
const MAX_HOPS: usize = 6;
/// So many ways to one value are kept.
const MAX_TRAILS: usize = 4;

impl Trail {
    pub(super) const fn from(origin: Origin) -> Self {
        let hops = Vec::new();
        Self { origin, hops }
    }

    pub(super) fn stranger(path: &str) -> Self {
        Self::from(Origin::Stranger(path.into()))
    }

    /// Whether it is what a stranger wrote, just there.
    pub(super) fn is_direct(&self) -> bool {
        self.hops.is_empty()
    }

    /// The same, one place further.
    pub(super) fn through(&self, hop: impl Into<Rc<str>>) -> Self {
        let mut trail = self.clone();
        trail.push(hop.into());
        trail
    }

    /// What a caller hands in, and where it goes inside.
    pub(super) fn behind(&self, before: &Self) -> Self {
        let mut trail = before.clone();
        for hop in &self.hops {
            trail.push(Rc::clone(hop));
        }
        trail
    }

    fn push(&mut self, hop: Rc<str>) {
        if self.hops.len() >= MAX_HOPS {
            self.hops.remove(MAX_HOPS / 2);
            if let Some(middle) = self.hops.get_mut(MAX_HOPS / 2 - 1) {
                *middle = "…".into();
            }
        }
        self.hops.push(hop);
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Stranger(path) => write!(f, "from `{path}`")?,
            Origin::Input(name) => write!(f, "from `inputs.{name}`")?,
        }
        for (index, hop) in self.hops.iter().enumerate() {
            let between = match index {
                0 => " through ",
                index if index + 1 == self.hops.len() => " and ",
                _ => ", ",
            };
            write!(f, "{between}{hop}")?;
        }
        Ok(())
    }
}

/// Values by their paths, such as `steps.a.outputs.b`. One without trails is known to be clean, whatever
/// it is called further out.
#[derive(Debug, Default)]
pub(super) struct Taints {
    values: BTreeMap<String, Vec<Trail>>,
}

impl Taints {
    /// Says what a value is now.
    pub(super) fn set(&mut self, path: String, trails: Vec<Trail>) {
        self.values.insert(path, trails);
    }

    /// Says that a value may be tainted also in these ways.
    pub(super) fn add(&mut self, path: String, trails: impl IntoIterator<Item = Trail>) {
        merge(self.values.entry(path).or_default(), trails);
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    fn below(&self, prefix: &str) -> impl Iterator<Item = (&String, &Vec<Trail>)> {
        self.values
            .range(prefix.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(prefix))
            .take(MAX_LOOKED_AT)
    }
}

/// Adds ways that come from elsewhere than those that are known.
pub(super) fn merge(known: &mut Vec<Trail>, trails: impl IntoIterator<Item = Trail>) {
    for trail in trails {
        if known.len() < MAX_TRAILS && !known.iter().any(|own| own.origin == trail.origin) {
            known.push(trail);
        }
    }
}

/// How a chain is tainted, by what is said nearest to it.
pub(super) fn look_up(layers: &[&Taints], segments: &[Segment]) -> Vec<Trail> {
    let mut found = Vec::new();
    let names: Vec<String> = segments.iter().map_while(name).collect();
    let Some(first) = names.first() else {
        return found;
    };
    let is_env = first.eq_ignore_ascii_case("env");
    let lower = |(index, name): (usize, &String)| match index {
        // Names of variables differ in case.
        1.. if is_env => name.clone(),
        _ => name.to_lowercase(),
    };
    let names: Vec<String> = names.iter().enumerate().map(lower).collect();
    if names.len() == segments.len() {
        let path = names.join(".");
        for layer in layers {
            if let Some(trails) = layer.values.get(&path) {
                return trails.clone();
            }
        }
        // A part of what is tainted as a whole.
        for (end, _) in path.match_indices('.') {
            for layer in layers {
                merge(
                    &mut found,
                    layer
                        .values
                        .get(&path[..end])
                        .into_iter()
                        .flatten()
                        .cloned(),
                );
            }
        }
        // All of something of which a part is tainted.
        for layer in layers {
            for (_, trails) in layer.below(&format!("{path}.")) {
                merge(&mut found, trails.iter().cloned());
            }
        }
        return found;
    }
    let prefix = format!("{}.", names[0]);
    for layer in layers {
        for (path, trails) in layer.below(&prefix) {
            if untrusted::matches(segments, &path.split('.').collect::<Vec<_>>()) {
                merge(&mut found, trails.iter().cloned());
            }
        }
    }
    found
}

fn name(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Name(name) => Some(name.clone()),
        Segment::Item | Segment::Each => None,
    }
}
