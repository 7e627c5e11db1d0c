//! Steps as real processes, seen from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod at_once;
mod cancel;
mod foreseen;
mod hand_on;
mod keeping;
mod measure;
mod next_job;
mod output;
mod survive;
mod world;
