//! Everything that a run asks the edge to do. Each is idempotent: asked twice, done once.

use std::fmt;

use cutover_model::{
    GateId, Timestamp,
    plan::GroupUse,
    run::{Attempt, JobKey, StepPath},
};
use serde::{Deserialize, Serialize};

/// An order to the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Keep a runner free for this leg; answered by `RunnerAssigned`.
    AcquireRunner {
        /// The leg.
        job: JobKey,
        /// What the runner must be able to do.
        labels: Vec<String>,
    },
    /// Resolve and start a step; answered by `StepExited`, `StepLost` or `ApprovalNeeded`.
    StartStep {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
    },
    /// End a step that runs: SIGINT, SIGTERM, SIGKILL. Its `StepExited` still comes.
    CancelStep {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
    },
    /// Compute `hashFiles` over the workspace of a leg; answered by `FilesHashed`.
    HashFiles {
        /// The leg.
        job: JobKey,
        /// The step whose condition asks.
        step: StepPath,
        /// Which files.
        patterns: Vec<String>,
    },
    /// Ask for a concurrency group; answered by `GroupTaken`, `GroupHeld` or `GroupLost`.
    AcquireGroup {
        /// The leg; absent for the whole run.
        job: Option<JobKey>,
        /// The group.
        group: GroupUse,
    },
    /// Give it back, or leave its queue. Not asked of a leg that has a runner.
    ReleaseGroup {
        /// The leg; absent for the whole run.
        job: Option<JobKey>,
        /// The group.
        group: GroupUse,
    },
    /// The leg has ended: remove its processes and workspace, and give the runner back, and its
    /// concurrency group if it has one ([`Run::group_of`](crate::Run::group_of)).
    FinishJob {
        /// The leg.
        job: JobKey,
    },
    /// Say `Woke` at this time, also when it has passed.
    WakeAt {
        /// When.
        at: Timestamp,
        /// What rings.
        timer: TimerKey,
    },
    /// Tell the world; `topic` is `run.succeeded`, `run.failed`, `approval.requested` and the like.
    Notify {
        /// Under which word `notify:` finds it.
        topic: String,
        /// One line for people.
        text: String,
    },
}

/// What rings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "timer")]
pub enum TimerKey {
    /// A leg has had its time.
    JobTimeout {
        /// The leg.
        job: JobKey,
    },
    /// A leg that was told to end has had its time for cleaning up.
    StopGrace {
        /// The leg.
        job: JobKey,
    },
    /// A step has had its time.
    StepTimeout {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
    },
    /// A question has been open long enough.
    ApprovalExpiry {
        /// The question.
        gate: GateId,
    },
}

impl fmt::Display for TimerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JobTimeout { job } => write!(f, "timeout of {job}"),
            Self::StopGrace { job } => write!(f, "end of grace for {job}"),
            Self::StepTimeout { job, step, attempt } => {
                write!(f, "timeout of {job}/{step}/{attempt}")
            }
            Self::ApprovalExpiry { gate } => write!(f, "expiry of {gate}"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcquireRunner { job, labels } => {
                write!(f, "acquire runner for {job} ({})", labels.join(", "))
            }
            Self::StartStep { job, step, attempt } => write!(f, "start {job}/{step}/{attempt}"),
            Self::CancelStep { job, step, attempt } => write!(f, "cancel {job}/{step}/{attempt}"),
            Self::HashFiles {
                job,
                step,
                patterns,
            } => write!(f, "hash files for {job}/{step} ({})", patterns.join(", ")),
            Self::AcquireGroup { job, group } => {
                write!(f, "acquire group {group} for {}", whose(job.as_ref()))
            }
            Self::ReleaseGroup { job, group } => {
                write!(f, "release group {group} of {}", whose(job.as_ref()))
            }
            Self::FinishJob { job } => write!(f, "finish {job}"),
            Self::WakeAt { at, timer } => write!(f, "wake at {at}: {timer}"),
            Self::Notify { topic, text } => write!(f, "notify {topic}: {text}"),
        }
    }
}

fn whose(job: Option<&JobKey>) -> &str {
    job.map_or("the run", |job| job.0.as_str())
}
