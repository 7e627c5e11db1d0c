use super::{Stats, simulate};

#[test]
fn two_hundred_courses_of_the_world_end_well() {
    let mut sum = Stats::default();
    for seed in 0..200 {
        match simulate(seed) {
            Ok(stats) => sum = sum.plus(stats),
            Err(failure) => panic!("{failure}"),
        }
    }
    // A simulation in which nothing goes wrong proves nothing.
    let ends = [sum.succeeded, sum.failed, sum.faulted, sum.cancelled];
    assert!(ends.iter().all(|count| *count >= 10), "{sum:?}");
    let trouble = [sum.crashes, sum.stale, sum.lost, sum.questions, sum.retried];
    assert!(trouble.iter().all(|count| *count >= 30), "{sum:?}");
}

#[test]
fn the_same_seed_gives_the_same_course() {
    assert_eq!(simulate(7), simulate(7));
}
