//! A deployment judged again: what would have been, by other numbers, from the seconds that were kept.

use cutover_judge::{Moment, Verdict, rejudge};
use cutover_model::{DeploymentId, Timestamp, delivery::JudgeSpec};
use cutover_rollout::Deployment;
use serde::Serialize;

use crate::{
    Control, Error,
    samples::{Record, told},
};

/// What is to be different; what is absent stays as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WhatIf {
    /// The chance to accuse wrongly, as a share.
    pub alpha: Option<f64>,
    /// The share of bad answers that is accepted of any release.
    pub p_max: Option<f64>,
    /// How many times as bad it must be at least.
    pub min_ratio: Option<f64>,
}

/// What would have been.
#[derive(Debug, Serialize)]
pub struct Rejudgement {
    /// Which.
    pub deployment: DeploymentId,
    /// How many seconds were kept of it.
    pub seconds: usize,
    /// Why there is nothing to judge, when there is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
    /// By which parameters the judge looked.
    pub judge: JudgeSpec,
    /// When it would have been taken back; absent when it would not.
    pub fired_at: Option<Timestamp>,
    /// By what.
    pub fired: Option<String>,
    /// What the judge would have said at the end.
    pub verdict: Option<Verdict>,
    /// How things stood, once a minute and at each change.
    pub moments: Vec<MomentView>,
}

/// How things stood.
#[derive(Debug, Serialize)]
pub struct MomentView {
    /// When.
    pub at: Timestamp,
    /// The candidate's share in percent.
    pub percent: f64,
    /// The strongest evidence against the candidate.
    pub evidence: Option<f64>,
    /// What was known.
    pub word: Option<String>,
}

impl Control {
    /// Judges a deployment again, with its own triggers and these numbers. Nothing comes of it.
    pub async fn rejudge(&self, id: &DeploymentId, what: WhatIf) -> Result<Rejudgement, Error> {
        let deployment = self.deployment(id).await?;
        let spec = deployment
            .spec()
            .ok_or_else(|| Error::NotFound(format!("there is no deployment `{id}`")))?;
        let record = Record::so_far(self, &deployment).await?;
        let judge = changed(spec.judged_by().unwrap_or_default(), what)?;
        let samples: Vec<_> = record.seconds.iter().map(told).collect();
        let judged = rejudge(&samples, &spec.triggers, Some(&judge));
        let (fired_at, fired) = judged.fired.unzip();
        Ok(Rejudgement {
            deployment: id.clone(),
            seconds: samples.len(),
            nothing: samples.is_empty().then(|| nothing(&deployment)),
            judge,
            fired_at,
            fired: fired.map(|fired| format!("{}: {}", fired.trigger, fired.observed)),
            verdict: judged.verdict,
            moments: judged.moments.iter().map(moment).collect(),
        })
    }
}

/// Why nothing was counted.
fn nothing(deployment: &Deployment) -> String {
    let why = if deployment.had_traffic() {
        "no second of its traffic was kept"
    } else if deployment.is_finished() {
        "it never had traffic"
    } else {
        "it has had no traffic yet"
    };
    format!("there is nothing to judge: {why}")
}

fn changed(judge: JudgeSpec, what: WhatIf) -> Result<JudgeSpec, Error> {
    let judge = JudgeSpec {
        enabled: true,
        alpha_ppm: part(what.alpha, 1_000_000.0, "alpha")?.unwrap_or(judge.alpha_ppm),
        p_max_ppm: part(what.p_max, 1_000_000.0, "p_max")?.or(judge.p_max_ppm),
        min_ratio_milli: part(what.min_ratio, 1_000.0, "min_ratio")?
            .unwrap_or(judge.min_ratio_milli),
        ..judge
    };
    match judge.check() {
        Ok(()) => Ok(judge),
        Err(error) => Err(Error::Refused(error.to_string())),
    }
}

/// A number in whole parts; those that cannot be one are refused.
fn part(number: Option<f64>, parts: f64, name: &str) -> Result<Option<u32>, Error> {
    let Some(number) = number else {
        return Ok(None);
    };
    let scaled = (number * parts).round();
    if !(0.0..=f64::from(u32::MAX)).contains(&scaled) {
        return Err(Error::Refused(format!("`{name}` cannot be `{number}`")));
    }
    // Whole and not negative: its digits are those of an integer.
    Ok(format!("{scaled:.0}").parse().ok())
}

fn moment(moment: &Moment) -> MomentView {
    MomentView {
        at: moment.at,
        percent: f64::from(moment.weight.basis_points()) / 100.0,
        evidence: moment.evidence,
        word: moment.word.and_then(|word| {
            let word = serde_json::to_value(word).ok()?;
            word.as_str().map(ToOwned::to_owned)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_is_changed_and_nonsense_is_refused() {
        let usual = JudgeSpec::default();
        let with = |what| changed(usual, what);
        assert_eq!(with(WhatIf::default()).unwrap(), usual);
        let stricter = with(WhatIf {
            alpha: Some(0.05),
            p_max: Some(0.001),
            ..WhatIf::default()
        })
        .unwrap();
        assert_eq!(
            (stricter.alpha_ppm, stricter.p_max_ppm),
            (50_000, Some(1_000))
        );
        assert_eq!(stricter.min_ratio_milli, usual.min_ratio_milli);
        for alpha in [-1.0, 0.0, 2.0, f64::NAN, f64::INFINITY] {
            let what = WhatIf {
                alpha: Some(alpha),
                ..WhatIf::default()
            };
            assert!(matches!(with(what), Err(Error::Refused(_))), "{alpha}");
        }
    }
}
