//! Small values under a name: what a component wants to find again after a restart.

use crate::{Error, Store};

sql! {
    GET = "SELECT value FROM setting WHERE name = $1";
    UNDER = "SELECT name, value FROM setting WHERE name >= $1 AND name < $2 ORDER BY name";
    SET = "INSERT INTO setting (name, value) VALUES ($1, $2)
           ON CONFLICT (name) DO UPDATE SET value = excluded.value";
}

impl Store {
    /// The value under a name.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let row = fetch_optional!(&self.db, (String,), GET, name)?;
        Ok(row.map(|(value,)| value))
    }

    /// All names that begin with a folder such as `user/`, with their values, in order.
    pub async fn settings(&self, folder: &str) -> Result<Vec<(String, String)>, Error> {
        // `0` is the character after `/`: the first name that is not in the folder any more.
        let end = format!("{}0", folder.trim_end_matches('/'));
        Ok(fetch_all!(&self.db, (String, String), UNDER, folder, end)?)
    }

    /// Keeps a value under a name, in place of the one before.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, SET, name, value)?;
        tx.commit().await
    }
}
