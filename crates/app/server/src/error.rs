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
    /// What was asked for cannot be meant, whatever there is.
    #[error("{0}")]
    Malformed(String),
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
    /// Where everything should be kept, nothing can be.
    #[error("nothing can be kept in `{path}`: {source}; say where with --data-dir")]
    DataDir {
        /// The data directory.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something that we stored does not read.
    #[error("{0} is damaged; restore it from a backup")]
    Corrupt(String),
    /// The server is going down.
    #[error("the server is going down; the command was not taken")]
    Closing,
}

/// What a mistake of whoever asked is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// What they named is not there.
    NotThere,
    /// What they said cannot be meant, or their files are wrong.
    Wrong,
    /// It is not allowed, or not now.
    Refused,
}

impl Error {
    /// Whether it is a mistake of whoever asked, and which; all else is our fault, or the machine's.
    pub const fn mistake(&self) -> Option<Mistake> {
        use cutover_forge::Error as Forge;
        use cutover_store::Error as Store;
        match self {
            Self::NotFound(_) | Self::Forge(Forge::NoRepository(_) | Forge::Revision(_)) => {
                Some(Mistake::NotThere)
            }
            // Another server has the directory, or it is not ours, or cannot be written.
            Self::Malformed(_)
            | Self::Ambiguous(_)
            | Self::Invalid(_)
            | Self::DataDir { .. }
            | Self::Store(Store::InUse { .. } | Store::Unusable { .. })
            | Self::Forge(
                Forge::Name(_)
                | Forge::RefName(_)
                | Forge::NoWorkingTree(_)
                | Forge::FileTooLarge { .. }
                | Forge::TooManyFiles { .. }
                | Forge::PushTooLarge { .. },
            ) => Some(Mistake::Wrong),
            Self::Refused(_) | Self::Forge(Forge::TagElsewhere { .. }) => Some(Mistake::Refused),
            Self::Store(_)
            | Self::Forge(_)
            | Self::Target(_)
            | Self::Executor(_)
            | Self::Results(_)
            | Self::Docker(_)
            | Self::Balancer(_)
            | Self::Io { .. }
            | Self::Corrupt(_)
            | Self::Closing => None,
        }
    }

    /// For `map_err`: why nothing can be kept in a data directory.
    pub(crate) fn data_dir(path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::DataDir {
            path: path.to_string(),
            source,
        }
    }

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
