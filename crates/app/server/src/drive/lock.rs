//! Who deploys where: one at a time for each service of an environment, in order of asking.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use cutover_model::DeploymentId;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// `environment`, `service`.
pub(crate) type Place = (String, String);

#[derive(Default)]
struct Queue {
    holder: Option<DeploymentId>,
    waiting: VecDeque<(DeploymentId, oneshot::Sender<()>)>,
}

/// The locks. What must survive a restart is in the event log: holders come back with `hold`.
#[derive(Clone, Default)]
pub(crate) struct Locks {
    queues: Arc<Mutex<BTreeMap<Place, Queue>>>,
    /// Rings each time one is given back.
    freed: Arc<Notify>,
}

/// What asking for a lock gives.
pub(crate) enum Asked {
    /// It is ours.
    Taken,
    /// Somebody has it; the receiver rings when it is ours.
    Busy {
        holder: DeploymentId,
        turn: oneshot::Receiver<()>,
    },
}

impl Locks {
    /// Asks for a lock; asking again while holding it is harmless.
    pub(crate) fn ask(&self, place: &Place, who: &DeploymentId) -> Asked {
        let mut queues = self.queues.lock();
        let queue = queues.entry(place.clone()).or_default();
        match &queue.holder {
            None => {
                queue.holder = Some(who.clone());
                Asked::Taken
            }
            Some(holder) if holder == who => Asked::Taken,
            Some(holder) => {
                let holder = holder.clone();
                let (ring, turn) = oneshot::channel();
                queue.waiting.push_back((who.clone(), ring));
                Asked::Busy { holder, turn }
            }
        }
    }

    /// Waits while this one holds the lock: it has ended, and what it owes is being done.
    pub(crate) async fn freed_by(&self, place: &Place, holder: &DeploymentId) {
        loop {
            let mut ring = std::pin::pin!(self.freed.notified());
            ring.as_mut().enable();
            if self.holder(place).as_ref() != Some(holder) {
                return;
            }
            ring.await;
        }
    }

    /// Who deploys there.
    pub(crate) fn holder(&self, place: &Place) -> Option<DeploymentId> {
        self.queues.lock().get(place)?.holder.clone()
    }

    /// Who comes before this one: the holder, then those that wait, in order.
    pub(crate) fn before(&self, place: &Place, who: &DeploymentId) -> Vec<DeploymentId> {
        let queues = self.queues.lock();
        let Some(queue) = queues.get(place) else {
            return Vec::new();
        };
        let waiting = queue.waiting.iter().map(|(waiting, _)| waiting);
        queue
            .holder
            .iter()
            .chain(waiting)
            .take_while(|id| *id != who)
            .cloned()
            .collect()
    }

    /// Whether somebody deploys there.
    pub(crate) fn is_held(&self, place: &Place) -> bool {
        let queues = self.queues.lock();
        queues
            .get(place)
            .is_some_and(|queue| queue.holder.is_some())
    }

    /// Gives it back, and rings for the next one that still listens.
    pub(crate) fn release(&self, place: &Place, who: &DeploymentId) {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(place) else {
            return;
        };
        queue.waiting.retain(|(waiting, _)| waiting != who);
        if queue.holder.as_ref() != Some(who) {
            return;
        }
        queue.holder = None;
        self.freed.notify_waiters();
        while let Some((next, ring)) = queue.waiting.pop_front() {
            queue.holder = Some(next);
            if ring.send(()).is_ok() {
                return;
            }
            queue.holder = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> DeploymentId {
        DeploymentId::derived(&[name])
    }

    #[tokio::test]
    async fn whoever_waits_for_an_end_goes_on_when_the_lock_is_free() {
        let locks = Locks::default();
        let place = ("production".to_owned(), "hello".to_owned());
        locks.freed_by(&place, &id("a")).await;
        assert!(matches!(locks.ask(&place, &id("a")), Asked::Taken));
        let holder = id("a");
        let mut waiting = std::pin::pin!(locks.freed_by(&place, &holder));
        let turn = tokio::time::timeout(std::time::Duration::ZERO, waiting.as_mut());
        assert!(turn.await.is_err(), "it is held");
        locks.release(&place, &id("a"));
        waiting.await;
    }

    #[tokio::test]
    async fn the_first_that_waits_is_the_next_that_holds() {
        let locks = Locks::default();
        let place = ("production".to_owned(), "hello".to_owned());
        assert!(matches!(locks.ask(&place, &id("a")), Asked::Taken));
        let Asked::Busy { holder, turn } = locks.ask(&place, &id("b")) else {
            panic!("taken")
        };
        assert_eq!(holder, id("a"));
        let Asked::Busy { turn: third, .. } = locks.ask(&place, &id("c")) else {
            panic!("taken")
        };
        locks.release(&place, &id("a"));
        turn.await.unwrap();
        assert!(matches!(locks.ask(&place, &id("b")), Asked::Taken));
        drop(third);
        locks.release(&place, &id("b"));
        assert!(
            matches!(locks.ask(&place, &id("d")), Asked::Taken),
            "who left the queue is passed over"
        );
    }
}
