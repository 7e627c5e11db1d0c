//! Tests of reports and gates.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod coverage;
mod gate;
mod junit;
mod properties;
