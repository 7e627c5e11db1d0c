//! The two databases behind one face.
//!
//! The macros expand one call for both arms, so that the rest of the crate is written once. They pick
//! pools and connections; they know no statement.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::{
    Executor as _, PgPool, Postgres, SqlSafeStr as _, Sqlite, SqlitePool, Transaction,
    error::BoxDynError,
};

use crate::Error;

/// A statement: its name in the source, and its text.
pub(crate) type Statement = (&'static str, &'static str);

/// The pools of one database.
#[derive(Clone)]
pub(crate) enum Db {
    /// A file. SQLite has one writer at a time, so the pool for writing has one connection, and those
    /// who want to write wait for it in the order in which they came.
    Lite {
        read: SqlitePool,
        write: SqlitePool,
        doubt: Doubt,
    },
    /// A server.
    Pg(PgPool),
}

/// Whether something was begun on the one writing connection of SQLite that has not ended well. Such a
/// connection is not used again: a full disk makes SQLite roll back by itself, and sqlx then believes for
/// ever that the transaction is still open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    pub(crate) fn arises(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_settled(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether there is any; there is none afterwards.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// A transaction that writes. Dropped without `commit`, it has not happened.
pub(crate) enum Tx {
    /// On the one writing connection.
    Lite(Transaction<'static, Sqlite>, Doubt),
    /// On any connection.
    Pg(Transaction<'static, Postgres>),
}

/// Declares the statements of a file: each a constant, all together `STATEMENTS`.
macro_rules! sql {
    ($($name:ident = $text:literal;)*) => {
        $(pub(crate) const $name: &str = $text;)*
        /// Every statement of this file.
        pub(crate) const STATEMENTS: &[crate::db::Statement] = &[$((stringify!($name), $text)),*];
    };
}

/// Reads all rows, outside of any transaction.
macro_rules! fetch_all {
    ($db:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $db {
            $crate::db::Db::Lite { read, .. } => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(read).await
            }
            $crate::db::Db::Pg(pool) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(pool).await
            }
        }
    };
}

/// Reads at most one row, outside of any transaction.
macro_rules! fetch_optional {
    ($db:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $db {
            $crate::db::Db::Lite { read, .. } => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(read).await
            }
            $crate::db::Db::Pg(pool) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(pool).await
            }
        }
    };
}

/// Reads at most one row inside a transaction.
macro_rules! fetch_in {
    ($tx:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $tx {
            $crate::db::Tx::Lite(tx, _) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(&mut **tx).await
            }
            $crate::db::Tx::Pg(tx) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(&mut **tx).await
            }
        }
    };
}

/// Writes inside a transaction; gives the number of rows that changed.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $tx {
            $crate::db::Tx::Lite(tx, _) => sqlx::query($sql)$(.bind($bind))*
                .execute(&mut **tx).await.map(|done| done.rows_affected()),
            $crate::db::Tx::Pg(tx) => sqlx::query($sql)$(.bind($bind))*
                .execute(&mut **tx).await.map(|done| done.rows_affected()),
        }
    };
}

/// Says how a row becomes a value: one body for the rows of both databases.
macro_rules! from_row {
    ($name:ty, |$row:ident| $body:expr) => {
        impl sqlx::FromRow<'_, sqlx::sqlite::SqliteRow> for $name {
            fn from_row($row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                $body
            }
        }
        impl sqlx::FromRow<'_, sqlx::postgres::PgRow> for $name {
            fn from_row($row: &sqlx::postgres::PgRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                $body
            }
        }
    };
}

impl Db {
    /// Begins to write. SQLite takes its lock here and not at the first write, because a transaction
    /// that has read may no longer wait for it.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        Ok(match self {
            Self::Lite { write, doubt, .. } => {
                let tx = write.begin_with("BEGIN IMMEDIATE").await?;
                doubt.arises();
                Tx::Lite(tx, doubt.clone())
            }
            Self::Pg(pool) => Tx::Pg(pool.begin().await?),
        })
    }

    /// Asks the database whether it understands a statement.
    pub(crate) async fn prepare(&self, name: &'static str, sql: &'static str) -> Result<(), Error> {
        let answer = match self {
            Self::Lite { read, .. } => {
                let mut connection = read.acquire().await?;
                connection.prepare(sql.into_sql_str()).await.map(|_| ())
            }
            Self::Pg(pool) => {
                let mut connection = pool.acquire().await?;
                connection.prepare(sql.into_sql_str()).await.map(|_| ())
            }
        };
        answer.map_err(|source| Error::Statement { name, source })
    }

    /// Closes all connections; SQLite folds its log into the file.
    pub(crate) async fn close(&self) {
        match self {
            Self::Lite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }

    /// For people.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Lite { .. } => "SQLite",
            Self::Pg(_) => "PostgreSQL",
        }
    }
}

impl Tx {
    /// Makes it so.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Lite(tx, doubt) => {
                tx.commit().await?;
                doubt.is_settled();
            }
            Self::Pg(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// A count for the database, whose integers have a sign.
pub(crate) fn signed(count: u64) -> Result<i64, Error> {
    i64::try_from(count).map_err(|_| Error::TooLarge { count })
}

/// A count from the database.
pub(crate) fn unsigned(count: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(count).map_err(unreadable)
}

/// A text from the database that names something of ours.
pub(crate) fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, sqlx::Error>
where
    T::Err: Into<BoxDynError>,
{
    text.parse().map_err(unreadable)
}

/// A word from the database that is a variant of one of our enums.
pub(crate) fn word<T: serde::de::DeserializeOwned>(text: String) -> Result<T, sqlx::Error> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(unreadable)
}

/// JSON from the database.
pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(unreadable)
}

fn unreadable(error: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
