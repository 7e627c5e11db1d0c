//! Medians and ratios of what was measured, and whether the goals are met.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{steady::Latency, switching::Switches, wrk::Round};

/// What is compared with, and what is measured.
const YARDSTICK: &str = "nginx";
const OURS: &str = "cutover";

/// A number that must not be missed.
#[derive(Debug)]
pub(crate) struct Goal {
    what: &'static str,
    measured: f64,
    bound: Bound,
    unit: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.measured <= bound,
            Bound::AtLeast(bound) => self.measured >= bound,
        }
    }

    fn bound(&self) -> (&'static str, f64) {
        match self.bound {
            Bound::AtMost(bound) => ("at most", bound),
            Bound::AtLeast(bound) => ("at least", bound),
        }
    }
}

/// A quantity of one proxy in all rounds, in order of size.
#[derive(Debug)]
struct Row {
    proxy: &'static str,
    /// What was measured under which load.
    what: String,
    values: Vec<f64>,
    unit: &'static str,
}

impl Row {
    fn median(&self) -> f64 {
        self.values
            .get(self.values.len() / 2)
            .copied()
            .unwrap_or(f64::NAN)
    }

    fn least(&self) -> f64 {
        self.values.first().copied().unwrap_or(f64::NAN)
    }

    fn most(&self) -> f64 {
        self.values.last().copied().unwrap_or(f64::NAN)
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
}

const RATE: &str = "requests/s";
const CPU: &str = "CPU per request";
const P99: &str = "p99 at a steady rate";
const WEIGHTS: &str = "hot weight change in force";
const BACK: &str = "decision to 100 % on the good side";

impl Report {
    fn add(&mut self, proxy: &'static str, what: String, mut values: Vec<f64>, unit: &'static str) {
        values.sort_by(f64::total_cmp);
        self.rows.push(Row {
            proxy,
            what,
            values,
            unit,
        });
    }

