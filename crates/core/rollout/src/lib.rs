//! A deployment, as a state machine.
//!
//! [`decide`] says what has happened, [`evolve`] remembers it, [`effects`] says what is to be done
//! about it, [`outstanding`] what is still owed after a restart. One file per strategy says what its
//! next step is; [`watch`] judges the samples that the balancer takes. Nothing here knows what an
//! instance is made of.
#![warn(missing_docs)]

mod effect;
mod input;

pub use effect::{Effect, TimerKey};
pub use input::{Input, Refusal};
