//! `cargo xtask bench judge`: the judge as it is in production, and what others do, on the same
//! simulated traffic. How often is a good candidate taken back, and how soon a bad one?
//!
//! One seed, one table. Traffic is in `traffic`, the others in `rivals`, what is played in `cells`, what
//! must hold in `goals`.

mod cells;
mod goals;
mod play;
mod rivals;
mod table;
mod traffic;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

pub(super) const USAGE: &str = "cargo xtask bench judge [--quick] [--seed N] [--runs N] [--json]";

/// How much is played.
#[derive(Debug, Clone, Copy)]
struct Effort {
    seed: u64,
    /// Courses of the judge in each cell.
    runs: u64,
    /// Courses of everybody else.
    rivals: u64,
    /// Courses of Kayenta's way, which is slow.
    kayenta: u64,
    /// Courses of a whole day, and of answers with times.
    long: u64,
    is_json: bool,
}

/// Plays all cells; ends with 1 when a goal is missed. The last line is a summary.
pub(super) fn run(words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    let effort = effort(words)?;
    let results: Vec<_> = cells::all()
        .into_iter()
        .enumerate()
        .map(|(number, cell)| play::play(&effort, number as u64, cell))
        .collect();
    let goals = goals::of(&results);
    let mut out = io::stdout().lock();
    if effort.is_json {
        writeln!(out, "{}", table::json(&effort, &results, &goals))?;
    } else {
        write!(out, "{}", table::text(&effort, &results, &goals))?;
    }
    let is_good = goals.iter().all(goals::Goal::is_reached);
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn effort(mut words: impl Iterator<Item = String>) -> anyhow::Result<Effort> {
    let (mut seed, mut runs, mut is_quick, mut is_json) = (1, 2_000, false, false);
    while let Some(word) = words.next() {
        let mut number = || -> anyhow::Result<u64> {
            let value = words.next().with_context(|| format!("usage: {USAGE}"))?;
            value
                .parse()
                .with_context(|| format!("`{value}` is not a number; usage: {USAGE}"))
        };
        match word.as_str() {
            "--quick" => is_quick = true,
            "--json" => is_json = true,
            "--seed" => seed = number()?,
            "--runs" => runs = number()?,
            _ => bail!("`{word}` is not known; usage: {USAGE}"),
        }
    }
    if runs == 0 {
        bail!("`--runs` is at least 1");
    }
    let at_most = |most: u64| runs.min(most);
    Ok(Effort {
        seed,
        runs,
        rivals: if is_quick { at_most(100) } else { runs },
        kayenta: at_most(if is_quick { 30 } else { 300 }),
        long: if is_quick { at_most(200) } else { runs },
        is_json,
    })
}
