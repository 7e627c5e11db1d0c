//! Connections that can all be told something at once.
//!
//! A connection's task looks at one atomic number each time it is polled, and leaves its waker in
//! a place of its own. Waiting on a shared `Notify` or `watch` in every task would instead take a lock at every
//! poll, that is, several times per request.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Waker},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::lock::locked;

/// Everyone who can be called.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    calls: AtomicU64,
    next_key: AtomicU64,
    present: AtomicU64,
    wakers: Mutex<BTreeMap<u64, Arc<AtomicWaker>>>,
    left: Notify,
}

impl Roster {
    /// Signs on. Calls from now on are heard.
    pub(crate) fn join(self: &Arc<Self>) -> Entry {
        self.present.fetch_add(1, Ordering::SeqCst);
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let waker = Arc::<AtomicWaker>::default();
        locked(&self.wakers).insert(key, Arc::clone(&waker));
        Entry {
            roster: Arc::clone(self),
            key,
            heard: self.calls(),
            waker,
            registered: None,
        }
    }

    /// Tells everyone present. What the call means is for those who hear it to know.
    pub(crate) fn call(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let wakers: Vec<_> = locked(&self.wakers).values().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// How often everyone was called.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many are present.
    pub(crate) fn present(&self) -> u64 {
        self.present.load(Ordering::SeqCst)
    }

    /// Waits until fewer than `limit` are present.
    pub(crate) async fn below(&self, limit: u64) {
        loop {
            let left = self.left.notified();
            if self.present() < limit {
                return;
            }
            left.await;
        }
    }
}

/// One that is present. Leaves when dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    roster: Arc<Roster>,
    key: u64,
    heard: u64,
    waker: Arc<AtomicWaker>,
    /// What lies in `waker`, so that it need not be put there at every poll.
    registered: Option<Waker>,
}

impl Entry {
    /// Whether there was a call since the last look. Wakes the task at the next call otherwise.
    pub(crate) fn called(&mut self, context: &Context<'_>) -> bool {
        let waker = context.waker();
        let registered = self.registered.as_ref();
        if !registered.is_some_and(|registered| registered.will_wake(waker)) {
            self.waker.register(waker);
            self.registered = Some(waker.clone());
        }
        let calls = self.roster.calls();
        let called = calls != self.heard;
        if called {
            // The call has taken the waker.
            self.heard = calls;
            self.registered = None;
        }
        called
    }

    /// Whether there was a call since the last look, which this is not.
    pub(crate) fn was_called(&self) -> bool {
        self.roster.calls() != self.heard
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        locked(&self.roster.wakers).remove(&self.key);
        self.roster.present.fetch_sub(1, Ordering::SeqCst);
        self.roster.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    #[tokio::test]
    async fn a_call_reaches_everyone_present_and_nobody_later() {
        let roster = Arc::new(Roster::default());
        let wait = |mut entry: Entry| {
            tokio::spawn(async move {
                poll_fn(|cx| {
                    if entry.called(cx) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
            })
        };
        let tasks = [wait(roster.join()), wait(roster.join())];
        assert_eq!(roster.present(), 2);
        roster.call();
        roster.below(1).await;
        for task in tasks {
            task.await.unwrap();
        }
        let mut late = roster.join();
        let unheard = poll_fn(|cx| Poll::Ready(late.called(cx))).await;
        assert!(!unheard);
    }
}
