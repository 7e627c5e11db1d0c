//! What was counted while a deployment was watched, kept with it: some seconds a row, so many rows at
//! most. Enough to judge it again with other numbers, and to say what it cost.

use std::collections::BTreeMap;

use cutover_model::{DeploymentId, delivery::Weight};
use cutover_proxy::SideSample;
use serde::{Deserialize, Serialize};

use crate::{Control, Error};

/// Seconds in a row.
const SECONDS: usize = 60;
/// Rows of a deployment: four hours of being watched.
const ROWS: u32 = 240;

/// One second of both sides, as the balancer counted it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Second {
    /// Since 1970; it is told when it is over.
    pub(crate) at: u64,
    /// The candidate's share.
    pub(crate) weight: Weight,
    /// What the candidate did.
    pub(crate) candidate: SideSample,
    /// What the current side did; absent when there is none.
    pub(crate) current: Option<SideSample>,
    /// The bound in milliseconds by which the balancer counted slow answers in all of this second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slow_ms: Option<u64>,
    /// Values of external metrics, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) external: BTreeMap<String, f64>,
}

/// One row.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    /// The drop ledger as it stood when the row was written.
    ledger: BTreeMap<String, u64>,
    seconds: Vec<Second>,
}

/// All that was kept.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// In order, without those that nobody counted.
    pub(crate) seconds: Vec<Second>,
    /// Requests by what befell them between the first row and the last, at that service.
    pub(crate) ledger: BTreeMap<String, u64>,
}

impl Record {
    /// Reads what was kept.
    pub(crate) async fn of(control: &Control, deployment: &DeploymentId) -> Result<Self, Error> {
        let mut rows = Vec::new();
        for body in control.store().samples(deployment).await? {
            let row: Row = serde_json::from_str(&body)
                .map_err(|error| Error::Corrupt(format!("a sample of {deployment}: {error}")))?;
            rows.push(row);
        }
        let first = rows.first().map(|row| row.ledger.clone());
        let first = first.unwrap_or_default();
        let last = rows.last().map(|row| row.ledger.clone());
        let ledger = last
            .unwrap_or_default()
            .into_iter()
            .map(|(cause, count)| {
                let before = first.get(&cause).copied().unwrap_or_default();
                // A balancer that was started anew counts from zero.
                let count = count.checked_sub(before).unwrap_or(count);
                (cause, count)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        Ok(Self {
            seconds: rows.into_iter().flat_map(|row| row.seconds).collect(),
            ledger,
        })
    }
}

/// Writes it down as it comes; what is left when it is dropped, too.
pub(super) struct Recorder {
    place: Place,
    open: Vec<Second>,
    /// What was kept before a restart is not kept twice.
    next: u64,
}

/// Where it is kept.
#[derive(Clone)]
struct Place {
    control: Control,
    deployment: DeploymentId,
    route: String,
}

impl Recorder {
    /// One that goes on after what was kept before, which it gives. `since` is the first second that
    /// will be told to one that is new.
    pub(super) async fn new(
        control: &Control,
        deployment: &DeploymentId,
        route: &str,
        since: u64,
    ) -> (Self, Vec<Second>) {
        let place = Place {
            control: control.clone(),
            deployment: deployment.clone(),
            route: route.to_owned(),
        };
        let mut seen = Vec::new();
        match Record::of(control, deployment).await {
            Ok(record) => seen = record.seconds,
            Err(error) => tracing::warn!(%error, "earlier samples are not read"),
        }
        let next = seen.last().map_or(0, |last| last.at + 1);
        if seen.is_empty() {
            // From where the ledger counts; no sample has this second.
            place.write(since.saturating_sub(1), Vec::new()).await;
        }
        let recorder = Self {
            place,
            open: Vec::new(),
            next,
        };
        (recorder, seen)
    }

    pub(super) async fn add(&mut self, second: Second) {
        if second.at < self.next {
            return;
        }
        self.next = second.at + 1;
        self.open.push(second);
        if self.open.len() >= SECONDS
            && let Some(first) = self.open.first()
        {
            let (first, seconds) = (first.at, std::mem::take(&mut self.open));
            self.place.write(first, seconds).await;
        }
    }
}

impl Drop for Recorder {
    /// Whoever looks is dropped with the end of the deployment.
    fn drop(&mut self) {
        let seconds = std::mem::take(&mut self.open);
        if let Some(first) = seconds.first().map(|first| first.at) {
            let place = self.place.clone();
            let control = place.control.clone();
            control.spawn(async move { place.write(first, seconds).await });
        }
    }
}

impl Place {
    async fn write(&self, first: u64, seconds: Vec<Second>) {
        let status = self.control.balancer_status().await;
        let service = status.and_then(|status| {
            let mut services = status.services.into_iter();
            services.find(|service| service.name == self.route)
        });
        let row = Row {
            ledger: service.map(|service| service.ledger).unwrap_or_default(),
            seconds,
        };
        // What cannot be kept is missing later; the watch goes on.
        let body = match serde_json::to_string(&row) {
            Ok(body) => body,
            Err(error) => return tracing::warn!(%error, "samples are not kept"),
        };
        let store = self.control.store();
        match store
            .put_samples(&self.deployment, first, &body, ROWS)
            .await
        {
            Ok(true) => {}
            Ok(false) => tracing::warn!(deployment = %self.deployment, "no more samples are kept"),
            Err(error) => tracing::warn!(%error, "samples are not kept"),
        }
    }
}
