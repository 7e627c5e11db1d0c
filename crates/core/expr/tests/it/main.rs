//! Tests of the language as a whole.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod conditions;
mod conformance;
mod fuzzing;
mod language;
mod properties;
mod templates;
