//! What looks at the samples of a deployment is in the crate `judge`. What it says becomes
//! [`crate::Input::TriggerFired`]; here are its names for whoever drives a rollout.

pub use cutover_judge::{
    Advice, Fired, Latency, Moment, Rejudged, Sample, SideSample, Verdict, Watch, Word, rejudge,
};
