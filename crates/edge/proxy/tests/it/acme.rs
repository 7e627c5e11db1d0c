//! Certificates from an authority: the first one, renewal, refusal, restart.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, time::Duration};

use cutover_proxy::{Acme, CertificateSource, CertificateStatus, Service, Tls};
use http::StatusCode;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    acme_double::Double,
    certificates::text_of,
    support::{Balancer, Browser, Origin},
    tls::{free, secured},
};

const PATIENCE: Duration = Duration::from_secs(30);
const DAYS: Duration = Duration::from_hours(24 * 90);

struct World {
    double: Double,
    files: TempDir,
    origin: Origin,
    plain: SocketAddr,
    balancer: Balancer,
}

impl World {
    async fn new(life: Duration) -> Self {
        let plain = free();
        let double = Double::start(plain, life).await;
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("root.pem"), &double.authority.pem).unwrap();
        Self {
            double,
            files,
            origin: Origin::named("hello").await,
            plain,
            balancer: Balancer::start().await,
        }
    }

    fn service(&self) -> Service {
        let hosts = ["a.example", "b.example"];
        let acme = Acme {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            contact: vec!["mailto:ops@a.example".to_owned()],
            directory: Some(self.double.directory.clone()),
            ca_file: Some(text_of(self.files.path().join("root.pem"))),
        };
        let told = Tls {
            acme: Some(acme),
            redirect_from: Some(self.plain.to_string()),
            ..Tls::default()
        };
        secured(&self.origin, told)
    }

    async fn given(&mut self, count: u64) {
        let given = self.double.given.wait_for(|given| *given >= count);
        timeout(PATIENCE, given).await.unwrap().unwrap();
    }
}

async fn status(balancer: &Balancer) -> CertificateStatus {
    let status = balancer.client.status().await.unwrap();
    status.services[0].certificates[0].clone()
}

/// Waits until what the status says is so.
async fn until(
    balancer: &Balancer,
    is_so: impl Fn(&CertificateStatus) -> bool,
) -> CertificateStatus {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let looking = async {
        loop {
            pace.tick().await;
            let status = status(balancer).await;
            if is_so(&status) {
                return status;
            }
        }
    };
    timeout(PATIENCE, looking).await.unwrap()
}

#[tokio::test]
async fn a_certificate_is_ordered_kept_and_found_again() {
    let mut world = World::new(DAYS).await;
    let address = world.balancer.serve(1, world.service(), &["a"]).await;
    world.given(1).await;
    let got = until(&world.balancer, |status| !status.self_signed).await;
    assert_eq!(got.names, ["a.example", "b.example"]);
    assert_eq!(got.error, None);
    let CertificateSource::Acme { directory } = &got.source else {
        panic!("{got:?}");
    };
    assert_eq!(*directory, world.double.directory);
    // In the last third, and not at its end.
    let day = 24 * 3_600_000;
    let before_end = got.expires_unix_ms - got.next_order_unix_ms.unwrap();
    assert!((22 * day..=30 * day).contains(&before_end), "{before_end}");
    for host in ["a.example", "b.example"] {
        world.double.authority.shown(address, host).await;
    }
    // Its place answers nobody now; the redirect has the whole address again.
    let mut browser = Browser::connect(world.plain).await;
    let gone = browser.get("/.well-known/acme-challenge/token-challenge-0");
    assert_eq!(gone.await.unwrap().status, StatusCode::PERMANENT_REDIRECT);
    let folder = world.balancer.stop().await;
    let kept = folder.path().join("acme");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kept), 0o700);
    let files: Vec<_> = std::fs::read_dir(&kept).unwrap().collect();
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    let balancer = Balancer::start_on(folder).await;
    let again = status(&balancer).await;
    assert!(!again.self_signed);
    assert_eq!(again.expires_unix_ms, got.expires_unix_ms);
    world.double.authority.shown(address, "a.example").await;
    assert_eq!(*world.double.orders.borrow(), 1);
    let log = std::fs::read_to_string(balancer.folder.path().join("balancer.log")).unwrap();
    assert!(log.contains("certificate_given") && !log.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_certificate_is_renewed_in_the_last_third_of_its_life() {
    let mut world = World::new(Duration::from_secs(6)).await;
    let address = world.balancer.serve(1, world.service(), &["a"]).await;
    world.given(1).await;
    let first = until(&world.balancer, |status| !status.self_signed).await;
    let shown = world.double.authority.shown(address, "a.example").await;
    world.double.last_for(DAYS);
    world.given(2).await;
    let ends = first.expires_unix_ms;
    let second = until(&world.balancer, |status| status.expires_unix_ms > ends).await;
    assert_eq!(second.error, None);
    let renewed = world.double.authority.shown(address, "a.example").await;
    assert_ne!(renewed, shown);
    assert_eq!(world.double.accounts(), 1, "the account is kept");
    assert_eq!(*world.double.orders.borrow(), 2);
}

#[tokio::test]
async fn what_the_authority_denies_is_told_and_asked_for_again() {
    let mut world = World::new(DAYS).await;
    world.double.deny(true);
    let address = world.balancer.serve(1, world.service(), &["a"]).await;
    let denied = until(&world.balancer, |status| status.error.is_some()).await;
    let error = denied.error.unwrap();
    assert!(
        error.contains("does not believe that `a.example` is ours"),
        "{error}"
    );
    assert!(denied.self_signed);
    assert_eq!(denied.names, ["a.example", "b.example"]);
    // Not before a minute, since it failed once.
    let now = u64::try_from(crate::certificates::now().as_millis()).unwrap();
    assert!(denied.next_order_unix_ms.unwrap() > now + 50_000);
    let connected = world.double.authority.connect(address, "a.example", &[]);
    assert!(connected.await.is_err(), "nobody trusts one of its own");
    assert_eq!(*world.double.orders.borrow(), 1);
    world.double.deny(false);
    world.balancer.client.reload().await.unwrap();
    world.given(1).await;
    let got = until(&world.balancer, |status| !status.self_signed).await;
    assert_eq!(got.error, None);
    world.double.authority.shown(address, "b.example").await;
}

#[tokio::test]
async fn an_authority_that_is_not_there_keeps_nobody_from_being_served() {
    let world = World::new(DAYS).await;
    let mut service = world.service();
    let nobody = format!("https://{}/directory", free());
    service
        .tls
        .as_mut()
        .unwrap()
        .acme
        .as_mut()
        .unwrap()
        .directory = Some(nobody);
    let address = world.balancer.serve(1, service, &["a"]).await;
    let failed = until(&world.balancer, |status| status.error.is_some()).await;
    assert!(
        failed
            .error
            .unwrap()
            .contains("the authority did not do it")
    );
    assert!(tokio::net::TcpStream::connect(address).await.is_ok());
}
