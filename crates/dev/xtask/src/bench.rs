//! `cargo xtask bench …`: what must be fast or right, measured beside what others take for it.

mod balancer;
mod engine;
mod judge;

use std::process::ExitCode;

use anyhow::bail;

pub(crate) const USAGE: &str = "cargo xtask bench balancer|engine|judge …";

/// Runs the benchmark that is named first; ends with 1 when a goal is missed.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    match words.next().as_deref() {
        Some("balancer") => balancer::run(words),
        Some("engine") => engine::run(words),
        // What the benchmark compares with: this program again, as a process of its own.
        Some("engine-floor") => engine::floor::run(words),
        Some("judge") => judge::run(words),
        _ => bail!("usage: {USAGE}"),
    }
}
