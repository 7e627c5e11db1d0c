//! The guard and the bound against the recorded reference, and against the figures of the design.

use super::*;

#[test]
fn evidence_is_that_of_the_reference() {
    let cases: Vec<(f64, u64, u64, f64)> =
        serde_json::from_str(include_str!("../../tests/reference/guard.json")).unwrap();
    assert_eq!(cases.len(), 90);
    for (p_max, bad, requests, wanted) in cases {
        let ln = evidence_above(p_max, bad, requests);
        let off = (ln - wanted).abs() / wanted.abs().max(1.0);
        assert!(
            off < 1e-9,
            "{bad} of {requests} above {p_max}: {ln}, not {wanted}"
        );
    }
}

#[test]
fn bounds_are_those_of_the_reference() {
    let cases: Vec<(u64, u64, f64, f64)> =
        serde_json::from_str(include_str!("../../tests/reference/bound.json")).unwrap();
    assert_eq!(cases.len(), 48);
    for (bad, requests, alpha, wanted) in cases {
        let bound = upper_bound(bad, requests, alpha);
        let off = (bound / wanted - 1.0).abs();
        assert!(
            off < 1e-9,
            "{bad} of {requests}, {alpha}: {bound}, not {wanted}"
        );
    }
}

#[test]
fn without_a_bad_answer_the_bound_is_the_formula() {
    for (requests, percent) in [(100, 7.3), (500, 1.8), (1_000, 0.99), (3_000, 0.37)] {
        let bound = upper_bound(0, requests, 0.05);
        let n = real(requests);
        let formula = 1.0 - (0.05 / (n + 1.0)).powf(1.0 / n);
        assert!((bound / formula - 1.0).abs() < 1e-9);
        assert!((100.0 * bound / percent - 1.0).abs() < 0.02, "{bound}");
    }
    assert!((upper_bound(0, 0, 0.05) - 1.0).abs() < 1e-12);
    assert!((upper_bound(7, 7, 0.05) - 1.0).abs() < 1e-12);
}

#[test]
fn the_bound_grows_with_what_is_bad_and_falls_with_what_is_seen() {
    for bad in 0..50 {
        assert!(upper_bound(bad, 1_000, 0.05) < upper_bound(bad + 1, 1_000, 0.05));
        assert!(upper_bound(bad, 1_000, 0.05) > upper_bound(bad, 2_000, 0.05));
    }
}

#[test]
fn its_expectation_is_one_at_the_limit() {
    // Over all outcomes of 40 requests that are bad with exactly the accepted share.
    let (p, n) = (0.07, 40_u64);
    let mean: f64 = (0..=n)
        .map(|bad| (ln_binomial(real(bad), real(n), p) + evidence_above(p, bad, n)).exp())
        .sum();
    assert!((mean - 1.0).abs() < 1e-9, "{mean}");
}
