//! A run, as a state machine.
//!
//! Three plain functions: [`decide`] says what has happened, [`evolve`] remembers it, [`effects`] says
//! what is to be done about it. [`outstanding`] says what is still owed after a restart, and
//! [`resolve`] turns a step of the plan into something that can be started. Nothing else changes
//! state; nothing here does I/O, reads a clock or rolls dice.
#![warn(missing_docs)]

mod approval;
mod background;
mod call;
mod choice;
mod condition;
pub mod containers;
mod contexts;
mod decide;
mod effect;
mod environment;
mod evolve;
pub mod explain;
mod expression;
mod fault;
mod github;
mod glance;
mod group;
mod groups;
mod input;
mod job;
mod matrix;
mod outstanding;
mod post;
pub mod resolve;
mod retry;
mod run;
mod schedule;
mod scope;
mod step;
mod strategy;
mod timeout;
mod view;

pub use choice::{NoSuchLeg, choose_legs};
pub use decide::decide;
pub use effect::{Effect, TimerKey};
pub use evolve::evolve;
pub use fault::Fault;
pub use group::Claim;
pub use groups::{Groups, Said};
pub use input::{Input, Refusal};
pub use outstanding::{effects, outstanding};
pub use retry::{Resumption, Wish};
pub use run::Run;
pub use view::{JobView, OpenApproval, StepView};
