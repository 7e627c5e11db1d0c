//! Medians of what was measured, and whether the goals are met.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use super::{Runner, memory::Peak, work::Shape};

/// A number that must not be missed.
#[derive(Debug)]
pub(super) struct Goal {
    what: String,
    measured: f64,
    bound: Bound,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(super) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.measured <= bound,
            Bound::AtLeast(bound) => self.measured >= bound,
        }
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Report {
    times: BTreeMap<(Shape, Runner), Vec<Duration>>,
    /// In megabytes a second.
    speeds: BTreeMap<Runner, Vec<f64>>,
    memory: Peak,
}

impl Report {
    pub(super) fn add(&mut self, shape: Shape, runner: Runner, took: Duration) {
        self.times.entry((shape, runner)).or_default().push(took);
    }

    pub(super) fn speed(&mut self, runner: Runner, megabytes_a_second: f64) {
        let speeds = self.speeds.entry(runner).or_default();
        speeds.push(megabytes_a_second);
    }

    fn median_speed(&self, runner: Runner) -> f64 {
        let mut speeds = self.speeds.get(&runner).cloned().unwrap_or_default();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied().unwrap_or(0.0)
    }

    pub(super) const fn memory(&mut self, peak: Peak) {
        self.memory = peak;
    }

    /// In milliseconds.
    fn median(&self, shape: Shape, runner: Runner) -> Option<f64> {
        let mut times = self.times.get(&(shape, runner))?.clone();
        times.sort_unstable();
        times
            .get(times.len() / 2)
            .map(|took| took.as_secs_f64() * 1e3)
    }

    /// Those of the goals that can be told from what was measured.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        let of = |shape, runner| self.median(shape, runner).unwrap_or(f64::NAN);
        let floor = |shape| of(shape, Runner::Floor);
        let ours = |shape| of(shape, Runner::Ours);
        goals.push(Goal {
            what: "100 steps, times the floor".to_owned(),
            measured: ours(Shape::HundredSteps) / floor(Shape::HundredSteps),
            bound: Bound::AtMost(1.25),
        });
        goals.push(Goal {
            what: "1 step, ms over the floor".to_owned(),
            measured: ours(Shape::OneStep) - floor(Shape::OneStep),
            bound: Bound::AtMost(15.0),
        });
        for shape in [Shape::HundredSteps, Shape::FiftyJobs] {
            if let Some(theirs) = self.median(shape, Runner::Wrkflw) {
                goals.push(Goal {
                    what: format!("{}, times wrkflw", shape.name()),
                    measured: ours(shape) / theirs,
                    bound: Bound::AtMost(0.5),
                });
            }
        }
        goals.push(Goal {
            what: "memory above the steps, MiB".to_owned(),
            measured: self.memory.proportional,
            bound: Bound::AtMost(30.0),
        });
        goals.push(Goal {
            what: "a step that prints 1 GB with masks on, MB/s".to_owned(),
            measured: self.median_speed(Runner::Ours),
            bound: Bound::AtLeast(300.0),
        });
        goals
    }

    /// Two tables, as `docs/benchmarks.md` has them.
    pub(super) fn print(&self, has_wrkflw: bool) -> io::Result<()> {
        let runners = [Runner::Bash, Runner::Floor, Runner::Ours, Runner::Wrkflw];
        let mut out = io::stdout().lock();
        writeln!(out, "| ms, median | bash | floor | cutover | wrkflw |")?;
        writeln!(out, "|---|---|---|---|---|")?;
        for shape in Shape::ALL {
            let cells = runners.map(|runner| {
                self.median(shape, runner)
                    .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"))
            });
            writeln!(out, "| {} | {} |", shape.name(), cells.join(" | "))?;
        }
        writeln!(out, "\n| goal | bound | measured | |\n|---|---|---|---|")?;
        for goal in self.goals() {
            let (word, bound) = match goal.bound {
                Bound::AtMost(bound) => ("at most", bound),
                Bound::AtLeast(bound) => ("at least", bound),
            };
            let verdict = if goal.is_met() { "met" } else { "MISSED" };
            writeln!(
                out,
                "| {} | {word} {bound} | {:.2} | {verdict} |",
                goal.what, goal.measured
            )?;
        }
        writeln!(
            out,
            "\n1 GB from bash into a file, without anything between: {:.0} MB/s. \
             Memory with shared pages counted for each process: {:.1} MiB.",
            self.median_speed(Runner::Bash),
            self.memory.resident
        )?;
        if !has_wrkflw {
            writeln!(
                out,
                "\nSKIPPED: wrkflw, because it is not there: \
                 cargo install wrkflw --version ^0.8 --locked --root target/tools"
            )?;
        }
        Ok(())
    }
}
