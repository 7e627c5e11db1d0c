//! Long streams at one upstream (WebSocket, server-sent events), and how they are asked to part.
//!
//! They would keep a drain waiting until its time is up. Each knows how to end decently, and is
//! heard of here when it did.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Context,
};

use crate::{
    metrics::{Cause, SideMetrics},
    roster::{Entry, Roster},
};

/// The long streams of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    streams: Arc<Roster>,
    /// From when they are asked until the upstream takes requests again.
    asked: AtomicBool,
    parted: AtomicU64,
}

impl Farewell {
    /// Signs a stream on.
    pub(crate) fn join(self: &Arc<Self>, side: &Arc<SideMetrics>) -> Guest {
        // First on the list, then a look at whether everyone was asked: no stream slips through.
        let entry = self.streams.join();
        Guest {
            asked: self.asked.load(Ordering::SeqCst),
            entry,
            farewell: Arc::clone(self),
            side: Arc::clone(side),
        }
    }

    /// Asks all streams to part, those that begin from now on included.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.streams.call();
    }

    /// Streams may stay again.
    pub(crate) fn stay(&self) {
        self.asked.store(false, Ordering::SeqCst);
    }

    /// How many parted because they were asked to, ever.
    pub(crate) fn parted(&self) -> u64 {
        self.parted.load(Ordering::SeqCst)
    }
}

/// One long stream.
#[derive(Debug)]
pub(crate) struct Guest {
    entry: Entry,
    asked: bool,
    farewell: Arc<Farewell>,
    side: Arc<SideMetrics>,
}

impl Guest {
    /// Whether it is asked to part. Wakes the task when that comes.
    pub(crate) fn is_asked(&mut self, context: &Context<'_>) -> bool {
        self.asked = self.asked || self.entry.called(context);
        self.asked
    }

    /// It has parted.
    pub(crate) fn part(self) {
        self.farewell.parted.fetch_add(1, Ordering::SeqCst);
        self.side.drops.enter(Cause::ClosedAfterGrace);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    #[tokio::test]
    async fn those_who_come_late_are_asked_too() {
        let farewell = Arc::<Farewell>::default();
        let side = Arc::<SideMetrics>::default();
        let mut early = farewell.join(&side);
        assert!(!poll_fn(|cx| Poll::Ready(early.is_asked(cx))).await);
        farewell.ask();
        let mut late = farewell.join(&side);
        for guest in [&mut early, &mut late] {
            assert!(poll_fn(|cx| Poll::Ready(guest.is_asked(cx))).await);
        }
        early.part();
        assert_eq!(farewell.parted(), 1);
        farewell.stay();
        let mut again = farewell.join(&side);
        assert!(!poll_fn(|cx| Poll::Ready(again.is_asked(cx))).await);
    }
}
