//! `cargo xtask bench engine`: runs of the working tree, beside plain bash, beside the least that a
//! program can do for a step, and beside `wrkflw`, all in turn within one round.

pub(super) mod floor;
mod memory;
mod report;
mod work;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use self::{
    report::{Goal, Report},
    work::{Shape, Tree},
};
use crate::tidy;

pub(crate) const USAGE: &str = "cargo xtask bench engine [--rounds N]";

/// How many rounds when nothing is said; the medians count.
const ROUNDS: usize = 5;
/// What the step prints that prints much, in bytes.
pub(super) const MUCH: u64 = 1_000_000_000;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Runner {
    /// One bash after the other, from a shell script.
    Bash,
    /// The least that a program can do: five files and a bash for each step.
    Floor,
    Ours,
    Wrkflw,
}

impl Runner {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Floor => "floor",
            Self::Ours => "cutover",
            Self::Wrkflw => "wrkflw",
        }
    }
}

/// The programs.
struct Programs {
    ours: PathBuf,
    own: PathBuf,
    wrkflw: Option<PathBuf>,
}

/// Measures, prints the table, and ends with 1 when a goal is missed.
pub(super) fn run(words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    let rounds = rounds(words)?;
    let programs = Programs::find(&tidy::root()?)?;
    let place = tempfile::tempdir().context("no room for the benchmark")?;
    let mut report = Report::default();
    for shape in Shape::ALL {
        let tree = Tree::make(place.path(), shape)?;
        for round in 0..=rounds {
            for runner in [Runner::Bash, Runner::Floor, Runner::Ours, Runner::Wrkflw] {
                let Some(took) = programs.measure(runner, &tree)? else {
                    continue;
                };
                // The first round fills the caches.
                if round > 0 {
                    report.add(shape, runner, took);
                }
            }
        }
    }
    let much = work::much(place.path())?;
    for _ in 0..3 {
        // Bash into a file: what the disk of this machine takes.
        for runner in [Runner::Bash, Runner::Ours] {
            if let Some(took) = programs.measure(runner, &much)? {
                report.speed(runner, work::megabytes(MUCH) / took.as_secs_f64());
            }
            much.forget()?;
        }
    }
    report.memory(memory::peak(&programs.ours, place.path())?);
    report.print(programs.wrkflw.is_some())?;
    Ok(if report.goals().iter().all(Goal::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rounds(mut words: impl Iterator<Item = String>) -> anyhow::Result<usize> {
    let Some(word) = words.next() else {
        return Ok(ROUNDS);
    };
    let number = words.next().filter(|_| word == "--rounds");
    let number = number.with_context(|| format!("usage: {USAGE}"))?;
    let rounds = number
        .parse()
        .ok()
        .filter(|rounds| *rounds > 0)
        .with_context(|| format!("`{number}` is not a number of rounds"))?;
    if words.next().is_some() {
        bail!("usage: {USAGE}");
    }
    Ok(rounds)
}

impl Programs {
    fn find(root: &Path) -> anyhow::Result<Self> {
        let ours = root.join("target/release/cutover");
        ensure!(
            ours.exists(),
            "there is no {}: build it with `cargo build --release`",
            ours.display()
        );
        let wrkflw = root.join("target/tools/bin/wrkflw");
        Ok(Self {
            ours,
            own: std::env::current_exe().context("could not find our own program")?,
            wrkflw: wrkflw.exists().then_some(wrkflw),
        })
    }

    /// How long it took; `None` when the program is not there.
    fn measure(&self, runner: Runner, tree: &Tree) -> anyhow::Result<Option<Duration>> {
        let mut command = match runner {
            Runner::Bash => {
                let mut command = Command::new("bash");
                command.arg(&tree.script);
                command
            }
            Runner::Floor => {
                let mut command = Command::new(&self.own);
                command.args(["bench", "engine-floor"]).args(tree.floor());
                command
            }
            Runner::Ours => {
                let mut command = Command::new(&self.ours);
                command.args(["run", "--jobs", "2", "--secret", "TOKEN=hunter2hunter2"]);
                command.arg("--data-dir").arg(&tree.data);
                command
            }
            Runner::Wrkflw => {
                let Some(program) = &self.wrkflw else {
                    return Ok(None);
                };
                let mut command = Command::new(program);
                command.args(["run", "--runtime", "emulation"]);
                command.arg(&tree.workflow);
                command
            }
        };
        command
            .current_dir(&tree.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begin = now();
        let status = command
            .status()
            .with_context(|| format!("could not run {}", runner.name()))?;
        let took = begin.elapsed();
        ensure!(
            status.success(),
            "{} ended with {status} on {}",
            runner.name(),
            tree.root.display()
        );
        Ok(Some(took))
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]
fn now() -> Instant {
    Instant::now()
}