    /// Notes the rounds at full load.
    pub(crate) fn add_full_load(&mut self, connections: usize, rounds: &[(&'static str, Round)]) {
        for proxy in names(rounds) {
            let of = |pick: fn(&Round) -> f64| {
                let own = rounds.iter().filter(|(name, _)| *name == proxy);
                own.map(|(_, round)| pick(round)).collect()
            };
            let named = |what: &str| format!("{what}, {connections} connections");
            self.add(proxy, named(RATE), of(|round| round.per_second), "");
            self.add(proxy, named(CPU), of(|round| round.cpu_micros), "µs");
            self.add(
                proxy,
                named("p99 at full load"),
                of(|round| round.p99_ms),
                "ms",
            );
        }
    }

    /// Notes the rounds below full load.
    pub(crate) fn add_steady(
        &mut self,
        connections: usize,
        rate: u32,
        rounds: &[(&'static str, Latency)],
    ) {
        for proxy in names(rounds) {
            let of = |pick: fn(&Latency) -> f64| {
                let own = rounds.iter().filter(|(name, _)| *name == proxy);
                own.map(|(_, latency)| pick(latency)).collect()
            };
            let named = |what: &str| format!("{what} of {rate}/s, {connections} connections");
            self.add(
                proxy,
                named("p50 at a steady rate"),
                of(|latency| latency.p50_ms),
                "ms",
            );
            self.add(proxy, named(P99), of(|latency| latency.p99_ms), "ms");
        }
    }

    pub(crate) fn add_switching(&mut self, switches: &Switches) {
        self.add(OURS, WEIGHTS.to_owned(), switches.weights_ms.clone(), "ms");
        self.add(OURS, BACK.to_owned(), switches.back_ms.clone(), "ms");
    }

    /// Requests a second of the slowest proxy at full load.
    pub(crate) fn slowest_rate(&self) -> u32 {
        let rates = self.rows.iter().filter(|row| row.what.starts_with(RATE));
        let slowest = rates.map(Row::median).fold(f64::INFINITY, f64::min);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate: positive, and far below the limit"
        )]
        let slowest = slowest as u32;
        slowest
    }

    /// Compares with the goals. The first load is the one that they are for.
    pub(crate) fn judge(&mut self) {
        let ratio = |what: &str| self.ratio(what);
        let most = |what: &str| {
            let row = self.rows.iter().find(|row| row.what.starts_with(what));
            row.map_or(f64::NAN, Row::most)
        };
        let goal = |what, measured, bound, unit| Goal {
            what,
            measured,
            bound,
            unit,
        };
        let times = "× nginx";
        self.goals = vec![
            goal(RATE, ratio(RATE), Bound::AtLeast(0.95), times),
            goal(CPU, ratio(CPU), Bound::AtMost(1.25), times),
            goal(P99, ratio(P99), Bound::AtMost(1.25), times),
            goal(WEIGHTS, most(WEIGHTS), Bound::AtMost(50.0), "ms"),
            goal(BACK, most(BACK), Bound::AtMost(200.0), "ms"),
        ];
    }

    /// Ours beside the yardstick's, by the middle rounds.
    fn ratio(&self, what: &str) -> f64 {
        let of = |proxy: &str| {
            let mut own = self.rows.iter().filter(|row| row.proxy == proxy);
            let row = own.find(|row| row.what.starts_with(what));
            row.map_or(f64::NAN, Row::median)
        };
        of(OURS) / of(YARDSTICK)
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = String::from("median (least to most) of all rounds\n");
        let mut write = |row: &Row, ratio: Option<f64>| {
            let ratio = ratio.map_or_else(String::new, |ratio| format!("  {ratio:.2} × nginx"));
            let _infallible = writeln!(
                text,
                "{:<58} {:<8} {:>10.2} {:<2} ({:.2} to {:.2}){ratio}",
                row.what,
                row.proxy,
                row.median(),
                row.unit,
                row.least(),
                row.most(),
            );
        };
        let mut rows: Vec<_> = self.rows.iter().collect();
        // Those that are compared stand together, in the order in which they were measured.
        rows.sort_by_key(|row| self.rows.iter().position(|first| first.what == row.what));
        for row in rows {
            let yardstick = self
                .rows
                .iter()
                .find(|other| other.what == row.what && other.proxy == YARDSTICK);
            write(row, yardstick.map(|other| row.median() / other.median()));
        }
        for goal in &self.goals {
            let (word, bound) = goal.bound();
            let met = if goal.is_met() { "met   " } else { "MISSED" };
            let _infallible = writeln!(
                text,
                "{met} {}: {:.2} {unit}, {word} {bound} {unit}",
                goal.what,
                goal.measured,
                unit = goal.unit,
            );
        }
        let missed = self.goals.iter().filter(|goal| !goal.is_met()).count();
        let _infallible = write!(
            text,
            "bench balancer: {} goals, {missed} missed",
            self.goals.len()
        );
        text
    }

    pub(crate) fn to_json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "what": row.what, "proxy": row.proxy, "unit": row.unit,
                "median": row.median(), "values": row.values,
            })
        };
        let goal = |goal: &Goal| {
            let (word, bound) = goal.bound();
            json!({
                "what": goal.what, "measured": goal.measured, "unit": goal.unit,
                "bound": format!("{word} {bound}"), "met": goal.is_met(),
            })
        };
        json!({
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "goals": self.goals.iter().map(goal).collect::<Vec<_>>(),
        })
    }
}

/// The proxies, in the order of their first round.
fn names<T>(rounds: &[(&'static str, T)]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (name, _) in rounds {
        if !names.contains(name) {
            names.push(*name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged_by_the_middle_rounds_and_the_slowest_switch() {
        let round = |per_second, cpu_micros| Round {
            per_second,
            p99_ms: 2.0,
            cpu_micros,
        };
        let rounds = [
            (OURS, round(90.0, 12.0)),
            (YARDSTICK, round(100.0, 10.0)),
            (OURS, round(96.0, 12.5)),
            (YARDSTICK, round(100.0, 10.0)),
            (OURS, round(99.0, 20.0)),
            (YARDSTICK, round(1.0, 99.0)),
        ];
        let latency = |p99_ms| Latency {
            p50_ms: 1.0,
            p99_ms,
        };
        let mut report = Report::default();
        report.add_full_load(50, &rounds);
        report.add_steady(50, 48, &[(OURS, latency(2.6)), (YARDSTICK, latency(2.0))]);
        report.add_switching(&Switches {
            weights_ms: vec![3.0, 51.0, 2.0],
            back_ms: vec![4.0],
        });
        report.judge();
        let met: Vec<_> = report.goals.iter().map(Goal::is_met).collect();
        assert_eq!(met, [true, true, false, false, true]);
        let text = report.to_text();
        assert!(
            text.ends_with("bench balancer: 5 goals, 2 missed"),
            "{text}"
        );
        assert_eq!(report.to_json()["goals"][0]["met"], true);
        assert_eq!(report.slowest_rate(), 96);
    }
}
