//! The judge: is the candidate worse than the current side, or was that chance?
//!
//! A conditional Poisson e-process. If both sides are equally good, a bad request is the candidate's
//! with at most the probability that a request is: its share `w`. Evidence multiplies with each bad
//! request, for 16 possible ratios of badness ρ at once, and stays below 1/α for ever with
//! probability 1 − α, however often one looks and whatever load or weight do meanwhile. The mean of
//! the 16 is the evidence.
//!
//! Two choices are ours. Seconds are put together to ticks of at least [`TICK_REQUESTS`] requests of
//! one weight: in a second with a single request the share of whoever got it is 1, and nothing could
//! be learnt. And evidence must also hold against "at most [`Settings::min_ratio`] times as bad", so
//! that nobody is rolled back for a difference that does not matter.

use cutover_model::delivery::Weight;

use crate::watch::{Fired, Sample};

/// How many ratios are held possible.
const RATIOS: usize = 16;
/// The smallest and the largest of them; log-spaced between.
const RATIO_RANGE: (f64, f64) = (1.5, 300.0);
/// How many requests of both sides make a tick.
const TICK_REQUESTS: u64 = 10;

/// How the judge judges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The chance to accuse a candidate that is as good as current, over the whole deployment.
    pub alpha: f64,
    /// How much worse it must be at least to matter.
    pub min_ratio: f64,
}

impl Default for Settings {
    /// One in a hundred; half as many again.
    fn default() -> Self {
        Self {
            alpha: 0.01,
            min_ratio: 1.5,
        }
    }
}

/// What both sides did, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    candidate: u64,
    candidate_bad: u64,
    current: u64,
    current_bad: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.candidate += other.candidate;
        self.candidate_bad += other.candidate_bad;
        self.current += other.current;
        self.current_bad += other.current_bad;
    }

    const fn requests(&self) -> u64 {
        self.candidate + self.current
    }
}

/// Evidence against "the candidate is at most `ratio` times as bad as current".
#[derive(Debug, Clone, PartialEq)]
struct Evidence {
    ratio: f64,
    logs: [f64; RATIOS],
}

/// Both sides, compared.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    settings: Settings,
    equal: Evidence,
    gate: Evidence,
    weight: Weight,
    tick: Tally,
    seen: Tally,
}

impl Judge {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            equal: Evidence::against(1.0),
            gate: Evidence::against(settings.min_ratio),
            weight: Weight::NONE,
            tick: Tally::default(),
            seen: Tally::default(),
        }
    }

    /// Looks at one more second; says so while the evidence is enough.
    pub(crate) fn sample(&mut self, sample: &Sample) -> Option<Fired> {
        let current = sample.current?;
        if self.weight != sample.weight {
            self.close_tick();
            self.weight = sample.weight;
        }
        let candidate = &sample.candidate;
        self.tick.add(&Tally {
            candidate: candidate.requests,
            candidate_bad: candidate.bad.min(candidate.requests),
            current: current.requests,
            current_bad: current.bad.min(current.requests),
        });
        if self.tick.requests() >= TICK_REQUESTS {
            self.close_tick();
        }
        self.verdict()
    }

    pub(crate) fn evidence(&self) -> f64 {
        self.equal.log().exp()
    }

    fn close_tick(&mut self) {
        let tick = std::mem::take(&mut self.tick);
        self.seen.add(&tick);
        self.equal.weigh(&tick);
        self.gate.weigh(&tick);
    }

    fn verdict(&self) -> Option<Fired> {
        let limit = -self.settings.alpha.ln();
        if self.equal.log() < limit || self.gate.log() < limit {
            return None;
        }
        Some(Fired {
            trigger: "judge".to_owned(),
            observed: format!(
                "{} of the candidate's answers are bad, {} of the current side's: evidence {} ≥ {:.0}",
                percent(self.seen.candidate_bad, self.seen.candidate),
                percent(self.seen.current_bad, self.seen.current),
                scientific(self.equal.log()),
                self.settings.alpha.recip(),
            ),
        })
    }
}

impl Evidence {
    const fn against(ratio: f64) -> Self {
        Self {
            ratio,
            logs: [0.0; RATIOS],
        }
    }

    /// One tick: with θ₀ the candidate's share of bad requests under the hypothesis, a bad request of
    /// the candidate multiplies by ρ / (1 + θ₀(ρ − 1)), one of current by 1 / (1 + θ₀(ρ − 1)).
    fn weigh(&mut self, tick: &Tally) {
        // With one side only, both factors are 1 whatever happened; without bad requests there are none.
        let is_silent = tick.candidate_bad + tick.current_bad == 0;
        if tick.candidate == 0 || tick.current == 0 || is_silent {
            return;
        }
        let odds = self.ratio * real(tick.candidate) / real(tick.current);
        let share = odds / (1.0 + odds);
        let (mine, all) = (
            real(tick.candidate_bad),
            real(tick.candidate_bad + tick.current_bad),
        );
        for (log, ratio) in self.logs.iter_mut().zip(ratios()) {
            *log += mine * ratio.ln() - all * (share * (ratio - 1.0)).ln_1p();
        }
    }

    /// The logarithm of the mean over the ratios, safe from overflow.
    fn log(&self) -> f64 {
        let top = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.logs.iter().map(|log| (log - top).exp()).sum();
        top + sum.ln() - real(self.logs.len() as u64).ln()
    }
}

/// The ratios, from the smallest.
fn ratios() -> impl Iterator<Item = f64> {
    let (low, high) = RATIO_RANGE;
    let step = (high / low).ln() / real(RATIOS as u64 - 1);
    (0..RATIOS as u64).map(move |place| low * (step * real(place)).exp())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests stay far below 2^52"
)]
const fn real(count: u64) -> f64 {
    count as f64
}

/// `34 %`, `0.1 %`, `0 %`.
fn percent(part: u64, all: u64) -> String {
    let percent = 100.0 * real(part) / real(all.max(1));
    if part == 0 || percent >= 10.0 {
        format!("{percent:.0} %")
    } else if percent >= 0.1 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.3} %")
    }
}

/// `2.5e31` from its logarithm: a second of a busy service may hold more than a float does.
fn scientific(log: f64) -> String {
    let tens = log / std::f64::consts::LN_10;
    let exponent = tens.floor();
    let mantissa = 10_f64.powf(tens - exponent);
    format!("{mantissa:.1}e{exponent:.0}")
}

#[cfg(test)]
mod tests;
