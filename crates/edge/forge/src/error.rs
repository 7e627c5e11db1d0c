//! What can go wrong with sources, with git's own words where it has some.

use camino::Utf8PathBuf;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program is not there.
    #[error("could not start `git`: install it, or put it in PATH")]
    Start(#[source] std::io::Error),
    /// It said no.
    #[error("`git {verb}` failed: {stderr}")]
    Git {
        /// What it was to do.
        verb: &'static str,
        /// The first lines of what it said.
        stderr: String,
    },
    /// It said something that we do not understand.
    #[error("`git {verb}` answered in an unknown form: `{answer}`")]
    Answer {
        /// What it was to do.
        verb: &'static str,
        /// The beginning of what it said.
        answer: String,
    },
    /// The conversation with it broke off.
    #[error("could not speak with `git {verb}`")]
    Pipe {
        /// What it was to do.
        verb: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A repository's name has another form.
    #[error(
        "`{0}` is not a name for a repository: write `name` or `owner/name` with letters, digits, `.`, \
         `_` and `-`; no part begins with `.` or `-`, or ends with `.git`"
    )]
    Name(String),
    /// There is no such repository.
    #[error("there is no repository `{0}`")]
    NoRepository(String),
    /// A directory is not under git.
    #[error("`{0}` is not in a git working tree: run `git init` there, or go to one")]
    NoWorkingTree(Utf8PathBuf),
    /// A text is not the id of a commit.
    #[error("`{0}` is not a revision: it has 40 or 64 hexadecimal digits")]
    Revision(String),
    /// A text is not a ref that git takes.
    #[error("`{0}` is not a name that git takes for a ref")]
    RefName(String),
    /// A tag never moves.
    #[error("tag `{tag}` exists already at {found}, not at {wanted}")]
    TagElsewhere {
        /// Its name.
        tag: String,
        /// Where it is.
        found: String,
        /// Where it should be.
        wanted: String,
    },
    /// A definition is larger than any person writes.
    #[error("`{path}` has {size} bytes, more than the {limit} that a definition may have")]
    FileTooLarge {
        /// Which file.
        path: String,
        /// Its size.
        size: u64,
        /// The most there may be.
        limit: u64,
    },
    /// There are more definitions than any repository has.
    #[error("there are more than {limit} files under `.github` or named `action.yml`")]
    TooManyFiles {
        /// The most there may be.
        limit: usize,
    },
    /// A push is larger than we take.
    #[error("the push has more than {limit} bytes")]
    PushTooLarge {
        /// The most there may be.
        limit: u64,
    },
    /// The sender went away, or sent what is no gzip.
    #[error("the request ended early")]
    Request(#[source] std::io::Error),
    /// A copy would be written over what it is made of.
    #[error("`{into}` cannot take a copy of `{from}`: one contains the other")]
    Overlap {
        /// The target.
        into: Utf8PathBuf,
        /// The source.
        from: Utf8PathBuf,
    },
    /// A submodule's place is taken by something that leads elsewhere.
    #[error("submodule `{0}` has a link in its way")]
    SubmoduleLink(String),
    /// A file could not be read or written.
    #[error("could not {action} `{path}`")]
    File {
        /// What we wanted.
        action: &'static str,
        /// Of what.
        path: Utf8PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err` on what the file system says.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<Utf8PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
