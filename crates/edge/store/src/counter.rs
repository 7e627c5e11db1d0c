//! Numbers that only grow, each under a name.

use crate::{
    Error, Store,
    db::{Tx, unsigned},
};

sql! {
    GROW = "INSERT INTO counter (name, value) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value
            RETURNING value";
    VALUE = "SELECT value FROM counter WHERE name = $1";
}

/// Adds to a number and gives the sum. Whoever does it holds the number until the transaction ends:
/// others wait, and see it or nothing.
pub(crate) async fn grow(tx: &mut Tx, name: &str, by: i64) -> Result<i64, Error> {
    let (value,) = fetch_in!(tx, (i64,), GROW, name, by)?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(value)
}

/// The number as it stands; zero when nobody has counted yet.
pub(crate) async fn value(store: &Store, name: &str) -> Result<i64, Error> {
    let row = fetch_optional!(&store.db, (i64,), VALUE, name)?;
    Ok(row.map_or(0, |(value,)| value))
}

/// Under which name the fences of a place are counted.
pub(crate) fn fence(environment: &str, service: &str) -> String {
    format!("fence {environment:?} {service:?}")
}

impl Store {
    /// The next number for a run of this repository. No two callers get the same, and a number that
    /// was taken and not used is a gap for ever.
    pub async fn next_run_number(&self, repository: &str) -> Result<u64, Error> {
        self.next(&format!("run {repository:?}")).await
    }

    /// The next fence of a service at an environment: larger than all before it, for ever.
    pub async fn next_fence(&self, environment: &str, service: &str) -> Result<u64, Error> {
        self.next(&fence(environment, service)).await
    }

    async fn next(&self, name: &str) -> Result<u64, Error> {
        let mut tx = self.db.begin().await?;
        let value = grow(&mut tx, name, 1).await?;
        tx.commit().await?;
        Ok(unsigned(value)?)
    }
}
