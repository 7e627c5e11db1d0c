//! Steady traffic while a test does something, and what became of each request: who answered it, or
//! when and how it failed. Open loop: a request is sent when its time has come, whatever became of
//! those before it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::wire;

/// How long a request may take before it counts as lost.
const LIMIT: Duration = Duration::from_secs(15);
/// Of so many failures it is told when and how.
const TOLD: usize = 20;
/// The header with which the balancer names the version that answered.
const VERSION: &str = "x-cutover-version";

/// Whether a connection carries more than one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    Kept,
    New,
}

/// Traffic that goes on until it is stopped.
pub(crate) struct Load {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Tally>,
}

impl Load {
    /// GETs of this address, so many a second.
    pub(crate) fn start(url: &str, rate: u32, connections: Connections) -> Self {
        let target = Arc::new(Target {
            address: wire::address(url),
            connections,
            kept: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = wire::runtime();
            runtime.block_on(send(target, rate, stopped))
        });
        Self { stop, thread }
    }

    /// Ends it, waits for the answers that are still owed, and counts.
    #[track_caller]
    pub(crate) fn stop(self) -> Tally {
        self.stop.send(()).expect("a load that goes on");
        self.thread.join().expect("the load")
    }
}

async fn send(target: Arc<Target>, rate: u32, mut stopped: oneshot::Receiver<()>) -> Tally {
    let (sender, mut ended) = mpsc::unbounded_channel();
    let begun = Instant::now();
    let mut tally = Tally {
        begun_at: SystemTime::now(),
        sent: 0,
        good: BTreeMap::new(),
        failed: BTreeMap::new(),
        lost: 0,
        failures: Vec::new(),
        latencies: Vec::new(),
    };
    let mut ticks = interval(Duration::from_secs(1) / rate);
    // When we were held up, the requests that should have been sent meanwhile are sent now.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(exchange) = ended.recv() => tally.take(exchange),
            _ = ticks.tick() => {
                let (target, sender) = (Arc::clone(&target), sender.clone());
                let number = tally.sent;
                tally.sent += 1;
                tokio::spawn(async move {
                    let at = begun.elapsed();
                    let answer = match timeout(LIMIT, target.ask(number)).await {
                        Ok(answer) => answer,
                        Err(_) => Err(format!("no answer within {LIMIT:?}")),
                    };
                    let took = begun.elapsed().saturating_sub(at);
                    drop(sender.send(Exchange { number, at, took, answer }));
                });
            }
        }
    }
    drop(sender);
    while let Some(exchange) = ended.recv().await {
        tally.take(exchange);
    }
    tally
}

/// Whom requests are for, and the connections that can be used again.
struct Target {
    address: String,
    connections: Connections,
    kept: Mutex<Vec<SendRequest<Empty<Bytes>>>>,
}

impl Target {
    /// One exchange: status, version and body, or how it failed. Each is of a visitor of its own: who
    /// fails again and again is one witness.
    async fn ask(&self, visitor: u64) -> Result<Answer, String> {
        let (mut sender, kind) = match self.take() {
            Some(kept) => (kept, "a kept"),
            None => (wire::connect(&self.address).await?, "a new"),
        };
        let failed = |what: &str, error: &hyper::Error| {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            format!(
                "{what} on {kind} connection: {error} ({})",
                cause.unwrap_or_default()
            )
        };
        let request = Request::get("/")
            .header(header::HOST, &self.address)
            .header(header::USER_AGENT, format!("visitor/{visitor}"))
            .body(Empty::new())
            .expect("a request");
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| failed("no answer", &error))?;
        let status = response.status().as_u16();
        let version = response.headers().get(VERSION);
        let version = version
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = response.into_body().collect().await;
        let body = body
            .map_err(|error| failed("half an answer", &error))?
            .to_bytes();
        if self.connections == Connections::Kept {
            self.kept.lock().unwrap().push(sender);
        }
        Ok(Answer {
            status,
            version,
            body,
        })
    }

    /// The connection that was used last: it is the one that is the least likely to be closed.
    fn take(&self) -> Option<SendRequest<Empty<Bytes>>> {
        let mut kept = self.kept.lock().unwrap();
        kept.retain(|sender| !sender.is_closed());
        let ready = kept.iter().rposition(SendRequest::is_ready)?;
        Some(kept.remove(ready))
    }
}

