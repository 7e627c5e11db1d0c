//! Runs the steps of a job as processes: prepare → start → follow and wait → destroy.
//!
//! A job has a supervisor of its own, which outlives us and is found again: what a step printed and
//! how it ended is on disk, whoever was there to see it. When a step runs, and what follows from its
//! end, is not decided here.

mod border;
mod builtin;
mod commands;
mod container;
mod error;
mod files;
mod filter;
mod follow;
mod foresee;
#[cfg(test)]
mod fuzzing;
mod hand_down;
mod keep;
mod layout;
mod lines;
mod mask;
mod matchers;
mod order;
mod past;
mod place;
mod process;
mod protocol;
mod shell;
mod shown;
mod subjects;
mod supervise;
mod supervisors;
mod visit;

pub use self::{
    border::Snapshots,
    builtin::{BuiltinLog, Handed},
    container::{
        CallOrder, CallSource, ContainerWork, InContainers, Mounts, SetUpOrder, SetUpService,
    },
    error::Error,
    follow::Follow,
    foresee::{Foreseen, ReadyStep},
    keep::{KeepLimits, Kept},
    layout::{JobPlace, StepKey},
    mask::TextMask,
    order::{Begun, HandedKind, StepEnd, StepOrder},
    past::{LogLimits, has_left, log_below},
    place::plain,
    process::ProcessExecutor,
    protocol::Grace,
    shown::{LogReader, Shown},
    supervise::supervise,
    supervisors::Supervisors,
    visit::Visit,
};
