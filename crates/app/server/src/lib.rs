//! The control plane: hears, understands, decides, remembers, has it done and shows it.
//!
//! Composes the deciding crates with the store and the edge. [`Control`] is all of it without a
//! door; [`http`] is the door. `cutover run` uses the first alone, `cutover serve` both: the same
//! engine, the same event log.

pub mod containers;
mod control;
pub mod http;
pub mod payload;
pub mod view;

mod action;
mod answer;
mod balancer;
mod chain;
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
mod past;
mod reader;
mod results;
mod retry;
mod routes;
mod samples;
mod schedule;
mod secret_versions;
mod understand;
mod users;
mod web;
mod which;

pub use control::{Control, Notice, Options, Sources};
pub use deliver::{Ask, Begun};
pub use error::{Error, Mistake};
pub use failure::{FailedStep, Look, Looking, OnFailure};
pub use hear::{Heard, Started};
pub use operate::Answer;
pub use reader::Reader;
pub use retry::{Retried, RetriedJob};
pub use schedule::ScheduleView;
pub use understand::{Understanding, lock};
pub use which::Said;
