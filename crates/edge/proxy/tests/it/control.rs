//! What the control plane asks for, and what it hears.

use cutover_proxy::{ClientError, Health, Refusal, RouteTable, Service, UpstreamState};
use http::Request;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::{net::TcpListener, sync::mpsc};

use crate::support::{
    Answer, Balancer, Browser, Origin, SERVICE, get, owned, service, side, status,
};

fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Refusal {
    match result {
        Err(ClientError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_older_table_is_refused_and_the_current_one_named() {
    let balancer = Balancer::start().await;
    let table = |generation, weight| RouteTable {
        generation,
        services: vec![service(vec![side("1", weight, &[])])],
    };
    let first = balancer.client.apply(&table(5, 10_000)).await.unwrap();
    let again = balancer.client.apply(&table(5, 10_000)).await.unwrap();
    assert_eq!(first, again, "repeating oneself is no error");
    let stale = refused(balancer.client.apply(&table(4, 10_000)).await);
    assert_eq!(
        stale,
        Refusal::StaleGeneration {
            offered: 4,
            current: 5
        }
    );
    let other = refused(balancer.client.apply(&table(5, 0)).await);
    assert_eq!(
        other,
        Refusal::StaleGeneration {
            offered: 5,
            current: 5
        }
    );
    let invalid = refused(balancer.client.apply(&table(6, 9_999)).await);
    assert!(invalid.to_string().contains("sum up to 9999"), "{invalid}");
    assert_eq!(balancer.client.status().await.unwrap().generation, 5);
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_and_nothing_changes() {
    let balancer = Balancer::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = Some(taken.local_addr().unwrap().to_string());
    let table = RouteTable {
        generation: 1,
        services: vec![Service {
            listen,
            ..service(vec![])
        }],
    };
    assert!(matches!(
        refused(balancer.client.apply(&table).await),
        Refusal::Listen { .. }
    ));
    assert_eq!(balancer.client.status().await.unwrap().generation, 0);
}

#[tokio::test]
async fn waiting_for_health_says_what_is_wrong() {
    let balancer = Balancer::start().await;
    let origin = Origin::start_at("127.0.0.1:0".parse().unwrap(), |_request| {
        Box::pin(async { status(StatusCode::INTERNAL_SERVER_ERROR, "no database") })
    })
    .await;
    let dead = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let sides = vec![side(
        "1",
        10_000,
        &[("sick", origin.address), ("dead", dead)],
    )];
    balancer.apply(1, service(sides)).await;
    let ids = owned(&["sick", "dead"]);
    let reports = balancer
        .client
        .wait_healthy(SERVICE, &ids, 300)
        .await
        .unwrap();
    let [sick, dead] = &reports[..] else {
        panic!("two reports")
    };
    assert_eq!((sick.healthy, sick.last_status), (false, Some(500)));
    assert_eq!(sick.last_error.as_deref(), Some("status 500 is not 2xx"));
    assert_eq!(sick.body_head.as_deref(), Some("no database"));
    assert!(sick.checks >= 2);
    assert_eq!((dead.healthy, dead.last_status), (false, None));
    assert!(
        dead.last_error.as_ref().unwrap().contains("cannot connect"),
        "{dead:?}"
    );
    let unknown = balancer
        .client
        .wait_healthy(SERVICE, &owned(&["who"]), 300)
        .await;
    assert!(matches!(refused(unknown), Refusal::UnknownUpstream { .. }));
    let unknown = balancer.client.wait_healthy("nobody", &[], 300).await;
    assert!(matches!(refused(unknown), Refusal::UnknownService { .. }));
}

/// An upstream whose answers go on for as long as the sender lives.
async fn streaming() -> (Origin, mpsc::Sender<&'static str>) {
    let (sender, receiver) = mpsc::channel::<&'static str>(8);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let origin = Origin::start(move |_request| {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        let pieces = futures_util::stream::poll_fn(move |context| {
            receiver
                .poll_recv(context)
                .map(|piece| piece.map(|text| Ok(Frame::data(text.into()))))
        });
        async { Answer::new(StreamBody::new(pieces).boxed()) }
    })
    .await;
    (origin, sender)
}

