//! A simulation of runs: a random plan, a server that dies at the worst moments, an edge whose answers
//! get lost, come twice or late, and people who change their minds.
//!
//! [`simulate`] is the director: it chooses what happens next. What is asked of the edge is in
//! `edge.rs`, the plans in `plans.rs`, what must always hold in `check.rs`.

mod check;
mod director;
mod edge;
mod plans;
#[cfg(test)]
mod tests;

use std::fmt;

pub use director::simulate;

/// What happened in one simulation, or in many together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Things that happened.
    pub steps: u64,
    /// Events that were stored.
    pub events: u64,
    /// Times that the server died and came back.
    pub crashes: u64,
    /// Answers that came twice, late or out of order and changed nothing.
    pub stale: u64,
    /// Steps that were lost.
    pub lost: u64,
    /// Questions to people.
    pub questions: u64,
    /// Runs that were done once more.
    pub retried: u64,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed or took too long.
    pub failed: u64,
    /// Runs that could not be done.
    pub faulted: u64,
    /// Runs that were cancelled.
    pub cancelled: u64,
}

impl Stats {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            events: self.events + other.events,
            crashes: self.crashes + other.crashes,
            stale: self.stale + other.stale,
            lost: self.lost + other.lost,
            questions: self.questions + other.questions,
            retried: self.retried + other.retried,
            succeeded: self.succeeded + other.succeeded,
            failed: self.failed + other.failed,
            faulted: self.faulted + other.faulted,
            cancelled: self.cancelled + other.cancelled,
        }
    }
}

/// Something that must never be has been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed; the same one gives the same course.
    pub seed: u64,
    /// After how many things.
    pub step: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, what } = self;
        write!(f, "seed {seed}, step {step}: {what}")
    }
}

impl std::error::Error for Failure {}
