//! `cargo xtask bench …`: what must be fast, measured beside what others take for it.

mod engine;

use std::process::ExitCode;

use anyhow::bail;

pub(crate) const USAGE: &str = engine::USAGE;

/// Runs the benchmark that is named first; ends with 1 when a goal is missed.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    match words.next().as_deref() {
        Some("engine") => engine::run(words),
        // What the benchmark compares with: this program again, as a process of its own.
        Some("engine-floor") => engine::floor::run(words),
        _ => bail!("usage: {USAGE}"),
    }
}
