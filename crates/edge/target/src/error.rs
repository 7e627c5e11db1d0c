//! Why an order about instances was not carried out.

use std::io;

use camino::Utf8PathBuf;
use cutover_model::{DeploymentId, delivery::Digest};

use crate::{bundle::BundleError, fence::Generation};

/// An order that was not carried out, or not to its end; asking again is always allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A younger order has been seen. Nothing was done, and that is right.
    #[error("the order {given} about {deployment} comes too late: {seen} was seen")]
    Stale {
        /// About what.
        deployment: DeploymentId,
        /// What came.
        given: Generation,
        /// What had come before.
        seen: Generation,
    },
    /// An image for processes, or a bundle for Docker.
    #[error(
        "release {release} is {found}, but this target runs {wanted}; build it for this target"
    )]
    WrongPackage {
        /// Which, by service and version.
        release: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The package was thrown away.
    #[error("package `{digest}` is gone; build the release again")]
    PackageGone {
        /// Which.
        digest: Digest,
    },
    /// A bundle that does not know how it is started.
    #[error("service `{service}` has no `command`; give it one in `cutover.yml`")]
    NoCommand {
        /// The service.
        service: String,
    },
    /// The program is a path, and there is nothing at it.
    #[error("`{program}` is not in the bundle; `command` is looked up from the bundle's root")]
    NoProgram {
        /// As the command has it.
        program: String,
    },
    /// All ports are taken.
    #[error("no port from {first} to {last} of 127.0.0.1 is free; stop something")]
    NoPort {
        /// Of the range.
        first: u16,
        /// Of the range.
        last: u16,
    },
    /// The disk said no.
    #[error("`{path}`: {source}")]
    Io {
        /// Which file or directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bundle could not be unpacked.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The supervisor of a process did not do it.
    #[error(transparent)]
    Supervisor(#[from] cutover_supervisor::Error),
    /// The engine did not do it.
    #[error(transparent)]
    Engine(#[from] cutover_docker::Error),
    /// A thread of ours ended early.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    pub(crate) fn io(path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
