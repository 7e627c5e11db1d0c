//! How good or bad a specimen is: `specimen.json`, and what `POST /set` changes while it runs.

use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All of it; what is not said is as in a service that is well.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Lines for the log, at the start.
    pub(crate) says: Vec<String>,
    pub(crate) listen: Listen,
    /// Before it listens.
    pub(crate) start_delay_ms: u64,
    /// It ends by itself after so long, with `exit_code`.
    pub(crate) crash_after_ms: Option<u64>,
    pub(crate) exit_code: u8,
    pub(crate) on_term: OnTerm,
    /// So many of a hundred requests are answered 500, spread evenly.
    pub(crate) fail_percent: u64,
    /// Whether its health path answers 200; else 503.
    pub(crate) healthy: bool,
    /// So many health checks pass, then none.
    pub(crate) healthy_answers: Option<u64>,
    /// Before each answer but that of the health path; the median when there is a spread.
    pub(crate) latency_ms: u64,
    /// The sigma of a lognormal distribution of the latency; 0: always the same.
    pub(crate) latency_spread: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            says: Vec::new(),
            listen: Listen::Given,
            start_delay_ms: 0,
            crash_after_ms: None,
            exit_code: 7,
            on_term: OnTerm::Finish,
            fail_percent: 0,
            healthy: true,
            healthy_answers: None,
            latency_ms: 0,
            latency_spread: 0.0,
        }
    }
}

/// On which port it listens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Listen {
    /// On the one that it was given.
    Given,
    /// On any other.
    Other,
    /// On none.
    Never,
}

/// What SIGTERM does to it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnTerm {
    /// It answers what it has begun, and ends.
    Finish,
    /// It is gone at once.
    Die,
    /// Nothing.
    Ignore,
}

impl Settings {
    /// These with some of them changed; the rest of a JSON object's keys is refused.
    pub(crate) fn with(&self, changes: &Value) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        if let (Some(all), Some(changes)) = (all.as_object_mut(), changes.as_object()) {
            all.extend(changes.clone());
        }
        serde_json::from_value(all)
    }

    /// How long this answer takes, in milliseconds.
    pub(crate) fn latency(&self) -> f64 {
        // Twelve uniform numbers are as good as normal for what is measured with it.
        let mut random = rand::rng();
        let normal: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let median = u32::try_from(self.latency_ms).unwrap_or(u32::MAX);
        f64::from(median) * (self.latency_spread * normal).exp()
    }
}
