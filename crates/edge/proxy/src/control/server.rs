//! The balancer's end of the control socket.

use std::{fs, io, os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use camino::Utf8Path;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    task::JoinSet,
    time::sleep,
};

use super::wire::{Answer, Command, MAX_LINE, Outcome, Refusal, Reply, Request};
use crate::balancer::Balancer;

/// Pause after the system refused a connection.
const SCARCE: Duration = Duration::from_millis(50);

/// Opens the socket for its owner only. A file left by a process that ended is replaced; the lock
/// of the state folder makes sure that it has ended.
pub(crate) fn bind(path: &Utf8Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the socket for ever. Connections end with it.
pub(crate) async fn serve(listener: UnixListener, balancer: Arc<Balancer>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(converse(stream, Arc::clone(&balancer)))),
                Err(_scarce) => sleep(SCARCE).await,
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Talks over one connection. Its requests run side by side, and end when the other end leaves.
async fn converse(stream: UnixStream, balancer: Arc<Balancer>) {
    let (read, write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let write = Arc::new(Mutex::new(write));
    let mut running = JoinSet::new();
    let mut text = Vec::new();
    loop {
        tokio::select! {
            more = next_line(&mut lines, &mut text) => {
                if !more {
                    return;
                }
                let line = std::mem::take(&mut text);
                running.spawn(answer(line, Arc::clone(&balancer), Arc::clone(&write)));
            }
            Some(_ended) = running.join_next() => {}
        }
    }
}

/// Reads on. What was read so far stays in `text` when this is dropped.
async fn next_line(lines: &mut BufReader<OwnedReadHalf>, text: &mut Vec<u8>) -> bool {
    let room = MAX_LINE.saturating_sub(text.len() as u64);
    let read = lines.take(room).read_until(b'\n', text).await;
    read.is_ok() && text.ends_with(b"\n")
}

async fn answer(line: Vec<u8>, balancer: Arc<Balancer>, write: Arc<Mutex<OwnedWriteHalf>>) {
    let (id, outcome) = match serde_json::from_slice::<Request>(&line) {
        Ok(Request {
            id,
            command: Command::Subscribe { service },
        }) => {
            let refusal = subscribe(id, &service, &balancer, &write).await;
            (id, Outcome::Refused(refusal))
        }
        Ok(Request {
            id,
            command: Command::Shutdown,
        }) => {
            let outcome = Outcome::Done(Reply::ShuttingDown);
            // Answered first: with the balancer its control connections end.
            let _other_end_left = send(&write, &Answer { id, outcome }).await;
            return balancer.end();
        }
        Ok(Request {
            id,
            command: Command::TakenOver { revision },
        }) => {
            let taken = balancer.taken_over(revision).await;
            let over = taken.is_ok();
            let outcome = taken.map(|()| Reply::TakenOver).into();
            let heard = send(&write, &Answer { id, outcome }).await;
            match heard {
                Ok(()) if over => balancer.end(),
                Err(_died) if over => balancer.stay(),
                _ => {}
            }
            return;
        }
        Ok(Request { id, command }) => (id, perform(command, &balancer).await.into()),
        Err(error) => (
            0,
            Outcome::Refused(Refusal::Malformed {
                reason: error.to_string(),
            }),
        ),
    };
    let _other_end_left = send(&write, &Answer { id, outcome }).await;
}

async fn perform(command: Command, balancer: &Arc<Balancer>) -> Result<Reply, Refusal> {
    match command {
        Command::Apply { table } => {
            // A task of its own: once begun it is finished, though nobody may hear the answer.
            let balancer = Arc::clone(balancer);
            let applied = tokio::spawn(async move { balancer.apply(table).await }).await;
            applied
                .map_err(|_panicked| Refusal::ShuttingDown)?
                .map(Reply::Applied)
        }
        Command::WaitHealthy {
            service,
            upstreams,
            timeout_ms,
        } => {
            let patience = Duration::from_millis(timeout_ms);
            balancer
                .wait_healthy(&service, &upstreams, patience)
                .await
                .map(Reply::Health)
        }
        Command::Drain {
            service,
            upstreams,
            timeout_ms,
            grace_ms,
        } => {
            let patience = Duration::from_millis(timeout_ms);
            let grace = grace_ms.map(Duration::from_millis);
            balancer
                .drain(&service, &upstreams, patience, grace)
                .await
                .map(Reply::Drained)
        }
        Command::HandOver { socket } => balancer.hand_over(socket).await.map(Reply::HandingOver),
        Command::Reload => Ok(Reply::Reloaded(balancer.reload().await)),
        Command::Status => Ok(Reply::Status(balancer.status())),
        Command::Samples { service, since } => {
            let buckets = balancer.service(&service)?.history.since(since);
            Ok(Reply::Samples(
                buckets
                    .iter()
                    .map(|bucket| bucket.as_ref().clone())
                    .collect(),
            ))
        }
        Command::Subscribe { .. } | Command::Shutdown | Command::TakenOver { .. } => {
            Err(Refusal::Malformed {
                reason: "this has no single answer".to_owned(),
            })
        }
    }
}

/// Sends every second from now on. Comes back only to say why there are none.
async fn subscribe(
    id: u64,
    service: &str,
    balancer: &Balancer,
    write: &Mutex<OwnedWriteHalf>,
) -> Refusal {
    let live = match balancer.service(service) {
        Ok(live) => live,
        Err(refusal) => return refusal,
    };
    let mut closed = live.history.closed();
    let mut next = *closed.borrow_and_update() + 1;
    let mut sent = send(
        write,
        &Answer {
            id,
            outcome: Outcome::Done(Reply::Subscribed),
        },
    )
    .await;
    while sent.is_ok() && closed.changed().await.is_ok() {
        for bucket in live.history.since(next) {
            next = bucket.second + 1;
            let outcome = Outcome::Done(Reply::Second(bucket.as_ref().clone()));
            sent = send(write, &Answer { id, outcome }).await;
        }
    }
    Refusal::ShuttingDown
}

async fn send(write: &Mutex<OwnedWriteHalf>, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.lock().await.write_all(&line).await
}

impl From<Result<Reply, Refusal>> for Outcome {
    fn from(result: Result<Reply, Refusal>) -> Self {
        match result {
            Ok(reply) => Self::Done(reply),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}
