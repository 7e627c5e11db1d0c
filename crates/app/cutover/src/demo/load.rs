//! Steady traffic, counted: every request that was sent is answered, failed by a version, or lost.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) url: String,
    /// Requests per second.
    pub(crate) rate: u32,
    pub(crate) keep_alive: bool,
}

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    /// Answered below 500, by version.
    pub(crate) good: BTreeMap<String, u64>,
    /// Answered 500 and above by the service itself, by version.
    pub(crate) failed: BTreeMap<String, u64>,
    /// No answer, or an answer that the balancer had to give: what a deployment costs.
    pub(crate) lost: u64,
    /// The first few of the lost, with why.
    pub(crate) reasons: Vec<String>,
    /// The slowest answer.
    pub(crate) slowest: Duration,
}

/// How long a request may take before it counts as lost.
const LIMIT: Duration = Duration::from_secs(15);
/// The header with which the balancer names the version that answered.
const VERSION: &str = "x-cutover-version";

/// Traffic that goes on until it is stopped.
pub(crate) struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: CancellationToken,
    sender: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start(settings: Settings) -> Self {
        let tally = Arc::<Mutex<Tally>>::default();
        let stop = CancellationToken::new();
        let sender = tokio::spawn(send(settings, Arc::clone(&tally), stop.clone()));
        Self {
            tally,
            stop,
            sender,
        }
    }

    /// The count so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().clone()
    }

    /// Ends it, and waits for the answers that are still owed.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.cancel();
        drop(self.sender.await);
        self.tally.lock().clone()
    }
}

async fn send(settings: Settings, tally: Arc<Mutex<Tally>>, stop: CancellationToken) {
    let mut builder = reqwest::Client::builder().no_proxy().timeout(LIMIT);
    if !settings.keep_alive {
        builder = builder.pool_max_idle_per_host(0);
    }
    let Ok(client) = builder.build() else { return };
    let pause = Duration::from_secs(1) / settings.rate.max(1);
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {
                // Each request is of a visitor of its own: who fails again and again is one witness.
                let visitor = {
                    let mut tally = tally.lock();
                    tally.sent += 1;
                    tally.sent
                };
                let request = client.get(&settings.url);
                let request = request.header("user-agent", format!("visitor/{visitor}"));
                requests.spawn(one(request, Arc::clone(&tally)));
                while requests.try_join_next().is_some() {}
            }
        }
    }
    while requests.join_next().await.is_some() {}
}

async fn one(request: reqwest::RequestBuilder, tally: Arc<Mutex<Tally>>) {
    let begun = Instant::now();
    let answered = async {
        let response = request.send().await?;
        let status = response.status();
        let version = response
            .headers()
            .get(VERSION)
            .and_then(|value| value.to_str().ok());
        let version = version.map(ToOwned::to_owned);
        // An answer counts when its last byte has come.
        response.bytes().await?;
        Ok::<_, reqwest::Error>((status, version))
    };
    let answer = answered.await;
    let mut tally = tally.lock();
    tally.slowest = tally.slowest.max(begun.elapsed());
    let lost = match answer {
        Ok((status, Some(version))) => {
            let side = if status.is_server_error() {
                &mut tally.failed
            } else {
                &mut tally.good
            };
            *side.entry(version).or_default() += 1;
            return;
        }
        Ok((status, None)) => format!("{status} without a version"),
        Err(error) => chain(&error),
    };
    tally.lost += 1;
    if tally.reasons.len() < 10 {
        tally.reasons.push(lost);
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl Tally {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "sent": self.sent, "good": self.good, "failed": self.failed, "lost": self.lost,
            "reasons": self.reasons,
            "slowest_ms": u64::try_from(self.slowest.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
