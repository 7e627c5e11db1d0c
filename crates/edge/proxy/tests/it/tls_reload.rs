//! Certificates that change while they are used: by others, by bad ones, by successors.

use std::{
    fs::Permissions,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cutover_proxy::{CertificateStatus, ClientError, Options, run};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::interval};

use crate::{
    certificates::{Authority, Pair, put, tls},
    support::{Balancer, Origin, path},
    tls::secured,
};

/// Kept and new connections at a steady pace. Panics at whatever fails.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(authority: &Arc<Authority>, address: SocketAddr) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            sent: Arc::default(),
            clients: JoinSet::new(),
        };
        for client in 0..6 {
            let (stop, sent) = (Arc::clone(&load.stop), Arc::clone(&load.sent));
            let (authority, kept) = (Arc::clone(authority), client % 2 == 0);
            load.clients.spawn(async move {
                let mut sender = authority.browse(address, "a.example").await;
                let mut pace = interval(Duration::from_millis(20));
                while !stop.load(Ordering::Relaxed) {
                    pace.tick().await;
                    if !kept || sender.ready().await.is_err() {
                        sender = authority.browse(address, "a.example").await;
                    }
                    let request = Request::get("/").header("host", "a.example");
                    let request = request.body(Full::default()).unwrap();
                    let answer = sender.send_request(request).await.unwrap();
                    let leaves = answer.headers().contains_key("connection");
                    let body = answer.into_body().collect().await.unwrap();
                    assert_eq!(body.to_bytes(), "hello");
                    sent.fetch_add(1, Ordering::Relaxed);
                    if leaves {
                        sender = authority.browse(address, "a.example").await;
                    }
                }
            });
        }
        load
    }

    async fn more(&self, count: u64) {
        let before = self.sent.load(Ordering::Relaxed);
        let mut pace = interval(Duration::from_millis(5));
        while self.sent.load(Ordering::Relaxed) < before + count {
            pace.tick().await;
            assert_eq!(self.clients.len(), 6);
        }
    }

    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.sent.load(Ordering::Relaxed)
    }
}

struct World {
    authority: Arc<Authority>,
    files: TempDir,
    balancer: Balancer,
    address: SocketAddr,
    _origin: Origin,
}

impl World {
    async fn new() -> Self {
        let (authority, files) = (Arc::new(Authority::new()), tempfile::tempdir().unwrap());
        let (balancer, origin) = (Balancer::start().await, Origin::named("hello").await);
        let pair = put(files.path(), "a", &authority.sign(&["a.example"]));
        let service = secured(&origin, tls(vec![pair]));
        let address = balancer.serve(1, service, &["a"]).await;
        Self {
            authority,
            files,
            balancer,
            address,
            _origin: origin,
        }
    }

    fn put(&self, pair: &Pair) {
        put(self.files.path(), "a", pair);
    }

