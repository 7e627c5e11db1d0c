//! What the judge says: one of four words, the numbers behind it, and a sentence.

use serde::{Deserialize, Serialize};

/// What is known of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Enough was seen, and it is not worse.
    Success,
    /// It is worse, and that is not chance.
    Failure,
    /// Nothing is known yet, or too little.
    Inconclusive,
    /// Nobody could look.
    Error,
}

impl Word {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        }
    }
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Keep looking.
    Wait,
    /// Go on with the next step.
    Promote,
    /// Stop where it is and let a person look.
    Pause,
    /// Take it back.
    Rollback,
}

/// What can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Bad answers.
    Errors,
    /// Slow answers.
    Latency,
    /// Instances that had to be started again.
    Restarts,
    /// Bad answers of a candidate that has all the traffic.
    Alone,
}

/// The numbers of one signal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Of which.
    pub signal: Signal,
    /// Requests of the candidate; instances, for restarts.
    pub candidate: u64,
    /// Of these, bad.
    pub candidate_bad: u64,
    /// The same of the current side; where the candidate is alone, what was learnt before.
    pub current: u64,
    /// Of these, bad.
    pub current_bad: u64,
    /// The natural logarithm of the evidence as it is now; 0 at the beginning.
    pub ln_evidence: f64,
    /// The natural logarithm at which it is enough: −ln of this signal's part of α.
    pub ln_limit: f64,
    /// The always-valid p-value.
    pub p: f64,
    /// The candidate is at least so many times as bad; 0 when nothing can be said.
    pub ratio_at_least: f64,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is known.
    pub word: Word,
    /// What follows.
    pub advice: Advice,
    /// Signal by signal.
    pub findings: Vec<Finding>,
    /// The share of the candidate's bad answers that is not exceeded, with 95 %, at any look.
    pub bad_at_most: f64,
    /// For people.
    pub sentence: String,
}
