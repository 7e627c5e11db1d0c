//! A successor takes the place of a running balancer: nobody may notice.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cutover_proxy::{Error, Options, run};
use http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    task::{JoinHandle, JoinSet},
    time::{interval, sleep},
};

use crate::support::{Balancer, Browser, Origin, SERVICE, get, owned, path, service, side, text};

fn successor(balancer: &Balancer) -> JoinHandle<Result<(), Error>> {
    tokio::spawn(run(Options {
        state_dir: path(&balancer.folder),
        take_over: true,
    }))
}

/// Waits until the log has a line of this kind so many times.
async fn logged(balancer: &Balancer, event: &str, times: usize) {
    let wanted = format!("\"event\":\"{event}\"");
    let log = balancer.folder.path().join("balancer.log");
    loop {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if text.matches(&wanted).count() >= times {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Sends at a steady pace over kept connections, or each over a new one. Counts what was answered;
/// panics at whatever was not.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            sent: Arc::default(),
            clients: JoinSet::new(),
        };
        // 8 x 50 and 5 x 20 requests a second.
        for _ in 0..8 {
            load.client(address, Duration::from_millis(20), true);
        }
        for _ in 0..5 {
            load.client(address, Duration::from_millis(50), false);
        }
        load
    }

    fn client(&mut self, address: SocketAddr, pace: Duration, kept: bool) {
        let (stop, sent) = (Arc::clone(&self.stop), Arc::clone(&self.sent));
        self.clients.spawn(async move {
            let mut browser = Browser::connect(address).await;
            let mut pace = interval(pace);
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                if !kept {
                    browser = Browser::connect(address).await;
                }
                let got = browser.get("/").await.unwrap();
                assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "hello"));
                sent.fetch_add(1, Ordering::Relaxed);
                if got
                    .headers
                    .get("connection")
                    .is_some_and(|said| said == "close")
                {
                    browser = Browser::connect(address).await;
                }
            }
        });
    }

    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.sent.load(Ordering::Relaxed)
    }
}

/// One request in fifty takes a while.
async fn hello() -> Origin {
    let served = Arc::new(AtomicU64::new(0));
    Origin::start(move |_request| {
        let slow = served.fetch_add(1, Ordering::Relaxed) % 50 == 49;
        async move {
            if slow {
                sleep(Duration::from_millis(300)).await;
            }
            text("hello")
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_successions_under_load_lose_nothing() {
    let mut balancer = Balancer::start().await;
    let (first, second) = (hello().await, hello().await);
    let sides = || {
        vec![side(
            "1.0.0",
            10_000,
            &[("a", first.address), ("b", second.address)],
        )]
    };
    let address = balancer.serve(7, service(sides()), &["a", "b"]).await;
    // A client of HTTP/2 is told in time, and its streams end in peace.
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (two, connection) = handshake.await.unwrap();
    let _two: hyper::client::conn::http2::SendRequest<http_body_util::Full<bytes::Bytes>> = two;
    let two = tokio::spawn(connection);
    let load = Load::start(address);
    for generation in [8, 9] {
        sleep(Duration::from_millis(500)).await;
        let next = successor(&balancer);
        let before = std::mem::replace(&mut balancer.task, next);
        before.await.unwrap().unwrap();
        let status = balancer.client.status().await.unwrap();
        assert_eq!(status.generation, generation - 1);
        assert_eq!(status.services[0].listener, Some(address));
        // What was in force is in force: an older table is refused, a newer one applied.
        assert_eq!(balancer.apply(generation, service(sides())).await, address);
    }
    two.await.unwrap().unwrap();
    sleep(Duration::from_millis(300)).await;
    let sent = load.end().await;
    assert!(sent > 500, "{sent}");
    let drained = balancer.client.drain(SERVICE, &owned(&["a"]), 5_000).await;
    assert_eq!(drained.unwrap().cut_off, 0);
    assert_eq!(get(address, "/").await.body, "hello");
    let folder = balancer.stop().await;
    assert!(!folder.path().join("control.sock").exists());
}

#[tokio::test]
async fn a_successor_that_dies_in_the_middle_costs_nothing() {
    let balancer = Balancer::start().await;
    let ill = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ill);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let origin = Origin::start_at(loopback, move |request| {
        let hangs = request.uri().path() == "/health" && told.load(Ordering::SeqCst);
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            text("hello")
        })
    })
    .await;
    let sides = || vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides()), &["a"]).await;
    // Its upstream does not show itself well to the successor, which so has not taken over yet.
    ill.store(true, Ordering::SeqCst);
    let next = successor(&balancer);
    logged(&balancer, "handing_over", 1).await;
    logged(&balancer, "succeeding", 1).await;
    next.abort();
    next.await.unwrap_err();
    ill.store(false, Ordering::SeqCst);
    assert_eq!(get(address, "/").await.body, "hello");
    assert_eq!(balancer.apply(2, service(sides())).await, address);
    assert!(!balancer.task.is_finished());
    // The next one may try again.
    let mut balancer = balancer;
    let next = successor(&balancer);
    let before = std::mem::replace(&mut balancer.task, next);
    before.await.unwrap().unwrap();
    assert_eq!(balancer.client.status().await.unwrap().generation, 2);
    assert_eq!(get(address, "/").await.body, "hello");
}

#[tokio::test]
async fn what_is_in_flight_at_the_predecessor_counts_for_drains() {
    let mut balancer = Balancer::start().await;
    let slow = Origin::start(|_request| async {
        sleep(Duration::from_millis(800)).await;
        text("whole")
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", slow.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let request = tokio::spawn(async move { get(address, "/").await });
    loop {
        let status = balancer.client.status().await.unwrap();
        if status.services[0].sides[0].upstreams[0].in_flight == 1 {
            break;
        }
    }
    let next = successor(&balancer);
    let before = std::mem::replace(&mut balancer.task, next);
    logged(&balancer, "finishing", 1).await;
    balancer.client.ready(Duration::from_secs(5)).await.unwrap();
    let drained = balancer.client.drain(SERVICE, &owned(&["a"]), 10_000).await;
    assert_eq!(drained.unwrap().cut_off, 0);
    assert!(
        request.is_finished(),
        "the drain waits for the predecessor too"
    );
    assert_eq!(request.await.unwrap().body, "whole");
    before.await.unwrap().unwrap();
}

#[tokio::test]
async fn where_none_runs_it_is_an_ordinary_start() {
    let mut balancer = Balancer::start().await;
    let origin = Origin::named("one").await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(3, service(sides), &["a"]).await;
    balancer.client.shutdown().await.unwrap();
    (&mut balancer.task).await.unwrap().unwrap();
    balancer.task = successor(&balancer);
    balancer.client.ready(Duration::from_secs(5)).await.unwrap();
    balancer.wait_healthy(&["a"]).await;
    assert_eq!(get(address, "/").await.body, "one");
}
