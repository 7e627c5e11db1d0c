//! `cargo xtask bench balancer`: our balancer beside nginx and HAProxy, in one run.
//!
//! Each proxy has one CPU to itself, one thread, and the same upstream; load and upstream share
//! another CPU. Rounds alternate, for the machine is never quite idle: what counts is the ratio.

mod proxies;
mod report;
mod steady;
mod switching;
mod wrk;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use self::{
    proxies::Field,
    report::{Goal, Report},
};

pub(crate) const USAGE: &str = "cargo xtask bench balancer [--quick] [--seconds N] [--rounds N] [--connections N] [--json] [--binary PATH]";

/// Where the proxies run, and where everything else does.
const PROXY_CPU: &str = "0";
const LOAD_CPU: &str = "1";

/// What is asked for.
#[derive(Debug)]
struct Options {
    /// Of each round.
    seconds: u64,
    rounds: usize,
    /// Connections of clients, one series of rounds each. The goals are for the first.
    connections: Vec<usize>,
    switches: usize,
    json: bool,
    /// The program under test, instead of one that is built here.
    binary: Option<PathBuf>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (mut quick, mut json, mut binary) = (false, false, None);
        let (mut seconds, mut rounds, mut connections) = (None, None, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => quick = true,
                "--json" => json = true,
                "--seconds" => seconds = Some(count(words.next())?),
                "--rounds" => rounds = Some(usize::try_from(count(words.next())?)?),
                "--connections" => connections = Some(usize::try_from(count(words.next())?)?),
                "--binary" => binary = Some(PathBuf::from(words.next().context(USAGE)?)),
                _ => bail!("`{word}` is not known; usage: {USAGE}"),
            }
        }
        Ok(Self {
            // The 99th percentile of shorter ones says more of the machine than of the proxy.
            seconds: seconds.unwrap_or(if quick { 3 } else { 6 }),
            rounds: rounds.unwrap_or(if quick { 5 } else { 7 }),
            connections: match connections {
                Some(connections) => vec![connections],
                None if quick => vec![50],
                None => vec![50, 500],
            },
            switches: if quick { 6 } else { 20 },
            json,
            binary,
        })
    }
}

/// A number of things, one at least.
fn count(word: Option<String>) -> anyhow::Result<u64> {
    let word = word.context(USAGE)?;
    let count = word.parse().ok().filter(|count| *count > 0);
    count.with_context(|| format!("`{word}` is not a number of at least 1; usage: {USAGE}"))
}

/// Measures, and says what came of it. Without the tools nothing is measured, and that is said.
pub(crate) fn run(words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    let options = Options::parse(words)?;
    let mut out = io::stdout().lock();
    if let Some(lacking) = lacking()? {
        writeln!(
            out,
            "SKIPPED: bench balancer, because {lacking}; `apt-get install -y haproxy nginx wrk`"
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(measure(&options, &binary))?;
    let text = if options.json {
        serde_json::to_string_pretty(&report.to_json())?
    } else {
        report.to_text()
    };
    writeln!(out, "{text}")?;
    Ok(if report.goals.iter().all(Goal::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(options: &Options, binary: &std::path::Path) -> anyhow::Result<Report> {
    let field = Field::set_up(binary).await?;
    let mut report = Report::default();
    for connections in &options.connections {
        let rounds = full_load(options, &field, *connections)?;
        report.add_full_load(*connections, &rounds);
    }
    // Far enough below what any of them can take, so that this is about latency alone.
    let rate = report.slowest_rate() / 4;
    let connections = options.connections[0];
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        for proxy in &field.proxies {
            let time = Duration::from_secs(options.seconds);
            let latency = steady::measure(proxy.address, connections, rate, time).await?;
            rounds.push((proxy.name, latency));
        }
    }
    report.add_steady(connections, rate, &rounds);
    report.add_switching(&switching::measure(&field, options.switches).await?);
    report.judge();
    Ok(report)
}

fn full_load(
    options: &Options,
    field: &Field,
    connections: usize,
) -> anyhow::Result<Vec<(&'static str, wrk::Round)>> {
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        for proxy in &field.proxies {
            let before = proxy.cpu_micros()?;
            let load = wrk::run(proxy.address, connections, options.seconds)?;
            let spent = proxy.cpu_micros()? - before;
            rounds.push((proxy.name, wrk::Round::new(load, spent)));
        }
    }
    Ok(rounds)
}

/// What is missing, if anything.
fn lacking() -> anyhow::Result<Option<String>> {
    if std::thread::available_parallelism()?.get() < 2 {
        return Ok(Some("it needs two CPUs".to_owned()));
    }
    let is_missing = |tool: &&&str| {
        let found = Command::new("which").arg(tool).output();
        !found.is_ok_and(|output| output.status.success())
    };
    let tools = ["nginx", "haproxy", "wrk", "taskset", "setsid"];
    let missing: Vec<_> = tools.iter().filter(is_missing).copied().collect();
    let is_whole = missing.is_empty();
    Ok((!is_whole).then(|| format!("`{}` cannot be found", missing.join("`, `"))))
}

/// Builds the program as it is released.
fn build() -> anyhow::Result<PathBuf> {
    let root = crate::tidy::root()?;
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked", "-p", "cutover"])
        .current_dir(&root)
        .status()
        .context("could not start cargo")?;
    ensure!(built.success(), "the release build failed");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/cutover"))
}
