//! Samples in, verdict out: is the candidate worse than the current side, or was that chance, and
//! does somebody's rollback trigger hold?
//!
//! [`Watch`] looks at one second after the other, for the [triggers](cutover_model::delivery) and for
//! the [`Judge`]. Nothing here decides a deployment, and nothing knows one: the rollout, a bench, and
//! [`rejudge`] over what was recorded all drive the same code.
#![warn(missing_docs)]

mod alarm;
mod alone;
mod beta;
mod compare;
mod dedupe;
mod evidence;
mod guard;
mod judge;
mod latency;
mod learnt;
mod needed;
mod rejudge;
mod sample;
mod settings;
mod verdict;
mod watch;
mod window;
mod words;

pub use dedupe::Distinct;
pub use evidence::{Evidence, Tally};
pub use guard::{evidence_above, upper_bound};
pub use judge::Judge;
pub use latency::Latency;
pub use needed::{Needed, detected_after, minimum_bad, needed, outlook};
pub use rejudge::{Moment, Rejudged, rejudge};
pub use sample::{Sample, SideSample};
pub use settings::PROMOTION_ALPHA;
pub use verdict::{Advice, Finding, Signal, Verdict, Word};
pub use watch::{Fired, Watch};
