//! Where releases live: building them into packages, and running those as instances.
//!
//! `bundle.rs` is the store of process bundles, `build.rs` makes a package, `target.rs` says what
//! any target can do, `process.rs` and `docker.rs` do it. Nothing here decides: how many instances
//! there are and when they stop is an order, and every order may be repeated, also by a successor
//! that knows nothing of us.

mod build;
mod bundle;
mod docker;
mod error;
mod fence;
mod listening;
mod locks;
mod ports;
mod process;
mod tail;
mod target;

pub use build::{BuildError, BuildOrder, build};
pub use bundle::{BundleError, Bundles};
pub use docker::DockerTarget;
pub use error::Error;
pub use fence::Generation;
pub use process::ProcessTarget;
pub use target::{Exit, Instance, InstanceState, InstancesOrder, Place, Target};
