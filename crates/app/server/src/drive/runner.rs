//! The runners of this machine: so many legs at once, first come, first served.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    future::Future,
    sync::Arc,
};

use cutover_model::{RunId, run::JobKey};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The pool. A slot is held for a leg until it is given back by name, so that asking twice after a
/// restart takes one slot.
#[derive(Clone)]
pub(crate) struct Runners {
    name: String,
    slots: Arc<Semaphore>,
    seats: Arc<Mutex<BTreeMap<(RunId, JobKey), Seat>>>,
}

enum Seat {
    /// It stands in the queue, until this is cancelled.
    Waiting(CancellationToken),
    Held(
        #[expect(dead_code, reason = "the slot is free when this is dropped")] OwnedSemaphorePermit,
    ),
}

impl Runners {
    pub(crate) fn new(name: &str, count: usize) -> Self {
        Self {
            name: name.to_owned(),
            slots: Arc::new(Semaphore::new(count)),
            seats: Arc::default(),
        }
    }

    /// Puts a leg into the queue at once; what comes back waits for its slot, and says the runner's
    /// name. `None` when the leg was released before it had one.
    pub(crate) fn ask(
        &self,
        run: &RunId,
        job: &JobKey,
    ) -> impl Future<Output = Option<String>> + Send + use<> {
        let key = (run.clone(), job.clone());
        let gone = match self.seats.lock().entry(key.clone()) {
            Entry::Occupied(seat) => match seat.get() {
                Seat::Waiting(gone) => Some(gone.clone()),
                Seat::Held(_) => None,
            },
            Entry::Vacant(seat) => {
                let gone = CancellationToken::new();
                seat.insert(Seat::Waiting(gone.clone()));
                Some(gone)
            }
        };
        let pool = self.clone();
        async move {
            let Some(gone) = gone else {
                return Some(pool.name);
            };
            let slot = tokio::select! {
                () = gone.cancelled() => return None,
                slot = Arc::clone(&pool.slots).acquire_owned() => slot.ok()?,
            };
            pool.sit(key, slot).then_some(pool.name)
        }
    }

    /// Whether the leg still wants it.
    fn sit(&self, key: (RunId, JobKey), slot: OwnedSemaphorePermit) -> bool {
        match self.seats.lock().entry(key) {
            Entry::Occupied(mut seat) => {
                if let Seat::Waiting(_) = seat.get() {
                    seat.insert(Seat::Held(slot));
                }
                true
            }
            Entry::Vacant(_) => false,
        }
    }

    /// Takes a slot at once for a leg that had one before we were restarted, even when there are
    /// fewer slots now than then.
    pub(crate) fn readopt(&self, run: &RunId, job: &JobKey) {
        let mut seats = self.seats.lock();
        if let Entry::Vacant(seat) = seats.entry((run.clone(), job.clone()))
            && let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned()
        {
            seat.insert(Seat::Held(slot));
        }
    }

    /// Gives the slot back, or leaves the queue; harmless when there is neither.
    pub(crate) fn release(&self, run: &RunId, job: &JobKey) {
        if let Some(Seat::Waiting(gone)) = self.seats.lock().remove(&(run.clone(), job.clone())) {
            gone.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: (u64, u128) = (1, 1);

    #[tokio::test]
    async fn a_leg_that_asks_twice_holds_one_slot() {
        let runners = Runners::new("local", 1);
        let run = RunId::from_parts(RUN.0, RUN.1);
        let build = JobKey::single("build");
        let test = JobKey::single("test");
        assert_eq!(runners.ask(&run, &build).await.as_deref(), Some("local"));
        assert_eq!(runners.ask(&run, &build).await.as_deref(), Some("local"));
        let waiting = tokio::spawn(runners.ask(&run, &test));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        runners.release(&run, &build);
        assert_eq!(waiting.await.unwrap().as_deref(), Some("local"));
    }

    #[tokio::test]
    async fn a_leg_that_ends_in_the_queue_takes_no_slot_with_it() {
        let runners = Runners::new("local", 1);
        let run = RunId::from_parts(RUN.0, RUN.1);
        let [build, gone, late, test] = ["build", "gone", "late", "test"].map(JobKey::single);
        assert!(runners.ask(&run, &build).await.is_some());
        let waiting = tokio::spawn(runners.ask(&run, &gone));
        let not_yet_waiting = runners.ask(&run, &late);
        tokio::task::yield_now().await;
        runners.release(&run, &gone);
        runners.release(&run, &late);
        assert_eq!(waiting.await.unwrap(), None);
        runners.release(&run, &build);
        assert_eq!(not_yet_waiting.await, None);
        assert_eq!(runners.ask(&run, &test).await.as_deref(), Some("local"));
    }

    #[tokio::test]
    async fn what_ran_before_a_restart_comes_before_what_waits() {
        let runners = Runners::new("local", 1);
        let run = RunId::from_parts(RUN.0, RUN.1);
        let [ran, waits] = ["ran", "waits"].map(JobKey::single);
        runners.readopt(&run, &ran);
        runners.readopt(&run, &ran);
        let waiting = tokio::spawn(runners.ask(&run, &waits));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        runners.release(&run, &ran);
        assert!(waiting.await.unwrap().is_some());
    }
}
