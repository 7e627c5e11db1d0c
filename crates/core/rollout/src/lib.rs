//! A deployment, as a state machine.
//!
//! [`decide`] says what has happened, [`evolve`] remembers it, [`effects`] says what is to be done
//! about it, [`outstanding`] what is still owed after a restart. One file per strategy says what its
//! next step is; [`watch`] judges the samples that the balancer takes. Nothing here knows what an
//! instance is made of.
#![warn(missing_docs)]

mod advance;
mod approval;
mod check;
mod command;
mod deadline;
mod decide;
mod deployment;
mod effect;
mod effects;
mod evolve;
pub mod hold;
mod input;
mod judged;
mod outstanding;
pub mod preview;
mod progress;
mod recreate;
mod retry;
mod rollback;
mod rolling;
mod steps;
mod strategy;
#[cfg(test)]
mod tests;
pub mod watch;

pub use command::notice;
pub use decide::decide;
pub use deployment::{Deployment, Paused, Said, Shift};
pub use effect::{Effect, TimerKey};
pub use effects::effects;
pub use evolve::evolve;
pub use input::{Input, Refusal};
pub use outstanding::outstanding;
pub use retry::retry;
