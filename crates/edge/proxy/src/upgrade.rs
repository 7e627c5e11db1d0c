//! After a switch of protocol: bytes both ways, until either end is done or the upstream is cut.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::{h1::Switched, metrics::SideMetrics, upstream::Claim, websocket};

/// Carries a tunnel. It counts as in flight to its last byte. A WebSocket parts when it is asked
/// to; of other protocols nothing is known, so they last until they are cut.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    upstream: Switched,
    protocol: HeaderValue,
    claim: Claim,
    side: Arc<SideMetrics>,
) {
    let mut entry = claim.upstream.connections.join();
    let websocket = protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
    let guest = websocket.then(|| claim.upstream.farewell.join(&side));
    let mut carried = pin!(async {
        let Ok(client) = client.await else { return };
        let (mut client, mut upstream) = (TokioIo::new(client), upstream.into_io());
        if let Some(guest) = guest {
            return Box::pin(websocket::carry(client, upstream, guest)).await;
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
