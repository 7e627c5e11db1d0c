//! The handshake with a client, bounded in time and number. Who speaks plain HTTP is told so.

use std::{fmt, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, version},
    server::TlsStream,
};

use super::{
    certificate::Certificate,
    choice::{Certificates, Choice},
};

/// Handshakes under way at once; further ones wait, within their own time.
pub(super) const AT_ONCE: usize = 1_024;
/// What a connection with TLS begins with.
const HANDSHAKE: u8 = 0x16;
/// How long who is told that this is not plain HTTP may take to hear it, and what is read of them.
const TELLING: Duration = Duration::from_secs(1);
const HEARD: u64 = 64 * 1024;
const PLAIN: &str = "{\"error\":\"plain_http\",\"message\":\"this address speaks HTTPS only; ask it with `https://`\"}\n";

/// What a connection has agreed on.
#[derive(Debug, Clone)]
pub(crate) struct Secured {
    /// The host that the client named.
    sni: Option<String>,
    /// What it was shown.
    shown: Option<Arc<Certificate>>,
}

impl Secured {
    /// Whether requests for this host may come over the connection.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let named = |sni: &String| sni.eq_ignore_ascii_case(host);
        self.sni.as_ref().is_some_and(named)
            || self.shown.as_ref().is_some_and(|shown| shown.covers(host))
    }
}

/// Where the TLS of a door ends.
pub(crate) struct Terminator {
    choice: Arc<Choice>,
    acceptor: TlsAcceptor,
    room: Arc<Semaphore>,
}

impl Terminator {
    /// One that shows nothing yet.
    pub(super) fn new(room: Arc<Semaphore>) -> Self {
        let choice = Arc::<Choice>::default();
        let versions = [&version::TLS13, &version::TLS12];
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions);
        #[expect(clippy::expect_used, reason = "ring has suites for both versions")]
        let builder = builder.expect("ring knows TLS 1.2 and 1.3");
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Choice>::clone(&choice));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Resumption without memory. Without randomness for its key there is none, which only costs time.
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Self {
            choice,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            room,
        }
    }

    /// Shows others from now on.
    pub(crate) fn set(&self, certificates: Certificates) {
        self.choice.set(certificates);
    }

    /// Shakes hands, until the deadline. `None`: there is no connection.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        deadline: Instant,
    ) -> Option<(TlsStream<TcpStream>, Secured)> {
        let shaken = timeout_at(deadline, self.shake(stream)).await;
        shaken.ok()?.ok()
    }

    async fn shake(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Secured)> {
        let mut first = [0];
        // Who says nothing takes no room from others.
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE] {
            if first[0].is_ascii_uppercase() {
                let _in_time = timeout(TELLING, tell(stream)).await;
            }
            return Err(io::ErrorKind::InvalidData.into());
        }
        let room = self.room.acquire().await.map_err(io::Error::other)?;
        let stream = self.acceptor.accept(stream).await?;
        drop(room);
        let sni = stream.get_ref().1.server_name();
        let sni = sni.map(str::to_ascii_lowercase);
        let shown = self.choice.find(sni.as_deref());
        Ok((stream, Secured { sni, shown }))
    }
}

/// Answers plain HTTP, and reads on for a moment: a close with unread bytes would take the answer
/// away from the client.
async fn tell(mut stream: TcpStream) -> io::Result<()> {
    let length = PLAIN.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {length}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{PLAIN}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(HEARD);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

impl fmt::Debug for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminator")
            .field("choice", &self.choice)
            .finish_non_exhaustive()
    }
}
