//! TLS at the address of a service: versions change places and the certificate is renewed under load,
//! and nobody who sends requests notices.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::{net::TcpStream, task::JoinSet, time::interval};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        client::Resumption,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
        version,
    },
};

use crate::{
    stage::{LIMIT, Stage},
    wire::{self, Beside},
    world::World,
};

const HOST: &str = "a.example";

/// Who vouches for certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    client: Arc<ClientConfig>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A session that is resumed shows no certificate.
        client.resumption = Resumption::disabled();
        Self {
            issuer: Issuer::new(params, key),
            client: Arc::new(client),
        }
    }

    /// Puts a new certificate where `cutover.yml` names it.
    fn renew(&self, world: &World) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([HOST.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        for (name, text, mode) in [
            ("site.crt", signed.pem(), 0o644),
            ("site.key", key.serialize_pem(), 0o600),
        ] {
            let path = world.path(name);
            let new = path.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
            fs::rename(&new, &path).unwrap();
        }
        signed.der().clone()
    }
}

/// Connects, and says which certificate was shown.
async fn connect(
    client: Arc<ClientConfig>,
    address: &str,
) -> Result<(SendRequest<Empty<Bytes>>, CertificateDer<'static>), String> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    let name = ServerName::try_from(HOST).expect("a name");
    let stream = TlsConnector::from(client).connect(name, stream).await;
    let stream = stream.map_err(|error| format!("no TLS: {error}"))?;
    let shown = stream.get_ref().1.peer_certificates();
    let shown = shown.and_then(|all| all.first()).expect("one").clone();
    let opened = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(|error| format!("no connection: {error}"))?;
    tokio::spawn(async move { drop(connection.await) });
    Ok((sender, shown))
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>) -> Result<(), String> {
    let request = Request::get("/").header(header::HOST, HOST);
    let request = request.body(Empty::new()).expect("a request");
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|error| format!("no answer: {error:?}"))?;
    let status = answer.status();
    let body = answer.into_body().collect().await;
    body.map_err(|error| format!("half an answer: {error:?}"))?;
    (status == 200).then_some(()).ok_or(status.to_string())
}

/// Twenty requests a second of each of these clients, half of them with a new connection for each.
async fn load(
    client: Arc<ClientConfig>,
    address: String,
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
) -> Result<(), String> {
    let mut clients = JoinSet::new();
    for number in 0..10 {
        let (client, address) = (Arc::clone(&client), address.clone());
        let (stop, good) = (Arc::clone(&stop), Arc::clone(&good));
        clients.spawn(async move {
            let mut pace = interval(Duration::from_millis(50));
            let mut kept = None;
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                let mut sender = match kept.take() {
                    Some(sender) => sender,
                    None => connect(Arc::clone(&client), &address).await?.0,
                };
                ask(&mut sender).await?;
                good.fetch_add(1, Ordering::Relaxed);
                kept = (number % 2 == 0).then_some(sender);
            }
            Ok::<_, String>(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client")?;
    }
    Ok(())
}

#[test]
fn a_certificate_is_renewed_and_versions_change_places_under_load() {
    let world = World::new();
    let authority = Authority::new();
    let first = authority.renew(&world);
    let production = format!(
        "{{ strategy: {{ blue_green: {{ bake: 0s }} }}, traffic: {{ tls: {{ certificates: \
           [{{ cert_file: \"{}\", key_file: \"{}\" }}] }} }} }}",
        world.path("site.crt").display(),
        world.path("site.key").display()
    );
    let stage = Stage::open(&world, &production);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    let address = stage.address();
    let shown = || {
        let client = Arc::clone(&authority.client);
        wire::run(connect(client, &address)).unwrap().1
    };
    assert_eq!(shown(), first);
    let (stop, good) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let going = load(
        Arc::clone(&authority.client),
        address.clone(),
        Arc::clone(&stop),
        Arc::clone(&good),
    );
    let going = Beside::start(going);
    stage.deploy("2.0.0");
    let second = authority.renew(&world);
    world.until("the new certificate", LIMIT, || {
        (shown() == second).then_some(())
    });
    stage.deploy("1.0.0");
    // What is no certificate leaves the one before it in place.
    fs::write(world.path("site.crt"), "nonsense").unwrap();
    stage.deploy("2.0.0");
    assert_eq!(shown(), second);
    stop.store(true, Ordering::Relaxed);
    assert_eq!(going.end(), Ok(()));
    let good = good.load(Ordering::Relaxed);
    eprintln!("{good} requests over TLS");
    assert!(good > 100, "{good} requests");
}
