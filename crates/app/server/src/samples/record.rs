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
    /// Requests that were lost when no side was there for them, by cause. The others stand at their sides.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) drops: BTreeMap<String, u64>,
}

impl Second {
    /// Whether the candidate had nothing to do with it: what served before was learnt from it, no more.
    pub(crate) fn is_before(&self) -> bool {
        self.weight == Weight::NONE && self.candidate.requests == 0
    }
}

/// One row.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    seconds: Vec<Second>,
}

/// All that was kept.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// In order, without those that nobody counted.
    pub(crate) seconds: Vec<Second>,
}

impl Record {
    /// Reads what was kept.
    pub(crate) async fn of(control: &Control, deployment: &DeploymentId) -> Result<Self, Error> {
        let (seconds, _last) = Self::since(control, deployment, 0).await?;
        Ok(Self { seconds })
    }

    /// Reads what was kept from the row on that begins with this second, and where the last row begins.
    pub(super) async fn since(
        control: &Control,
        deployment: &DeploymentId,
        row: u64,
    ) -> Result<(Vec<Second>, u64), Error> {
        let (mut seconds, mut last) = (Vec::new(), row);
        for (first, body) in control.store().samples(deployment, row).await? {
            let row: Row = serde_json::from_str(&body)
                .map_err(|error| Error::Corrupt(format!("a sample of {deployment}: {error}")))?;
            seconds.extend(row.seconds);
            last = first;
        }
        Ok((seconds, last))
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
}

impl Recorder {
    /// One that goes on after what was kept before, which it gives.
    pub(super) async fn new(control: &Control, deployment: &DeploymentId) -> (Self, Vec<Second>) {
        let place = Place {
            control: control.clone(),
            deployment: deployment.clone(),
        };
        let mut seen = Vec::new();
        match Record::of(control, deployment).await {
            Ok(record) => seen = record.seconds,
            Err(error) => tracing::warn!(%error, "earlier samples are not read"),
        }
        let next = seen.last().map_or(0, |last| last.at + 1);
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
        let row = Row { seconds };
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
