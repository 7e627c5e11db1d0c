//! A recording, judged again.

use std::collections::BTreeMap;

use cutover_model::{Duration, delivery::Metric};

use super::*;
use crate::SideSample;

/// Ten minutes at 10 %, a second of ten requests each; from the fifth minute on every second answer
/// of the candidate is a 5xx.
fn recording() -> Vec<Sample> {
    let second = |second: i64| {
        let bad = u64::from(second > 300 && second % 2 == 0);
        Sample {
            at: Timestamp(second * 1_000),
            candidate: SideSample {
                requests: 1,
                errors_5xx: bad,
                bad,
                ..SideSample::default()
            },
            current: Some(SideSample {
                requests: 9,
                ..SideSample::default()
            }),
            weight: Weight::from_percent(10).unwrap(),
            external: BTreeMap::new(),
        }
    };
    (1..=600).map(second).collect()
}

fn fired(judge: Option<&JudgeSpec>, triggers: &[RollbackTrigger]) -> Option<i64> {
    let judged = rejudge(&recording(), triggers, judge);
    judged.fired.map(|(at, _)| at.0 / 1_000)
}

#[test]
fn other_parameters_give_other_ends() {
    let usual = JudgeSpec::default();
    let strict = JudgeSpec {
        alpha_ppm: 1,
        ..usual
    };
    let off = JudgeSpec {
        enabled: false,
        ..usual
    };
    let found = fired(Some(&usual), &[]).unwrap();
    assert!((304..=310).contains(&found), "{found}");
    assert!(fired(Some(&strict), &[]).unwrap() > found);
    assert_eq!(fired(Some(&off), &[]), None);
    let trigger = RollbackTrigger::bare(Metric::Target5xxCount, 10_000, Duration::from_secs(60));
    // The eleventh error falls in second 322; a minute later it fires.
    assert_eq!(fired(None, &[trigger]), Some(381));
}

#[test]
fn moments_are_few_and_tell_the_change() {
    let judged = rejudge(&recording(), &[], Some(&JudgeSpec::default()));
    assert!(judged.moments.len() <= 13, "{}", judged.moments.len());
    let words: Vec<Word> = judged.moments.iter().filter_map(|one| one.word).collect();
    assert_eq!(words.first(), Some(&Word::Inconclusive));
    assert_eq!(words.last(), Some(&Word::Failure));
    assert_eq!(judged.verdict.unwrap().word, Word::Failure);
}

#[test]
fn a_sample_is_written_and_read() {
    let recording = recording();
    let text = serde_json::to_string(&recording).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<Sample>>(&text).unwrap(),
        recording
    );
    // What an older server wrote.
    let old = r#"{"at": 1000, "candidate": {"requests": 3}, "weight": 1000}"#;
    let read: Sample = serde_json::from_str(old).unwrap();
    assert_eq!(read.candidate.bad_distinct, None);
    assert_eq!(read.current, None);
}
