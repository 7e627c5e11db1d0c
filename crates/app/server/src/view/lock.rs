//! Who deploys where, until when, and who is next.

use cutover_model::{DeploymentId, Timestamp};
use cutover_store::{Lease, Queued};
use serde::Serialize;

use crate::{Control, Error};

/// A place that somebody holds, or wants.
#[derive(Debug, Serialize)]
pub struct LockView {
    /// Where.
    pub environment: String,
    /// Of which service.
    pub service: String,
    /// Who holds it; absent when it is about to be taken.
    pub holder: Option<Lease>,
    /// Who waits, the next one first.
    pub queue: Vec<TurnView>,
}

/// One that waits.
#[derive(Debug, Serialize)]
pub struct TurnView {
    /// Which.
    pub deployment: DeploymentId,
    /// From 1.
    pub position: usize,
    /// Whether it goes before those that are not: a rollback.
    pub urgent: bool,
    /// Whether a freeze keeps it.
    pub frozen: bool,
    /// Since when it waits.
    pub since: Timestamp,
}

/// All places that somebody holds, or wants.
pub(crate) async fn locks(control: &Control) -> Result<Vec<LockView>, Error> {
    let leases = control.store().leases().await?;
    let mut places: Vec<LockView> = leases
        .into_iter()
        .map(|lease| LockView {
            environment: lease.environment.clone(),
            service: lease.service.clone(),
            holder: Some(lease),
            queue: Vec::new(),
        })
        .collect();
    for queued in control.store().lock_queue().await? {
        let is_there = |place: &LockView| {
            place.environment == queued.environment && place.service == queued.service
        };
        let index = places.iter().position(is_there).unwrap_or_else(|| {
            places.push(LockView {
                environment: queued.environment.clone(),
                service: queued.service.clone(),
                holder: None,
                queue: Vec::new(),
            });
            places.len() - 1
        });
        let queue = &mut places[index].queue;
        queue.push(turn(queue.len() + 1, queued));
    }
    Ok(places)
}

fn turn(position: usize, queued: Queued) -> TurnView {
    TurnView {
        deployment: queued.deployment,
        position,
        urgent: queued.urgent,
        frozen: queued.frozen,
        since: queued.since,
    }
}
