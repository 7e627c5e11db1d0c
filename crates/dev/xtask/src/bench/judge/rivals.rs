//! What others do, in their documented examples, once a minute. `true`: it would take the candidate
//! back.

use cutover_judge::{Sample, SideSample, Watch};
use cutover_model::{
    Duration,
    delivery::{JudgeSpec, Metric, RollbackTrigger},
};

use super::traffic::whole;

/// Somebody who looks at traffic.
pub(super) trait Method {
    /// Looks at one more second.
    fn look(&mut self, second: i64, sample: &Sample) -> bool;
}

/// The names, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Judge,
    /// The judge without its effect gate: what is worse at all is too bad.
    Ungated,
    /// The judge, who believes every repeat.
    Gullible,
    Seed,
    Flagger,
    Argo,
    Kayenta,
    Peeking,
    Msprt,
}

impl Name {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Judge => "judge, α 1 %",
            Self::Ungated => "judge, `min_ratio` 1",
            Self::Gullible => "judge without de-duplication",
            Self::Seed => "seed 5XX > 10 for 1m",
            Self::Flagger => "Flagger < 99 % × 5",
            Self::Argo => "Argo < 95 %, more than 3",
            Self::Kayenta => "Kayenta every 5 m",
            Self::Peeking => "z-test peeking α 1 %",
            Self::Msprt => "mSPRT normal α 1 %",
        }
    }

    pub(super) fn start(self) -> Box<dyn Method> {
        match self {
            Self::Judge => judge(&JudgeSpec::default()),
            Self::Ungated => judge(&JudgeSpec {
                min_ratio_milli: 1_000,
                ..JudgeSpec::default()
            }),
            Self::Gullible => judge(&JudgeSpec {
                dedupe: Duration::ZERO,
                ..JudgeSpec::default()
            }),
            Self::Seed => {
                let trigger =
                    RollbackTrigger::bare(Metric::Target5xxCount, 10_000, Duration::from_secs(60));
                Box::new(Production(Watch::new(&[trigger], None)))
            }
            Self::Flagger => Minutely::start(Failures::new(0.99, 5)),
            Self::Argo => Minutely::start(Failures::new(0.95, 4)),
            Self::Kayenta => Minutely::start(Kayenta::default()),
            Self::Peeking => Minutely::start(Peeking::default()),
            Self::Msprt => Minutely::start(Msprt::default()),
        }
    }
}

fn judge(spec: &JudgeSpec) -> Box<dyn Method> {
    Box::new(Production(Watch::new(&[], Some(spec))))
}

/// What runs in production, to the letter.
struct Production(Watch);

impl Method for Production {
    fn look(&mut self, _: i64, sample: &Sample) -> bool {
        self.0.sample(sample).is_some()
    }
}

/// Requests and bad ones of both sides.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    candidate: (f64, f64),
    current: (f64, f64),
}

impl Counts {
    fn add(&mut self, candidate: (f64, f64), current: (f64, f64)) {
        self.candidate.0 += candidate.0;
        self.candidate.1 += candidate.1;
        self.current.0 += current.0;
        self.current.1 += current.1;
    }

    /// The difference of the shares, and the variance it would have if they were equal.
    fn difference(&self) -> Option<(f64, f64)> {
        let ((mine, my_bad), (theirs, their_bad)) = (self.candidate, self.current);
        let pooled = (my_bad + their_bad) / (mine + theirs);
        let variance = pooled * (1.0 - pooled) * (1.0 / mine + 1.0 / theirs);
        let is_known = mine > 0.0 && theirs > 0.0 && variance > 0.0;
        is_known.then(|| (my_bad / mine - their_bad / theirs, variance))
    }
}

/// Somebody who looks once a minute.
trait Minute {
    fn look(&mut self, minute: &Counts) -> bool;
}

struct Minutely<M> {
    open: Counts,
    method: M,
}

impl<M: Minute + 'static> Minutely<M> {
    fn start(method: M) -> Box<dyn Method> {
        Box::new(Self {
            open: Counts::default(),
            method,
        })
    }
}

impl<M: Minute> Method for Minutely<M> {
    fn look(&mut self, second: i64, sample: &Sample) -> bool {
        let of = |side: &SideSample| (whole(side.requests), whole(side.bad));
        let current = sample.current.as_ref().map(of).unwrap_or_default();
        self.open.add(of(&sample.candidate), current);
        second.rem_euclid(60) == 0 && self.method.look(&std::mem::take(&mut self.open))
    }
}

