//! The two functions of the binomial distribution that the absolute guard is made of, in logarithms,
//! so that neither a million requests nor a single one lose digits.

use std::f64::consts::TAU;

/// More is not needed for 10¹² requests.
const MOST_ROUNDS: u32 = 2_000_000;

/// The logarithm of the probability of `bad` in `all` at `p`; Loader's saddle-point form, exact to a
/// few units in the last place. `0 ≤ bad ≤ all`, `0 < p < 1`.
pub(crate) fn ln_binomial(bad: f64, all: f64, p: f64) -> f64 {
    let good = all - bad;
    if bad <= 0.0 {
        return all * (-p).ln_1p();
    }
    if good <= 0.0 {
        return all * p.ln();
    }
    let rest = stirling_rest(all) - stirling_rest(bad) - stirling_rest(good);
    let away = deviance(bad, all * p) + deviance(good, all * (1.0 - p));
    rest - away + 0.5 * (all / (TAU * bad * good)).ln()
}

/// ln n! − ln(√(2πn) (n/e)ⁿ).
fn stirling_rest(n: f64) -> f64 {
    if n <= 15.0 {
        let factorial: f64 = (1..=15_u8).map(f64::from).take_while(|&i| i <= n).product();
        return factorial.ln() - (n + 0.5) * n.ln() + n - 0.5 * TAU.ln();
    }
    let square = n * n;
    let tail = 1.0 / 1_680.0 - 1.0 / (1_188.0 * square);
    let tail = 1.0 / 1_260.0 - tail / square;
    let tail = 1.0 / 360.0 - tail / square;
    (1.0 / 12.0 - tail / square) / n
}

/// x ln(x/m) + m − x, without cancellation near x = m.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut term = 2.0 * x * v;
    for odd in (3..1_000_u16).step_by(2) {
        term *= v * v;
        let next = sum + term / f64::from(odd);
        if next.total_cmp(&sum).is_eq() {
            break;
        }
        sum = next;
    }
    sum
}

/// The continued fraction of the incomplete beta function (Lentz):
/// Iₓ(a, b) = xᵃ (1 − x)ᵇ / (a B(a, b)) × this. Fast for x < (a + 1) / (a + b + 2).
#[expect(clippy::many_single_char_names, reason = "as in the formulae")]
pub(crate) fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut product = d;
    for round in 1..MOST_ROUNDS {
        let m = f64::from(round);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        product *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        product *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    product
}

fn away_from_zero(value: f64) -> f64 {
    if value.abs() < 1e-300 { 1e-300 } else { value }
}
