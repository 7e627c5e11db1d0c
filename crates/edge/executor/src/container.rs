//! Steps in containers. The supervisor keeps a step in a container as it keeps any other: as a process
//! with output and an end. That process is one of ours (`main.rs` here): it gets its order on a pipe,
//! asks the engine, hands on what is printed inside, passes signals in, and ends with the exit code.

mod call;
mod main;
mod mounts;
mod order;
mod script;
mod set_up;
mod signals;

pub(crate) use self::{
    main::main,
    order::{Order, Task},
    script::mark,
};
pub use self::{
    mounts::Mounts,
    order::{CallOrder, CallSource, ContainerWork, InContainers, SetUpOrder, SetUpService},
};

/// What the step that makes containers ready says of them, as one of its outputs.
pub(crate) const OUTPUT: &str = "containers";
/// Why it could not be done, beside the files of the step; absent or empty when it could.
pub(crate) const FAULT: &str = "script.fault";
/// The mark of a step's processes inside.
pub(crate) const INSIDE_MARKER: &str = "CUTOVER_INSIDE";
