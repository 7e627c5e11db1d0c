//! The judge against chance, and what it says.

use std::collections::BTreeMap;

use cutover_model::{Duration, Timestamp, delivery::Split};
use proptest::prelude::*;

use super::*;
use crate::Latency;

/// Bad ones of so many requests.
type Side = (u64, u64);

fn side((bad, requests): Side) -> SideSample {
    SideSample {
        requests,
        bad,
        errors_5xx: bad,
        expected_hosts: 2,
        ..SideSample::default()
    }
}

fn second(at: i64, percent: u16, candidate: Side, current: Side) -> Sample {
    Sample {
        at: Timestamp(at * 1_000),
        candidate: side(candidate),
        current: Some(side(current)),
        weight: Weight::from_percent(percent).unwrap(),
        external: BTreeMap::new(),
    }
}

fn judge() -> Judge {
    Judge::new(&JudgeSpec::default())
}

/// The same second again and again; says in which it was accused.
fn accused(judge: &mut Judge, percent: u16, candidate: Side, current: Side) -> Option<i64> {
    (1..=600).find(|&at| {
        judge
            .sample(&second(at, percent, candidate, current))
            .is_some()
    })
}

#[test]
fn a_tick_never_mixes_weights() {
    let mut judge = judge();
    let open = |judge: &Judge| judge.errors.as_ref().unwrap().open_requests();
    judge.sample(&second(1, 10, (0, 1), (0, 2)));
    judge.sample(&second(2, 10, (0, 1), (0, 2)));
    assert_eq!(open(&judge), 6);
    judge.sample(&second(3, 50, (0, 1), (0, 2)));
    assert_eq!(open(&judge), 3);
    assert_eq!(judge.verdict(false).findings[0].candidate, 2);
    for at in 4..=6 {
        judge.sample(&second(at, 50, (0, 1), (0, 2)));
    }
    assert_eq!(open(&judge), 0);
}

#[test]
fn what_it_saw_reads_as_a_sentence() {
    let mut judge = judge();
    let why = judge.sample(&second(1, 10, (34, 100), (1, 900)));
    assert_eq!(
        why,
        Some(
            "34 % of the candidate's answers are bad, 0.1 % of the current side's: evidence 2.5e31 ≥ 200"
        )
    );
    let verdict = judge.verdict(false);
    assert_eq!(
        (verdict.word, verdict.advice),
        (Word::Failure, Advice::Rollback)
    );
    let errors = verdict.findings[0];
    assert_eq!(errors.signal, Signal::Errors);
    assert!(errors.p < 1e-31);
    assert!((errors.ratio_at_least - 10.0).abs() < 1e-12);
}

#[test]
fn who_is_accused_stays_accused() {
    let mut judge = judge();
    assert!(judge.sample(&second(1, 10, (20, 100), (1, 900))).is_some());
    for at in 2..100 {
        assert!(judge.sample(&second(at, 10, (0, 100), (90, 900))).is_some());
    }
}

#[test]
fn a_little_worse_is_left_in_peace() {
    // 1.4 times as bad, for ten minutes of a thousand requests a second.
    let mut judge = judge();
    assert_eq!(accused(&mut judge, 50, (14, 500), (10, 500)), None);
    // The evidence for "not equal" is there; that it matters is not.
    assert!(judge.verdict(false).findings[0].ln_evidence > 200_f64.ln());
}

#[test]
fn repeats_of_one_client_count_once() {
    let mut sample = second(1, 10, (30, 100), (1, 900));
    sample.candidate.bad_distinct = Some(1);
    sample.current.as_mut().unwrap().bad_distinct = Some(1);
    assert_eq!(judge().sample(&sample), None);
    let mut all = Judge::new(&JudgeSpec {
        dedupe: Duration::ZERO,
        ..JudgeSpec::default()
    });
    assert!(all.sample(&sample).is_some());
}

/// A second at 10 %: of a hundred answers so many of each side took 500 ms, the others 20.
fn slow(at: i64, percent: u16, mine: u64, theirs: u64) -> Sample {
    let side = |slow: u64| {
        let mut latency = Latency::default();
        latency.record(500, slow);
        latency.record(20, 100 - slow);
        SideSample {
            requests: 100,
            latency,
            ..SideSample::default()
        }
    };
    Sample {
        candidate: if percent == 0 {
            SideSample::default()
        } else {
            side(mine)
        },
        current: Some(side(theirs)),
        ..second(at, percent, (0, 0), (0, 0))
    }
}

