//! What can go wrong between us and the supervisor of a job: faults, never the failure of a step.

use std::io;

use camino::Utf8PathBuf;

/// A fault of the machine, or of our caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// The machine's fault: its supervisor is not there or cannot write its records.
    #[error(transparent)]
    Supervisor(#[from] cutover_supervisor::Error),
    /// The machine's fault: the supervisor could not do it, and nothing was started.
    #[error("the supervisor of the job refused: {0}")]
    Refused(String),
    /// The machine's fault, or that of processes that the kernel holds.
    #[error("{count} processes of job `{job}` could not be killed; look for them in state D")]
    Unkillable {
        /// The job.
        job: String,
        /// How many.
        count: usize,
    },
}

impl Error {
    /// Wraps an error of the system with what was tried on which path.
    pub(crate) fn io(
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
