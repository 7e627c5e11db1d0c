//! A run, as a state machine.
//!
//! Three plain functions: [`decide`] says what has happened, [`evolve`] remembers it, [`effects`] says
//! what is to be done about it. [`outstanding`] says what is still owed after a restart, and
//! [`resolve`] turns a step of the plan into something that can be started. Nothing else changes
//! state; nothing here does I/O, reads a clock or rolls dice.
#![warn(missing_docs)]

mod effect;
mod input;

pub use effect::{Effect, TimerKey};
pub use input::{Input, Refusal};
