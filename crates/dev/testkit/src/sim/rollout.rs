//! A simulation of deployments: some of them want one environment, everything goes wrong, and at the
//! end each must have ended and the traffic be where it belongs.
//!
//! [`simulate`] calls the director, who chooses what happens next; what happens by itself is in
//! `nature.rs`, instances, balancer and lock in `world.rs`, a deployment with its log in `actor.rs`,
//! what must always hold in `check.rs`.

mod actor;
mod cast;
mod check;
mod director;
mod nature;
mod place;
#[cfg(test)]
mod tests;
mod world;

use std::fmt;

pub use director::simulate;

/// What happened in one simulation, or in many together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Things that happened.
    pub steps: u64,
    /// Events that were stored.
    pub events: u64,
    /// Times that everything died and came back.
    pub crashes: u64,
    /// Instances that died.
    pub deaths: u64,
    /// Deployments that took over.
    pub succeeded: u64,
    /// Deployments that went back after some traffic.
    pub rolled_back: u64,
    /// Deployments that failed before any traffic, or that could not go back.
    pub failed: u64,
    /// Deployments that a person ended.
    pub cancelled: u64,
    /// Deployments that made way for a newer one.
    pub superseded: u64,
    /// Times that a place was held, and somebody met that.
    pub held_back: u64,
    /// Waits that were given up.
    pub deadlines: u64,
    /// Answers of hooks and smoke tests.
    pub checks: u64,
    /// Deployments that did not succeed and kept traffic, because no other side could take it.
    pub held: u64,
}

impl Stats {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            events: self.events + other.events,
            crashes: self.crashes + other.crashes,
            deaths: self.deaths + other.deaths,
            succeeded: self.succeeded + other.succeeded,
            rolled_back: self.rolled_back + other.rolled_back,
            failed: self.failed + other.failed,
            cancelled: self.cancelled + other.cancelled,
            superseded: self.superseded + other.superseded,
            held_back: self.held_back + other.held_back,
            deadlines: self.deadlines + other.deadlines,
            checks: self.checks + other.checks,
            held: self.held + other.held,
        }
    }
}

/// Something that must never be has been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// With this seed it is again.
    pub seed: u64,
    /// After how many steps.
    pub step: u64,
    /// What was seen.
    pub what: String,
    /// What happened last, oldest first.
    pub trail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, step {}: {}", self.seed, self.step, self.what)?;
        for line in &self.trail {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