#[test]
fn slow_is_slower_than_current_was_before() {
    let mut judge = judge();
    for at in 1..=10 {
        assert_eq!(judge.sample(&slow(at, 0, 0, 4)), None);
    }
    let found = (11..60).find_map(|at| {
        let why = judge.sample(&slow(at, 10, 30, 4))?;
        Some((at, why.to_owned()))
    });
    let (at, why) = found.unwrap();
    assert!(at < 15, "{at}");
    assert!(
        why.contains(
            "of the candidate's answers took longer than 20 ms, 4.0 % of the current side's"
        ),
        "{why}"
    );
    // Everybody is slow: nobody is to blame.
    let mut shared = super::Judge::new(&JudgeSpec::default());
    for at in 1..=10 {
        shared.sample(&slow(at, 0, 0, 4));
    }
    assert!((11..600).all(|at| shared.sample(&slow(at, 10, 60, 60)).is_none()));
}

#[test]
fn without_anything_learnt_before_the_first_answers_of_current_are() {
    let mut judge = judge();
    let found = (1..60).find(|&at| judge.sample(&slow(at, 10, 30, 4)).is_some());
    assert!((3..10).contains(&found.unwrap()), "{found:?}");
}

#[test]
fn restarts_are_weighed_by_instances() {
    let mut judge = judge();
    let found = (1..60).find_map(|at| {
        let mut sample = second(at, 10, (0, 1), (0, 9));
        sample.candidate.restarts = 1;
        let why = judge.sample(&sample)?;
        Some((at, why.to_owned()))
    });
    let (at, why) = found.unwrap();
    assert!((10..=25).contains(&at), "{at}");
    assert!(
        why.starts_with(&format!(
            "{at} restarts among the candidate's 2 instances, 0 among the current side's 2"
        )),
        "{why}"
    );
}

#[test]
fn alone_at_the_end_it_is_measured_by_what_current_was_before() {
    let mut judge = judge();
    for at in 1..=300 {
        assert_eq!(
            judge.sample(&second(at, 0, (0, 0), (u64::from(at % 10 == 0), 10))),
            None
        );
    }
    let found = (301..=600).find_map(|at| {
        let why = judge.sample(&second(at, 100, (u64::from(at % 5 == 0), 1), (0, 0)))?;
        Some((at, why.to_owned()))
    });
    let (at, why) = found.unwrap();
    assert!(at < 450, "{at}");
    assert!(
        why.contains("are accepted (the current side had 1.0 %)"),
        "{why}"
    );
    // One that is as good as current was.
    let mut good = super::Judge::new(&JudgeSpec::default());
    for at in 1..=300 {
        good.sample(&second(at, 0, (0, 0), (u64::from(at % 10 == 0), 10)));
    }
    for at in 301..=2_000 {
        let bad = u64::from(at % 10 == 0);
        assert_eq!(good.sample(&second(at, 100, (bad, 10), (0, 0))), None);
    }
}

#[test]
fn beyond_p_max_with_both_bad_is_a_reason_to_stop_and_not_to_blame() {
    let mut judge = Judge::new(&JudgeSpec {
        p_max_ppm: Some(10_000),
        ..JudgeSpec::default()
    });
    for at in 1..=60 {
        assert_eq!(judge.sample(&second(at, 10, (1, 10), (9, 90))), None);
    }
    let verdict = judge.verdict(false);
    assert_eq!(
        (verdict.word, verdict.advice),
        (Word::Inconclusive, Advice::Pause)
    );
    // With all the traffic there is nobody else.
    let found = (61..=120).any(|at| judge.sample(&second(at, 100, (1, 10), (0, 0))).is_some());
    assert!(found);
}

