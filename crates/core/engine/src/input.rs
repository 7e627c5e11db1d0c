//! Everything that can be said to a run.

use std::collections::{BTreeMap, BTreeSet};

use cutover_model::{
    GateId, RunId,
    event::RetriedLeg,
    gate::ApprovalRule,
    plan::Plan,
    run::{Attempt, JobKey, Outcome, Runner, StepPath, StepReport},
    source::Trigger,
};

use crate::TimerKey;

/// Commands may be refused; observations never are: one that comes twice, late or out of order
/// changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Command: begin. Refused when the run has begun.
    Create {
        /// Its id.
        run: RunId,
        /// The number people say aloud.
        number: u64,
        /// What is to be done.
        plan: Box<Plan>,
        /// Why.
        trigger: Box<Trigger>,
        /// Values that may be seen: the `vars` context.
        vars: BTreeMap<String, String>,
        /// The names of the secrets that there are; never their values.
        secrets: BTreeSet<String>,
    },
    /// Command: a person says yes to an open question.
    Approve {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// Command: a person says no to an open question.
    Reject {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// Command: end it. The second one is harmless.
    Cancel {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// Command: do more of a run that has ended. The jobs behind what is named begin anew.
    Retry {
        /// Who.
        by: String,
        /// Which legs, and from where; a wish gives them.
        legs: Vec<RetriedLeg>,
    },
    /// Observation: a person looked at a step that failed, and wants it done once more instead of having
    /// its end counted. Another attempt of it begins.
    StepAgain {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// The try that failed.
        attempt: Attempt,
        /// Who.
        by: String,
    },
    /// Observation: a runner is kept free for a leg that asked.
    RunnerAssigned {
        /// The leg.
        job: JobKey,
        /// The runner.
        runner: Runner,
    },
    /// Observation: a step's process ended, or a built-in action did.
    StepExited {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
        /// How: `Succeeded`, `Failed` (their script said no), `Faulted` (it could not be done),
        /// `TimedOut` or `Cancelled`.
        outcome: Outcome,
        /// What it left.
        report: StepReport,
    },
    /// Observation: after a restart nobody knows how a step ended. `retry_safe` steps (the built-in
    /// actions, which find what they made before) get a new attempt; others end as faulted.
    StepLost {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
        /// Whether a second start does no harm.
        retry_safe: bool,
        /// What was found.
        reason: String,
    },
    /// Observation: a built-in action needs a person's yes before it goes on. When it is given, the
    /// step starts again as a new attempt.
    ApprovalNeeded {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
        /// What it is about.
        subject: String,
        /// Who may answer and how many must.
        rule: ApprovalRule,
    },
    /// Observation: the digest of the files that an `if:` asked for, or why there is none.
    FilesHashed {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which files.
        patterns: Vec<String>,
        /// What came of it.
        digest: Result<String, String>,
    },
    /// Observation: a concurrency group is kept for the run, or for a leg of it.
    GroupTaken {
        /// The leg; absent for the whole run.
        job: Option<JobKey>,
    },
    /// Observation: somebody else holds the concurrency group that was asked for.
    GroupHeld {
        /// The leg; absent for the whole run.
        job: Option<JobKey>,
        /// Who, for people.
        holder: String,
    },
    /// Observation: another one takes its place: in the queue for a concurrency group, or in the group.
    GroupLost {
        /// The leg; absent for the whole run.
        job: Option<JobKey>,
        /// Which, for people.
        by: String,
    },
    /// Observation: a timer rang.
    Woke {
        /// Which.
        timer: TimerKey,
    },
}

/// Why a command was refused: a lower-case fragment without a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);
