//! The e-process against the recorded reference (`scripts/judge-reference.py`), and its laws.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Course {
    seed: u64,
    ticks: Vec<[u64; 4]>,
    against_1: Vec<f64>,
    #[serde(rename = "against_1.5")]
    against_more: Vec<f64>,
}

fn tally([candidate, candidate_bad, current, current_bad]: [u64; 4]) -> Tally {
    Tally {
        candidate,
        candidate_bad,
        current,
        current_bad,
    }
}

#[test]
fn evidence_is_that_of_the_reference_at_every_tick() {
    let courses: Vec<Course> =
        serde_json::from_str(include_str!("../../tests/reference/evidence.json")).unwrap();
    assert_eq!(courses.len(), 12);
    for course in courses {
        let mut equal = Evidence::against(1.0);
        let mut more = Evidence::against(1.5);
        for (place, &tick) in course.ticks.iter().enumerate() {
            for (evidence, wanted) in [
                (&mut equal, course.against_1[place]),
                (&mut more, course.against_more[place]),
            ] {
                evidence.weigh(&tally(tick));
                // Relative in E itself, which is more than relative in its logarithm.
                let off = (evidence.ln() - wanted).abs();
                let seed = course.seed;
                assert!(off < 1e-9, "seed {seed}, tick {place}: {off}");
            }
        }
    }
}

#[test]
fn the_ratios_span_their_range() {
    assert!((LN_RATIOS[0].exp() - 1.5).abs() < 1e-12);
    assert!((LN_RATIOS[RATIOS - 1].exp() - 300.0).abs() < 1e-9);
    for (ratio, ln) in RATIO.into_iter().zip(LN_RATIOS) {
        assert!((ratio.ln() - ln).abs() < 1e-14);
    }
    assert!((LN_COUNT - real(RATIOS as u64).ln()).abs() < 1e-15);
}

#[test]
fn the_expectation_is_one_where_both_are_equal() {
    // One bad event that falls on either side by its share: the mean of both outcomes.
    for (candidate, current) in [(1_u64, 9_u64), (50, 50), (9, 1)] {
        let with = |candidate_bad, current_bad| {
            let mut evidence = Evidence::against(1.0);
            evidence.weigh(&tally([candidate, candidate_bad, current, current_bad]));
            evidence.ln().exp()
        };
        let share = real(candidate) / real(candidate + current);
        let mean = share * with(1, 0) + (1.0 - share) * with(0, 1);
        assert!((mean - 1.0).abs() < 1e-12, "{mean}");
    }
}

fn ticks() -> impl Strategy<Value = Vec<[u64; 4]>> {
    let tick = (0_u64..200, 0_u64..5, 0_u64..200, 0_u64..5);
    prop::collection::vec(tick, 1..60).prop_map(|ticks| {
        ticks
            .into_iter()
            .map(|(a, b, c, d)| [a, b.min(a), c, d.min(c)])
            .collect()
    })
}

proptest! {
    #[test]
    fn without_a_bad_event_of_the_candidate_it_never_grows(ticks in ticks(), ratio in 1.0..5.0) {
        let mut evidence = Evidence::against(ratio);
        for [candidate, _, current, current_bad] in ticks {
            evidence.weigh(&tally([candidate, 0, current, current_bad]));
            prop_assert!(evidence.ln() <= 1e-12);
        }
        prop_assert!((evidence.p() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_order_of_ticks_and_of_events_in_them_does_not_matter(ticks in ticks()) {
        let mut forward = Evidence::against(1.0);
        let mut backward = forward.clone();
        for tick in &ticks {
            forward.weigh(&tally(*tick));
        }
        for &[a, bad, c, worse] in ticks.iter().rev() {
            // One event after the other, those of the current side first.
            for _ in 0..worse {
                backward.weigh(&tally([a, 0, c, 1]));
            }
            for _ in 0..bad {
                backward.weigh(&tally([a, 1, c, 0]));
            }
        }
        prop_assert!((forward.ln() - backward.ln()).abs() < 1e-9);
    }

    #[test]
    fn evidence_against_more_is_less(ticks in ticks()) {
        let mut equal = Evidence::against(1.0);
        let mut more = Evidence::against(1.5);
        for tick in &ticks {
            let [candidate, bad, current, _] = *tick;
            let tick = tally([candidate, bad, current, 0]);
            equal.weigh(&tick);
            more.weigh(&tick);
        }
        prop_assert!(more.ln() <= equal.ln() + 1e-12);
    }
}
