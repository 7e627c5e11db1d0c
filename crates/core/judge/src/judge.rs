//! The judge: is the candidate worse than the current side, or was that chance?
//!
//! Seconds are put together to ticks of at least [`TICK_REQUESTS`] requests of one weight: in a second
//! with a single request the share of whoever got it is 1, and nothing could be learnt. Whoever is
//! accused stays accused: the promise is about ever being accused, not about the last look.

use cutover_model::delivery::{JudgeSpec, OnInsufficient, Weight};

use crate::{
    Advice, Finding, Sample, SideSample, Signal, Verdict, Word,
    alone::Alone,
    compare::Comparison,
    evidence::Tally,
    guard::{evidence_above, upper_bound},
    learnt::Learnt,
    needed::minimum_bad,
    settings::{PROMOTION_ALPHA, Settings},
    words::{percent, share},
};

/// How many requests of both sides make a tick.
const TICK_REQUESTS: u64 = 10;

/// Both sides, compared, second by second.
#[derive(Debug, Clone)]
pub struct Judge {
    settings: Settings,
    learnt: Learnt,
    errors: Option<Comparison>,
    latency: Option<Comparison>,
    restarts: Option<Comparison>,
    alone: Option<Alone>,
    weight: Weight,
    /// Requests and bad ones of the candidate.
    candidate: (u64, u64),
    /// Requests of the candidate at the present weight.
    at_weight: u64,
    seconds: u64,
    accused: Option<String>,
}

impl Judge {
    /// One that judges by parameters that have passed their check.
    pub fn new(spec: &JudgeSpec) -> Self {
        let settings = Settings::from(spec);
        let compare =
            |signal, part| Comparison::new(signal, part, settings.alpha, settings.min_ratio);
        Self {
            errors: compare(Signal::Errors, settings.errors),
            latency: compare(Signal::Latency, settings.latency),
            restarts: compare(Signal::Restarts, settings.restarts),
            learnt: Learnt::default(),
            alone: None,
            weight: Weight::NONE,
            candidate: (0, 0),
            at_weight: 0,
            seconds: 0,
            accused: None,
            settings,
        }
    }

    /// Looks at one more second. Seconds before the candidate has traffic are learnt from: how long
    /// the answers of the current side take, and how many are bad. Says why when the candidate is,
    /// or was, found to be worse.
    pub fn sample(&mut self, sample: &Sample) -> Option<&str> {
        if !is_before(sample) {
            self.seconds += 1;
        }
        if self.weight != sample.weight {
            self.turn_to(sample.weight);
        }
        let bad = self.bad(&sample.candidate);
        self.candidate.0 += sample.candidate.requests;
        self.candidate.1 += bad;
        self.at_weight += sample.candidate.requests;
        if let Some(alone) = &mut self.alone {
            alone.sample(&sample.candidate, bad);
        }
        if let Some(current) = &sample.current {
            self.compare(&sample.candidate, bad, current);
        }
        if self.accused.is_none() {
            self.accused = self.accusation();
        }
        self.accused.as_deref()
    }

    /// The strongest evidence there is, 1 at the beginning.
    pub fn evidence(&self) -> f64 {
        let all = self.comparisons().map(Comparison::ln);
        all.fold(f64::NEG_INFINITY, f64::max).exp()
    }

    /// The bound in milliseconds beyond which an answer is slow, once it is learnt.
    pub fn slow_ms(&self) -> Option<u32> {
        self.latency.as_ref().and(self.learnt.known_slow())
    }

    /// What is known now; `at_limit` when the time of the step is over and something must be done.
    pub fn verdict(&self, at_limit: bool) -> Verdict {
        let (requests, bad) = self.candidate;
        let bad_at_most = upper_bound(bad, requests, PROMOTION_ALPHA);
        let (word, advice, sentence) = self.word(at_limit, bad_at_most);
        Verdict {
            word,
            advice,
            findings: self.findings(),
            bad_at_most,
            sentence,
        }
    }

    fn word(&self, at_limit: bool, bad_at_most: f64) -> (Word, Advice, String) {
        let later = |advice| if at_limit { advice } else { Advice::Wait };
        if let Some(why) = &self.accused {
            return (Word::Failure, Advice::Rollback, why.clone());
        }
        if self.seconds == 0 {
            let why = "no second of traffic has been told".to_owned();
            return (Word::Error, later(Advice::Pause), why);
        }
        if let Some(why) = self.beyond_p_max() {
            return (Word::Inconclusive, Advice::Pause, why);
        }
        let (requests, bad) = self.candidate;
        let seen = format!(
            "{bad} of {requests} answers of the candidate are bad, so at most {} at any look (95 %)",
            share(bad_at_most)
        );
        let is_enough = match self.settings.p_max {
            Some(p_max) => bad_at_most <= p_max,
            None => at_limit && self.has_seen_enough(),
        };
        if is_enough {
            return (Word::Success, Advice::Promote, seen);
        }
        let (advice, what) = match self.settings.on_insufficient {
            OnInsufficient::Promote => (Advice::Promote, "goes on"),
            OnInsufficient::Pause => (Advice::Pause, "waits for a person"),
            OnInsufficient::Rollback => (Advice::Rollback, "goes back"),
        };
        let why = if at_limit {
            format!("{seen}; that is too little to know, and it {what} by `on_insufficient`")
        } else {
            seen
        };
        (Word::Inconclusive, later(advice), why)
    }

