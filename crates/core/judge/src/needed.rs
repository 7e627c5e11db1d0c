//! How much traffic and time a judgement needs, before it is begun. `plan` prints it; the honest answer
//! is often "more than you have".

use cutover_model::{
    Duration,
    delivery::{JudgeSpec, Weight},
};

use crate::{
    evidence::{Evidence, RATIOS},
    guard::{evidence_above, upper_bound},
    settings::{PROMOTION_ALPHA, Settings},
    words::real,
};

/// Nobody watches for longer.
const HORIZON_MINUTES: f64 = 24.0 * 60.0;
/// No step needs more requests than this.
const MOST_REQUESTS: u64 = 1 << 40;

/// What a judgement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// So many bad answers of a broken candidate, and none of the current side, are surely enough to
    /// take it back. `None` where nothing could.
    pub events: Option<u64>,
    /// So many answers of the candidate, none of them bad, show that at most `p_max` are (95 %).
    /// Without `p_max`: so many that a candidate that answers nothing well would be found.
    pub requests: Option<u64>,
    /// How long these take.
    pub duration: Option<Duration>,
}

/// How many bad answers of the candidate, with none of the current side, surely reach 1/`alpha` at this
/// share of the traffic: ⌈ln(16/α) / ln(1/w)⌉. `None` at 0 % and at 100 %, where there is nothing to
/// compare.
pub fn minimum_bad(alpha: f64, weight: Weight) -> Option<u64> {
    if weight == Weight::NONE || weight == Weight::ALL || alpha <= 0.0 {
        return None;
    }
    let ratios = real(RATIOS as u64);
    whole(((ratios / alpha).ln() / -part(weight).ln()).ceil())
}

/// What judging at this weight needs, with so many requests a minute for both sides together. `alpha`
/// is the chance to accuse wrongly.
pub fn needed(rpm: f64, weight: Weight, p_max: Option<f64>, alpha: f64) -> Needed {
    let events = match p_max {
        Some(p_max) if weight == Weight::ALL => {
            least(|k| evidence_above(p_max, k, k) >= -alpha.ln())
        }
        Some(_) | None => minimum_bad(alpha, weight),
    };
    let requests = match p_max {
        Some(p_max) => least(|n| upper_bound(0, n, PROMOTION_ALPHA) <= p_max),
        None => events,
    };
    let duration = requests.and_then(|requests| minutes(real(requests) / (rpm * part(weight))));
    Needed {
        events,
        requests,
        duration,
    }
}

/// After how long a candidate with this share of bad answers is expected to be found, when the current
/// side has `current_bad` of its own: about the median. `None` when a day is not enough, or when the
/// difference is too small to matter.
pub fn detected_after(
    rpm: f64,
    weight: Weight,
    current_bad: f64,
    candidate_bad: f64,
    spec: &JudgeSpec,
) -> Option<Duration> {
    let settings = Settings::from(spec);
    let (mine, theirs) = (rpm * part(weight), rpm * part(weight.rest()));
    let is_found = |minutes: f64| {
        let found = |ratio, alpha: f64| {
            let mut evidence = Evidence::against(ratio);
            let (one, other) = (mine * minutes, theirs * minutes);
            evidence.weigh_parts(one, other, one * candidate_bad, other * current_bad);
            evidence.ln() >= -alpha.ln()
        };
        found(1.0, settings.errors) && found(settings.min_ratio, settings.alpha)
    };
    if mine <= 0.0 || theirs <= 0.0 || candidate_bad <= 0.0 || !is_found(HORIZON_MINUTES) {
        return None;
    }
    let (mut low, mut high) = (0.0, HORIZON_MINUTES);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if is_found(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    // Bad answers are whole: the one that tips the balance must have come.
    let events = (high * mine * candidate_bad - 1e-9).ceil();
    minutes(events / (mine * candidate_bad))
}

/// When a candidate with 5 %, 20 % and 100 % of bad answers would be found.
pub fn outlook(
    rpm: f64,
    weight: Weight,
    current_bad: f64,
    spec: &JudgeSpec,
) -> [(f64, Option<Duration>); 3] {
    [0.05, 0.2, 1.0].map(|bad| (bad, detected_after(rpm, weight, current_bad, bad, spec)))
}

fn part(weight: Weight) -> f64 {
    f64::from(weight.basis_points()) / 10_000.0
}

/// The least count for which it holds, if it does for all greater ones.
fn least(holds: impl Fn(u64) -> bool) -> Option<u64> {
    let mut high = 1;
    while !holds(high) {
        high *= 2;
        if high > MOST_REQUESTS {
            return None;
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

fn minutes(count: f64) -> Option<Duration> {
    whole((count * 60.0).ceil()).map(Duration::from_secs)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "looked at before"
)]
fn whole(value: f64) -> Option<u64> {
    (0.0..1e15).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests;
