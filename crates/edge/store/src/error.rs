//! What can go wrong with the memory, in words that say what to do. "Not found" is no error here.

use camino::Utf8PathBuf;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else appended first: read again, decide again.
    #[error("`{stream}` is at version {found}, not at {expected}: somebody else was faster")]
    Conflict {
        /// The stream.
        stream: String,
        /// Where the caller believed it to be.
        expected: u64,
        /// Where it is.
        found: u64,
    },
    /// The events of one append do not follow one another.
    #[error("event {found} of `{stream}` was given where {expected} should be")]
    OutOfOrder {
        /// The stream.
        stream: String,
        /// The version that should come.
        expected: u64,
        /// The version that came.
        found: u64,
    },
    /// No space is left.
    #[error(
        "no space is left for the database, nothing was stored: free some, then try again ({0})"
    )]
    Full(String),
    /// The database cannot be read.
    #[error("the database is damaged, nothing was changed: restore a backup or move it away ({0})")]
    Damaged(String),
    /// The file at that place is not ours, or no longer whole.
    #[error("`{path}` cannot be used as the database, nothing was changed: {reason}")]
    Unusable {
        /// Where.
        path: Utf8PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The database does not answer.
    #[error("the database at `{place}` could not be opened")]
    Open {
        /// Where.
        place: String,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// A newer cutover has worked with this database.
    #[error(
        "the database has schema {found}, this program knows up to {known}: \
         use the newer cutover that wrote it, or restore a backup from before"
    )]
    Newer {
        /// What the database has.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// An event was written by a newer cutover.
    #[error("event {version} of `{stream}` has schema {found}, this program knows up to {known}")]
    NewerEvent {
        /// The stream.
        stream: String,
        /// Which event.
        version: u64,
        /// Its schema.
        found: i64,
        /// What we know.
        known: u16,
    },
    /// The schema could not be brought up to date.
    #[error("the database could not be brought to the schema of this program")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
    /// The address of the database has another form.
    #[error(
        "`{0}` is not the address of a database: write `sqlite:///path/file.db` or `postgres://…`"
    )]
    Address(String),
    /// Another process works in the directory.
    #[error("`{directory}` is in use by process {holder}: stop it, or choose another directory")]
    InUse {
        /// Which directory.
        directory: Utf8PathBuf,
        /// The process, as far as it is known.
        holder: String,
    },
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
    /// A newer holder of the lock has spoken already.
    #[error("fence {fence} of `{service}` at `{environment}` is older than {newest}: too late")]
    StaleFence {
        /// Where.
        environment: String,
        /// What.
        service: String,
        /// The fence that came.
        fence: u64,
        /// The fence that rules.
        newest: u64,
    },
    /// A release never changes.
    #[error("release `{0}` exists already with other content")]
    ReleaseDiffers(String),
    /// An event or a release that cannot be written as JSON.
    #[error("could not write `{what}` as JSON")]
    Json {
        /// Of which stream, or which id.
        what: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// An event that is there but not understood.
    #[error("event {version} of `{stream}` is not understood")]
    Unreadable {
        /// The stream.
        stream: String,
        /// Which event.
        version: u64,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A number that the database cannot hold.
    #[error("{count} is larger than the database can count")]
    TooLarge {
        /// The number.
        count: u64,
    },
    /// A statement that the database does not understand.
    #[error("the database does not understand the statement `{name}`")]
    Statement {
        /// Its name in the source.
        name: &'static str,
        /// What it says.
        #[source]
        source: sqlx::Error,
    },
    /// PostgreSQL has its own tools for this.
    #[error("a {database} database cannot {action} from here: {instead}")]
    Unsupported {
        /// Which database.
        database: &'static str,
        /// What was wanted.
        action: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// Anything else that the database says.
    #[error("the database did not do it")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    /// Sorts out the few that people can do something about.
    fn from(error: sqlx::Error) -> Self {
        let known = error.as_database_error().and_then(|answer| {
            let code = answer.code()?;
            let text = answer.message().to_owned();
            match Condition::of(&code) {
                Condition::Full => Some(Self::Full(text)),
                Condition::Damaged => Some(Self::Damaged(text)),
                Condition::Other => None,
            }
        });
        known.unwrap_or(Self::Database(error))
    }
}

/// What the code of a database error tells.
enum Condition {
    Full,
    Damaged,
    Other,
}

impl Condition {
    /// SQLite's extended codes are numbers whose low byte is the kind; PostgreSQL's have five
    /// characters.
    fn of(code: &str) -> Self {
        match code {
            "53100" => return Self::Full,
            "XX001" | "XX002" => return Self::Damaged,
            _ if code.len() == 5 => return Self::Other,
            _ => {}
        }
        match code.parse::<u32>().map(|number| number & 0xff) {
            Ok(13) => Self::Full,
            Ok(11 | 26) => Self::Damaged,
            _ => Self::Other,
        }
    }
}
