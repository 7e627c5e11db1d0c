//! The notification outbox: stored first, sent until it is taken, given up loudly.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cutover_model::{NotificationId, RunId, Secret, Timestamp, project::NotifyRule};
use cutover_store::{Notification, Store};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Control;

/// How many at once.
const BATCH: u32 = 16;
/// How long to wait when the store takes nothing.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// How long one receiver may take.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// After this many tries it is dead.
const TRIES: u64 = 10;

/// The component that sends.
#[derive(Clone)]
pub(crate) struct Outbox {
    store: Store,
    secrets: Arc<BTreeMap<String, Secret>>,
    filled: Arc<Notify>,
}

impl Outbox {
    pub(crate) fn new(store: Store, secrets: BTreeMap<String, Secret>) -> Self {
        Self {
            store,
            secrets: Arc::new(secrets),
            filled: Arc::default(),
        }
    }

    /// Puts something in; the same id twice is one.
    pub(crate) async fn put(&self, notification: &Notification) {
        for pause in super::STORE_RETRY {
            match self.store.enqueue(notification).await {
                Ok(()) => return self.filled.notify_one(),
                Err(error) => tracing::error!(%error, "could not store a notification"),
            }
            tokio::time::sleep(pause).await;
        }
        tracing::error!(id = %notification.id, "a notification is lost unless the next start finds it owed");
    }

    /// Sends until the server goes down: wakes when something is put in or falls due.
    pub(crate) async fn run(self, leaving: CancellationToken) {
        let client = Client::default();
        loop {
            let pause = if self.send_due(&client).await {
                self.until_next().await
            } else {
                // What was sent and could not be crossed out is due still: not again at once.
                STORE_PAUSE
            };
            tokio::select! {
                biased;
                // What is there already is tried once more.
                () = leaving.cancelled() => {
                    self.send_due(&client).await;
                    return;
                }
                () = self.filled.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn until_next(&self) -> Duration {
        let next = self.store.next_due_at().await.ok().flatten();
        next.map_or(Duration::from_hours(1), |at| {
            at.since(crate::control::now()).to_std()
        })
    }

    /// Whether what came of it could be written down.
    async fn send_due(&self, client: &Client) -> bool {
        let due = match self.store.due(crate::control::now(), BATCH).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "could not read the outbox");
                return false;
            }
        };
        let mut written = true;
        for waiting in due {
            let answer = self.send(client, &waiting.notification).await;
            written &= self
                .record(&waiting.notification.id, waiting.attempts + 1, answer)
                .await;
        }
        written
    }

    /// The address is filled in here and now: no secret lies in the store.
    async fn send(&self, client: &Client, notification: &Notification) -> Result<(), String> {
        let url = filled_in(&notification.url, &self.secrets)?;
        let sent = client
            .get()?
            .post(url)
            .header("content-type", "application/json")
            .header("idempotency-key", notification.id.as_str())
            .header("x-cutover-topic", &notification.topic)
            .body(notification.body.to_string())
            .send()
            .await;
        match sent {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("answered {}", response.status())),
            // The address may hold a secret.
            Err(error) => Err(error.without_url().to_string()),
        }
    }

    async fn record(&self, id: &NotificationId, tries: u64, answer: Result<(), String>) -> bool {
        let now = crate::control::now();
        let stored = match answer {
            Ok(()) => self.store.sent(id, now).await,
            Err(why) => {
                let next = (tries < TRIES).then(|| now + backoff(id, tries));
                if next.is_none() {
                    tracing::error!(%id, %why, tries, "a notification is given up");
                }
                self.store.failed(id, next, &why).await
            }
        };
        if let Err(error) = &stored {
            tracing::error!(%error, "could not write the outbox");
        }
        stored.is_ok()
    }
}

/// 1 s, 2 s, 4 s … at most five minutes, and up to a quarter more so that not all come at once.
fn backoff(id: &NotificationId, tries: u64) -> cutover_model::Duration {
    let base = 1_000_u64
        .saturating_mul(1 << tries.saturating_sub(1).min(9))
        .min(300_000);
    let spread = id.as_str().bytes().map(u64::from).sum::<u64>() % 256;
    cutover_model::Duration::from_millis(base + base * spread / 1_024)
}

