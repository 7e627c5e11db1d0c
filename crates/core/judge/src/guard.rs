//! The absolute guard: evidence that more than a given share goes badly, whatever the other side does,
//! and the bound that holds at every look. It fires on incidents that hit both sides, by design.

use crate::{
    beta::{fraction, ln_binomial},
    words::real,
};

/// The logarithm of the evidence against "at most `p_max` of the answers are bad", after `bad` of
/// `requests`: a uniform mixture over all larger shares. `0 < p_max < 1`, `bad ≤ requests`.
///
/// Under the hypothesis it ever reaches 1/α with probability at most α.
#[expect(clippy::many_single_char_names, reason = "as in the formulae")]
pub fn evidence_above(p_max: f64, bad: u64, requests: u64) -> f64 {
    let bad = bad.min(requests);
    let (k, n) = (real(bad), real(requests));
    let (a, b) = (1.0 + k, 1.0 + n - k);
    let q = 1.0 - p_max;
    // The mixture over all shares, and the part of it that is above p_max, both over the likelihood
    // at p_max. Above the mean of the mixture that part is small and computed by itself.
    if p_max >= (a + 1.0) / (a + b + 2.0) {
        return (p_max * fraction(b, a, q) / b).ln();
    }
    let whole = -(n + 1.0).ln() - ln_binomial(k, n, p_max);
    let below = (p_max * q * fraction(a, b, p_max) / a).ln();
    whole + (-(below - whole).exp()).ln_1p() - q.ln()
}

/// The share of bad answers that is not exceeded, after `bad` of `requests`, at every look together
/// with probability 1 − `alpha`: the same mixture, inverted. With nothing bad in n requests it is
/// 1 − (α/(n+1))^(1/n).
pub fn upper_bound(bad: u64, requests: u64, alpha: f64) -> f64 {
    let bad = bad.min(requests);
    if bad == requests {
        return 1.0;
    }
    let (k, n) = (real(bad), real(requests));
    let limit = -alpha.ln();
    let is_refuted = |p: f64| -(n + 1.0).ln() - ln_binomial(k, n, p) >= limit;
    let (mut low, mut high) = (k / n, 1.0);
    // Each round halves; after 100 the two are neighbours.
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if is_refuted(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests;
