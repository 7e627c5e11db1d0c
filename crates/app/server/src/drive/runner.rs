//! The runners of this machine: so many legs at once, first come, first served.

use std::{collections::BTreeMap, sync::Arc};

use cutover_model::{RunId, run::JobKey};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The pool. A slot is held for a leg until it is given back by name, so that asking twice after a
/// restart takes one slot.
#[derive(Clone)]
pub(crate) struct Runners {
    name: String,
    slots: Arc<Semaphore>,
    held: Arc<Mutex<BTreeMap<(RunId, JobKey), OwnedSemaphorePermit>>>,
}

impl Runners {
    pub(crate) fn new(name: &str, count: usize) -> Self {
        Self {
            name: name.to_owned(),
            slots: Arc::new(Semaphore::new(count)),
            held: Arc::default(),
        }
    }

    /// Waits for a slot, in order of asking, and says the runner's name.
    pub(crate) async fn acquire(&self, run: &RunId, job: &JobKey) -> Option<String> {
        let key = (run.clone(), job.clone());
        if !self.held.lock().contains_key(&key) {
            let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
            self.held.lock().entry(key).or_insert(slot);
        }
        Some(self.name.clone())
    }

    /// Takes a slot at once for a leg that had one before we were restarted, even when there are
    /// fewer slots now than then.
    pub(crate) fn readopt(&self, run: &RunId, job: &JobKey) {
        let key = (run.clone(), job.clone());
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            self.held.lock().entry(key).or_insert(slot);
        }
    }

    /// Gives the slot back; harmless when there is none.
    pub(crate) fn release(&self, run: &RunId, job: &JobKey) {
        self.held.lock().remove(&(run.clone(), job.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leg_that_asks_twice_holds_one_slot() {
        let runners = Runners::new("local", 1);
        let run = RunId::from_parts(1, 1);
        let build = JobKey::single("build");
        let test = JobKey::single("test");
        assert_eq!(
            runners.acquire(&run, &build).await.as_deref(),
            Some("local")
        );
        assert_eq!(
            runners.acquire(&run, &build).await.as_deref(),
            Some("local")
        );
        let waiting = tokio::spawn({
            let (runners, run, test) = (runners.clone(), run.clone(), test.clone());
            async move { runners.acquire(&run, &test).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        runners.release(&run, &build);
        assert_eq!(waiting.await.unwrap().as_deref(), Some("local"));
    }
}
