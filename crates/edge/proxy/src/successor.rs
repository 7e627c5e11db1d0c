//! A new balancer that takes the place of a running one, with its sockets, table and lock.
//!
//! It opens its doors only when it knows its upstreams to be well, so that no client notices: until
//! then the other one serves.

use std::{collections::BTreeMap, io, net::SocketAddr, os::fd::OwnedFd, sync::Arc, time::Duration};

use camino::Utf8Path;
use serde_json::Value;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, UnixListener, UnixStream},
    sync::watch,
};

use crate::{
    balancer::Balancer,
    control::{Client, ClientError, Refusal, wire::HandingOver},
    handover,
    journal::Journal,
    state::StateFolder,
    waiting,
    worker::Workers,
};

/// How long upstreams that the predecessor knows to be well may take to show it here too.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it begins again when the table changes meanwhile.
const TRIES: usize = 5;

/// Why the place of the running balancer could not be taken. That one goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeOverError {
    /// The running balancer did not hand over.
    #[error("the running balancer does not hand over: {0}")]
    Refused(#[source] ClientError),
    /// Its sockets did not arrive.
    #[error("the sockets of the running balancer did not arrive")]
    Sockets(#[source] io::Error),
    /// It cannot start its threads.
    #[error("cannot start the threads that carry requests")]
    Workers(#[source] io::Error),
}

/// What a successor begins with.
pub(crate) struct Inherited {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) control: UnixListener,
    pub(crate) sockets: BTreeMap<SocketAddr, TcpListener>,
}

/// Takes the place of the balancer that runs on this folder. `None`: none runs.
pub(crate) async fn take_over(folder: &Utf8Path) -> Result<Option<Inherited>, TakeOverError> {
    let client = Client::new(folder);
    let mut tries = 0;
    loop {
        tries += 1;
        let (inherited, revision) = match inherit(folder, &client).await {
            Err(TakeOverError::Refused(ClientError::Unreachable { .. })) => return Ok(None),
            inherited => inherited?,
        };
        match client.taken_over(revision).await {
            Ok(()) => return Ok(Some(inherited)),
            Err(ClientError::Refused(Refusal::HandOver { .. })) if tries < TRIES => {}
            Err(error) => return Err(TakeOverError::Refused(error)),
        }
    }
}

async fn inherit(folder: &Utf8Path, client: &Client) -> Result<(Inherited, u64), TakeOverError> {
    let path = folder.join(format!("successor.{}.sock", std::process::id()));
    let _left = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(TakeOverError::Sockets)?;
    let handed = client.hand_over(&path).await;
    let arrived = match handed {
        // It has connected before it answered.
        Ok(handing) => listener.accept().await.map(|(line, _)| (handing, line)),
        Err(error) => {
            let _gone = std::fs::remove_file(&path);
            return Err(TakeOverError::Refused(error));
        }
    };
    let _gone = std::fs::remove_file(&path);
    let (handing, line) = arrived.map_err(TakeOverError::Sockets)?;
    let (sockets, line) = receive(line, handing.addresses.len() + 2)
        .await
        .map_err(TakeOverError::Sockets)?;
    begin(folder, handing, sockets, line).await
}

async fn receive(line: UnixStream, count: usize) -> io::Result<(Vec<OwnedFd>, UnixStream)> {
    let line = line.into_std()?;
    line.set_nonblocking(false)?;
    line.set_read_timeout(Some(PATIENCE))?;
    let received = tokio::task::spawn_blocking(move || {
        let sockets = handover::receive(&line, count)?;
        line.set_nonblocking(true)?;
        Ok((sockets, UnixStream::from_std(line)?))
    });
    received.await?
}

/// A balancer with the table of the other one, its doors still closed.
async fn begin(
    folder: &Utf8Path,
    handing: HandingOver,
    sockets: Vec<OwnedFd>,
    line: UnixStream,
) -> Result<(Inherited, u64), TakeOverError> {
    let mut sockets = sockets.into_iter();
    let missing = || TakeOverError::Sockets(io::ErrorKind::UnexpectedEof.into());
    let (lock, control) = (sockets.next(), sockets.next());
    let (lock, control) = lock.zip(control).ok_or_else(missing)?;
    let control = UnixListener::from_std(control.into()).map_err(TakeOverError::Sockets)?;
    let mut listening = BTreeMap::new();
    for (address, socket) in handing.addresses.iter().zip(sockets) {
        let socket = TcpListener::from_std(socket.into()).map_err(TakeOverError::Sockets)?;
        listening.insert(*address, socket);
    }
    let journal = Journal::new(folder);
    journal.note("succeeding", &[("pid", Value::from(std::process::id()))]);
    let state = StateFolder::inherited(folder, lock);
    let workers = Workers::start().map_err(TakeOverError::Workers)?;
    let (gone, predecessor) = watch::channel(false);
    tokio::spawn(until_gone(line, gone));
    let balancer = Arc::new(Balancer::new(state, journal, workers).after(predecessor));
    balancer.inherit(handing.remembered).await;
    for (name, ids) in &handing.healthy {
        if let Ok(service) = balancer.service(name) {
            // One that fell ill meanwhile must not keep the others waiting for ever.
            let _in_time = waiting::wait_healthy(&service, ids, PATIENCE).await;
        }
    }
    let inherited = Inherited {
        balancer,
        control,
        sockets: listening,
    };
    Ok((inherited, handing.revision))
}

/// The predecessor keeps its end open as long as it lives.
async fn until_gone(mut line: UnixStream, gone: watch::Sender<bool>) {
    let _end = line.read(&mut [0]).await;
    gone.send_replace(true);
}
