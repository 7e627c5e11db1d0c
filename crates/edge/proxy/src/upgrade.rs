//! After a switch of protocol: bytes both ways, until either end is done or the upstream is cut.

use std::{future::poll_fn, pin::pin, task::Poll};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::upstream::Claim;

/// Carries a tunnel. It counts as in flight to its last byte.
pub(crate) async fn tunnel(client: OnUpgrade, upstream: OnUpgrade, claim: Claim) {
    let mut entry = claim.upstream.connections.join();
    let mut carried = pin!(async {
        let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else {
            return;
        };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        // Either end may break off at any time: that is how tunnels end.
        let _ended = copy_bidirectional(&mut client, &mut upstream).await;
    });
    poll_fn(|context| {
        if entry.called(context) {
            return Poll::Ready(());
        }
        carried.as_mut().poll(context)
    })
    .await;
}
