//! What a run does, read as a protocol: given a plan, when something is said, then this is done.

mod running;
mod support;
