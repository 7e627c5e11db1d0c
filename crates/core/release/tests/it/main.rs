//! Tests of versions and changelogs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod bump;
mod changelog;
mod properties;