/// Whether a rule wants to hear of a topic: `*`, `deployment.*`, `run.failed`.
fn wants(rule: &NotifyRule, topic: &str) -> bool {
    rule.on
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => topic.starts_with(start),
            None => pattern == topic,
        })
}

impl Control {
    /// Puts a message for each rule that wants it into the outbox. The id is derived, so that the
    /// same news after a restart is the same message.
    pub(crate) async fn notify(&self, rules: &[NotifyRule], stream: &str, topic: &str, text: &str) {
        for (place, rule) in rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| wants(rule, topic))
        {
            let id = NotificationId::derived(&[stream, topic, text, &place.to_string()]);
            let created_at: Timestamp = self.now();
            let body = json!({
                "id": id, "topic": topic, "text": text, "subject": stream,
                "link": self.link(&page_of(stream)), "at": created_at.to_string(),
            });
            let (topic, url) = (topic.to_owned(), rule.url.clone());
            let notification = Notification {
                id,
                topic,
                url,
                body,
                created_at,
            };
            self.outbox().put(&notification).await;
        }
    }
}

/// Where people see what a stream is about.
fn page_of(stream: &str) -> String {
    let kind = if stream.parse::<RunId>().is_ok() {
        "runs"
    } else {
        "deployments"
    };
    format!("/{kind}/{stream}")
}

/// Replaces `${{ secrets.NAME }}`.
pub(crate) fn filled_in(text: &str, secrets: &BTreeMap<String, Secret>) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (name, tail) = after
            .split_once("}}")
            .ok_or("`${{` without `}}` in the address")?;
        let name = name
            .trim()
            .strip_prefix("secrets.")
            .ok_or("only `secrets.NAME` works there")?;
        let secret = secrets
            .get(name)
            .ok_or_else(|| format!("secret `{name}` is not set"))?;
        done.push_str(before);
        done.push_str(secret.expose());
        rest = tail;
    }
    done.push_str(rest);
    Ok(done)
}

/// What sends. Built when there is something to send: it reads the certificates of the machine, which
/// takes longer than many a run.
#[derive(Default)]
struct Client(OnceLock<reqwest::Client>);

impl Client {
    fn get(&self) -> Result<&reqwest::Client, String> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let built = reqwest::Client::builder()
            .timeout(SEND_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("the HTTP client could not be built: {error}"))?;
        Ok(self.0.get_or_init(|| built))
    }
}

#[cfg(test)]
mod tests {
    use cutover_model::project::Channel;

    use super::*;

    #[test]
    fn topics_match_by_star_and_by_name() {
        let rule = NotifyRule {
            on: vec!["deployment.*".to_owned(), "run.failed".to_owned()],
            to: Channel::Webhook,
            url: String::new(),
        };
        assert!(wants(&rule, "deployment.rolled_back"));
        assert!(wants(&rule, "run.failed"));
        assert!(!wants(&rule, "run.succeeded"));
    }

    #[test]
    fn a_link_leads_to_a_page() {
        let run = RunId::from_parts(1, 1);
        assert_eq!(page_of(run.as_str()), format!("/runs/{run}"));
        let deployment = cutover_model::DeploymentId::from_parts(1, 1);
        let page = page_of(deployment.as_str());
        assert_eq!(page, format!("/deployments/{deployment}"));
    }

    #[test]
    fn an_address_is_filled_in_and_a_missing_secret_is_named() {
        let secrets = BTreeMap::from([("HOOK".to_owned(), Secret::new("abc"))]);
        let fill = |text: &str| filled_in(text, &secrets);
        assert_eq!(
            fill("http://x/${{ secrets.HOOK }}/y"),
            Ok("http://x/abc/y".to_owned())
        );
        assert_eq!(
            fill("${{ secrets.NONE }}"),
            Err("secret `NONE` is not set".to_owned())
        );
        assert!(fill("${{ env.X }}").is_err());
    }

    #[test]
    fn the_pause_grows_and_has_an_end() {
        let id = NotificationId::derived(&["x"]);
        let pauses: Vec<u64> = (1..=TRIES)
            .map(|tries| backoff(&id, tries).as_millis())
            .collect();
        assert!(pauses.is_sorted());
        assert!(pauses.iter().all(|pause| (1_000..=375_000).contains(pause)));
    }
}
