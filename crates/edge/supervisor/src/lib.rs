//! Processes that outlive us and are found again. Linux only.
//!
//! A supervisor is a re-exec of our own binary (`cutover supervise …`) in a session of its own. It is
//! the subreaper of what it starts, so nothing below it can slip away, and it leaves records on disk
//! that are true after any death of ours. What a step or a release is, is not known here.

mod clock;
pub mod detach;
mod error;
pub mod identity;
pub mod instance;
pub mod log;
pub mod pool;
pub mod reaper;
pub mod record;
pub mod tree;

pub use error::Error;

/// The entry point of the hidden subcommand: `args` are the words after `supervise`.
///
/// Returns the exit code. Only `instance PLACE` is known here; the executor adds the words for jobs
/// and hands everything else on to this function.
pub fn main(args: &[String]) -> i32 {
    match args {
        [kind, place] if kind == "instance" => instance::supervise(place.as_str().into()),
        _ => {
            detach::refuse("`supervise` takes `instance PLACE`; it is not meant for people");
            2
        }
    }
}
