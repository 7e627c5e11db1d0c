//! The supervisor's side of a job: its own process, with threads and without a runtime.

mod cancel;
mod contained;
mod exchange;
mod job;
mod pump;
pub(crate) mod report;
pub(crate) mod start;
mod step;

pub use self::job::supervise;
pub(crate) use self::{exchange::clear, start::EXCHANGE};
