//! Which runs have jobs that are being cleaned up: whoever wants one to go on waits for that.

use std::{collections::BTreeMap, sync::Arc};

use cutover_model::RunId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How many jobs of each run are being cleaned up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finishing(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: Mutex<BTreeMap<RunId, usize>>,
    done: Notify,
}

/// One job that is being cleaned up, until this is dropped.
#[derive(Debug)]
pub(crate) struct Cleaning {
    all: Finishing,
    run: RunId,
}

impl Finishing {
    /// A job of this run is to be cleaned up, from now on.
    pub(crate) fn begin(&self, run: &RunId) -> Cleaning {
        *self.0.counts.lock().entry(run.clone()).or_default() += 1;
        Cleaning {
            all: self.clone(),
            run: run.clone(),
        }
    }

    /// Waits until no job of this run is.
    pub(crate) async fn settled(&self, run: &RunId) {
        loop {
            let mut done = std::pin::pin!(self.0.done.notified());
            // Heard from now on, so that one that is done while we look is not missed.
            done.as_mut().enable();
            if !self.0.counts.lock().contains_key(run) {
                return;
            }
            done.await;
        }
    }
}

impl Drop for Cleaning {
    fn drop(&mut self) {
        let mut counts = self.all.0.counts.lock();
        if let Some(count) = counts.get_mut(&self.run) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.run);
            }
        }
        drop(counts);
        self.all.0.done.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_settled_when_its_last_job_is() {
        let finishing = Finishing::default();
        let (run, other) = (RunId::from_parts(1, 1), RunId::from_parts(2, 2));
        let cleaning = [finishing.begin(&run), finishing.begin(&run)];
        finishing.settled(&other).await;
        let waiting = tokio::spawn({
            let (finishing, run) = (finishing.clone(), run.clone());
            async move { finishing.settled(&run).await }
        });
        let [first, last] = cleaning;
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(last);
        waiting.await.unwrap();
    }
}
