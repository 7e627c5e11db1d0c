//! The sockets that clients connect to, and their connections.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Poll,
    time::Duration,
};

use http::{HeaderValue, Response, StatusCode, Version, header};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    door::Door, guarded::Guarded, head_timer::HeadTimer, request::Peer, response::ResponseBody,
    roster::Entry, service::Routes, tls::Terminator, worker::Workers,
};

const BACKLOG: u32 = 4096;
/// Streams that one HTTP/2 client may have open.
const STREAMS: u32 = 256;
/// Streams that a client may reset before they were served; with more, its connection ends. What
/// CVE-2023-44487 ("rapid reset") is about.
const RESETS: usize = 50;
/// Bytes of answers that wait on one stream for a client that reads slowly.
const STREAM_BUFFER: usize = 64 * 1024;
/// Fields that hyper takes in a head when it is not told how many.
const USUAL_FIELDS: usize = 100;
/// What a client has spoken yet.
const NOTHING: u8 = 0;
const H1: u8 = 1;
const H2: u8 = 2;
/// Pause after the system refused a connection for want of descriptors or memory.
const SCARCE: Duration = Duration::from_millis(50);

/// Opens a socket. The address is usable at once after a restart.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// An open socket. Closed when dropped; its connections go on.
#[derive(Debug)]
pub(crate) struct Acceptor {
    task: AbortHandle,
}

impl Acceptor {
    /// Accepts connections for the services behind a door, which the workers carry.
    pub(crate) fn start(
        listener: Arc<TcpListener>,
        door: &Arc<Door>,
        workers: &Arc<Workers>,
    ) -> Self {
        let accepting = accept(listener, Arc::clone(door), Arc::clone(workers));
        Self {
            task: tokio::spawn(accepting).abort_handle(),
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: Arc<TcpListener>, door: Arc<Door>, workers: Arc<Workers>) {
    loop {
        let limit = door.routes().limits.connections.max(1) as u64;
        door.clients.below(limit).await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Ok(seat) = door.admit(peer.ip()) else {
                    continue;
                };
                // The socket is watched by the worker from here on.
                let Ok(stream) = stream.into_std() else {
                    continue;
                };
                let (door, entry) = (Arc::clone(&door), door.clients.join());
                workers.carry(async move {
                    let _seat = seat;
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        serve(door, stream, peer, entry).await;
                    }
                });
            }
            // The connection was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_scarce) => sleep(SCARCE).await,
        }
    }
}

/// Serves one connection to its end.
async fn serve(door: Arc<Door>, stream: TcpStream, peer: SocketAddr, entry: Entry) {
    // Without it, answers are only slower.
    let _unset = stream.set_nodelay(true);
    let peer = Peer::new(peer);
    let deadline = Instant::now() + door.routes().waits.header;
    match door.tls() {
        None => converse(door, stream, peer, entry, deadline).await,
        Some(tls) => Box::pin(secure(tls, door, stream, peer, entry, deadline)).await,
    }
}

/// The same with TLS, which ends here.
async fn secure(
    tls: Arc<Terminator>,
    door: Arc<Door>,
    stream: TcpStream,
    peer: Peer,
    mut entry: Entry,
    deadline: Instant,
) {
    let shaken = {
        let mut shaking = pin!(tls.accept(stream, deadline));
        std::future::poll_fn(|context| {
            // Nothing was asked yet. When a successor takes over the client may just be about to.
            while entry.called(context) {
                if !door.is_leaving() {
                    return Poll::Ready(None);
                }
            }
            shaking.as_mut().poll(context)
        })
        .await
    };
    if let Some((stream, secured)) = shaken {
        converse(door, stream, peer.over(secured), entry, deadline).await;
    }
}

/// Speaks HTTP with a client. The first call asks the connection to finish, the second ends it. The
/// first request must have begun by the deadline.
async fn converse<S>(door: Arc<Door>, stream: S, peer: Peer, mut entry: Entry, deadline: Instant)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let routes = door.routes();
    let builder = builder(&routes);
    let guarded = Guarded::new(stream, routes.waits.body);
    let mut first_request = pin!(sleep_until(deadline));
    drop(routes);
    let spoken = Arc::new(AtomicU8::new(NOTHING));
    let handler = {
        let (spoken, door) = (Arc::clone(&spoken), Arc::clone(&door));
        service_fn(move |request| {
            let two = request.version() == Version::HTTP_2;
            spoken.store(if two { H2 } else { H1 }, Ordering::Relaxed);
            // What needs no waiting is done here: what is moved into the future is moved again and
            // again, and keeps its room for as long as the connection lasts.
            let entered = door.enter(&peer, request);
            let door = Arc::clone(&door);
            async move {
                let mut answer = entered.answer().await;
                if door.is_leaving() && !two {
                    close(&mut answer);
                }
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(guarded), handler);
    let mut connection = pin!(connection);
    let (mut finishing, mut leaving) = (false, false);
    std::future::poll_fn(|context| {
        while entry.called(context) {
            if finishing {
                return Poll::Ready(());
            }
            // To close a connection of HTTP/1.1 now could lose a request that is just being sent;
            // HTTP/2 can say goodbye without that.
            let gently = door.is_leaving() && spoken.load(Ordering::Relaxed) != H2;
            if gently && !std::mem::replace(&mut leaving, true) {
                continue;
            }
            finishing = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        // Covers what hyper's own time-out for heads does not: the bytes before the protocol is
        // known, and HTTP/2 connections that bring no request.
        if spoken.load(Ordering::Relaxed) != NOTHING {
            return Poll::Pending;
        }
        first_request.as_mut().poll(context)
    })
    .await;
}

/// Makes an answer the last one of its connection. A switch of protocol is that already.
fn close(answer: &mut Response<ResponseBody>) {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
}

fn builder(routes: &Routes) -> auto::Builder<TokioExecutor> {
    let (limits, waits) = (&routes.limits, routes.waits);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(HeadTimer::default())
        .header_read_timeout(waits.idle)
        .max_buf_size(limits.header_bytes.max(8192));
    // Told its own default, hyper fills the room for so many fields anew for each head.
    if limits.header_fields != USUAL_FIELDS {
        builder.http1().max_headers(limits.header_fields);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(waits.idle / 2)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .max_send_buf_size(STREAM_BUFFER)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}
