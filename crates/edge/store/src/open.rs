//! Opening a database: an address becomes a store, or a refusal that says what to do.

use std::{fs, io, io::Read as _, str::FromStr as _, sync::Arc, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use sqlx::{
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use crate::{
    Error, Store,
    db::{Db, Doubt},
    migrate,
};

/// SQLite's own; PostgreSQL never sees it.
const BACKUP: &str = "VACUUM INTO $1";

/// Whether migrations have been noted; SQLite's own too.
const MIGRATED: &str = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";

/// Connections that read a file at the same time.
const READERS: u32 = 4;
/// Connections to a server.
const CONNECTIONS: u32 = 10;
/// How long a lock of another process is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// How long a free connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(30);
/// With which every SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// To which SQLite's log is cut after it was folded into the file.
const LOG_LIMIT: &str = "67108864";

impl Store {
    /// Opens `sqlite:///path/file.db` or `postgres://…`, creates it when there is nothing (a file, in
    /// a directory that exists), and brings it to the schema of this program.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_with(url, SqliteSynchronous::Full).await
    }

    /// The same, for those who would lose more than what they have stored with the power: what is
    /// stored survives the death of every process, but the disk is not waited for, so that the last
    /// of it may be gone when the machine stops. A server ignores that: it has rules of its own.
    pub async fn open_without_power_safety(url: &str) -> Result<Self, Error> {
        Self::open_with(url, SqliteSynchronous::Normal).await
    }

    async fn open_with(url: &str, synchronous: SqliteSynchronous) -> Result<Self, Error> {
        let db = match url.split_once("://") {
            Some(("sqlite", path)) if path.starts_with('/') && !path.ends_with('/') => {
                open_file(Utf8Path::new(path), synchronous).await?
            }
            Some(("postgres" | "postgresql", _)) => open_server(url).await?,
            _ => return Err(Error::Address(without_password(url))),
        };
        migrate::run(&db).await?;
        let store = Self {
            db,
            newest: Arc::new(watch::Sender::new(0)),
        };
        let newest = store.newest_position().await?;
        store.newest.send_replace(newest);
        Ok(store)
    }

    /// Opens a file to look at it, also while others write: makes nothing, and brings nothing to another
    /// schema. `None` when there is no such file.
    pub async fn open_to_read(path: &Utf8Path) -> Result<Option<Self>, Error> {
        if !is_there(path)? {
            return Ok(None);
        }
        let db = open_existing(path, SqliteSynchronous::Normal, Access::Read).await?;
        migrate::check_known(&db).await?;
        let store = Self {
            db,
            newest: Arc::new(watch::Sender::new(0)),
        };
        Ok(Some(store))
    }

    /// Writes a copy to a file that does not exist yet, while others read and write.
    pub async fn backup_to(&self, path: &Utf8Path) -> Result<(), Error> {
        let Db::Lite { read, .. } = &self.db else {
            return Err(Error::Unsupported {
                database: self.db.kind(),
                action: "write a copy of itself",
                instead: "use `pg_dump`",
            });
        };
        sqlx::query(BACKUP)
            .bind(path.as_str())
            .execute(read)
            .await?;
        let synced = fs::File::open(path).and_then(|file| file.sync_all());
        synced.map_err(|source| Error::File {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }
}

async fn open_file(path: &Utf8Path, synchronous: SqliteSynchronous) -> Result<Db, Error> {
    if !is_there(path)? {
        create(path).await?;
    }
    open_existing(path, synchronous, Access::Write).await
}

fn is_there(path: &Utf8Path) -> Result<bool, Error> {
    path.try_exists().map_err(|source| Error::File {
        action: "look at",
        path: path.to_owned(),
        source,
    })
}

/// What may be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

async fn open_existing(
    path: &Utf8Path,
    synchronous: SqliteSynchronous,
    access: Access,
) -> Result<Db, Error> {
    check_head(path)?;
    let opened = async {
        let db = pools(path, synchronous, access).await?;
        Ok::<_, sqlx::Error>((is_ours(&db).await?, db))
    };
    let (is_ours, db) = opened.await.map_err(|error| match Error::from(error) {
        Error::Damaged(text) => Error::Unusable {
            path: path.to_owned(),
            reason: format!("it is damaged ({text}); restore a backup or move it away"),
        },
        Error::Database(source) => Error::Open {
            place: path.to_string(),
            source,
        },
        other => other,
    })?;
    if is_ours {
        return Ok(db);
    }
    db.close().await;
    Err(Error::Unusable {
        path: path.to_owned(),
        reason: "it is the database of another program; choose another directory".to_owned(),
    })
}

/// A file is made whole by [`create`], so one without a list of our migrations is somebody else's.
async fn is_ours(db: &Db) -> Result<bool, sqlx::Error> {
    let Db::Lite { read, .. } = db else {
        return Ok(true);
    };
    let found: i64 = sqlx::query_scalar(MIGRATED).fetch_one(read).await?;
    Ok(found > 0)
}

/// Makes a whole database beside the place and moves it there in one step: a file that is found later
/// is never half made, so that an empty one is known to have lost its contents.
async fn create(path: &Utf8Path) -> Result<(), Error> {
    let failed = |source| Error::File {
        action: "create",
        path: path.to_owned(),
        source,
    };
    let directory = path.parent().unwrap_or(Utf8Path::new("/"));
    let beside = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(directory)
        .map_err(failed)?;
    let draft = Utf8PathBuf::try_from(beside.path().join("draft.db"))
        .map_err(|error| failed(error.into_io_error()))?;
    let options = options(&draft, SqliteSynchronous::Full).create_if_missing(true);
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?;
    let db = Db::Lite {
        read: write.clone(),
        write,
        doubt: Doubt::default(),
    };
    let made = migrate::run(&db).await;
    db.close().await;
    made?;
    fs::File::open(&draft)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    match fs::hard_link(&draft, path) {
        // Somebody else was faster; theirs is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other
            .and_then(|()| fs::File::open(directory)?.sync_all())
            .map_err(failed),
    }
}

/// What SQLite would take for a new database, or for none at all, is refused in our words.
fn check_head(path: &Utf8Path) -> Result<(), Error> {
    let failed = |source| Error::File {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let unusable = |reason: &str| Error::Unusable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(failed)?;
    if head.is_empty() {
        return Err(unusable(
            "it is empty, so what it held is lost; restore a backup, or remove it to begin anew",
        ));
    }
    if head != MAGIC {
        return Err(unusable(
            "it is not a SQLite database; restore a backup or move it away",
        ));
    }
    Ok(())
}

async fn pools(
    path: &Utf8Path,
    synchronous: SqliteSynchronous,
    access: Access,
) -> Result<Db, sqlx::Error> {
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(ACQUIRE)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let doubt = Doubt::default();
    let in_doubt = doubt.clone();
    let write = pool().max_connections(1).after_release(move |_, _| {
        let is_good = !in_doubt.take();
        Box::pin(async move { Ok(is_good) })
    });
    let write = match access {
        Access::Write => write.connect_with(options(path, synchronous)).await?,
        // Nobody is let in who would write.
        Access::Read => write.connect_lazy_with(options(path, synchronous).read_only(true)),
    };
    let read = pool()
        .max_connections(READERS)
        .connect_with(options(path, synchronous).read_only(true))
        .await?;
    Ok(Db::Lite { read, write, doubt })
}

/// With `synchronous = FULL` each commit waits for the disk: what we have said to have stored
/// survives a loss of power.
fn options(path: &Utf8Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("journal_size_limit", LOG_LIMIT)
}

async fn open_server(url: &str) -> Result<Db, Error> {
    let options =
        PgConnectOptions::from_str(url).map_err(|_| Error::Address(without_password(url)))?;
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .connect_with(options)
        .await
        .map_err(|source| Error::Open { place, source })?;
    Ok(Db::Pg(pool))
}

/// An address may hold a password, and errors are printed.
fn without_password(url: &str) -> String {
    match url
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)))
    {
        Some((scheme, rest)) => format!("{scheme}://…@{rest}"),
        None => url.to_owned(),
    }
}