#[tokio::test]
async fn a_drain_waits_for_the_last_byte_of_a_stream() {
    let balancer = Balancer::start().await;
    let (origin, pieces) = streaming().await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut browser = Browser::connect(address).await;
    pieces.send("first ").await.unwrap();
    let request = Request::get("/")
        .header("host", "h")
        .body(Full::default())
        .unwrap();
    let answer = browser.begin(request).await.unwrap();
    let client = balancer.client.clone();
    let drain =
        tokio::spawn(async move { client.drain(SERVICE, &owned(&["a"]), 10_000).await.unwrap() });
    // The drain has begun when nobody new is let in; the stream goes on all the same.
    let mut subscription = balancer.client.subscribe(SERVICE).await.unwrap();
    subscription.next().await.unwrap();
    let status = balancer.client.status().await.unwrap();
    let upstream = &status.services[0].sides[0].upstreams[0];
    assert_eq!(
        (upstream.state, upstream.in_flight),
        (UpstreamState::Draining, 1)
    );
    assert_eq!(
        get(address, "/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(!drain.is_finished());
    pieces.send("last").await.unwrap();
    drop(pieces);
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "first last");
    assert_eq!(drain.await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn a_drain_cuts_at_its_timeout() {
    let balancer = Balancer::start().await;
    let (origin, pieces) = streaming().await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut browser = Browser::connect(address).await;
    pieces.send("first ").await.unwrap();
    let request = Request::get("/")
        .header("host", "h")
        .body(Full::default())
        .unwrap();
    let answer = browser.begin(request).await.unwrap();
    let drained = balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 100)
        .await
        .unwrap();
    assert_eq!(drained.cut_off, 1);
    answer.collect().await.unwrap_err();
    let status = balancer.client.status().await.unwrap();
    let service = &status.services[0];
    assert_eq!(service.sides[0].upstreams[0].in_flight, 0);
    assert_eq!(
        (service.ledger["drain_cut"], service.ledger["answer_cut"]),
        (1, 0)
    );
}

#[tokio::test]
async fn seconds_are_told_when_they_are_complete() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async move {
        let fails = request.uri().path() == "/fail";
        status(
            if fails {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            },
            "",
        )
    })
    .await;
    let sides = vec![side("1.0.0", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let mut subscription = balancer.client.subscribe(SERVICE).await.unwrap();
    let begin = subscription.next().await.unwrap().second;
    for path in ["/", "/fail", "/", "/fail", "/"] {
        get(address, path).await;
    }
    let (mut requests, mut errors, mut bad, mut last) = (0, 0, 0, begin);
    while requests < 5 {
        let bucket = subscription.next().await.unwrap();
        assert_eq!(bucket.second, last + 1, "one after the other");
        last = bucket.second;
        let sample = &bucket.sides[0];
        assert_eq!(
            (sample.name.as_str(), sample.healthy, sample.expected),
            ("1.0.0", 1, 1)
        );
        assert_eq!(
            sample
                .histogram
                .iter()
                .map(|count| u64::from(*count))
                .sum::<u64>(),
            sample.requests
        );
        requests += sample.requests;
        errors += sample.errors_5xx;
        bad += sample.bad;
    }
    assert_eq!((requests, errors, bad), (5, 2, 2));
    let remembered = balancer.client.samples(SERVICE, begin + 1).await.unwrap();
    let sum: u64 = remembered
        .iter()
        .flat_map(|bucket| &bucket.sides)
        .map(|side| side.requests)
        .sum();
    assert_eq!(sum, 5);
}

#[tokio::test]
async fn health_that_is_lost_is_seen_by_checks_alone() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("a").await;
    let health = Health {
        interval_ms: 50,
        timeout_ms: 500,
        healthy: 1,
        unhealthy: 2,
        ..Health::default()
    };
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer
        .serve(
            1,
            Service {
                health,
                ..service(sides)
            },
            &["a"],
        )
        .await;
    let place = origin.address;
    drop(origin);
    let mut subscription = balancer.client.subscribe(SERVICE).await.unwrap();
    while subscription.next().await.unwrap().sides[0].healthy > 0 {}
    assert_eq!(
        get(address, "/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let _again = Origin::start_at(place, |_request| {
        Box::pin(async { crate::support::text("b") })
    })
    .await;
    balancer.wait_healthy(&["a"]).await;
    assert_eq!(get(address, "/").await.body, "b");
}

#[tokio::test]
async fn the_end_of_the_balancer_is_heard_without_asking() {
    let balancer = Balancer::start().await;
    let client = balancer.client.clone();
    let gone = tokio::spawn(async move { client.gone().await });
    // Whoever waits does not keep others from being answered.
    balancer.client.status().await.unwrap();
    assert!(!gone.is_finished());
    let client = balancer.client.clone();
    let _folder = balancer.stop().await;
    gone.await.unwrap().unwrap();
    let error = client.gone().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}
