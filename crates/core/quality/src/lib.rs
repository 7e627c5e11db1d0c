//! Reports into evidence, evidence into a verdict: bytes in, nouns out.
//!
//! Nothing here opens a file or runs a tool. What cannot be read is an error with its place, never an
//! empty result, and [`gate::evaluate`] fails for whatever is missing: no evidence is no pass.
#![warn(missing_docs)]

pub mod cobertura;
pub mod coverage;
mod error;
mod evidence;
pub mod gate;
pub mod junit;
pub mod lcov;
mod xml;

pub use error::ReadError;
pub use evidence::{Evidence, Found};
