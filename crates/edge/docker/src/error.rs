//! What can go wrong between us and an engine, sorted by whose turn it is to act.

use std::{io, path::PathBuf};

use bollard::errors::Error as Bollard;

/// An order to the engine that was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answers.
    #[error("no Docker engine answers at `{host}`: {detail}; start it, or set `DOCKER_HOST`")]
    Unreachable {
        /// Where we asked.
        host: String,
        /// What happened.
        detail: String,
    },
    /// An address of a kind that we do not speak.
    #[error("`{host}` is not an engine address; write `unix:///path` or `tcp://host:port`")]
    Address {
        /// The address.
        host: String,
    },
    /// The Dockerfile, or a command in it, said no.
    #[error("the image was not built: {message}")]
    BuildFailed {
        /// The engine's words.
        message: String,
    },
    /// The directory to build from could not be read.
    #[error("`{path}` cannot be sent to the engine: {source}")]
    Context {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of `.dockerignore` is not a pattern.
    #[error("line {line} of `.dockerignore` is not a pattern: `{pattern}`")]
    Pattern {
        /// Counted from one.
        line: usize,
        /// As written.
        pattern: String,
    },
    /// The name is taken by a container that is not the one that was ordered.
    #[error("container `{name}` exists and is not ours: {difference}; remove or rename it")]
    Taken {
        /// The name.
        name: String,
        /// The first difference.
        difference: String,
    },
    /// The port on this machine is in use; another may be tried.
    #[error("port {port} of this machine is in use")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The registry did not give an image.
    #[error("the image `{reference}` is not here, and could not be fetched: {message}")]
    Fetch {
        /// The image.
        reference: String,
        /// The engine's words.
        message: String,
    },
    /// A port that is not written as one.
    #[error("`{port}` is no port; write `INSIDE`, `HOST:INSIDE` or `ADDRESS:HOST:INSIDE`")]
    Port {
        /// As written.
        port: String,
    },
    /// There is no container of that name.
    #[error("there is no container `{name}`")]
    Absent {
        /// The name.
        name: String,
    },
    /// The engine answered, and refused.
    #[error("the engine refused to {verb}: {message} (status {status})")]
    Refused {
        /// What we asked for.
        verb: &'static str,
        /// The HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// The engine went away in the middle, or spoke nonsense.
    #[error("the engine did not finish to {verb}: {detail}")]
    Broken {
        /// What we asked for.
        verb: &'static str,
        /// What happened.
        detail: String,
    },
}

impl Error {
    /// From what the client library says about one request.
    pub(crate) fn from_client(verb: &'static str, error: Bollard) -> Self {
        match error {
            Bollard::DockerResponseServerError {
                status_code,
                message,
            } => Self::Refused {
                verb,
                status: status_code,
                message,
            },
            other => Self::Broken {
                verb,
                detail: with_causes(&other),
            },
        }
    }
}

/// Whether the engine says that there is no such thing.
pub(crate) const fn is_absent(error: &Bollard) -> bool {
    matches!(
        error,
        Bollard::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

/// The message with those of its causes: the outermost one of hyper says only `error`.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
