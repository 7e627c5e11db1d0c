//! How the judge is asked to judge: parameters as people write them, in whole numbers, so that a
//! specification stays comparable. The mathematics is not here but in the crate `judge`.

use serde::{Deserialize, Serialize};

use crate::Duration;

/// `judge:` of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JudgeSpec {
    /// Whether anybody judges at all.
    pub enabled: bool,
    /// The chance to accuse a candidate that is as good as current, over the whole deployment and all
    /// metrics together; in millionths. 10 000 is 1 %.
    pub alpha_ppm: u32,
    /// How many times as bad the candidate must be at least to matter; in thousandths.
    pub min_ratio_milli: u32,
    /// The share of bad answers that is accepted of any release; in millionths. Absent: what current
    /// did is the measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_max_ppm: Option<u32>,
    /// How `alpha` is shared among the metrics.
    pub split: Split,
    /// In so much time one client makes at most one bad event. Zero counts every one.
    pub dedupe: Duration,
    /// What happens at the time limit of a step when there was too little traffic to know.
    pub on_insufficient: OnInsufficient,
}

impl Default for JudgeSpec {
    /// One in a hundred; half as many again; one bad event for each client in ten seconds.
    fn default() -> Self {
        Self {
            enabled: true,
            alpha_ppm: 10_000,
            min_ratio_milli: 1_500,
            p_max_ppm: None,
            split: Split::default(),
            dedupe: Duration::from_secs(10),
            on_insufficient: OnInsufficient::Promote,
        }
    }
}

/// Shares of `alpha`, in percent; together at most 100. A metric with 0 is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Split {
    /// Bad answers: 5xx, time-outs, connections refused or cut.
    pub errors: u8,
    /// Answers slower than current's 95th percentile before the deployment.
    pub latency: u8,
    /// Instances that had to be started again.
    pub restarts: u8,
}

impl Default for Split {
    fn default() -> Self {
        Self {
            errors: 60,
            latency: 30,
            restarts: 10,
        }
    }
}

/// What to do with a step that ends before enough is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInsufficient {
    /// Go on: nothing speaks against it.
    #[default]
    Promote,
    /// Wait for a person.
    Pause,
    /// Go back: nothing speaks for it.
    Rollback,
}

impl OnInsufficient {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Promote, Self::Pause, Self::Rollback];

    /// The word in `cutover.yml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Pause => "pause",
            Self::Rollback => "rollback",
        }
    }
}

/// What follows for a step from what the judge knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It goes on.
    Promote,
    /// It waits for a person.
    Pause,
    /// It goes back.
    Rollback,
}

impl Judgement {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Pause => "pause",
            Self::Rollback => "rollback",
        }
    }
}

/// Parameters by which nobody can judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJudge {
    /// Zero never fires, more than a half accuses everybody.
    #[error("`alpha` is a chance above 0 and up to 0.5; write for example `0.01`")]
    Alpha,
    /// Below 1 the better side would be accused.
    #[error(
        "`min_ratio` is how many times as bad is too bad, from 1 to 100; write for example `1.5`"
    )]
    MinRatio,
    /// Not a share.
    #[error("`p_max` is a share of bad answers above 0 and below 1; write for example `0.01`")]
    PMax,
    /// More than there is, or nothing for anybody.
    #[error("the shares of `split` are together {0} %; they must be from 1 to 100")]
    Split(u16),
    /// Longer than anybody would be remembered.
    #[error("`dedupe` is at most `10m`; a client is not remembered for longer")]
    Dedupe,
}

impl JudgeSpec {
    /// The longest window of [`JudgeSpec::dedupe`].
    pub const MAX_DEDUPE: Duration = Duration::from_mins(10);

    /// Whether one can judge by it.
    pub fn check(&self) -> Result<(), InvalidJudge> {
        let Split {
            errors,
            latency,
            restarts,
        } = self.split;
        let sum = u16::from(errors) + u16::from(latency) + u16::from(restarts);
        if self.alpha_ppm == 0 || self.alpha_ppm > 500_000 {
            Err(InvalidJudge::Alpha)
        } else if !(1_000..=100_000).contains(&self.min_ratio_milli) {
            Err(InvalidJudge::MinRatio)
        } else if self.p_max_ppm.is_some_and(|p| p == 0 || p >= 1_000_000) {
            Err(InvalidJudge::PMax)
        } else if !(1..=100).contains(&sum) {
            Err(InvalidJudge::Split(sum))
        } else if self.dedupe > Self::MAX_DEDUPE {
            Err(InvalidJudge::Dedupe)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_parameters_hold_and_each_wrong_one_is_named() {
        let usual = JudgeSpec::default();
        assert_eq!(usual.check(), Ok(()));
        let with = |change: fn(&mut JudgeSpec)| {
            let mut spec = usual;
            change(&mut spec);
            spec.check()
        };
        assert_eq!(with(|spec| spec.alpha_ppm = 0), Err(InvalidJudge::Alpha));
        assert_eq!(
            with(|spec| spec.min_ratio_milli = 999),
            Err(InvalidJudge::MinRatio)
        );
        assert_eq!(
            with(|spec| spec.p_max_ppm = Some(1_000_000)),
            Err(InvalidJudge::PMax)
        );
        assert_eq!(
            with(|spec| spec.split.errors = 61),
            Err(InvalidJudge::Split(101))
        );
        assert_eq!(
            with(|spec| spec.dedupe = Duration::from_mins(11)),
            Err(InvalidJudge::Dedupe)
        );
    }

    #[test]
    fn what_is_not_written_is_as_usual_and_what_is_unknown_is_refused() {
        let read: JudgeSpec = serde_json::from_str(r#"{"alpha_ppm": 1000}"#).unwrap();
        assert_eq!(read.alpha_ppm, 1_000);
        assert_eq!(read.split, Split::default());
        assert!(serde_json::from_str::<JudgeSpec>(r#"{"alfa": 1}"#).is_err());
    }
}
