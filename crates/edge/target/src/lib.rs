//! Where releases live: building them into packages, and running those as instances.
//!
//! `bundle.rs` is the store of process bundles and `build.rs` makes a package. Nothing here decides:
//! how many instances there are and when they stop is an order, and every order may be repeated.

mod build;
mod bundle;

pub use build::{BuildError, BuildOrder, build};
pub use bundle::{BundleError, Bundles};
