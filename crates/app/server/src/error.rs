//! Why the control plane could not, in the words of whoever asked.

use camino::Utf8Path;

/// What went wrong, and whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing that was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// Several are meant by what was said, and none of them is taken.
    #[error("{0}")]
    Ambiguous(String),
    /// It makes no sense now, or is not allowed.
    #[error("{0}")]
    Refused(String),
    /// The files are wrong.
    #[error("{}", render(.0))]
    Invalid(Vec<cutover_model::Diagnostic>),
    /// The store.
    #[error(transparent)]
    Store(#[from] cutover_store::Error),
    /// Git.
    #[error(transparent)]
    Forge(#[from] cutover_forge::Error),
    /// Where instances live.
    #[error(transparent)]
    Target(#[from] cutover_target::Error),
    /// Where steps run.
    #[error(transparent)]
    Executor(#[from] cutover_executor::Error),
    /// Artifacts and caches.
    #[error(transparent)]
    Results(#[from] cutover_results::Error),
    /// The docker engine.
    #[error("the docker engine: {0}")]
    Docker(String),
    /// The balancer.
    #[error("the balancer: {0}")]
    Balancer(String),
    /// A file or a directory.
    #[error("could not {verb} `{path}`: {source}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something that we stored does not read.
    #[error("{0} is damaged; restore it from a backup")]
    Corrupt(String),
    /// The server is going down.
    #[error("the server is going down; the command was not taken")]
    Closing,
}

impl Error {
    /// For `map_err`: what was tried, and on what.
    pub(crate) fn io(verb: &'static str, path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            verb,
            path: path.to_string(),
            source,
        }
    }

    pub(crate) fn balancer(error: impl std::fmt::Display) -> Self {
        Self::Balancer(error.to_string())
    }
}

impl From<crate::drive::Error> for Error {
    fn from(error: crate::drive::Error) -> Self {
        match error {
            crate::drive::Error::Refused(why) => Self::Refused(why),
            crate::drive::Error::Store(error) => Self::Store(error),
            crate::drive::Error::Unborn => Self::NotFound(error.to_string()),
            crate::drive::Error::Closing => Self::Closing,
        }
    }
}

fn render(diagnostics: &[cutover_model::Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