struct Answer {
    status: u16,
    version: Option<String>,
    body: Bytes,
}

/// A request, when it was sent, and what came of it.
struct Exchange {
    number: u64,
    at: Duration,
    took: Duration,
    answer: Result<Answer, String>,
}

/// A request that nobody answered well.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) number: u64,
    /// When it was sent.
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
    pub(crate) how: String,
}

/// What became of the requests.
#[derive(Debug)]
pub(crate) struct Tally {
    begun_at: SystemTime,
    sent: u64,
    /// Answered below 500, by version.
    pub(crate) good: BTreeMap<String, u64>,
    /// Answered 500 and above by the service itself, by version.
    pub(crate) failed: BTreeMap<String, u64>,
    /// No answer, a wrong one, or one that the balancer had to give.
    pub(crate) lost: u64,
    pub(crate) failures: Vec<Failure>,
    latencies: Vec<Duration>,
}

impl Tally {
    fn take(&mut self, exchange: Exchange) {
        let Exchange {
            number,
            at,
            took,
            answer,
        } = exchange;
        self.latencies.push(took);
        let how = match answer {
            Ok(answer) => match self.count(&answer) {
                None => return,
                Some(how) => how,
            },
            Err(how) => {
                self.lost += 1;
                how
            }
        };
        let at = self.begun_at + at;
        self.failures.push(Failure {
            number,
            at,
            took,
            how,
        });
    }

    /// Counts an answer, and says what is wrong with it.
    fn count(&mut self, answer: &Answer) -> Option<String> {
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let status = answer.status;
        let Some(version) = &answer.version else {
            self.lost += 1;
            return Some(format!("{status} of the balancer: {said}"));
        };
        if said["version"].as_str().is_some_and(|it| it != version) {
            self.lost += 1;
            return Some(format!(
                "{status} of `{version}` with the body of another: {said}"
            ));
        }
        let counts = if status < 500 {
            &mut self.good
        } else {
            &mut self.failed
        };
        *counts.entry(version.clone()).or_default() += 1;
        (status >= 500).then(|| format!("{status} of {version}: {said}"))
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// How many versions answered well.
    pub(crate) fn versions(&self) -> usize {
        self.good.len()
    }

    /// Of a hundred answers ninety-nine were at least as fast.
    pub(crate) fn p99(&self) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let place = sorted.len() * 99 / 100;
        sorted.get(place).copied().unwrap_or_default()
    }

    /// In words: the counts, then the first failures with the time as the server has it.
    pub(crate) fn tell(&self) -> String {
        let mut text = format!(
            "{} sent, good {:?}, failed {:?}, lost {}, p99 {:?}",
            self.sent,
            self.good,
            self.failed,
            self.lost,
            self.p99()
        );
        for Failure {
            number,
            at,
            took,
            how,
        } in self.failures.iter().take(TOLD)
        {
            let clock = wire::millis(*at);
            write!(text, "\n  {clock} request {number}, took {took:.1?}: {how}").unwrap();
        }
        text
    }

    /// Nothing was lost, and each request that was sent is accounted for.
    #[track_caller]
    pub(crate) fn none_lost(&self, what: &str) {
        eprintln!("{what}: {}", self.tell());
        assert_eq!(self.lost, 0, "{what}: {}", self.tell());
        let good: u64 = self.good.values().sum();
        assert_eq!(good + self.failed(), self.sent, "{what}");
    }

    /// Nothing was lost, and nothing was answered badly.
    #[track_caller]
    pub(crate) fn none_failed(&self, what: &str) {
        self.none_lost(what);
        assert_eq!(self.failed(), 0, "{what}: {}", self.tell());
    }

    /// The rate was kept up: traffic that stops proves nothing.
    #[track_caller]
    pub(crate) fn kept_up(&self, rate: u32, took: Duration) {
        let wanted = f64::from(rate) * took.as_secs_f64();
        let sent = f64::from(u32::try_from(self.sent()).unwrap_or(u32::MAX));
        assert!(sent > wanted * 0.8, "{sent} of about {wanted} were sent");
    }
}
