//! What the balancer tells whoever judges a release: drops, distinct events, metrics.

use cutover_proxy::{ClientKey, Evidence, Service, exposition};
use http::{Request, StatusCode};
use http_body_util::Full;

use crate::support::{
    Balancer, Browser, Origin, RawOrigin, SERVICE, get, owned, service, side, status,
};

#[tokio::test]
async fn one_client_that_tries_again_is_one_witness() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|_| async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        status(StatusCode::INTERNAL_SERVER_ERROR, "bad")
    })
    .await;
    let entry = Service {
        evidence: Evidence {
            slow_ms: Some(10),
            client: ClientKey::Header("x-user".to_owned()),
        },
        ..service(vec![side("1", 10_000, &[("a", origin.address)])])
    };
    let address = balancer.serve(1, entry, &["a"]).await;
    let mut seconds = balancer.client.subscribe(SERVICE).await.unwrap();
    let begin = seconds.next().await.unwrap().second;
    let mut browser = Browser::connect(address).await;
    for user in ["ann", "ann", "bob", "ann", "bob", "ann"] {
        let request = Request::get("/").header("host", "h").header("x-user", user);
        browser
            .send(request.body(Full::default()).unwrap())
            .await
            .unwrap();
    }
    let (mut bad, mut slow, mut distinct, mut distinct_slow) = (0, 0, 0, 0);
    let mut second = begin;
    while bad < 6 {
        let bucket = seconds.next().await.unwrap();
        let sample = &bucket.sides[0];
        bad += sample.bad;
        slow += sample.slow;
        distinct += sample.distinct_bad;
        distinct_slow += sample.distinct_slow;
        second = bucket.second;
    }
    // The requests may lie in two windows.
    let windows = if begin / 10 == second / 10 {
        2..=2
    } else {
        2..=4
    };
    assert!(windows.contains(&distinct), "{distinct}");
    assert_eq!((slow, distinct_slow), (6, distinct));
}

#[tokio::test]
async fn who_fails_at_both_sides_is_heard_once_and_not_once_at_each() {
    let balancer = Balancer::start().await;
    let origin =
        Origin::start(|_| async { status(StatusCode::INTERNAL_SERVER_ERROR, "bad") }).await;
    let entry = service(vec![
        side("1", 9_000, &[("a", origin.address)]),
        side("2", 1_000, &[("b", origin.address)]),
    ]);
    let address = balancer.serve(1, entry, &["a", "b"]).await;
    let mut seconds = balancer.client.subscribe(SERVICE).await.unwrap();
    let begin = seconds.next().await.unwrap().second;
    let mut browser = Browser::connect(address).await;
    for _ in 0..40 {
        browser.get("/").await.unwrap();
    }
    let (mut bad, mut distinct, mut second) = ([0, 0], 0, begin);
    while bad[0] + bad[1] < 40 {
        let bucket = seconds.next().await.unwrap();
        for (sum, sample) in bad.iter_mut().zip(&bucket.sides) {
            *sum += sample.bad;
            distinct += sample.distinct_bad;
        }
        second = bucket.second;
    }
    assert!(bad[0] > 0 && bad[1] > 0, "{bad:?}");
    assert!(distinct <= 1 + second / 10 - begin / 10, "{distinct}");
}

#[tokio::test]
async fn the_drop_ledger_tells_which_side_lost_what_and_when() {
    let balancer = Balancer::start().await;
    let origin = RawOrigin::start("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", true).await;
    let entry = service(vec![side("1", 10_000, &[("a", origin.address)])]);
    let address = balancer.serve(1, entry, &["a"]).await;
    let mut browser = Browser::connect(address).await;
    assert!(browser.get("/").await.is_err(), "cut in the middle");
    balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 1_000)
        .await
        .unwrap();
    assert_eq!(
        get(address, "/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    balancer.apply(2, service(vec![])).await;
    assert_eq!(
        get(address, "/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let status = balancer.client.status().await.unwrap();
    let seen = &status.services[0];
    let drops: Vec<_> = seen.sides[0]
        .drops
        .iter()
        .map(|entry| (entry.cause.as_str(), entry.requests))
        .collect();
    assert_eq!(drops, [("no_upstream", 1), ("answer_cut", 1)]);
    assert!(
        seen.sides[0]
            .drops
            .iter()
            .all(|entry| entry.first_unix_ms > 0)
    );
    assert_eq!(
        (seen.drops[0].cause.as_str(), seen.drops[0].requests),
        ("no_upstream", 1)
    );

    let mut seconds = balancer.client.subscribe(SERVICE).await.unwrap();
    let now = seconds.next().await.unwrap().second;
    let buckets = balancer.client.samples(SERVICE, now - 60).await.unwrap();
    let lost: u64 = buckets
        .iter()
        .flat_map(|bucket| bucket.drops.values())
        .sum();
    let by_side: u64 = buckets
        .iter()
        .flat_map(|bucket| &bucket.sides)
        .flat_map(|side| side.drops.values())
        .sum();
    assert_eq!((lost, by_side), (1, 2));

    let text = exposition(&status);
    for line in [
        "# TYPE cutover_side_answer_seconds histogram",
        "cutover_side_dropped_total{service=\"hello@test\",side=\"1\",cause=\"answer_cut\"} 1",
        "cutover_side_answers_total{service=\"hello@test\",side=\"1\",class=\"5xx\"} 1",
        "cutover_side_answer_seconds_count{service=\"hello@test\",side=\"1\"} 2",
        "cutover_service_ledger_total{service=\"hello@test\",cause=\"no_upstream\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            name.starts_with("cutover_") && value.parse::<f64>().is_ok(),
            "{line}"
        );
    }
}
