//! Who froze what, why, until when, and who lifted it. Rows stay: they are the record. What a freeze
//! means for a deployment is not known here.

use cutover_model::Timestamp;
use serde::Serialize;

use crate::{
    Error, Store, counter,
    db::{signed, unsigned},
};

sql! {
    FREEZE = "INSERT INTO frozen (id, environment, reason, frozen_by, since, until)
              VALUES ($1, $2, $3, $4, $5, $6)";
    OPEN = "SELECT * FROM frozen WHERE lifted_at IS NULL ORDER BY id";
    NEWEST = "SELECT * FROM frozen ORDER BY id DESC LIMIT $1";
    LIFT = "UPDATE frozen SET lifted_by = $2, lifted_at = $3 WHERE id = $1 AND lifted_at IS NULL";
}

/// A freeze that a person has put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FreezeRow {
    /// Its number.
    pub id: u64,
    /// Which environment; all of them when absent.
    pub environment: Option<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub frozen_by: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; until it is lifted when absent.
    pub until: Option<Timestamp>,
    /// Who lifted it.
    pub lifted_by: Option<String>,
    /// When it was lifted.
    pub lifted_at: Option<Timestamp>,
}

from_row!(FreezeRow, |row| Ok(Self {
    id: unsigned(row.try_get("id")?)?,
    environment: row.try_get("environment")?,
    reason: row.try_get("reason")?,
    frozen_by: row.try_get("frozen_by")?,
    since: Timestamp(row.try_get("since")?),
    until: row.try_get::<Option<i64>, _>("until")?.map(Timestamp),
    lifted_by: row.try_get("lifted_by")?,
    lifted_at: row.try_get::<Option<i64>, _>("lifted_at")?.map(Timestamp),
}));

impl Store {
    /// Puts a freeze on an environment, or on all of them.
    pub async fn freeze(
        &self,
        environment: Option<&str>,
        reason: &str,
        by: &str,
        since: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<FreezeRow, Error> {
        let mut tx = self.db.begin().await?;
        let id = counter::grow(&mut tx, "freeze", 1).await?;
        execute!(
            &mut tx,
            FREEZE,
            id,
            environment,
            reason,
            by,
            since.0,
            until.map(|until| until.0),
        )?;
        tx.commit().await?;
        Ok(FreezeRow {
            id: unsigned(id)?,
            environment: environment.map(ToOwned::to_owned),
            reason: reason.to_owned(),
            frozen_by: by.to_owned(),
            since,
            until,
            lifted_by: None,
            lifted_at: None,
        })
    }

    /// Lifts a freeze; false when it was lifted already, or never was.
    pub async fn lift_freeze(&self, id: u64, by: &str, at: Timestamp) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        let lifted = execute!(&mut tx, LIFT, signed(id)?, by, at.0)?;
        tx.commit().await?;
        Ok(lifted > 0)
    }

    /// Freezes that nobody has lifted, also those whose time is over, in the order of their coming.
    pub async fn open_freezes(&self) -> Result<Vec<FreezeRow>, Error> {
        Ok(fetch_all!(&self.db, FreezeRow, OPEN)?)
    }

    /// The newest freezes of all, lifted or not.
    pub async fn freezes(&self, limit: u32) -> Result<Vec<FreezeRow>, Error> {
        Ok(fetch_all!(&self.db, FreezeRow, NEWEST, i64::from(limit))?)
    }
}
