//! What requests themselves tell about upstreams, and what checks tell about them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cutover_proxy::{Passive, Service, UpstreamState};
use http::StatusCode;

use crate::support::{Balancer, Browser, Origin, service, side, status};

#[tokio::test]
async fn one_that_fails_users_is_left_out_though_its_checks_pass() {
    let balancer = Balancer::start().await;
    let good = Origin::named("good").await;
    let bad = Origin::start(|_| async { status(StatusCode::INTERNAL_SERVER_ERROR, "bad") }).await;
    let passive = Passive {
        failures: 3,
        for_ms: 60_000,
        at_most_ms: 60_000,
    };
    let entry = |upstreams: &[_]| Service {
        passive: Some(passive.clone()),
        ..service(vec![side("1", 10_000, upstreams)])
    };
    let both = [("good", good.address), ("bad", bad.address)];
    let address = balancer.serve(1, entry(&both), &["good", "bad"]).await;
    let mut browser = Browser::connect(address).await;
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(browser.get("/").await.unwrap().status.is_server_error());
    }
    assert_eq!(failed, 3);
    let seen = balancer.client.status().await.unwrap();
    let upstreams = &seen.services[0].sides[0].upstreams;
    assert_eq!(upstreams[1].state, UpstreamState::Healthy);
    assert!(upstreams[1].ejected_ms > 0 && upstreams[0].ejected_ms == 0);
    // Alone, it is better than nobody.
    balancer.apply(2, entry(&both[1..])).await;
    assert_eq!(browser.get("/").await.unwrap().body, "bad");
}

#[tokio::test]
async fn checks_tell_what_they_saw_and_since_when() {
    let balancer = Balancer::start().await;
    let ill = Arc::new(AtomicBool::new(false));
    let (long, is_ill): (&'static str, _) = ("x".repeat(600).leak(), Arc::clone(&ill));
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let origin = Origin::start_at(loopback, move |_| {
        let is_ill = is_ill.load(Ordering::SeqCst);
        Box::pin(async move {
            if is_ill {
                return status(StatusCode::SERVICE_UNAVAILABLE, long);
            }
            status(StatusCode::OK, "well")
        })
    })
    .await;
    let entry = service(vec![side("1", 10_000, &[("a", origin.address)])]);
    balancer.serve(1, entry, &["a"]).await;
    ill.store(true, Ordering::SeqCst);
    let mut seconds = balancer
        .client
        .subscribe(crate::support::SERVICE)
        .await
        .unwrap();
    while seconds.next().await.unwrap().sides[0].healthy > 0 {}
    let status = balancer.client.status().await.unwrap();
    let report = &status.services[0].sides[0].upstreams[0].report;
    assert_eq!((report.healthy, report.last_status), (false, Some(503)));
    assert_eq!(report.body_head.as_deref().map(str::len), Some(512));
    assert!(report.failed >= 2 && report.in_a_row >= 2 && report.checks > report.failed);
    assert!(report.since_unix_ms > 0 && report.checked_unix_ms >= report.since_unix_ms);
}
