//! An authority for tests, what it signs, and clients that trust it alone.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use cutover_proxy::{CertificateFiles, Tls};
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
        version,
    },
};

/// An authority.
pub(crate) struct Authority {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) root: CertificateDer<'static>,
    pub(crate) pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signed = params.self_signed(&key).unwrap();
        Self {
            root: signed.der().clone(),
            pem: signed.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn sign(&self, names: &[&str]) -> Pair {
        self.sign_until(names, Duration::from_hours(24))
    }

    /// One that began an hour ago and ends so long after that.
    pub(crate) fn sign_until(&self, names: &[&str], life: Duration) -> Pair {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let begins = now().saturating_sub(Duration::from_hours(1));
        lasting(&mut params, begins, life);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            chain: signed.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let bytes = |protocol: &&str| protocol.as_bytes().to_vec();
        config.alpn_protocols = protocols.iter().map(bytes).collect();
        Arc::new(config)
    }

    /// Connects, naming a host. An error when what is shown is not for it, or not trusted.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let connector = TlsConnector::from(self.client(protocols));
        connector.connect(name, stream).await
    }

    /// A client of HTTP/1.1.
    pub(crate) async fn browse(
        &self,
        address: SocketAddr,
        host: &str,
    ) -> http1::SendRequest<Full<Bytes>> {
        let stream = self.connect(address, host, &["http/1.1"]).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender
    }

    /// A client of HTTP/2.
    pub(crate) async fn browse_h2(
        &self,
        address: SocketAddr,
        host: &str,
    ) -> http2::SendRequest<Full<Bytes>> {
        let stream = self.connect(address, host, &["h2"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// What is shown to who names a host.
    pub(crate) async fn shown(&self, address: SocketAddr, host: &str) -> CertificateDer<'static> {
        let stream = self.connect(address, host, &[]).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    }
}

/// Sets when a certificate begins, and for how long it is good.
pub(crate) fn lasting(params: &mut CertificateParams, begins: Duration, life: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + begins;
    params.not_after = epoch + begins + life;
}

/// Since 1970.
pub(crate) fn now() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "certificates have dates")]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Puts a pair where a table names it, each file in one go.
pub(crate) fn put(folder: &Path, name: &str, pair: &Pair) -> CertificateFiles {
    let write = |suffix: &str, text: &str, mode: u32| {
        let path = folder.join(format!("{name}.{suffix}"));
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::rename(&new, &path).unwrap();
        text_of(path)
    };
    CertificateFiles {
        cert_file: write("crt", &pair.chain, 0o644),
        key_file: write("key", &pair.key, 0o600),
    }
}

pub(crate) fn text_of(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

/// TLS from these files.
pub(crate) fn tls(certificates: Vec<CertificateFiles>) -> Tls {
    Tls {
        certificates,
        ..Tls::default()
    }
}
