//! What was counted while a deployment was watched, so that it can be judged again. The texts are the
//! caller's; each holds some seconds, and is found by the first of them.

use cutover_model::DeploymentId;

use crate::{
    Error, Store,
    db::{signed, unsigned},
};

sql! {
    PUT = "INSERT INTO sample (deployment, second, body) VALUES ($1, $2, $3)
           ON CONFLICT (deployment, second) DO UPDATE SET body = excluded.body";
    COUNT = "SELECT COUNT(*) FROM sample WHERE deployment = $1 AND second <> $2";
    SINCE = "SELECT second, body FROM sample WHERE deployment = $1 AND second >= $2 ORDER BY second";
    FORGET = "DELETE FROM sample WHERE deployment = $1";
}

impl Store {
    /// Keeps some seconds of a deployment; false, and nothing is kept, when there are `most` rows of
    /// it already. The same first second again takes the place of what was kept.
    pub async fn put_samples(
        &self,
        deployment: &DeploymentId,
        second: u64,
        body: &str,
        most: u32,
    ) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        let second = signed(second)?;
        let (count,) = fetch_in!(&mut tx, (i64,), COUNT, deployment.as_str(), second)?
            .ok_or(sqlx::Error::RowNotFound)?;
        if unsigned(count)? >= u64::from(most) {
            return Ok(false);
        }
        execute!(&mut tx, PUT, deployment.as_str(), second, body)?;
        tx.commit().await?;
        Ok(true)
    }

    /// What was kept of a deployment, in order, from the row that begins with this second on; each with
    /// its first second.
    pub async fn samples(
        &self,
        deployment: &DeploymentId,
        since: u64,
    ) -> Result<Vec<(u64, String)>, Error> {
        let since = signed(since)?;
        let rows = fetch_all!(&self.db, (i64, String), SINCE, deployment.as_str(), since)?;
        rows.into_iter()
            .map(|(second, body)| Ok((unsigned(second)?, body)))
            .collect()
    }

    /// Throws away what was kept of a deployment.
    pub async fn forget_samples(&self, deployment: &DeploymentId) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, FORGET, deployment.as_str())?;
        tx.commit().await
    }
}
