//! Taking upstreams out of service: no new requests, wait for those in flight, then cut.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    control::Drained,
    metrics::{Cause, Ledger},
    upstream::Upstream,
};

/// How long the tasks of cut requests may take to notice.
const CUT_PATIENCE: Duration = Duration::from_secs(2);

/// Drains. The upstreams stay closed afterwards.
pub(crate) async fn drain(
    upstreams: &[Arc<Upstream>],
    ledger: &Ledger,
    patience: Duration,
) -> Drained {
    for upstream in upstreams {
        upstream.set_accepting(false);
    }
    let cut_off = match timeout(patience, all_emptied(upstreams)).await {
        Ok(()) => 0,
        Err(_elapsed) => cut(upstreams, ledger).await,
    };
    for upstream in upstreams {
        upstream.connections.close_kept();
    }
    Drained { cut_off }
}

async fn all_emptied(upstreams: &[Arc<Upstream>]) {
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
