//! The end of a step that was cancelled: asked, told, and then killed with all it has started.

use std::{os::fd::OwnedFd, sync::Arc, thread};

use cutover_supervisor::tree;
use rustix::process::Signal;

use super::{job::Job, step::Step};
use crate::protocol::Grace;

/// Begins to end a step, unless somebody has begun before or it has ended.
pub(super) fn cancel(job: &Arc<Job>, step: &Arc<Step>, grace: Grace) {
    if step.wants_cancel(grace) {
        begin(job, step, grace);
    }
}

/// The same for a step that was cancelled before its process was there.
pub(super) fn begin(job: &Arc<Job>, step: &Arc<Step>, grace: Grace) {
    let (own_job, own_step) = (Arc::clone(job), Arc::clone(step));
    let thread = thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || sweep(&own_job, &own_step, grace));
    if thread.is_err() {
        // No room for a thread: then without grace.
        sweep(
            job,
            step,
            Grace {
                interrupt: std::time::Duration::ZERO,
                terminate: std::time::Duration::ZERO,
            },
        );
    }
}

fn sweep(job: &Job, step: &Step, grace: Grace) {
    drop(send(job, step, Signal::INT));
    // What runs beside it (a server in the background) does not hear SIGINT: no need to wait for it.
    step.await_child(grace.interrupt);
    let asked = send(job, step, Signal::TERM);
    tree::await_ends(&asked, grace.terminate);
    tree::kill_all(|| job.tree_of(step));
    step.is_swept();
}

fn send(job: &Job, step: &Step, signal: Signal) -> Vec<OwnedFd> {
    let processes = job.tree_of(step);
    let asked = tree::signal(&processes, signal);
    // One that was stopped must go on to hear it.
    drop(tree::signal(&processes, Signal::CONT));
    asked
}
