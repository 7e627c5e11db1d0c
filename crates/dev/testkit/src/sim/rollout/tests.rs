//! Two hundred courses of the world, each time.

use super::{Stats, simulate};

#[test]
fn whatever_happens_traffic_is_where_it_belongs() {
    let mut sum = Stats::default();
    for seed in 0..200 {
        match simulate(seed) {
            Ok(stats) => sum = sum.plus(stats),
            Err(failure) => panic!("{failure}"),
        }
    }
    eprintln!("{sum:?}");
    // A simulation in which nothing happens proves nothing.
    assert!(sum.crashes > 400 && sum.deaths > 100, "{sum:?}");
    let ends = [
        sum.succeeded,
        sum.rolled_back,
        sum.failed,
        sum.cancelled,
        sum.superseded,
    ];
    assert!(ends.iter().all(|&count| count > 10), "{sum:?}");
    assert!(sum.checks > 200 && sum.held_back > 0, "{sum:?}");
    assert!(sum.deadlines > 0, "{sum:?}");
}

#[test]
fn the_same_seed_is_the_same_course() {
    assert_eq!(simulate(7), simulate(7));
}