    async fn status(&self) -> CertificateStatus {
        let status = self.balancer.client.status().await.unwrap();
        status.services[0].certificates[0].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_under_load_and_nobody_notices() {
    let world = World::new().await;
    let load = Load::start(&world.authority, world.address);
    let mut shown = vec![world.authority.shown(world.address, "a.example").await];
    for _ in 0..5 {
        load.more(60).await;
        world.put(&world.authority.sign(&["a.example"]));
        let reloaded = world.balancer.client.reload().await.unwrap();
        assert_eq!(reloaded.errors, [""; 0]);
        let next = world.authority.shown(world.address, "a.example").await;
        assert!(!shown.contains(&next));
        shown.push(next);
    }
    load.more(60).await;
    let sent = load.end().await;
    assert!(sent >= 360, "{sent}");
    let again = world.balancer.client.reload().await.unwrap();
    assert_eq!(again.changed, 0, "nothing is another one now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_goes_on_with_tls_and_nothing_is_lost() {
    let mut world = World::new().await;
    let load = Load::start(&world.authority, world.address);
    load.more(60).await;
    let next = tokio::spawn(run(Options {
        state_dir: path(&world.balancer.folder),
        take_over: true,
    }));
    let before = std::mem::replace(&mut world.balancer.task, next);
    before.await.unwrap().unwrap();
    load.more(60).await;
    load.end().await;
    assert_eq!(world.status().await.names, ["a.example"]);
}

#[tokio::test]
async fn what_is_bad_does_not_take_the_place_of_what_is_good() {
    let world = World::new().await;
    let client = &world.balancer.client;
    let good = world.authority.shown(world.address, "a.example").await;
    let fine = world.authority.sign(&["a.example"]);
    let other = world.authority.sign(&["a.example"]);
    let expired = world
        .authority
        .sign_until(&["a.example"], Duration::from_mins(30));
    let cases = [
        (
            Pair {
                chain: fine.chain.clone(),
                key: other.key.clone(),
            },
            "the key is not that of the certificate",
        ),
        (expired, "has expired"),
        (
            Pair {
                chain: "nothing".to_owned(),
                key: fine.key.clone(),
            },
            "is not PEM of a certificate",
        ),
    ];
    for (pair, reason) in cases {
        world.put(&pair);
        let reloaded = client.reload().await.unwrap();
        assert_eq!(reloaded.changed, 0);
        assert!(reloaded.errors[0].contains(reason), "{reloaded:?}");
        let error = world.status().await.error.unwrap();
        assert!(error.contains(reason), "{error}");
        assert_eq!(
            world.authority.shown(world.address, "a.example").await,
            good
        );
    }
    // A key that others may read; then the right is taken away, without another content.
    world.put(&fine);
    let key = world.files.path().join("a.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let reloaded = client.reload().await.unwrap();
    assert!(reloaded.errors[0].contains("chmod o-rwx"), "{reloaded:?}");
    assert_eq!(
        world.authority.shown(world.address, "a.example").await,
        good
    );
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    // What looks at files by itself may have seen it first.
    client.reload().await.unwrap();
    assert_ne!(
        world.authority.shown(world.address, "a.example").await,
        good
    );
    assert_eq!(world.status().await.error, None);
    std::fs::remove_file(&key).unwrap();
    assert!(client.reload().await.unwrap().errors[0].contains("cannot read"));
    let log = std::fs::read_to_string(world.balancer.folder.path().join("balancer.log")).unwrap();
    assert!(log.matches("certificate_refused").count() >= 5, "{log}");
    assert!(!log.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_table_with_a_bad_certificate_is_refused_and_a_restart_without_one_is_not() {
    let world = World::new().await;
    let origin = Origin::named("hello").await;
    let missing = put(
        world.files.path(),
        "b",
        &world.authority.sign(&["b.example"]),
    );
    std::fs::remove_file(&missing.key_file).unwrap();
    let table = cutover_proxy::RouteTable {
        generation: 2,
        services: vec![secured(&origin, tls(vec![missing]))],
    };
    let refused = world.balancer.client.apply(&table).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(_)));
    assert!(refused.to_string().contains("b.key"), "{refused}");
    // What was in force is still.
    world.authority.shown(world.address, "a.example").await;
    let key = world.files.path().join("a.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let World {
        balancer,
        authority,
        address,
        ..
    } = world;
    let balancer = Balancer::start_on(balancer.stop().await).await;
    let status = balancer.client.status().await.unwrap();
    let [certificate] = status.services[0].certificates.as_slice() else {
        panic!("{status:?}");
    };
    assert!(certificate.names.is_empty());
    assert!(certificate.error.as_ref().unwrap().contains("a.key"));
    assert!(authority.connect(address, "a.example", &[]).await.is_err());
    std::fs::write(&key, kept).unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    balancer.client.reload().await.unwrap();
    authority.shown(address, "a.example").await;
}
