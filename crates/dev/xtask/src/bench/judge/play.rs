//! Plays a cell: course after course, everybody on the same traffic.

use super::{
    Effort,
    cells::Cell,
    rivals::{Method, Name},
    traffic::{Traffic, whole},
};

/// What came of a cell.
#[derive(Debug, Clone)]
pub(super) struct Played {
    pub(super) cell: Cell,
    pub(super) scores: Vec<Score>,
}

/// What came of one method.
#[derive(Debug, Clone)]
pub(super) struct Score {
    pub(super) name: Name,
    pub(super) runs: u64,
    /// Seconds since the candidate had traffic, and its bad answers until then, of each course in
    /// which it was taken back; sorted by `finish`.
    seconds: Vec<i64>,
    bad: Vec<u64>,
}

impl Score {
    /// The part of the courses in which the candidate was taken back.
    pub(super) fn share(&self) -> f64 {
        whole(self.seconds.len() as u64) / whole(self.runs.max(1))
    }

    /// The median over all courses in seconds; `None` when most did not end so.
    pub(super) fn median_over_all(&self) -> Option<i64> {
        let middle = usize::try_from(self.runs / 2).ok()?;
        self.seconds.get(middle).copied()
    }

    /// The medians of seconds and of bad answers, of those that ended so.
    pub(super) fn medians(&self) -> Option<(i64, u64)> {
        let middle = self.seconds.len() / 2;
        Some((*self.seconds.get(middle)?, *self.bad.get(middle)?))
    }

    fn finish(&mut self) {
        self.seconds.sort_unstable();
        self.bad.sort_unstable();
    }
}

struct Player {
    method: Box<dyn Method>,
    score: usize,
}

pub(super) fn play(effort: &Effort, number: u64, cell: Cell) -> Played {
    let runs = if cell.is_long {
        effort.long
    } else {
        effort.runs
    };
    let mut scores: Vec<Score> = cell
        .methods
        .iter()
        .map(|&name| Score {
            name,
            runs: runs.min(limit(effort, name)),
            seconds: Vec::new(),
            bad: Vec::new(),
        })
        .collect();
    for run in 0..runs {
        let seed = effort.seed << 40 | number << 32 | run;
        course(&cell, seed, run, &mut scores);
    }
    scores.iter_mut().for_each(Score::finish);
    Played { cell, scores }
}

fn limit(effort: &Effort, name: Name) -> u64 {
    match name {
        Name::Judge | Name::Gullible => effort.runs,
        Name::Ungated | Name::Seed | Name::Flagger | Name::Argo | Name::Peeking | Name::Msprt => {
            effort.rivals
        }
        Name::Kayenta => effort.kayenta,
    }
}

/// One course, until all who look have taken the candidate back, or to its end.
fn course(cell: &Cell, seed: u64, run: u64, scores: &mut [Score]) {
    let setting = cell.setting;
    let mut traffic = Traffic::new(setting, seed);
    let mut players: Vec<Player> = (0..scores.len())
        .filter(|&score| run < scores[score].runs)
        .map(|score| Player {
            method: scores[score].name.start(),
            score,
        })
        .collect();
    let mut bad = 0;
    for second in 1..=setting.before + setting.seconds {
        let sample = traffic.second(second);
        bad += sample.candidate.bad;
        players.retain_mut(|player| {
            let is_over = player.method.look(second, &sample);
            if is_over {
                scores[player.score].seconds.push(second - setting.before);
                scores[player.score].bad.push(bad);
            }
            !is_over
        });
        if players.is_empty() {
            return;
        }
    }
}
