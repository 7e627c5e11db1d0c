//! The threads that carry requests: one for each CPU, each with a loop of its own.
//!
//! A client's connection stays with one worker, and so do the connections to upstreams that serve
//! it. No request wakes another thread, and nothing is stolen.

use std::{
    cell::Cell,
    io,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The number of the worker that this thread is; threads that are none count as the first.
pub(crate) fn current() -> usize {
    CURRENT.get()
}

/// The workers of a balancer. When they are dropped, so is whatever they still carry.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// Connections of clients that it carries.
    carries: Arc<AtomicUsize>,
    /// Its thread ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

impl Workers {
    /// Starts as many as there are CPUs for this process.
    pub(crate) fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        (0..count)
            .map(Worker::start)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Gives a client's connection to the worker that carries the fewest.
    pub(crate) fn carry(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let carries = |worker: &&Worker| worker.carries.load(Ordering::Relaxed);
        let Some(worker) = self.0.iter().min_by_key(carries) else {
            return;
        };
        let carried = Carried::by(worker);
        worker.handle.spawn(async move {
            let _carried = carried;
            connection.await;
        });
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let carry = move || {
            CURRENT.set(number);
            // Nothing is ever sent: it is the drop of the other end that is waited for.
            let _dropped = runtime.block_on(stopped);
        };
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(carry)?;
        Ok(Self {
            handle,
            carries: Arc::default(),
            _stop: stop,
        })
    }
}

/// Counts a connection as carried until it is dropped.
struct Carried(Arc<AtomicUsize>);

impl Carried {
    fn by(worker: &Worker) -> Self {
        worker.carries.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&worker.carries))
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn connections_are_shared_evenly_and_end_with_their_workers() {
        let workers = Workers(
            (0..3)
                .map(|number| Worker::start(number).unwrap())
                .collect(),
        );
        let (tell, mut told) = mpsc::channel::<usize>(8);
        for _ in 0..6 {
            let tell = tell.clone();
            workers.carry(async move {
                tell.send(current()).await.unwrap();
                std::future::pending::<()>().await;
            });
        }
        drop(tell);
        let mut carriers = Vec::new();
        for _ in 0..6 {
            carriers.push(told.recv().await.unwrap());
        }
        assert_eq!(carriers.iter().collect::<BTreeSet<_>>().len(), 3);
        assert!(
            workers
                .0
                .iter()
                .all(|worker| worker.carries.load(Ordering::Relaxed) == 2)
        );
        drop(workers);
        assert_eq!(told.recv().await, None);
    }
}
