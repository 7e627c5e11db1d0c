//! Which side a request gets when not only weight decides: matches, cookie, preview, mirror, hold.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use cutover_proxy::{Hold, Match, Mirror, Preview, Property, RouteTable, Service, Sticky};
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use crate::support::{Balancer, Browser, Got, Origin, SERVICE, get, owned, service, side, text};

/// Two sides of one upstream each.
fn sides(old: (&Origin, u16), new: (&Origin, u16)) -> Service {
    service(vec![
        side("1.0.0", old.1, &[("a", old.0.address)]),
        side("1.1.0", new.1, &[("b", new.0.address)]),
    ])
}

async fn with(browser: &mut Browser, name: &str, value: &str) -> Got {
    let request = Request::get("/").header("host", "h").header(name, value);
    browser
        .send(request.body(Full::default()).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn requests_that_match_get_the_candidate_before_it_has_weight() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let mut entry = sides((&old, 10_000), (&new, 0));
    entry.sides[1].matches = vec![
        Match::Header(Property {
            name: "X-Try".to_owned(),
            value: Some("1.1.0".to_owned()),
        }),
        Match::Cookie(Property {
            name: "staff".to_owned(),
            value: None,
        }),
    ];
    let address = balancer.serve(1, entry, &["a", "b"]).await;
    let mut browser = Browser::connect(address).await;
    assert_eq!(with(&mut browser, "x-try", "1.1.0").await.body, "new");
    assert_eq!(with(&mut browser, "x-try", "1.0.0").await.body, "old");
    assert_eq!(
        with(&mut browser, "cookie", "a=1; staff=yes").await.body,
        "new"
    );
    assert_eq!(browser.get("/").await.unwrap().body, "old");
    // Without an upstream there is still an answer for whoever asks for it.
    balancer
        .client
        .drain(SERVICE, &owned(&["b"]), 1_000)
        .await
        .unwrap();
    assert_eq!(with(&mut browser, "x-try", "1.1.0").await.body, "old");
}

#[tokio::test]
async fn clients_stay_with_their_side_and_follow_the_weights() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let sticky = |weight: u16| Service {
        sticky: Some(Sticky {
            cookie: "side".to_owned(),
            max_age_s: None,
            secure: false,
        }),
        ..sides((&old, 10_000 - weight), (&new, weight))
    };
    let address = balancer.serve(1, sticky(2_000), &["a", "b"]).await;
    let mut browser = Browser::connect(address).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        let got = browser.get("/").await.unwrap();
        let cookie = got.headers["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        clients.push((cookie, got.body));
    }
    let new_ones =
        |clients: &[(String, String)]| clients.iter().filter(|(_, side)| side == "new").count();
    assert_eq!(new_ones(&clients), 20, "new clients are dealt exactly");
    // The same key after a restart.
    let balancer = Balancer::start_on(balancer.stop().await).await;
    balancer.wait_healthy(&["a", "b"]).await;
    let mut browser = Browser::connect(address).await;
    for (generation, weight) in [(1, 2_000), (2, 6_000), (3, 1_000), (4, 0)] {
        balancer.apply(generation, sticky(weight)).await;
        let before = new_ones(&clients);
        for (cookie, side) in &mut clients {
            let got = with(&mut browser, "cookie", cookie).await;
            if generation < 4 {
                assert!(
                    side == "old" || got.body == "new",
                    "{weight}: none is given back"
                );
            }
            assert_eq!(got.headers.contains_key("set-cookie"), got.body != *side);
            if let Some(renewed) = got.headers.get("set-cookie") {
                let renewed = renewed.to_str().unwrap().split(';').next().unwrap();
                *cookie = renewed.to_owned();
            }
            *side = got.body;
        }
        let after = new_ones(&clients);
        match generation {
            2 => assert!((45..=75).contains(&after), "{after}"),
            4 => assert_eq!(after, 0, "the side has no weight any more"),
            _ => assert_eq!(after, before),
        }
    }
}

