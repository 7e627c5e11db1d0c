//! The balancer's side of handing everything over: what it gives, and when it stops.
//!
//! Until the successor says that it is ready, nothing changes here. A successor that dies before
//! that has cost nothing.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
};

use camino::Utf8PathBuf;
use serde_json::Value;

use crate::{
    balancer::Balancer,
    control::{Refusal, wire::HandingOver},
    handover,
    lock::locked,
    service::Service,
    upstream::Condition,
};

impl Balancer {
    /// Sends all sockets to a successor that listens at a local socket, and tells it what is in
    /// force. Goes on as before.
    pub(crate) async fn hand_over(&self, socket: Utf8PathBuf) -> Result<HandingOver, Refusal> {
        let in_force = self.in_force.lock().await;
        if self.is_ending() {
            return Err(Refusal::ShuttingDown);
        }
        let refused = |error: std::io::Error| Refusal::HandOver {
            reason: error.to_string(),
        };
        let mut sockets = vec![
            self.folder.lock_handle().map_err(refused)?,
            self.control_handle().map_err(refused)?,
        ];
        let (addresses, listening, healthy) = {
            let live = locked(&self.live);
            let open = live.doors.handles().map_err(refused)?;
            let (addresses, listening): (Vec<_>, Vec<_>) = open.into_iter().unzip();
            let healthy = live.services.values().map(healthy).collect();
            (addresses, listening, healthy)
        };
        sockets.extend(listening);
        let sent = tokio::task::spawn_blocking(move || send(&socket, &sockets)).await;
        let line = sent.map_err(|_panicked| Refusal::ShuttingDown)?;
        let line = line.map_err(refused)?;
        // Its end tells the successor that nothing is in flight here any more.
        *locked(&self.successor) = Some(line);
        self.journal.note("handing_over", &[]);
        Ok(HandingOver {
            remembered: in_force.remembered(),
            revision: self.revision(),
            addresses,
            healthy,
        })
    }

    /// The successor is ready: from here on it accepts, not this process. Waits for the drains that
    /// run, because nobody but this process knows what they wait for.
    pub(crate) async fn taken_over(&self, revision: u64) -> Result<(), Refusal> {
        let _no_drains = self.drains.write().await;
        let _in_force = self.in_force.lock().await;
        if self.is_ending() {
            return Err(Refusal::ShuttingDown);
        }
        if revision != self.revision() {
            return Err(Refusal::HandOver {
                reason: "the table changed meanwhile; begin again".to_owned(),
            });
        }
        self.journal
            .note("taken_over", &[("pid", Value::from(std::process::id()))]);
        self.leave();
        Ok(())
    }
}

fn send(path: &Utf8PathBuf, sockets: &[OwnedFd]) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    handover::send(&stream, sockets)?;
    Ok(stream)
}

/// The upstreams of a service that take requests now.
fn healthy(service: &Arc<Service>) -> (String, Vec<String>) {
    let routes = service.routes();
    let healthy = routes
        .upstreams()
        .filter(|upstream| upstream.condition() == Condition::Healthy)
        .map(|upstream| upstream.id.clone());
    (service.name.clone(), healthy.collect())
}

/// A second handle of a socket.
pub(crate) fn handle(socket: &impl std::os::fd::AsFd) -> std::io::Result<OwnedFd> {
    socket.as_fd().try_clone_to_owned()
}
