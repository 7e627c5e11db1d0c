//! What this repository does to itself: `cargo xtask tidy [--fix]`, `cargo xtask sim --seeds N [--from S]`,
//! `cargo xtask bench balancer|engine|judge`.

mod bench;
mod tidy;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use cutover_testkit::sim;

const USAGE: &str = "usage: cargo xtask tidy [--fix] | cargo xtask sim --seeds N [--from S] | \
                     cargo xtask bench NAME";

fn main() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("bench") => bench::run(words),
        Some("sim") => simulate(words),
        Some("tidy") => keep_tidy(words),
        _ => bail!(USAGE),
    }
}

/// Looks whether the rules of this repository hold; ends with 1 when one does not.
fn keep_tidy(mut words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    let fix = match (words.next().as_deref(), words.next()) {
        (None, _) => false,
        (Some("--fix"), None) => true,
        _ => bail!(USAGE),
    };
    let findings = tidy::check(&tidy::root()?, fix)?;
    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs so many seeds; the first that fails is named, and ends it with 1.
fn simulate(mut words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    let (mut seeds, mut from) = (None, 0);
    while let Some(word) = words.next() {
        let value = words.next().context(USAGE)?;
        let number: u64 = value
            .parse()
            .with_context(|| format!("`{value}` is not a number; {USAGE}"))?;
        match word.as_str() {
            "--seeds" => seeds = Some(number),
            "--from" => from = number,
            _ => bail!("`{word}` is not known; {USAGE}"),
        }
    }
    let seeds = seeds.context(USAGE)?;
    let mut out = io::stdout().lock();
    let (mut runs, mut deployments) = (
        sim::engine::Stats::default(),
        sim::rollout::Stats::default(),
    );
    for seed in from..from.saturating_add(seeds) {
        let failure = match (sim::engine::simulate(seed), sim::rollout::simulate(seed)) {
            (Ok(run), Ok(deployment)) => {
                runs = runs.plus(run);
                deployments = deployments.plus(deployment);
                continue;
            }
            (Err(failure), _) => format!("engine: {failure}"),
            (_, Err(failure)) => format!("rollout: {failure}"),
        };
        writeln!(out, "{failure}")?;
        writeln!(out, "again: cargo xtask sim --from {seed} --seeds 1")?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(out, "engine: {seeds} seeds from {from} hold: {runs:?}")?;
    writeln!(
        out,
        "rollout: {seeds} seeds from {from} hold: {deployments:?}"
    )?;
    Ok(ExitCode::SUCCESS)
}
