//! What must hold.

use super::{
    cells::Kind,
    play::{Played, Score},
    rivals::Name,
};

/// A false alarm in so many courses is what α 1 % and chance allow.
const FALSE_ALARMS: f64 = 0.012;

/// One thing that must hold.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    pub(super) what: String,
    /// What was measured; `None` when it did not come about at all.
    pub(super) value: Option<f64>,
    pub(super) at_most: f64,
    pub(super) unit: &'static str,
}

impl Goal {
    pub(super) fn is_reached(&self) -> bool {
        self.value.is_some_and(|value| value <= self.at_most)
    }
}

/// All of them.
pub(super) fn of(results: &[Played]) -> Vec<Goal> {
    let mut goals: Vec<Goal> = results.iter().filter_map(false_alarms).collect();
    for (group, name, seconds) in [
        ("300 rpm, 10 %, 1 %", "20 % errors", 60.0),
        ("30 rpm, 10 %, 0.1 %", "100 % errors", 100.0),
    ] {
        let played = results
            .iter()
            .find(|played| played.cell.group == group && played.cell.name == name);
        let median = played.and_then(judge).and_then(Score::median_over_all);
        goals.push(Goal {
            what: format!("{group}: {name}, median"),
            value: median
                .and_then(|seconds| u32::try_from(seconds).ok())
                .map(f64::from),
            at_most: seconds,
            unit: "s",
        });
    }
    goals
}

fn judge(played: &Played) -> Option<&Score> {
    played.scores.iter().find(|score| score.name == Name::Judge)
}

fn false_alarms(played: &Played) -> Option<Goal> {
    let score = judge(played)?;
    let name = &played.cell.name;
    match played.cell.kind {
        Kind::Bad => None,
        Kind::Null | Kind::Incident => Some(Goal {
            what: format!("{}: {name}, taken back", played.cell.group),
            value: Some(100.0 * score.share()),
            at_most: 100.0 * FALSE_ALARMS,
            unit: "%",
        }),
    }
}
