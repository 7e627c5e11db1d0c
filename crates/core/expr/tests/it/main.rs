//! Tests of the language as a whole.

mod conformance;
mod properties;
