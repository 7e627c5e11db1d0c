//! Everything that can be said to a deployment.

use cutover_model::{
    Duration, GateId, Timestamp,
    delivery::{DeploymentSpec, Judgement, Release, Side},
    guard::{Hold, HookVerdict},
};

use crate::TimerKey;

/// Commands may be refused, and change nothing where what they want is so already (see
/// [`crate::notice`]); observations never are refused: one that comes twice, late or out of order
/// changes nothing. Each observation carries the generation of the effect that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Command: begin. Refused when it has begun.
    Create {
        /// All that it needs to know.
        spec: Box<DeploymentSpec>,
    },
    /// Command: a person says yes to the open question.
    Approve {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// Command: a person says no to the open question.
    Reject {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// Command: the present step is enough. Refused where there is no step to skip.
    Promote {
        /// Who.
        by: String,
        /// Whether all that is left of the steps is skipped.
        full: bool,
    },
    /// Command: make way for a newer deployment. It changes nothing for one that is nearly done, or that
    /// is itself a rollback.
    Supersede {
        /// For which, as people read it.
        by: String,
    },
    /// Command: stop, traffic back to current. Refused when it has succeeded.
    Abort {
        /// Who.
        by: String,
    },
    /// Command: hold it where it is; the triggers stay armed.
    Pause {
        /// Who.
        by: String,
    },
    /// Command: go on.
    Resume {
        /// Who.
        by: String,
    },
    /// Observation: somebody else deploys here.
    LockBusy {
        /// Who.
        holder: String,
    },
    /// Observation: nobody else deploys here until this ends.
    LockTaken {
        /// Grows with each holder.
        fence: u64,
        /// What serves now; `None` before the first deployment.
        current: Option<Box<Release>>,
        /// How many instances that has, when it is known.
        instances: Option<u32>,
        /// What an earlier rollback said of this place.
        hold: Option<Box<Hold>>,
    },
    /// Observation: the place is frozen; the lock comes when it is no longer.
    Frozen {
        /// Why, for people.
        reason: String,
        /// Until when, when that is known.
        until: Option<Timestamp>,
    },
    /// Observation: the instances of a side all run and are healthy.
    InstancesReady {
        /// Which side.
        side: Side,
        /// Which ask.
        generation: u64,
    },
    /// Observation: they did not become healthy, or one died and does not come back. Also said of a
    /// current side that was never asked for.
    InstancesFailed {
        /// Which side.
        side: Side,
        /// Which ask: the latest one for this side, [`crate::Deployment::instances_generation`].
        generation: u64,
        /// Last status, head of the body, last log lines, exit code, port.
        detail: Vec<String>,
    },
    /// Observation: a hook or the smoke test has answered, or could not.
    CheckEnded {
        /// Which ask.
        generation: u64,
        /// What came of it.
        verdict: HookVerdict,
        /// Why, for people.
        reason: String,
        /// When it wants to be asked again, with [`HookVerdict::Later`].
        after: Option<Duration>,
    },
    /// Observation: the balancer lets requests wait, or no longer.
    Parked {
        /// Which ask.
        generation: u64,
    },
    /// Observation: the balancer works by these weights.
    Shifted {
        /// Which ask.
        generation: u64,
    },
    /// Observation: a side has no request left, or time ran out.
    Drained {
        /// Which side.
        side: Side,
        /// Which ask.
        generation: u64,
        /// Requests that were cut off.
        cut_off: u64,
    },
    /// Observation: the instances that were to stop are gone.
    InstancesStopped {
        /// Which side.
        side: Side,
        /// Which ask.
        generation: u64,
    },
    /// Observation: [`crate::watch::Watch`] saw what a trigger looks for.
    TriggerFired {
        /// Which, as people read it.
        trigger: String,
        /// What it saw.
        observed: String,
    },
    /// Observation: a step has been watched to its end, and this is what the judge knows.
    Judged {
        /// Which step of the strategy, from 0.
        step: u32,
        /// The end that was asked about: another one since makes this void.
        until: Timestamp,
        /// What follows.
        judgement: Judgement,
        /// What was seen, with the bound of what is not known.
        reason: String,
    },
    /// Observation: more of the candidate's answers are bad than is accepted of any release, and that
    /// may be everybody's fault. It is held, not taken back.
    GuardHeld {
        /// What was seen.
        reason: String,
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
