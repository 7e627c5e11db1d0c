//! The parameters as the mathematics wants them.

use cutover_model::{
    Duration,
    delivery::{JudgeSpec, OnInsufficient},
};

use crate::SideSample;

/// The level of the bound that is printed and promoted by: 5 %.
pub const PROMOTION_ALPHA: f64 = 0.05;
/// The part of a metric's α that is kept for the step at 100 %, where there is nothing to compare
/// with. The rest is for the comparison, so that both together keep the promise.
const ALONE: f64 = 1.0 / 6.0;

/// A [`JudgeSpec`] that has passed its check, as numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// Of everything together.
    pub(crate) alpha: f64,
    pub(crate) min_ratio: f64,
    pub(crate) p_max: Option<f64>,
    /// Of comparing errors.
    pub(crate) errors: f64,
    /// Of errors where the candidate is alone.
    pub(crate) alone: f64,
    /// Of comparing slow answers.
    pub(crate) latency: f64,
    /// Of comparing restarts.
    pub(crate) restarts: f64,
    /// Whether bad events are taken as counted, one for each request.
    pub(crate) counts_repeats: bool,
    pub(crate) on_insufficient: OnInsufficient,
}

impl From<&JudgeSpec> for Settings {
    fn from(spec: &JudgeSpec) -> Self {
        let alpha = f64::from(spec.alpha_ppm) / 1e6;
        let part = |percent: u8| alpha * f64::from(percent) / 100.0;
        let errors = part(spec.split.errors);
        Self {
            alpha,
            min_ratio: f64::from(spec.min_ratio_milli) / 1e3,
            p_max: spec.p_max_ppm.map(|ppm| f64::from(ppm) / 1e6),
            errors: errors * (1.0 - ALONE),
            alone: errors * ALONE,
            latency: part(spec.split.latency),
            restarts: part(spec.split.restarts),
            counts_repeats: spec.dedupe == Duration::ZERO,
            on_insufficient: spec.on_insufficient,
        }
    }
}

impl Settings {
    /// The slow answers of both sides that speak for themselves: counted by client where both were,
    /// so that neither is heard more often than the other.
    pub(crate) fn slow(&self, one: &SideSample, other: &SideSample, bound: u32) -> (u64, u64) {
        match (one.slow_distinct, other.slow_distinct) {
            (Some(one), Some(other)) if !self.counts_repeats => (one, other),
            _ => (
                one.latency.slower_than(bound),
                other.latency.slower_than(bound),
            ),
        }
    }
}
