//! What can go wrong between us and a supervisor.

use std::io;

use camino::Utf8PathBuf;

/// A fault of the machine or of the caller; never of the supervised program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's fault: the supervisor lives in `/` and cannot follow a relative path.
    #[error("path `{0}` is not absolute; give the supervisor absolute paths only")]
    NotAbsolute(Utf8PathBuf),
    /// The machine's fault.
    #[error("could not {action} `{path}`: {source}")]
    Io {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why it did not work.
        source: io::Error,
    },
    /// The machine's fault, or that of somebody who edited our files.
    #[error("record `{path}` is not readable: {source}; remove its directory to start over")]
    Record {
        /// The file.
        path: Utf8PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The supervisor could not do what it was asked; it has left nothing behind.
    #[error("supervisor did not start: {0}")]
    Refused(String),
    /// The caller's fault: records of something alive are not thrown away.
    #[error("`{0}` still runs; stop it before its records are removed")]
    Alive(Utf8PathBuf),
}

impl Error {
    /// Wraps an error of the system with what was tried on which path.
    pub fn io(
        action: &'static str,
        path: impl Into<Utf8PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
