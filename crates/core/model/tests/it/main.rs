//! Yesterday's log must be readable tomorrow: a golden file for each kind of event that is stored.
//!
//! Files in `tests/golden` are only ever added to. A kind that changes its shape gets a new version
//! beside the old one, and the old one must still be read.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod deployment_events;
mod golden;
mod nouns;
mod run_events;
