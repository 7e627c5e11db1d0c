//! What `plan` prints, against the figures of the design and against the simulated table.

use super::*;

fn weight(percent: u16) -> Weight {
    Weight::from_percent(percent).unwrap()
}

#[test]
fn so_many_bad_answers_are_surely_enough() {
    assert_eq!(minimum_bad(0.01, weight(10)), Some(4));
    assert_eq!(minimum_bad(0.01, weight(50)), Some(11));
    assert_eq!(minimum_bad(0.01, Weight::ALL), None);
    assert_eq!(minimum_bad(0.01, Weight::NONE), None);
    // And they are, by the evidence itself.
    for percent in [1, 5, 10, 50, 90] {
        let count = minimum_bad(0.01, weight(percent)).unwrap();
        let mut evidence = Evidence::against(1.0);
        let part = f64::from(percent);
        evidence.weigh_parts(part, 100.0 - part, real(count), 0.0);
        assert!(evidence.ln() >= 100_f64.ln(), "{percent} %: {count}");
    }
}

#[test]
fn a_bound_takes_traffic_and_traffic_takes_time() {
    let need = needed(300.0, weight(10), Some(0.01), 0.01);
    // The formula: 1 − (0.05 / 985)^(1 / 984) is just below 1 %.
    assert_eq!(need.requests, Some(984));
    assert_eq!(need.duration, Some(Duration::from_secs(1_968)));
    assert_eq!(need.events, Some(4));
    let alone = needed(300.0, Weight::ALL, Some(0.01), 0.01);
    assert_eq!(alone.events, Some(2));
    let without = needed(30.0, weight(10), None, 0.01);
    assert_eq!(without.requests, Some(4));
    assert_eq!(without.duration, Some(Duration::from_secs(80)));
    // Nobody comes, nothing is known.
    assert_eq!(needed(0.0, weight(10), None, 0.01).duration, None);
    assert_eq!(needed(30.0, Weight::NONE, None, 0.01).duration, None);
}

#[test]
fn when_it_is_found_is_about_the_median_of_the_simulation() {
    let spec = JudgeSpec::default();
    let secs = |rpm, percent, current, bad| {
        let found = detected_after(rpm, weight(percent), current, bad, &spec);
        found.map(|time| time.as_millis() / 1_000)
    };
    // 20 % and 100 % at 300 rpm × 10 %, 100 % at 30 rpm × 10 %.
    assert!((20..=70).contains(&secs(300.0, 10, 0.01, 0.2).unwrap()));
    assert!((4..=20).contains(&secs(300.0, 10, 0.01, 1.0).unwrap()));
    assert!((40..=100).contains(&secs(30.0, 10, 0.001, 1.0).unwrap()));
    // What is not worth it, and what nobody can see.
    assert_eq!(secs(300.0, 10, 0.01, 0.01), None);
    assert_eq!(secs(300.0, 100, 0.01, 1.0), None);
    assert_eq!(secs(30.0, 10, 0.001, 0.002), None);
}

#[test]
fn the_outlook_is_for_three_sizes() {
    let [small, medium, whole] = outlook(300.0, weight(10), 0.01, &JudgeSpec::default());
    assert!(small.1 > medium.1 && medium.1 > whole.1 && whole.1.is_some());
    assert!((small.0 - 0.05).abs() < 1e-12);
}
