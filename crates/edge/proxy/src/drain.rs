//! Taking upstreams out of service: no new requests, wait for those in flight, then cut.
//!
//! Streams that would never end by themselves are asked to part when their grace is over.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use crate::{
    control::Drained,
    metrics::{Cause, Ledger},
    upstream::Upstream,
};

/// How long the tasks of cut requests may take to notice.
const CUT_PATIENCE: Duration = Duration::from_secs(2);
/// Kept of the time of a drain for streams to part in, where their grace would use it all up.
const PARTING: Duration = Duration::from_secs(2);

/// Drains. The upstreams stay closed afterwards.
pub(crate) async fn drain(
    upstreams: &[Arc<Upstream>],
    ledger: &Ledger,
    patience: Duration,
    grace: Duration,
) -> Drained {
    for upstream in upstreams {
        upstream.set_accepting(false);
    }
    let before = parted(upstreams);
    let cut_off = match timeout(patience, empty(upstreams, patience, grace)).await {
        Ok(()) => 0,
        Err(_elapsed) => cut(upstreams, ledger).await,
    };
    for upstream in upstreams {
        upstream.connections.close_kept();
    }
    let closed_after_grace = parted(upstreams) - before;
    ledger.enter(Cause::ClosedAfterGrace, closed_after_grace);
    Drained {
        cut_off,
        closed_after_grace,
    }
}

/// Waits until nothing is in flight; asks the long streams to part when their grace is over.
async fn empty(upstreams: &[Arc<Upstream>], patience: Duration, grace: Duration) {
    let grace = grace.min(patience.saturating_sub(PARTING.min(patience / 2)));
    tokio::select! {
        () = all_emptied(upstreams) => return,
        () = sleep(grace) => {}
    }
    for upstream in upstreams {
        upstream.farewell.ask();
    }
    all_emptied(upstreams).await;
}

fn parted(upstreams: &[Arc<Upstream>]) -> u64 {
    let parted = |upstream: &Arc<Upstream>| upstream.farewell.parted();
    upstreams.iter().map(parted).sum()
}

/// Waits until nothing is in flight.
pub(crate) async fn all_emptied(upstreams: &[Arc<Upstream>]) {
    for upstream in upstreams {
        upstream.emptied().await;
    }
}

async fn cut(upstreams: &[Arc<Upstream>], ledger: &Ledger) -> u64 {
    let in_flight = upstreams.iter().map(|upstream| upstream.in_flight()).sum();
    ledger.enter(Cause::DrainCut, in_flight);
    for upstream in upstreams {
        upstream.connections.cut();
    }
    // A client that reads nothing may hold its claim longer; its upstream is free of it already.
    let _some_left = timeout(CUT_PATIENCE, all_emptied(upstreams)).await;
    in_flight
}
