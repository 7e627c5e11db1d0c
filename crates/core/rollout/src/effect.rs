//! Everything that a deployment asks the edge to do. Each is idempotent and carries a generation:
//! asked twice, done once; asked late, not done.
//!
//! Generations count within one deployment. The instances of the current side were made by another one,
//! with numbers of its own: what is late there is told by the fence first, then by the generation.

use std::fmt;

use cutover_model::{
    Timestamp,
    delivery::{Side, Weight},
    event::Check,
    guard::{Hold, HookPoint},
};
use serde::{Deserialize, Serialize};

/// An order to the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Take the lock of the environment, in order of asking; answered by `LockBusy` or `Frozen`, then
    /// by `LockTaken`. Carried out after `ReleaseLock` it does nothing.
    TakeLock,
    /// Tell those that are before it at the lock to make way: `Supersede`. They may ignore it.
    Supersede {
        /// Who holds the lock, as `LockBusy` said.
        holder: String,
    },
    /// Ask a hook or the smoke test; answered by `CheckEnded`. With the same generation it is the same
    /// question: whoever is asked can tell by it that it was asked before.
    RunCheck {
        /// What is asked.
        check: Check,
        /// Which try, from 1.
        attempt: u32,
        /// How many asks so far.
        generation: u64,
    },
    /// Let requests wait in the balancer, or let them go; answered by `Parked`.
    Park {
        /// Whether they wait.
        parked: bool,
        /// How many asks so far.
        generation: u64,
    },
    /// Let there be this many instances of a side, healthy; answered by `InstancesReady` or
    /// `InstancesFailed`. More than there are: start some. Never fewer. Those that are draining serve
    /// again.
    EnsureInstances {
        /// Which side.
        side: Side,
        /// How many.
        count: u32,
        /// How many asks so far.
        generation: u64,
    },
    /// Send the candidate this share of traffic; answered by `Shifted`.
    Shift {
        /// The candidate's share.
        weight: Weight,
        /// How many asks so far.
        generation: u64,
    },
    /// Give these instances no new request, and wait for those in flight; answered by `Drained`.
    /// Then they may be stopped.
    Drain {
        /// Which side.
        side: Side,
        /// How many instances of it keep serving: those that were started first.
        keep: u32,
        /// How many asks so far.
        generation: u64,
    },
    /// Stop the drained instances; answered by `InstancesStopped`.
    Stop {
        /// Which side.
        side: Side,
        /// How many instances of it stay.
        keep: u32,
        /// How many asks so far.
        generation: u64,
    },
    /// Begin (or go on) to look at the balancer's samples; what is seen comes as `TriggerFired`.
    /// Looking ends with the deployment.
    Watch,
    /// Ask at this time, also when it has passed, what the judge knows, and say `Judged`. It is always
    /// answered, also when nobody could look.
    JudgeAt {
        /// When.
        at: Timestamp,
        /// Which step of the strategy, from 0.
        step: u32,
    },
    /// Say `Woke` at this time, also when it has passed.
    WakeAt {
        /// When.
        at: Timestamp,
        /// What rings.
        timer: TimerKey,
    },
    /// The release is current now: write it down. Repeating it changes nothing; without the lock it is
    /// not done. It must be done before `ReleaseLock` is.
    RecordCurrent,
    /// The place is held from now on. It must be done before `ReleaseLock` is; without the lock it is
    /// not done.
    PlaceHold {
        /// Until somebody lifts it.
        hold: Hold,
    },
    /// A hold that another deployment made ends. One that this deployment made stays.
    LiftHold,
    /// It has ended: free the lock, or leave the queue for it.
    ReleaseLock,
    /// Tell the world; `topic` is `deployment.succeeded`, `deployment.rolled_back` and the like. A
    /// deployment says each topic once: with the same topic it is the same message again.
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
    /// The instances have had their time to become healthy.
    StartTimeout {
        /// Which ask.
        generation: u64,
    },
    /// A step has been watched long enough.
    Bake {
        /// Which step of the strategy, from 0.
        step: u32,
    },
    /// A question has been open long enough.
    ApprovalExpiry,
    /// A hook or the smoke test has had its time to answer.
    CheckTimeout {
        /// Which ask.
        generation: u64,
    },
    /// It is to be asked again.
    CheckAgain {
        /// Which ask it follows.
        generation: u64,
    },
    /// Nothing has come of an ask for too long.
    Deadline {
        /// Which ask.
        generation: u64,
    },
    /// A pause has been long enough.
    PauseLimit {
        /// When it began.
        since: Timestamp,
    },
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakeLock => f.write_str("take lock"),
            Self::Supersede { holder } => write!(f, "supersede {holder}"),
            Self::RunCheck {
                check,
                attempt,
                generation,
            } => write!(f, "ask {}, try {attempt} (g{generation})", name(check)),
            Self::Park { parked, generation } => {
                let verb = if *parked { "park" } else { "unpark" };
                write!(f, "{verb} requests (g{generation})")
            }
            Self::PlaceHold { .. } => f.write_str("place hold"),
            Self::LiftHold => f.write_str("lift hold"),
            Self::EnsureInstances {
                side,
                count,
                generation,
            } => {
                write!(f, "ensure {count} of {side} (g{generation})")
            }
            Self::Shift { weight, generation } => {
                write!(f, "shift {weight} to candidate (g{generation})")
            }
            Self::Drain {
                side,
                keep,
                generation,
            } => {
                write!(f, "drain {side}, keep {keep} (g{generation})")
            }
            Self::Stop {
                side,
                keep,
                generation,
            } => {
                write!(f, "stop {side}, keep {keep} (g{generation})")
            }
            Self::Watch => f.write_str("watch"),
            Self::JudgeAt { at, step } => write!(f, "judge step {step} at {at}"),
            Self::WakeAt { at, timer } => write!(f, "wake at {at}: {timer:?}"),
            Self::RecordCurrent => f.write_str("record current"),
            Self::ReleaseLock => f.write_str("release lock"),
            Self::Notify { topic, text } => write!(f, "notify {topic}: {text}"),
        }
    }
}

/// A check in a few words.
fn name(check: &Check) -> String {
    match check {
        Check::Smoke => "smoke".to_owned(),
        Check::Hook {
            point: point @ (HookPoint::BeforeStep | HookPoint::AfterStep),
            weight,
            index,
        } => format!("hook {index} {point} of {weight}"),
        Check::Hook { point, index, .. } => format!("hook {index} {point}"),
    }
}
