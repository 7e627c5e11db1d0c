//! The step at 100 %, where there is nobody to compare with: the absolute guard, against what the
//! current side was like before.

use crate::{
    Finding, SideSample, Signal,
    guard::evidence_above,
    learnt::Learnt,
    settings::Settings,
    words::{percent, scientific, share},
};

/// A candidate that has all the traffic, since it has.
#[derive(Debug, Clone)]
pub(crate) struct Alone {
    /// The share of bad answers that is accepted.
    accepted: f64,
    /// What current did, if that is the measure.
    before: Option<(u64, u64)>,
    ln_limit: f64,
    requests: u64,
    bad: u64,
    ln_evidence: f64,
    greatest: f64,
}

impl Alone {
    /// `None` when nothing is known by which a candidate could be refused.
    pub(crate) fn new(settings: &Settings, learnt: &Learnt) -> Option<Self> {
        // Half of this part of α is for having learnt a wrong rate, half for the look itself.
        let half = settings.alone / 2.0;
        let (accepted, before, alpha) = if let Some(p_max) = settings.p_max {
            (p_max, None, settings.alone)
        } else {
            let accepted = learnt.accepted(settings.min_ratio, half)?;
            (accepted, Some(learnt.rate()), half)
        };
        (alpha > 0.0).then(|| Self {
            accepted,
            before,
            ln_limit: -alpha.ln(),
            requests: 0,
            bad: 0,
            ln_evidence: 0.0,
            greatest: 0.0,
        })
    }

    pub(crate) fn sample(&mut self, candidate: &SideSample, bad: u64) {
        self.requests += candidate.requests;
        self.bad += bad;
        // Evidence grows with bad answers only; what is good is taken into account with the next.
        if bad > 0 {
            self.ln_evidence = evidence_above(self.accepted, self.bad, self.requests);
            self.greatest = self.greatest.max(self.ln_evidence);
        }
    }

    pub(crate) fn is_worse(&self) -> bool {
        self.ln_evidence >= self.ln_limit
    }

    /// Whether a candidate that answers nothing well would have been found by now.
    pub(crate) fn has_seen_enough(&self) -> bool {
        evidence_above(self.accepted, self.requests, self.requests) >= self.ln_limit
    }

    pub(crate) fn finding(&self) -> Finding {
        let (current, current_bad) = self.before.unwrap_or_default();
        Finding {
            signal: Signal::Alone,
            candidate: self.requests,
            candidate_bad: self.bad,
            current,
            current_bad,
            ln_evidence: self.ln_evidence,
            ln_limit: self.ln_limit,
            p: (-self.greatest).exp().min(1.0),
            ratio_at_least: 0.0,
        }
    }

    pub(crate) fn sentence(&self) -> String {
        let measure = self.before.map_or_else(
            || "`p_max`".to_owned(),
            |(all, bad)| format!("the current side had {}", percent(bad, all)),
        );
        format!(
            "{} of the candidate's answers are bad, at most {} are accepted ({measure}): evidence {} ≥ {}",
            percent(self.bad, self.requests),
            share(self.accepted),
            scientific(self.ln_evidence),
            scientific(self.ln_limit),
        )
    }
}
