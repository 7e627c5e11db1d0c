//! What tests are made of: seeded simulations of the parts that decide.
#![warn(missing_docs)]

pub mod fuzz;
pub mod sim;
