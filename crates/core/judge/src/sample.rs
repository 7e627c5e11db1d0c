//! What is looked at: one second of both sides. It is also what a recording of a rollout is made of.

use std::collections::BTreeMap;

use cutover_model::{Timestamp, delivery::Weight};
use serde::{Deserialize, Serialize};

use crate::Latency;

/// How long a bucket is.
pub(crate) const BUCKET_MS: i64 = 1_000;

/// What the balancer counted in one second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The end of the second: a whole number of seconds.
    pub at: Timestamp,
    /// The new side.
    pub candidate: SideSample,
    /// The serving side; `None` for a first deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<SideSample>,
    /// The candidate's share in force.
    pub weight: Weight,
    /// Values of external metrics in force in this second, by their names. What is absent, or no
    /// number, is a gap.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external: BTreeMap<String, f64>,
}

/// What one side did in that second.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SideSample {
    /// Requests that were answered, or that nobody answered.
    pub requests: u64,
    /// Answers 500–599.
    pub errors_5xx: u64,
    /// Requests that went badly in any way: 5xx, no answer, no connection, too slow.
    pub bad: u64,
    /// Of these, at most one for each client in the window of de-duplication, so that a client that
    /// tries again and again is heard once. `None` when nobody counted so: then `bad` is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_distinct: Option<u64>,
    /// Answers that were slow by the bound that was learnt, at most one for each client in the window
    /// of de-duplication. `None` when nobody counted so: then [`SideSample::latency`] is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_distinct: Option<u64>,
    /// The time of all answers together, in milliseconds.
    pub time_ms_sum: u64,
    /// The times of the answers, by steps. Empty when nobody counted them.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub latency: Latency,
    /// Instances that were healthy at the end of the second.
    pub healthy_hosts: u32,
    /// Instances that there should be.
    pub expected_hosts: u32,
    /// Instances that had to be started again in this second.
    pub restarts: u64,
}