/// So many minutes with a share of good answers below a limit. Minutes without traffic say nothing.
struct Failures {
    limit: f64,
    left: u32,
}

impl Failures {
    const fn new(limit: f64, left: u32) -> Self {
        Self { limit, left }
    }
}

impl Minute for Failures {
    fn look(&mut self, minute: &Counts) -> bool {
        let (requests, bad) = minute.candidate;
        if requests > 0.0 && 1.0 - bad / requests < self.limit {
            self.left = self.left.saturating_sub(1);
        }
        self.left == 0
    }
}

/// Two shares compared by a one-sided z-test at 1 %, again and again.
#[derive(Default)]
struct Peeking(Counts);

/// Φ⁻¹(0.99): of one side at 1 %, and of both at 98 %.
const Z: f64 = 2.326_347_874_040_841;

impl Minute for Peeking {
    fn look(&mut self, minute: &Counts) -> bool {
        self.0.add(minute.candidate, minute.current);
        let difference = self.0.difference();
        difference.is_some_and(|(difference, variance)| difference / variance.sqrt() > Z)
    }
}

/// The mixture sequential test with a normal mixture of σ 1 %, upwards.
#[derive(Default)]
struct Msprt(Counts);

impl Minute for Msprt {
    fn look(&mut self, minute: &Counts) -> bool {
        const SPREAD: f64 = 0.01 * 0.01;
        self.0.add(minute.candidate, minute.current);
        let difference = self.0.difference();
        difference.is_some_and(|(difference, variance)| {
            let whole = variance + SPREAD;
            let ln = 0.5 * (variance / whole).ln()
                + SPREAD * difference * difference / (2.0 * variance * whole);
            difference > 0.0 && ln >= 100_f64.ln()
        })
    }
}

/// Kayenta's Mann–Whitney classifier: the lower end of the 98 % interval of the shift between the
/// per-minute error rates is beyond a quarter of the shift. Every five minutes, over all so far.
#[derive(Default)]
struct Kayenta {
    candidate: Vec<f64>,
    current: Vec<f64>,
    minutes: u32,
}

impl Minute for Kayenta {
    fn look(&mut self, minute: &Counts) -> bool {
        let rate = |(requests, bad): (f64, f64)| (requests > 0.0).then(|| bad / requests);
        self.candidate.extend(rate(minute.candidate));
        self.current.extend(rate(minute.current));
        self.minutes += 1;
        if !self.minutes.is_multiple_of(5) || self.candidate.is_empty() || self.current.is_empty() {
            return false;
        }
        let lower = self.shift(Z, true);
        let estimate = self.shift(0.0, false);
        lower > 0.25 * estimate.abs()
    }
}

impl Kayenta {
    /// The shift at which the standardised rank sum is `z`, as R's `wilcox.test` finds it.
    fn shift(&self, z: f64, is_corrected: bool) -> f64 {
        let ends = |values: &[f64]| {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        };
        let (mine, theirs) = (ends(&self.candidate), ends(&self.current));
        let (mut low, mut high) = (mine.0 - theirs.1, mine.1 - theirs.0);
        if self.standardised(low, is_corrected) <= z {
            return low;
        }
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if self.standardised(middle, is_corrected) > z {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The rank sum of the candidate's values less a shift, in standard deviations.
    fn standardised(&self, shift: f64, is_corrected: bool) -> f64 {
        let shifted = self.candidate.iter().map(|value| (value - shift, true));
        let mut all: Vec<(f64, bool)> = shifted
            .chain(self.current.iter().map(|&value| (value, false)))
            .collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (mine, theirs) = (
            whole(self.candidate.len() as u64),
            whole(self.current.len() as u64),
        );
        let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
        for group in all.chunk_by(|one, other| (one.0 - other.0).abs() < 1e-12) {
            let size = whole(group.len() as u64);
            let ours = group.iter().filter(|(_, is_mine)| *is_mine).count();
            rank_sum += whole(ours as u64) * (before + f64::midpoint(size, 1.0));
            ties += size.powi(3) - size;
            before += size;
        }
        let all = mine + theirs;
        let away = rank_sum - mine * (mine + 1.0) / 2.0 - mine * theirs / 2.0;
        let variance = mine * theirs / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)));
        let correction = if is_corrected {
            away.signum() * 0.5
        } else {
            0.0
        };
        if variance <= 0.0 {
            0.0
        } else {
            (away - correction) / variance.sqrt()
        }
    }
}
