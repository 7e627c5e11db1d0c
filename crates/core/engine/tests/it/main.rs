//! What a run does, read as a protocol: given a plan, when something is said, then this is done.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod approvals;
mod background;
mod calling;
mod cancelling;
mod composite;
mod containers;
mod contexts;
mod explaining;
mod groups;
mod lateness;
mod legs;
mod posts;
mod resolving;
mod retrying;
mod running;
mod saying;
mod support;
