//! Who deploys where, for how long, and who is next.
//!
//! A lease has an owner (a server), an end, and a fence that grows with each holder. One that has run
//! out may be taken by the next in the queue; whoever had it is then refused by its fence. When to
//! renew, and what to do about a lease that was lost, is for the caller to say.

use cutover_model::{DeploymentId, Timestamp};
use serde::Serialize;

use crate::{
    Error, Store, counter,
    db::{Tx, parsed, signed, unsigned},
};

sql! {
    HELD = "SELECT * FROM lease WHERE environment = $1 AND service = $2";
    HOLD = "INSERT INTO lease (environment, service, deployment, owner, fence, since, until)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (environment, service) DO UPDATE SET
                deployment = excluded.deployment, owner = excluded.owner, fence = excluded.fence,
                since = excluded.since, until = excluded.until";
    RENEW = "UPDATE lease SET until = $2 WHERE owner = $1 AND until < $2";
    ALL = "SELECT * FROM lease ORDER BY environment, service";
    RELEASE = "DELETE FROM lease WHERE environment = $1 AND service = $2 AND deployment = $3";
    ENTER = "INSERT INTO lock_queue (deployment, environment, service, urgent, frozen, turn, since)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (deployment) DO UPDATE SET frozen = excluded.frozen";
    LEAVE = "DELETE FROM lock_queue WHERE deployment = $1";
    FIRST = "SELECT deployment FROM lock_queue
             WHERE environment = $1 AND service = $2 AND frozen = 0
             ORDER BY urgent DESC, turn LIMIT 1";
    QUEUE = "SELECT * FROM lock_queue ORDER BY environment, service, urgent DESC, turn";
    TIDY = "DELETE FROM lock_queue WHERE EXISTS (
                SELECT 1 FROM deployment
                WHERE deployment.id = lock_queue.deployment AND deployment.outcome IS NOT NULL)";
}

/// A place that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Where.
    pub environment: String,
    /// Of which service.
    pub service: String,
    /// The deployment that holds it.
    pub deployment: DeploymentId,
    /// The server that drives the deployment.
    pub owner: String,
    /// Grows with each holder; what carries an older one is refused.
    pub fence: u64,
    /// Since when it is held.
    pub since: Timestamp,
    /// When it runs out, unless it is renewed.
    pub until: Timestamp,
}

from_row!(Lease, |row| Ok(Self {
    environment: row.try_get("environment")?,
    service: row.try_get("service")?,
    deployment: parsed(row.try_get("deployment")?)?,
    owner: row.try_get("owner")?,
    fence: unsigned(row.try_get("fence")?)?,
    since: Timestamp(row.try_get("since")?),
    until: Timestamp(row.try_get("until")?),
}));

/// One that waits for a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Which.
    pub deployment: DeploymentId,
    /// Where.
    pub environment: String,
    /// Of which service.
    pub service: String,
    /// Whether it comes before those that are not.
    pub urgent: bool,
    /// Whether a freeze keeps it; it lets the others pass, and keeps its turn.
    pub frozen: bool,
    /// Since when it waits.
    pub since: Timestamp,
}

from_row!(Queued, |row| Ok(Self {
    deployment: parsed(row.try_get("deployment")?)?,
    environment: row.try_get("environment")?,
    service: row.try_get("service")?,
    urgent: row.try_get::<i64, _>("urgent")? != 0,
    frozen: row.try_get::<i64, _>("frozen")? != 0,
    since: Timestamp(row.try_get("since")?),
}));

/// Who wants which place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseAsk {
    /// Where.
    pub environment: String,
    /// Of which service.
    pub service: String,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The server that drives it.
    pub owner: String,
    /// Whether it comes before those that are not: a way back does not wait for the next way forward.
    pub urgent: bool,
}

/// What asking gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It is ours.
    Taken(Lease),
    /// Somebody has it.
    Held(Lease),
    /// Nobody has it, and this deployment is next.
    Next(DeploymentId),
}

async fn held(tx: &mut Tx, environment: &str, service: &str) -> Result<Option<Lease>, Error> {
    Ok(fetch_in!(tx, Lease, HELD, environment, service)?)
}

async fn hold(tx: &mut Tx, lease: &Lease) -> Result<(), Error> {
    execute!(
        tx,
        HOLD,
        &lease.environment,
        &lease.service,
        lease.deployment.as_str(),
        &lease.owner,
        signed(lease.fence)?,
        lease.since.0,
        lease.until.0,
    )?;
    Ok(())
}

impl Store {
    /// Begins to change a place; alone with it until the transaction ends.
    async fn begin_at(&self, environment: &str, service: &str) -> Result<Tx, Error> {
        let mut tx = self.db.begin().await?;
        counter::grow(&mut tx, &format!("lease {environment:?} {service:?}"), 0).await?;
        Ok(tx)
    }

