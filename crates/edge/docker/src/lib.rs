//! The Docker Engine API in our words: build an image, run, watch and end containers.
//!
//! A thin wall around `bollard`: nothing of it is seen outside. It imports nothing of ours and makes
//! no choices; who runs what and when is decided elsewhere. Every verb may be repeated.

mod build;
mod container;
mod context;
mod engine;
mod error;
mod ignore;
mod logs;

pub use build::BuildRequest;
pub use container::{ContainerInfo, ContainerOrder, ContainerState, Listed};
pub use engine::{DEFAULT_HOST, Engine};
pub use error::Error;
