//! Who drives what: at most one driver a machine, however many ask for it at once. How it drives is
//! in the module above.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::{Driven, Edge, Error, Machine, start};

/// The drivers of one kind of machine. Cheap to clone; all clones are one.
pub(crate) struct Drivers<Id, M: Machine>(Arc<Inner<Id, M>>);

struct Inner<Id, M: Machine> {
    driven: Mutex<BTreeMap<Id, Driven<M>>>,
    /// Held from looking to having entered it. What a driver owes is begun while it starts, and may
    /// ask for that very driver: it must wait for it and not start a second one.
    starting: tokio::sync::Mutex<()>,
}

impl<Id, M: Machine> Clone for Drivers<Id, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Id, M: Machine> Default for Drivers<Id, M> {
    fn default() -> Self {
        Self(Arc::new(Inner {
            driven: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
        }))
    }
}

impl<Id: Clone + Ord + Send + 'static, M: Machine> Drivers<Id, M> {
    /// The driver, when there is one.
    pub(crate) fn get(&self, id: &Id) -> Option<Driven<M>> {
        self.0.driven.lock().get(id).cloned()
    }

    /// The driver; starts one when there is none.
    pub(crate) async fn ensure<E: Edge<M>>(
        &self,
        id: &Id,
        edge: E,
        tasks: &TaskTracker,
    ) -> Result<Driven<M>, Error> {
        if let Some(driven) = self.get(id) {
            return Ok(driven);
        }
        let starting = self.0.starting.lock().await;
        if let Some(driven) = self.get(id) {
            return Ok(driven);
        }
        let driven = start(edge, tasks).await?;
        self.0.driven.lock().insert(id.clone(), driven.clone());
        drop(starting);
        let (drivers, id, watched) = (self.clone(), id.clone(), driven.clone());
        drop(tasks.spawn(async move {
            watched.finished().await;
            drivers.0.driven.lock().remove(&id);
        }));
        Ok(driven)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use cutover_model::{Timestamp, event::Recorded};
    use tokio::sync::mpsc;

    use super::*;
    use crate::drive::Mailbox;

    /// Owes one thing for ever.
    #[derive(Clone, Default)]
    struct Owing;

    impl Machine for Owing {
        type Input = ();
        type Event = ();
        type Effect = ();

        fn decide(&self, _at: Timestamp, (): ()) -> Result<Vec<()>, String> {
            Ok(Vec::new())
        }
        fn evolve(&mut self, _at: Timestamp, (): &()) {}
        fn effects(&self, _at: Timestamp, (): &()) -> Vec<()> {
            Vec::new()
        }
        fn outstanding(&self) -> Vec<()> {
            vec![()]
        }
        fn is_finished(&self) -> bool {
            false
        }
    }

    /// What it owes asks for its driver, as watching a deployment does.
    #[derive(Clone)]
    struct Asking {
        drivers: Drivers<u8, Owing>,
        tasks: TaskTracker,
        starts: Arc<AtomicUsize>,
        asked: mpsc::UnboundedSender<()>,
    }

    impl Edge<Owing> for Asking {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
        async fn load(&self) -> Result<Vec<Recorded<()>>, Error> {
            self.starts.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Vec::new())
        }
        async fn append(&self, _: u64, _: &[Recorded<()>], _: &Owing) -> Result<(), Error> {
            Ok(())
        }
        fn perform(&self, _: &Arc<Owing>, (): (), mailbox: &Mailbox<Owing>) {
            let asking = self.clone();
            mailbox.spawn(async move {
                let (drivers, tasks) = (asking.drivers.clone(), asking.tasks.clone());
                drivers.ensure(&1, asking.clone(), &tasks).await.unwrap();
                asking.asked.send(()).unwrap();
            });
        }
        fn announce(&self, _: u64) {}
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_machine_has_one_driver_also_when_what_it_owes_asks_for_it() {
        for _ in 0..200 {
            let (asked, mut heard) = mpsc::unbounded_channel();
            let asking = Asking {
                drivers: Drivers::default(),
                tasks: TaskTracker::new(),
                starts: Arc::default(),
                asked,
            };
            let (drivers, tasks) = (asking.drivers.clone(), asking.tasks.clone());
            let (one, other) = tokio::join!(
                drivers.ensure(&1, asking.clone(), &tasks),
                drivers.ensure(&1, asking.clone(), &tasks),
            );
            assert!(one.is_ok() && other.is_ok());
            heard.recv().await.unwrap();
            assert_eq!(asking.starts.load(Ordering::SeqCst), 1);
        }
    }
}
