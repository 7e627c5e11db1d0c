//! Blue-green switches under load: nobody may notice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::{task::JoinSet, time::sleep};

use crate::support::{Balancer, Browser, Origin, SERVICE, owned, service, side, text};

/// One request in fifty is slow.
async fn version() -> Origin {
    let served = Arc::new(AtomicU64::new(0));
    Origin::start(move |_request| {
        let slow = served.fetch_add(1, Ordering::Relaxed) % 50 == 49;
        async move {
            if slow {
                sleep(Duration::from_millis(150)).await;
            }
            text("hello")
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_switches_under_load_lose_nothing() {
    let balancer = Balancer::start().await;
    let mut current = [version().await, version().await];
    let first = [("0a", current[0].address), ("0b", current[1].address)];
    let sides = vec![side("1.0.0", 10_000, &first)];
    let address = balancer.serve(1, service(sides), &["0a", "0b"]).await;
    let (stop, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut browsers = JoinSet::new();
    for _ in 0..16 {
        let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        browsers.spawn(async move {
            let mut browser = Browser::connect(address).await;
            while !stop.load(Ordering::Relaxed) {
                let got = browser.get("/").await.unwrap();
                assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "hello"));
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for switch in 1..=20_u64 {
        let next = [version().await, version().await];
        let ids = [0, 1].map(|copy| format!("{switch}{}", ["a", "b"][copy]));
        let new = [
            (ids[0].as_str(), next[0].address),
            (ids[1].as_str(), next[1].address),
        ];
        let old_ids = ["a", "b"].map(|copy| format!("{}{copy}", switch - 1));
        let old = [
            (old_ids[0].as_str(), current[0].address),
            (old_ids[1].as_str(), current[1].address),
        ];
        let (new_name, old_name) = (format!("1.{switch}.0"), format!("1.{}.0", switch - 1));
        let both = |new_weight, old_weight| {
            service(vec![
                side(&new_name, new_weight, &new),
                side(&old_name, old_weight, &old),
            ])
        };
        balancer
            .serve(switch * 10, both(0, 10_000), &[&ids[0], &ids[1]])
            .await;
        balancer.apply(switch * 10 + 1, both(10_000, 0)).await;
        let drained = balancer
            .client
            .drain(SERVICE, &old_ids, 5_000)
            .await
            .unwrap();
        assert_eq!(drained.cut_off, 0);
        // The old ones die at once.
        current = next;
        balancer
            .apply(
                switch * 10 + 2,
                service(vec![side(&new_name, 10_000, &new)]),
            )
            .await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = browsers.join_next().await {
        ended.unwrap();
    }
    let status = balancer.client.status().await.unwrap();
    let service = &status.services[0];
    let bad: u64 = service.sides.iter().map(|side| side.totals.bad).sum();
    let requests: u64 = service.sides.iter().map(|side| side.totals.requests).sum();
    assert_eq!((bad, requests), (0, sent.load(Ordering::Relaxed)));
    assert!(requests > 500, "{requests}");
    assert!(service.sides.len() > 20, "sides that left are remembered");
    let drained = balancer
        .client
        .drain(SERVICE, &owned(&["0a"]), 0)
        .await
        .unwrap();
    assert_eq!(drained.cut_off, 0, "one that is gone has nothing in flight");
}