    /// Asks for a place. Whoever does not get it has a turn from then on, and keeps it by asking
    /// again. Asking for what one holds renews it, under the same fence. A lease that has run out goes
    /// to deployments of other servers only.
    pub async fn take_lease(
        &self,
        ask: &LeaseAsk,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<LeaseAnswer, Error> {
        let (environment, service) = (&ask.environment, &ask.service);
        let mut tx = self.begin_at(environment, service).await?;
        let there = held(&mut tx, environment, service).await?;
        let is_ours = |lease: &Lease| lease.deployment == ask.deployment;
        if let Some(lease) = there {
            if is_ours(&lease) && (lease.owner == ask.owner || lease.until <= now) {
                let lease = Lease {
                    owner: ask.owner.clone(),
                    until,
                    ..lease
                };
                hold(&mut tx, &lease).await?;
                tx.commit().await?;
                return Ok(LeaseAnswer::Taken(lease));
            }
            // What our own server holds does not run out while that server lives: it alone would know
            // that it has not. A clock that was set forward says nothing.
            if lease.until > now || lease.owner == ask.owner {
                self.enter(tx, ask, false, now).await?;
                return Ok(LeaseAnswer::Held(lease));
            }
        }
        let first = fetch_in!(&mut tx, (String,), FIRST, environment, service)?;
        if let Some((first,)) = first
            && first != ask.deployment.as_str()
        {
            let first = parsed(&first)?;
            self.enter(tx, ask, false, now).await?;
            return Ok(LeaseAnswer::Next(first));
        }
        let fence = counter::grow(&mut tx, &counter::fence(environment, service), 1).await?;
        let lease = Lease {
            environment: environment.clone(),
            service: service.clone(),
            deployment: ask.deployment.clone(),
            owner: ask.owner.clone(),
            fence: unsigned(fence)?,
            since: now,
            until,
        };
        hold(&mut tx, &lease).await?;
        execute!(&mut tx, LEAVE, ask.deployment.as_str())?;
        tx.commit().await?;
        Ok(LeaseAnswer::Taken(lease))
    }

    /// Gives a turn to one that a freeze keeps: it lets others pass until it asks again.
    pub async fn wait_frozen(&self, ask: &LeaseAsk, now: Timestamp) -> Result<(), Error> {
        let tx = self.begin_at(&ask.environment, &ask.service).await?;
        self.enter(tx, ask, true, now).await
    }

    async fn enter(
        &self,
        mut tx: Tx,
        ask: &LeaseAsk,
        frozen: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let turn = counter::grow(&mut tx, "turn", 1).await?;
        execute!(
            &mut tx,
            ENTER,
            ask.deployment.as_str(),
            &ask.environment,
            &ask.service,
            i64::from(ask.urgent),
            i64::from(frozen),
            turn,
            now.0,
        )?;
        tx.commit().await
    }

    /// Writes down a lease that somebody is known to have, when nobody else has the place. False when
    /// somebody has.
    pub async fn adopt_lease(&self, lease: &Lease) -> Result<bool, Error> {
        let (environment, service) = (&lease.environment, &lease.service);
        let mut tx = self.begin_at(environment, service).await?;
        let there = held(&mut tx, environment, service).await?;
        if there.is_some_and(|there| there.deployment != lease.deployment) {
            return Ok(false);
        }
        hold(&mut tx, lease).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Renews all leases of a server, also those that have run out and that nobody has taken; gives
    /// those that it still has.
    pub async fn renew_leases(&self, owner: &str, until: Timestamp) -> Result<Vec<Lease>, Error> {
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, RENEW, owner, until.0)?;
        tx.commit().await?;
        let mut all = self.leases().await?;
        all.retain(|lease| lease.owner == owner);
        Ok(all)
    }

    /// Gives a place back, or leaves the queue for it. What somebody else holds stays theirs.
    pub async fn release_lease(
        &self,
        environment: &str,
        service: &str,
        deployment: &DeploymentId,
    ) -> Result<(), Error> {
        let mut tx = self.begin_at(environment, service).await?;
        execute!(&mut tx, RELEASE, environment, service, deployment.as_str())?;
        execute!(&mut tx, LEAVE, deployment.as_str())?;
        tx.commit().await
    }

    /// Who holds a place, also when the lease has run out.
    pub async fn lease(&self, environment: &str, service: &str) -> Result<Option<Lease>, Error> {
        Ok(fetch_optional!(
            &self.db,
            Lease,
            HELD,
            environment,
            service
        )?)
    }

    /// All places that are held.
    pub async fn leases(&self) -> Result<Vec<Lease>, Error> {
        Ok(fetch_all!(&self.db, Lease, ALL)?)
    }

    /// All that wait, place by place, in the order of their turns.
    pub async fn lock_queue(&self) -> Result<Vec<Queued>, Error> {
        Ok(fetch_all!(&self.db, Queued, QUEUE)?)
    }

    /// Takes those out of the queue that have ended without saying so.
    pub async fn tidy_lock_queue(&self) -> Result<u64, Error> {
        let mut tx = self.db.begin().await?;
        let gone = execute!(&mut tx, TIDY)?;
        tx.commit().await?;
        Ok(gone)
    }
}
