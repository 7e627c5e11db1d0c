//! Bringing a database to the schema of this program. Numbers are the same for both databases; what
//! is in a file that was ever released is never edited.

use std::borrow::Cow;

use sqlx::{
    SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use crate::{Error, db::Db};

/// What sqlx notes of them is the same in both databases.
const NEWEST: &str = "SELECT MAX(version) FROM _sqlx_migrations";

/// Number, name, text for SQLite, text for PostgreSQL.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "first",
        include_str!("../migrations/sqlite/0001_first.sql"),
        include_str!("../migrations/postgres/0001_first.sql"),
    ),
    (
        2,
        "leases",
        include_str!("../migrations/sqlite/0002_leases.sql"),
        include_str!("../migrations/postgres/0002_leases.sql"),
    ),
];

/// Runs what has not run yet.
pub(crate) async fn run(db: &Db) -> Result<(), Error> {
    let done = match db {
        Db::Lite { write, .. } => migrator(|sqlite, _| sqlite).run(write).await,
        Db::Pg(pool) => migrator(|_, postgres| postgres).run(pool).await,
    };
    done.map_err(|error| match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) => {
            Error::Newer {
                found,
                known: newest(),
            }
        }
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => source.into(),
        other => Error::Migrate(Box::new(other)),
    })
}

/// Refuses a database that a newer cutover has worked with. An older one is as good for whoever only
/// looks: tables are only added.
pub(crate) async fn check_known(db: &Db) -> Result<(), Error> {
    let found = fetch_optional!(db, (Option<i64>,), NEWEST)?;
    match found.and_then(|(found,)| found) {
        Some(found) if found > newest() => Err(Error::Newer {
            found,
            known: newest(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|(number, ..)| *number)
        .max()
        .unwrap_or_default()
}

fn migrator(choose: fn(&'static str, &'static str) -> &'static str) -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(number, name, sqlite, postgres)| {
        let text = choose(sqlite, postgres).into_sql_str();
        Migration::new(
            number,
            Cow::Borrowed(name),
            MigrationType::Simple,
            text,
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}
