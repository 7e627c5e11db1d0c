//! After a switch of protocol: bytes both ways, until either end is done or the upstream is cut.

use std::{future::poll_fn, pin::pin, task::Poll};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};

use crate::{h1::Switched, upstream::Claim};

/// Carries a tunnel. It counts as in flight to its last byte.
pub(crate) async fn tunnel(client: OnUpgrade, upstream: Switched, claim: Claim) {
    let mut entry = claim.upstream.connections.join();
    let mut carried = pin!(async {
        let Switched { stream, ahead } = upstream;
        let Ok(client) = client.await else { return };
        let (mut client, mut upstream) = (TokioIo::new(client), stream);
        if client.write_all(&ahead).await.is_err() {
            return;
        }
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
