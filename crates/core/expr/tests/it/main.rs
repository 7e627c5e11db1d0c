//! Tests of the language as a whole.

mod conditions;
mod conformance;
mod language;
mod properties;
mod templates;
