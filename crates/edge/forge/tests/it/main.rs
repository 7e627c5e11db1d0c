//! The forge against the real git: over HTTP, through a door made for these tests, and in working
//! trees that are dirty on purpose.
#![expect(clippy::unwrap_used, reason = "tests")]

mod actions;
mod bench;
mod checkout;
mod history;
mod http;
mod tree;
mod wire;
mod working_copy;
mod working_tree;
