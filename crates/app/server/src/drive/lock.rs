//! Who deploys where: one at a time for each service of an environment, in order of asking.
//!
//! The truth is in the store: a lease with an owner, an end and a fence, and a queue. Here is who asks,
//! who waits for whom, and who keeps our leases from running out while their deployments are driven.

use std::{collections::BTreeMap, time::Duration};

use camino::Utf8Path;
use cutover_model::{DeploymentId, Timestamp};
use cutover_store::{Lease, LeaseAnswer, LeaseAsk, Store};
use tokio::sync::watch;

use crate::{Control, Error, control::now};

/// `environment`, `service`.
pub(crate) type Place = (String, String);

/// How long a lease lasts that nobody renews. A server that was away for so long has lost it, and is
/// refused by its fence when it comes back.
const LEASE: cutover_model::Duration = cutover_model::Duration::from_secs(30);
/// Between two renewals.
const RENEWAL: Duration = Duration::from_secs(10);
/// The file with the name under which this server has its leases.
const OWNER_FILE: &str = "instance";

/// The locks. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct Locks {
    store: Store,
    owner: String,
    /// Counts what may let somebody go on: a lease that was given back, a freeze that ended.
    changes: watch::Sender<u64>,
}

/// What asking for a lock gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is ours, under this fence.
    Taken { fence: u64 },
    /// Somebody has it, or is next.
    Busy {
        holder: DeploymentId,
        /// When it runs out, should nobody renew it. Our own do not run out while we live.
        until: Option<Timestamp>,
    },
}

impl Locks {
    pub(crate) fn new(store: Store, owner: String) -> Self {
        Self {
            store,
            owner,
            changes: watch::Sender::default(),
        }
    }

    fn lease_ask(&self, place: &Place, who: &DeploymentId, urgent: bool) -> LeaseAsk {
        LeaseAsk {
            environment: place.0.clone(),
            service: place.1.clone(),
            deployment: who.clone(),
            owner: self.owner.clone(),
            urgent,
        }
    }

    /// Asks for a lock; asking again while holding it is harmless. Whoever does not get it has a turn.
    pub(crate) async fn ask(
        &self,
        place: &Place,
        who: &DeploymentId,
        urgent: bool,
    ) -> Result<Asked, Error> {
        let (now, ask) = (now(), self.lease_ask(place, who, urgent));
        let answer = self.store.take_lease(&ask, now, now + LEASE).await?;
        Ok(match answer {
            LeaseAnswer::Taken(lease) => Asked::Taken { fence: lease.fence },
            LeaseAnswer::Held(lease) => Asked::Busy {
                holder: lease.deployment,
                until: (lease.owner != self.owner).then_some(lease.until),
            },
            LeaseAnswer::Next(holder) => Asked::Busy {
                holder,
                until: None,
            },
        })
    }

    /// Gives a turn to one that a freeze keeps; it lets others pass.
    pub(crate) async fn wait_frozen(
        &self,
        place: &Place,
        who: &DeploymentId,
        urgent: bool,
    ) -> Result<(), Error> {
        let ask = self.lease_ask(place, who, urgent);
        Ok(self.store.wait_frozen(&ask, now()).await?)
    }

    /// Writes down that this one holds the place, as its own log says. False when another does.
    pub(crate) async fn adopt(
        &self,
        place: &Place,
        who: &DeploymentId,
        fence: u64,
    ) -> Result<bool, Error> {
        let now = now();
        let lease = Lease {
            environment: place.0.clone(),
            service: place.1.clone(),
            deployment: who.clone(),
            owner: self.owner.clone(),
            fence,
            since: now,
            until: now + LEASE,
        };
        Ok(self.store.adopt_lease(&lease).await?)
    }

