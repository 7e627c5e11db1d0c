//! The conditional Poisson e-process: evidence that one side is worse than the other.
//!
//! If both sides are equally good, a bad event is the candidate's with at most the probability that a
//! request is: its share `w`. Evidence multiplies with each bad event, for 16 possible ratios of
//! badness ρ at once, and stays below 1/α for ever with probability 1 − α, however often one looks
//! and whatever load or weight do meanwhile. The mean of the 16 is the evidence.

use crate::words::real;

/// How many ratios are held possible.
pub(crate) const RATIOS: usize = 16;
/// Their logarithms: the smallest is 1.5, the largest 300, log-spaced between.
const LN_RATIOS: [f64; RATIOS] = ln_ratios();

/// The ratios themselves.
const RATIO: [f64; RATIOS] = [
    1.5,
    2.135_468_938_478_607_6,
    3.040_151_724_804_634_4,
    4.328_099_717_721_64,
    6.161_681_673_221_729,
    8.772_053_214_638_598,
    12.488_298_111_028_097,
    17.778_915_140_374_38,
    25.310_880_694_744_352,
    36.033_733_019_442_934,
    51.299_278_400_300_906,
    73.032_010_393_472_77,
    103.971_726_473_271_96,
    148.018_928_242_444_16,
    210.726_549_045_755_6,
    300.0,
];

/// ln 1.5 and ln 300.
const LN_RANGE: (f64, f64) = (0.405_465_108_108_164_4, 5.703_782_474_656_201);

#[expect(
    clippy::cast_precision_loss,
    reason = "there are sixteen, and `const` has no `From`"
)]
const fn ln_ratios() -> [f64; RATIOS] {
    let mut all = [0.0; RATIOS];
    let mut place = 0;
    while place < RATIOS {
        let part = place as f64 / (RATIOS - 1) as f64;
        all[place] = LN_RANGE.0 + (LN_RANGE.1 - LN_RANGE.0) * part;
        place += 1;
    }
    all
}

/// What both sides did, together. `candidate` and `current` say who had which share: requests, or
/// instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Of the candidate.
    pub candidate: u64,
    /// Of these, bad.
    pub candidate_bad: u64,
    /// Of the current side.
    pub current: u64,
    /// Of these, bad.
    pub current_bad: u64,
}

impl Tally {
    /// Counts another one as well.
    pub const fn add(&mut self, other: &Self) {
        self.candidate += other.candidate;
        self.candidate_bad += other.candidate_bad;
        self.current += other.current;
        self.current_bad += other.current_bad;
    }
}

/// Evidence against "the candidate is at most `ratio` times as bad as current".
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    ratio: f64,
    logs: [f64; RATIOS],
    /// The logarithm of their mean: it is looked at every second and changes seldom.
    ln: f64,
    greatest: f64,
}

impl Evidence {
    /// None yet: its value is 1.
    pub const fn against(ratio: f64) -> Self {
        Self {
            ratio,
            logs: [0.0; RATIOS],
            ln: 0.0,
            greatest: 0.0,
        }
    }

    /// Which ratio it speaks against.
    pub const fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Takes one tick in: a time in which the shares were the same.
    pub fn weigh(&mut self, tick: &Tally) {
        self.weigh_parts(
            real(tick.candidate),
            real(tick.current),
            real(tick.candidate_bad),
            real(tick.current_bad),
        );
    }

    /// The same for counts that are expectations and need not be whole.
    ///
    /// With θ₀ the candidate's share of bad events under the hypothesis, one of the candidate
    /// multiplies by ρ / (1 + θ₀(ρ − 1)), one of current by 1 / (1 + θ₀(ρ − 1)).
    pub(crate) fn weigh_parts(&mut self, candidate: f64, current: f64, mine: f64, theirs: f64) {
        let all = mine + theirs;
        // With one side only, both factors are 1 whatever happened; without bad events there are none.
        if candidate <= 0.0 || current <= 0.0 || all <= 0.0 {
            return;
        }
        let odds = self.ratio * candidate / current;
        let share = odds / (1.0 + odds);
        for ((log, ln_ratio), ratio) in self.logs.iter_mut().zip(LN_RATIOS).zip(RATIO) {
            *log += mine * ln_ratio - all * (share * (ratio - 1.0)).ln_1p();
        }
        self.ln = ln_mean(&self.logs);
        self.greatest = self.greatest.max(self.ln);
    }

    /// The logarithm of the mean over the ratios.
    pub const fn ln(&self) -> f64 {
        self.ln
    }

    /// The logarithm of the greatest it ever was.
    pub const fn greatest_ln(&self) -> f64 {
        self.greatest
    }

    /// The always-valid p-value: 1 over the greatest evidence.
    pub fn p(&self) -> f64 {
        (-self.greatest).exp().min(1.0)
    }
}

/// The logarithm of the mean of what these are the logarithms of, safe from overflow.
fn ln_mean(logs: &[f64; RATIOS]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - top).exp()).sum();
    top + sum.ln() - LN_COUNT
}

/// ln 16.
const LN_COUNT: f64 = 2.772_588_722_239_781;

#[cfg(test)]
mod tests;
