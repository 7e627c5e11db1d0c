//! The control plane: hears, understands, decides, remembers, has it done and shows it.
//!
//! Composes the deciding crates with the store and the edge. [`Control`] is all of it without a
//! door; [`http`] is the door. `cutover run` uses the first alone, `cutover serve` both: the same
//! engine, the same event log.

pub mod containers;
mod control;
pub mod http;
pub mod view;

mod action;
mod answer;
mod balancer;
mod command;
mod deliver;
mod drive;
mod error;
mod failure;
mod glob;
mod hash_files;
mod hear;
mod keeper;
mod operate;
mod retry;
mod routes;
mod samples;
mod secret_versions;
mod understand;
mod users;
mod web;

pub use control::{Control, Notice, Options, Sources};
pub use deliver::{Ask, Begun};
pub use error::Error;
pub use failure::{FailedStep, Look, Looking, OnFailure};
pub use hear::{Heard, Started};
pub use operate::Answer;
pub use retry::{Retried, RetriedJob};
pub use understand::{Understanding, lock};

/// Bytes as digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