#[tokio::test]
async fn the_preview_shows_one_side_and_counts_apart() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let mut entry = sides((&old, 10_000), (&new, 0));
    entry.preview = Some(Preview {
        listen: None,
        side: "1.1.0".to_owned(),
    });
    let table = RouteTable {
        generation: 1,
        services: vec![entry],
    };
    let applied = balancer.client.apply(&table).await.unwrap();
    balancer.wait_healthy(&["a", "b"]).await;
    let (address, preview) = (applied.listeners[SERVICE], applied.previews[SERVICE]);
    assert_eq!(get(preview, "/").await.body, "new");
    assert_eq!(get(address, "/").await.body, "old");
    let status = balancer.client.status().await.unwrap();
    let seen = &status.services[0];
    assert_eq!(
        (seen.listener, seen.preview),
        (Some(address), Some(preview))
    );
    assert_eq!(
        (seen.sides[1].totals.requests, seen.sides[1].aside.requests),
        (0, 1)
    );
    // Back at the same address after a restart, and to nobody else when the side is gone.
    drop(new);
    let balancer = Balancer::start_on(balancer.stop().await).await;
    balancer.wait_healthy(&["a"]).await;
    assert_eq!(
        get(preview, "/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(get(address, "/").await.body, "old");
}

#[tokio::test]
async fn copies_go_to_the_mirror_and_nobody_waits_for_them() {
    let balancer = Balancer::start().await;
    let old = Origin::named("old").await;
    let (sender, mut copies) = mpsc::unbounded_channel();
    let new = Origin::start(move |request| {
        let sender = sender.clone();
        async move {
            sender
                .send((request.uri().to_string(), request.headers().clone()))
                .unwrap();
            std::future::pending::<()>().await;
            text("never")
        }
    })
    .await;
    let mut entry = sides((&old, 10_000), (&new, 0));
    entry.mirror = Some(Mirror {
        side: "1.1.0".to_owned(),
        share: 5_000,
        at_once: 2,
    });
    let address = balancer.serve(1, entry, &["a", "b"]).await;
    let mut browser = Browser::connect(address).await;
    for _ in 0..10 {
        assert_eq!(browser.get("/x?y").await.unwrap().body, "old");
    }
    let posted = Request::post("/x")
        .header("host", "h")
        .body(Full::from("1"))
        .unwrap();
    assert_eq!(browser.send(posted).await.unwrap().body, "old");
    for _ in 0..2 {
        let (target, headers) = copies.recv().await.unwrap();
        assert_eq!(target, "/x?y");
        assert_eq!(headers["x-cutover-mirror"], "1");
        assert_eq!(headers["host"], "example.org");
    }
    let status = balancer.client.status().await.unwrap();
    let mirror = status.services[0].mirror.as_ref().unwrap();
    assert_eq!(
        (mirror.sent, mirror.skipped),
        (2, 3),
        "half of ten, two at once"
    );
    assert_eq!(status.services[0].sides[1].totals.requests, 0);
    // A copy is nothing that a drain waits for.
    let drained = balancer
        .client
        .drain(SERVICE, &owned(&["b"]), 5_000)
        .await
        .unwrap();
    assert_eq!(drained.cut_off, 0);
}

fn holding(hold: Hold, upstreams: &[(&str, SocketAddr)]) -> Service {
    Service {
        hold: Some(hold),
        ..service(vec![side("1", 10_000, upstreams)])
    }
}

#[tokio::test]
async fn requests_wait_while_an_instance_is_replaced() {
    let balancer = Balancer::start().await;
    let old = Origin::named("old").await;
    let address = balancer
        .serve(1, holding(Hold::default(), &[("a", old.address)]), &["a"])
        .await;
    balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 1_000)
        .await
        .unwrap();
    drop(old);
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        waiting.spawn(async move { get(address, "/").await });
    }
    let client = &balancer.client;
    let mut seconds = client.subscribe(SERVICE).await.unwrap();
    while client.status().await.unwrap().services[0].held < 20 {
        seconds.next().await.unwrap();
    }
    let health = get(address, "/health").await;
    assert_eq!(
        (health.status, health.body.as_str()),
        (StatusCode::OK, "{\"status\":\"holding\"}\n")
    );
    let new = Origin::named("new").await;
    balancer
        .serve(2, holding(Hold::default(), &[("b", new.address)]), &["b"])
        .await;
    while let Some(got) = waiting.join_next().await {
        let got = got.unwrap();
        assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "new"));
    }
    let status = client.status().await.unwrap();
    assert_eq!(status.services[0].held, 0);
    assert!(status.services[0].ledger.values().all(|count| *count == 0));
}

#[tokio::test]
async fn waiting_has_bounds_in_number_and_time() {
    let balancer = Balancer::start().await;
    let hold = Hold {
        requests: 3,
        for_ms: 300,
        ..Hold::default()
    };
    let address = balancer.apply(1, holding(hold, &[])).await;
    let began = Instant::now();
    let mut asked = JoinSet::new();
    for _ in 0..5 {
        asked.spawn(async move { get(address, "/").await });
    }
    let mut reasons = Vec::new();
    while let Some(got) = asked.join_next().await {
        let got = got.unwrap();
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(got.headers["retry-after"], "1");
        reasons.push(got.body.contains("hold_full"));
    }
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(reasons.iter().filter(|full| **full).count(), 2);
    assert_eq!(balancer.ledger("hold_full").await, 2);
    assert_eq!(balancer.ledger("hold_timed_out").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weight_that_changes_counts_from_the_next_request_on() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let address = balancer
        .serve(1, sides((&old, 9_999), (&new, 1)), &["a", "b"])
        .await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let stop = Arc::clone(&stop);
        load.spawn(async move {
            let mut browser = Browser::connect(address).await;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(browser.get("/").await.unwrap().status, StatusCode::OK);
            }
        });
    }
    let mut browser = Browser::connect(address).await;
    let mut slowest = Duration::ZERO;
    for generation in 2..12_u64 {
        let (weight, name) = if generation % 2 == 0 {
            (10_000, "new")
        } else {
            (0, "old")
        };
        let began = Instant::now();
        balancer
            .apply(generation, sides((&old, 10_000 - weight), (&new, weight)))
            .await;
        slowest = slowest.max(began.elapsed());
        for _ in 0..20 {
            assert_eq!(browser.get("/").await.unwrap().body, name);
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    eprintln!("slowest change of weight under load: {slowest:?}");
}