#[test]
fn the_four_words() {
    let said = |judge: &Judge, at_limit| {
        let verdict = judge.verdict(at_limit);
        (verdict.word, verdict.advice)
    };
    let mut one = judge();
    assert_eq!(said(&one, false), (Word::Error, Advice::Wait));
    assert_eq!(said(&one, true), (Word::Error, Advice::Pause));
    one.sample(&second(1, 10, (0, 1), (0, 9)));
    assert_eq!(said(&one, false), (Word::Inconclusive, Advice::Wait));
    // One answer is too little; `promote` is the usual policy.
    assert_eq!(said(&one, true), (Word::Inconclusive, Advice::Promote));
    for at in 2..=10 {
        one.sample(&second(at, 10, (0, 1), (0, 9)));
    }
    assert_eq!(said(&one, true), (Word::Success, Advice::Promote));
    assert_eq!(
        one.verdict(true).sentence,
        "0 of 10 answers of the candidate are bad, so at most 42 % at any look (95 %)"
    );
    one.sample(&second(11, 10, (50, 100), (0, 900)));
    assert_eq!(said(&one, true), (Word::Failure, Advice::Rollback));
}

#[test]
fn with_p_max_it_goes_on_when_the_bound_is_below_or_by_policy() {
    for (on_insufficient, advice) in [
        (OnInsufficient::Promote, Advice::Promote),
        (OnInsufficient::Pause, Advice::Pause),
        (OnInsufficient::Rollback, Advice::Rollback),
    ] {
        let mut judge = Judge::new(&JudgeSpec {
            p_max_ppm: Some(10_000),
            on_insufficient,
            ..JudgeSpec::default()
        });
        for at in 1..=98 {
            judge.sample(&second(at, 10, (0, 10), (0, 90)));
        }
        let verdict = judge.verdict(true);
        assert_eq!((verdict.word, verdict.advice), (Word::Inconclusive, advice));
        assert!(verdict.sentence.contains("too little to know"));
        assert_eq!(judge.verdict(false).advice, Advice::Wait);
        judge.sample(&second(99, 10, (0, 10), (0, 90)));
        let verdict = judge.verdict(false);
        assert_eq!(
            (verdict.word, verdict.advice),
            (Word::Success, Advice::Promote)
        );
    }
}

#[test]
fn a_first_deployment_has_nothing_to_be_compared_with() {
    let mut judge = judge();
    for at in 1..=100 {
        let mut sample = second(at, 100, (10, 10), (0, 0));
        sample.current = None;
        assert_eq!(judge.sample(&sample), None);
    }
    assert_eq!(judge.verdict(true).word, Word::Inconclusive);
}

#[test]
fn a_metric_without_a_share_is_not_judged() {
    let mut judge = Judge::new(&JudgeSpec {
        split: Split {
            errors: 0,
            latency: 50,
            restarts: 50,
        },
        ..JudgeSpec::default()
    });
    assert_eq!(accused(&mut judge, 10, (10, 10), (0, 90)), None);
    assert_eq!(judge.verdict(false).findings.len(), 2);
}

fn seconds() -> impl Strategy<Value = Vec<Sample>> {
    let one = (0_u64..30, 0_u64..300, 0_u64..40, 0_usize..4);
    prop::collection::vec(one, 1..120).prop_map(|all| {
        let mut weights = [0_u16, 10, 50, 100].into_iter().cycle();
        let mut weight = weights.next().unwrap();
        let samples = all.into_iter().enumerate().map(|(place, one)| {
            let (mine, theirs, bad, turn) = one;
            if turn == 0 && place % 20 == 0 {
                weight = weights.next().unwrap();
            }
            let at = i64::try_from(place).unwrap() + 1;
            second(at, weight, (0, mine), (bad, theirs))
        });
        samples.collect()
    })
}

proptest! {
    #[test]
    fn nobody_is_accused_without_a_bad_event(samples in seconds(), p_max in 1_u32..900_000) {
        for p_max_ppm in [None, Some(p_max)] {
            let spec = JudgeSpec { p_max_ppm, ..JudgeSpec::default() };
            let mut judge = Judge::new(&spec);
            for sample in &samples {
                prop_assert_eq!(judge.sample(sample), None);
            }
            prop_assert!(judge.verdict(true).word != Word::Failure);
        }
    }

    #[test]
    fn what_is_told_beyond_reason_does_not_break_it(
        bad in 0_u64..1_000,
        requests in 0_u64..10,
        percent in 0_u16..=100,
    ) {
        let mut judge = judge();
        for at in 1..50 {
            judge.sample(&second(at, percent, (bad, requests), (0, 5)));
        }
        prop_assert!(judge.evidence() >= 0.0);
        prop_assert!(judge.verdict(true).bad_at_most <= 1.0);
    }
}
