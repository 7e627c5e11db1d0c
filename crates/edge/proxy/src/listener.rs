//! The sockets that clients connect to, and their connections.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::AbortHandle,
    time::sleep,
};

use crate::{
    forward::forward,
    head_timer::HeadTimer,
    request::Peer,
    roster::Entry,
    service::{Routes, Service},
    worker::Workers,
};

const BACKLOG: u32 = 4096;
/// Streams that one HTTP/2 client may have open.
const STREAMS: u32 = 256;
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
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Acceptor {
    /// Accepts connections for a service, which the workers carry.
    pub(crate) fn start(
        listener: TcpListener,
        service: &Arc<Service>,
        workers: &Arc<Workers>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let accepting = accept(listener, Arc::clone(service), Arc::clone(workers));
        let task = tokio::spawn(accepting).abort_handle();
        Ok(Self { address, task })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>, workers: Arc<Workers>) {
    loop {
        let limit = service.routes().limits.connections.max(1) as u64;
        service.clients.below(limit).await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                // The socket is watched by the worker from here on.
                let Ok(stream) = stream.into_std() else {
                    continue;
                };
                let (service, entry) = (Arc::clone(&service), service.clients.join());
                workers.carry(async move {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        serve(service, stream, peer, entry).await;
                    }
                });
            }
            // The connection was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_scarce) => sleep(SCARCE).await,
        }
    }
}

/// Serves one connection to its end. The first call asks it to finish, the second ends it.
async fn serve(service: Arc<Service>, stream: TcpStream, peer: SocketAddr, mut entry: Entry) {
    // Without it, answers are only slower.
    let _unset = stream.set_nodelay(true);
    let routes = service.routes();
    let builder = builder(&routes);
    let mut first_request = pin!(sleep(routes.waits.header));
    drop(routes);
    let spoken = Arc::new(AtomicBool::new(false));
    let handler = {
        let (spoken, peer) = (Arc::clone(&spoken), Arc::new(Peer::new(peer)));
        service_fn(move |request| {
            spoken.store(true, Ordering::Relaxed);
            let (service, peer) = (Arc::clone(&service), Arc::clone(&peer));
            async move { Ok::<_, Infallible>(forward(&service, &peer, request).await) }
        })
    };
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), handler);
    let mut connection = pin!(connection);
    let mut finishing = false;
    std::future::poll_fn(|context| {
        while entry.called(context) {
            if finishing {
                return Poll::Ready(());
            }
            finishing = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        // Covers what hyper's own time-out for heads does not: the bytes before the protocol is
        // known, and HTTP/2 connections that bring no request.
        if spoken.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        first_request.as_mut().poll(context)
    })
    .await;
}

fn builder(routes: &Routes) -> auto::Builder<TokioExecutor> {
    let (limits, waits) = (&routes.limits, routes.waits);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(HeadTimer::default())
        .header_read_timeout(waits.idle)
        .max_headers(limits.header_fields)
        .max_buf_size(limits.header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(waits.idle / 2)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}
