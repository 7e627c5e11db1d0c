//! Messages to the outside: kept before they are sent, kept until they are through.
//!
//! Delivery is at least once; the id of a message is its idempotency key for the receiver.

use cutover_model::{NotificationId, Timestamp};

use crate::{
    Error, Store,
    db::{json, parsed, unsigned},
};

sql! {
    INSERT = "INSERT INTO outbox (id, topic, url, body, created_at, next_at)
              VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (id) DO NOTHING";
    DUE = "SELECT id, topic, url, body, created_at, attempts FROM outbox
           WHERE state = 'pending' AND next_at <= $1 ORDER BY next_at, id LIMIT $2";
    SENT = "UPDATE outbox SET state = 'sent', attempts = attempts + 1, sent_at = $2, why = NULL
            WHERE id = $1 AND state <> 'sent'";
    FAILED = "UPDATE outbox SET attempts = attempts + 1, next_at = $2, why = $3
              WHERE id = $1 AND state = 'pending'";
    DEAD = "UPDATE outbox SET state = 'dead', attempts = attempts + 1, why = $2
            WHERE id = $1 AND state = 'pending'";
    NEXT = "SELECT MIN(next_at) FROM outbox WHERE state = 'pending'";
    COUNTS = "SELECT state, COUNT(*) FROM outbox GROUP BY state";
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// `run.failed` and the like.
    pub topic: String,
    /// Where it goes, as the rule writes it: secrets in it are filled in when it is sent, not here.
    pub url: String,
    /// What it says.
    pub body: serde_json::Value,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A message that should be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The message.
    pub notification: Notification,
    /// How often it was tried in vain.
    pub attempts: u64,
}

from_row!(Due, |row| Ok(Self {
    notification: Notification {
        id: parsed(row.try_get("id")?)?,
        topic: row.try_get("topic")?,
        url: row.try_get("url")?,
        body: json(&row.try_get::<String, _>("body")?)?,
        created_at: Timestamp(row.try_get("created_at")?),
    },
    attempts: unsigned(row.try_get("attempts")?)?,
}));

/// How many messages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxCounts {
    /// Not through yet.
    pub pending: u64,
    /// Through.
    pub sent: u64,
    /// Given up.
    pub dead: u64,
}

impl Store {
    /// Keeps a message for sending; the same once more changes nothing.
    pub async fn enqueue(&self, notification: &Notification) -> Result<(), Error> {
        let Notification {
            id,
            topic,
            url,
            body,
            created_at,
        } = notification;
        let mut tx = self.db.begin().await?;
        execute!(
            &mut tx,
            INSERT,
            id.as_str(),
            topic,
            url,
            body.to_string(),
            created_at.0
        )?;
        tx.commit().await
    }

    /// What should be sent now, what waits longest first, at most so many.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Due>, Error> {
        Ok(fetch_all!(&self.db, Due, DUE, now.0, i64::from(limit))?)
    }

    /// A message is through.
    pub async fn sent(&self, id: &NotificationId, at: Timestamp) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, SENT, id.as_str(), at.0)?;
        tx.commit().await
    }

    /// A message is not through: it is tried again at `next_at`, or given up without one.
    pub async fn failed(
        &self,
        id: &NotificationId,
        next_at: Option<Timestamp>,
        why: &str,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        match next_at {
            Some(at) => execute!(&mut tx, FAILED, id.as_str(), at.0, why)?,
            None => execute!(&mut tx, DEAD, id.as_str(), why)?,
        };
        tx.commit().await
    }

    /// When the next message is due; `None` when nothing waits.
    pub async fn next_due_at(&self) -> Result<Option<Timestamp>, Error> {
        let row = fetch_optional!(&self.db, (Option<i64>,), NEXT)?;
        Ok(row.and_then(|(at,)| at).map(Timestamp))
    }

    /// How many messages wait, are through, were given up.
    pub async fn outbox_counts(&self) -> Result<OutboxCounts, Error> {
        let mut counts = OutboxCounts::default();
        for (state, count) in fetch_all!(&self.db, (String, i64), COUNTS)? {
            let count = unsigned(count)?;
            match state.as_str() {
                "pending" => counts.pending = count,
                "sent" => counts.sent = count,
                _ => counts.dead = count,
            }
        }
        Ok(counts)
    }
}
