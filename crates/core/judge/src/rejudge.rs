//! A rollout that is over, judged again: what would have been, with other parameters.
//!
//! De-duplication was done when the samples were taken; a window of zero takes all events instead,
//! any other takes what was counted then.

use cutover_model::{
    Timestamp,
    delivery::{JudgeSpec, RollbackTrigger, Weight},
};

use crate::{Fired, Sample, Verdict, Watch, Word};

/// Moments are at most so far apart.
const MINUTE_MS: i64 = 60_000;

/// How things stood at one second.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Its end.
    pub at: Timestamp,
    /// The candidate's share.
    pub weight: Weight,
    /// The strongest evidence; `None` without a judge.
    pub evidence: Option<f64>,
    /// What was known.
    pub word: Option<Word>,
    /// What fired.
    pub fired: Option<Fired>,
}

/// A course, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejudged {
    /// Once a minute, and whenever something changed.
    pub moments: Vec<Moment>,
    /// When it would have been taken back, and by what.
    pub fired: Option<(Timestamp, Fired)>,
    /// What the judge would have said at the end.
    pub verdict: Option<Verdict>,
}

/// Judges recorded seconds, in order, to their end.
pub fn rejudge<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    triggers: &[RollbackTrigger],
    judge: Option<&JudgeSpec>,
) -> Rejudged {
    let mut watch = Watch::new(triggers, judge);
    let mut moments: Vec<Moment> = Vec::new();
    let mut first = None;
    for sample in samples {
        let fired = watch.sample(sample);
        if let Some(fired) = &fired
            && first.is_none()
        {
            first = Some((sample.at, fired.clone()));
        }
        let is_worth_it = moments.last().is_none_or(|last| {
            let has_changed =
                last.weight != sample.weight || last.fired.is_some() != fired.is_some();
            has_changed || sample.at.0 - last.at.0 >= MINUTE_MS
        });
        if is_worth_it {
            moments.push(Moment {
                at: sample.at,
                weight: sample.weight,
                evidence: watch.evidence(),
                word: watch.verdict(false).map(|verdict| verdict.word),
                fired,
            });
        }
    }
    Rejudged {
        moments,
        fired: first,
        verdict: watch.verdict(true),
    }
}

#[cfg(test)]
mod tests;
