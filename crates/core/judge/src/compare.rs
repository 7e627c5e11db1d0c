//! One signal of both sides, compared.

use crate::{
    Finding, Signal,
    evidence::{Evidence, Tally},
    words::{percent, scientific},
};

/// Further ratios that evidence is collected against, to say how much worse a candidate is.
const FURTHER: [f64; 2] = [3.0, 10.0];

/// A signal, and what was seen of it.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    signal: Signal,
    /// −ln of this signal's part of α.
    ln_limit: f64,
    /// −ln of all of α, for the bounds of the ratio.
    ln_gate: f64,
    equal: Evidence,
    /// The first is the one that must be refuted.
    gates: [Evidence; 1 + FURTHER.len()],
    tick: Tally,
    seen: Tally,
}

impl Comparison {
    /// `None` when no part of α is for it.
    pub(crate) fn new(signal: Signal, part: f64, alpha: f64, min_ratio: f64) -> Option<Self> {
        let [first, second] = FURTHER.map(|ratio| Evidence::against(ratio.max(min_ratio)));
        (part > 0.0).then(|| Self {
            signal,
            ln_limit: -part.ln(),
            ln_gate: -alpha.ln(),
            equal: Evidence::against(1.0),
            gates: [Evidence::against(min_ratio), first, second],
            tick: Tally::default(),
            seen: Tally::default(),
        })
    }

    /// Adds to the tick that is open.
    pub(crate) const fn add(&mut self, part: &Tally) {
        self.tick.add(part);
    }

    /// How many requests the open tick has.
    pub(crate) const fn open_requests(&self) -> u64 {
        self.tick.candidate + self.tick.current
    }

    /// Weighs the open tick. An answer that is cut off counts as bad in the second of the cut, so
    /// that more may be bad than were asked.
    pub(crate) fn close_tick(&mut self) {
        let mut tick = std::mem::take(&mut self.tick);
        tick.candidate_bad = tick.candidate_bad.min(tick.candidate);
        tick.current_bad = tick.current_bad.min(tick.current);
        self.seen.add(&tick);
        self.weigh(&tick);
    }

    /// Weighs restarts among instances: their number is a state, not something to add up.
    pub(crate) fn weigh_instances(&mut self, tick: &Tally) {
        self.seen = Tally {
            candidate: tick.candidate,
            current: tick.current,
            candidate_bad: self.seen.candidate_bad + tick.candidate_bad,
            current_bad: self.seen.current_bad + tick.current_bad,
        };
        self.weigh(tick);
    }

    fn weigh(&mut self, tick: &Tally) {
        if tick.candidate_bad + tick.current_bad > 0 {
            self.equal.weigh(tick);
            for gate in &mut self.gates {
                gate.weigh(tick);
            }
        }
    }

    /// Whether the evidence is enough, now: worse, and so much worse that it matters.
    pub(crate) fn is_worse(&self) -> bool {
        self.equal.ln() >= self.ln_limit && self.gates[0].ln() >= self.ln_gate
    }

    /// The evidence against "equally good", as a logarithm.
    pub(crate) fn ln(&self) -> f64 {
        self.equal.ln()
    }

    pub(crate) fn finding(&self) -> Finding {
        let refuted = self.gates.iter().filter(|gate| gate.ln() >= self.ln_gate);
        Finding {
            signal: self.signal,
            candidate: self.seen.candidate,
            candidate_bad: self.seen.candidate_bad,
            current: self.seen.current,
            current_bad: self.seen.current_bad,
            ln_evidence: self.equal.ln(),
            ln_limit: self.ln_limit,
            p: self.equal.p(),
            ratio_at_least: refuted.map(Evidence::ratio).fold(0.0, f64::max),
        }
    }

    /// The sentence; `slow` is the bound of a slow answer in milliseconds.
    pub(crate) fn sentence(&self, slow: Option<u32>) -> String {
        let seen = &self.seen;
        let mine = percent(seen.candidate_bad, seen.candidate);
        let theirs = percent(seen.current_bad, seen.current);
        let what = match self.signal {
            Signal::Errors | Signal::Alone => {
                format!("{mine} of the candidate's answers are bad, {theirs} of the current side's")
            }
            Signal::Latency => format!(
                "{mine} of the candidate's answers took longer than {} ms, {theirs} of the current side's",
                slow.unwrap_or_default(),
            ),
            Signal::Restarts => format!(
                "{} restarts among the candidate's {} instances, {} among the current side's {}",
                seen.candidate_bad, seen.candidate, seen.current_bad, seen.current,
            ),
        };
        format!(
            "{what}: evidence {} ≥ {}",
            scientific(self.equal.ln()),
            scientific(self.ln_limit)
        )
    }
}