    /// With both sides under traffic, what is beyond `p_max` may be everybody's: stop, do not blame.
    fn beyond_p_max(&self) -> Option<String> {
        let p_max = self.settings.p_max.filter(|_| self.weight < Weight::ALL)?;
        let (requests, bad) = self.candidate;
        (evidence_above(p_max, bad, requests) >= -self.settings.errors.ln()).then(|| {
            format!(
                "{} of the candidate's answers are bad, more than the {} of `p_max`; the current side may \
                 be no better",
                percent(bad, requests),
                share(p_max),
            )
        })
    }

    /// Whether a candidate that answers nothing well would have been found at this weight.
    fn has_seen_enough(&self) -> bool {
        match &self.alone {
            Some(alone) => alone.has_seen_enough(),
            None => {
                minimum_bad(self.settings.errors, self.weight).is_some_and(|k| self.at_weight >= k)
            }
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let compared = self.comparisons().map(Comparison::finding);
        compared
            .chain(self.alone.iter().map(Alone::finding))
            .collect()
    }

    fn comparisons(&self) -> impl Iterator<Item = &Comparison> {
        [&self.errors, &self.latency, &self.restarts]
            .into_iter()
            .flatten()
    }

    fn turn_to(&mut self, weight: Weight) {
        self.close_tick();
        self.weight = weight;
        self.at_weight = 0;
        self.alone = (weight == Weight::ALL)
            .then(|| Alone::new(&self.settings, &self.learnt))
            .flatten();
    }

    fn compare(&mut self, candidate: &SideSample, bad: u64, current: &SideSample) {
        let current_bad = self.bad(current);
        if self.weight == Weight::NONE && candidate.requests == 0 {
            self.learnt.learn(current, current_bad);
            // Whoever counts slow answers is to know the bound before there are any to compare.
            self.learnt.slow();
            return;
        }
        // What was slow must be known before it is looked for.
        let slow = self.learnt.slow();
        self.learnt.learn(current, current_bad);
        if let Some(errors) = &mut self.errors {
            errors.add(&Tally {
                candidate: candidate.requests,
                candidate_bad: bad,
                current: current.requests,
                current_bad,
            });
        }
        if let (Some(latency), Some(slow)) = (&mut self.latency, slow) {
            let (candidate_bad, current_bad) = self.settings.slow(candidate, current, slow);
            latency.add(&Tally {
                candidate: candidate.latency.count(),
                candidate_bad,
                current: current.latency.count(),
                current_bad,
            });
        }
        if let Some(restarts) = &mut self.restarts
            && candidate.restarts + current.restarts > 0
        {
            restarts.weigh_instances(&Tally {
                candidate: u64::from(candidate.expected_hosts),
                candidate_bad: candidate.restarts,
                current: u64::from(current.expected_hosts),
                current_bad: current.restarts,
            });
        }
        for comparison in [&mut self.errors, &mut self.latency].into_iter().flatten() {
            if comparison.open_requests() >= TICK_REQUESTS {
                comparison.close_tick();
            }
        }
    }

    fn close_tick(&mut self) {
        for comparison in [&mut self.errors, &mut self.latency].into_iter().flatten() {
            comparison.close_tick();
        }
    }

    fn accusation(&mut self) -> Option<String> {
        if let Some(alone) = self.alone.as_ref().filter(|alone| alone.is_worse()) {
            return Some(alone.sentence());
        }
        let worse = self.comparisons().find(|one| one.is_worse())?.clone();
        Some(worse.sentence(self.learnt.slow()))
    }

    /// The bad events of a side that speak for themselves.
    fn bad(&self, side: &SideSample) -> u64 {
        match side.bad_distinct {
            Some(distinct) if !self.settings.counts_repeats => distinct,
            Some(_) | None => side.bad,
        }
    }
}

/// Whether the candidate had nothing to do with this second.
fn is_before(sample: &Sample) -> bool {
    sample.weight == Weight::NONE && sample.candidate.requests == 0
}

#[cfg(test)]
mod tests;
