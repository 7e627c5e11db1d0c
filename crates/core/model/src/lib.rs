//! The nouns of cutover, and nothing that happens.
//!
//! Every other crate speaks in these words (see `docs/concepts/glossary.md`). Types here parse, print
//! and answer questions about themselves; they read no clock, no environment and no file.
#![warn(missing_docs)]

pub mod delivery;
pub mod event;
pub mod evidence;
pub mod gate;
pub mod guard;
pub mod id;
pub mod judge;
pub mod plan;
pub mod project;
pub mod run;
pub mod secret;
pub mod source;
pub mod span;
pub mod time;
pub mod traffic;
pub mod trigger;

pub use id::{DeploymentId, GateId, NotificationId, ReleaseId, RunId};
pub use secret::Secret;
pub use span::{Diagnostic, Position, Severity};
pub use time::{Duration, Timestamp};