    /// Rings whenever it may be worth asking again. To be had before asking.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        let mut changes = self.changes.subscribe();
        changes.mark_unchanged();
        changes
    }

    /// Something has changed that may let somebody go on.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Waits while this one holds the lock: it has ended, and what it owes is being done.
    pub(crate) async fn freed_by(&self, place: &Place, holder: &DeploymentId) -> Result<(), Error> {
        let mut changes = self.changes();
        while self.holder(place).await?.as_ref() == Some(holder) {
            if changes.changed().await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Who deploys there.
    pub(crate) async fn holder(&self, place: &Place) -> Result<Option<DeploymentId>, Error> {
        let lease = self.store.lease(&place.0, &place.1).await?;
        Ok(lease.map(|lease| lease.deployment))
    }

    /// Who comes before this one: the holder, then those that wait, in order.
    pub(crate) async fn before(
        &self,
        place: &Place,
        who: &DeploymentId,
    ) -> Result<Vec<DeploymentId>, Error> {
        let holder = self.holder(place).await?;
        let queue = self.store.lock_queue().await?;
        let waiting = queue
            .into_iter()
            .filter(|it| (&it.environment, &it.service) == (&place.0, &place.1))
            .map(|it| it.deployment);
        Ok(holder
            .into_iter()
            .chain(waiting)
            .take_while(|id| id != who)
            .collect())
    }

    /// Gives it back, or leaves the queue, and lets the others ask again.
    pub(crate) async fn release(&self, place: &Place, who: &DeploymentId) -> Result<(), Error> {
        let released = self.store.release_lease(&place.0, &place.1, who).await;
        self.changed();
        Ok(released?)
    }
}

/// Waits until something has changed, or until a lease of somebody else may have run out.
pub(crate) async fn worth_asking(changes: &mut watch::Receiver<u64>, until: Option<Timestamp>) {
    let ran_out = async {
        match until {
            Some(until) => tokio::time::sleep(until.since(now()).to_std()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // The sender lives as long as the locks do.
        changed = changes.changed() => drop(changed),
        () = ran_out => {}
    }
}

/// The name of this server among those that share a database; made when it starts for the first time.
/// After a restart it is the same: nobody but us can have had our leases.
pub(crate) async fn owner(data_dir: &Utf8Path) -> Result<String, Error> {
    let path = data_dir.join(OWNER_FILE);
    match tokio::fs::read_to_string(&path).await {
        Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("read", &path)(error));
        }
        _ => {}
    }
    let name = format!("srv_{:016x}", rand::random::<u64>());
    tokio::fs::write(&path, format!("{name}\n"))
        .await
        .map_err(Error::io("write", &path))?;
    Ok(name)
}

/// The component: renews our leases until the server goes down, and stops those that lost theirs.
pub(crate) async fn keep(control: Control) {
    let mut known: BTreeMap<DeploymentId, u64> = BTreeMap::new();
    loop {
        match renew(&control, &mut known).await {
            Ok(lost) => {
                for id in lost {
                    tracing::error!(deployment = %id, "its lease ran out and somebody else has it");
                    stop(&control, &id).await;
                }
            }
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
        tokio::select! {
            () = control.closing().cancelled() => return,
            () = tokio::time::sleep(RENEWAL) => {}
        }
    }
}

/// Gives those that had a lease a while ago, have none now, and have not ended.
async fn renew(
    control: &Control,
    known: &mut BTreeMap<DeploymentId, u64>,
) -> Result<Vec<DeploymentId>, Error> {
    let locks = control.locks();
    let kept = locks
        .store
        .renew_leases(&locks.owner, now() + LEASE)
        .await?;
    let now: BTreeMap<_, _> = kept
        .into_iter()
        .map(|lease| (lease.deployment, lease.fence))
        .collect();
    let before = std::mem::replace(known, now);
    let mut lost = Vec::new();
    for (id, _) in before {
        if !known.contains_key(&id) && !control.deployment(&id).await?.is_finished() {
            lost.push(id);
        }
    }
    Ok(lost)
}

/// Whatever it orders is refused by its fence: to end is all that it can do.
async fn stop(control: &Control, id: &DeploymentId) {
    // One that goes back already refuses, and ends by itself.
    control
        .abort_deployment(id, "cutover, for its lease ran out")
        .await
        .ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> DeploymentId {
        DeploymentId::derived(&[name])
    }

    async fn locks(dir: &tempfile::TempDir) -> Locks {
        let path = dir.path().join("locks.db");
        let store = Store::open(&format!("sqlite://{}", path.display()))
            .await
            .unwrap();
        Locks::new(store, "here".to_owned())
    }

    fn place() -> Place {
        ("production".to_owned(), "hello".to_owned())
    }

    async fn holder_seen(locks: &Locks, who: &str, urgent: bool) -> Option<DeploymentId> {
        match locks.ask(&place(), &id(who), urgent).await.unwrap() {
            Asked::Taken { .. } => None,
            Asked::Busy { holder, until } => {
                assert_eq!(until, None, "our own leases do not run out");
                Some(holder)
            }
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_an_end_goes_on_when_the_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let locks = locks(&dir).await;
        locks.freed_by(&place(), &id("a")).await.unwrap();
        assert_eq!(holder_seen(&locks, "a", false).await, None);
        let (place, holder) = (place(), id("a"));
        let (waiting, released) = tokio::join!(locks.freed_by(&place, &holder), async {
            tokio::task::yield_now().await;
            locks.release(&place, &holder).await
        });
        waiting.unwrap();
        released.unwrap();
    }

    #[tokio::test]
    async fn the_first_that_waits_is_the_next_that_holds_and_a_way_back_goes_before() {
        let dir = tempfile::tempdir().unwrap();
        let locks = locks(&dir).await;
        assert_eq!(holder_seen(&locks, "a", false).await, None);
        assert_eq!(holder_seen(&locks, "b", false).await, Some(id("a")));
        assert_eq!(holder_seen(&locks, "c", false).await, Some(id("a")));
        assert_eq!(holder_seen(&locks, "back", true).await, Some(id("a")));
        let mut changes = locks.changes();
        locks.release(&place(), &id("a")).await.unwrap();
        worth_asking(&mut changes, None).await;
        assert_eq!(holder_seen(&locks, "c", false).await, Some(id("back")));
        assert_eq!(holder_seen(&locks, "back", true).await, None);
        locks.release(&place(), &id("b")).await.unwrap();
        locks.release(&place(), &id("back")).await.unwrap();
        assert_eq!(
            holder_seen(&locks, "c", false).await,
            None,
            "who left the queue is passed over"
        );
    }

    #[tokio::test]
    async fn a_server_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let name = owner(dir).await.unwrap();
        assert_eq!(owner(dir).await.unwrap(), name);
    }
}
