//! The Docker Engine API in our words: build an image, run, watch and end containers.
//!
//! A thin wall around `bollard`: nothing of it is seen outside. It makes no choices; who runs what and
//! when is decided elsewhere. Of ours it knows only the words in which people write flags of containers.

mod archive;
mod build;
mod container;
mod context;
mod engine;
mod error;
mod exec;
mod health;
mod ignore;
mod image;
mod job;
mod logs;
mod network;
mod ports;

pub use build::BuildRequest;
pub use container::{ContainerInfo, ContainerOrder, ContainerState, Listed};
pub use engine::{DEFAULT_HOST, Engine};
pub use error::Error;
pub use exec::{ExecOrder, Output};
pub use health::Wellness;
pub use image::ImageWish;
pub use job::{JobContainer, JobContainerOrder};
pub use network::{Bridge, ListedNetwork};
