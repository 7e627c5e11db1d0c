//! The processes that keep jobs, seen from those who need them.

use cutover_supervisor::pool::Pool;

/// The supervisors of jobs that a process has started. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Supervisors {
    pub(crate) pool: Pool,
    /// The command line of the hidden subcommand.
    pub(crate) command: Vec<String>,
}

impl Supervisors {
    /// `command` is the command line of the hidden subcommand: `[own executable, "supervise"]`.
    pub fn new(command: Vec<String>) -> Self {
        let mut jobs = command.clone();
        jobs.push("jobs".to_owned());
        Self {
            pool: Pool::new(jobs),
            command,
        }
    }

    /// Starts one now, so that the first job need not wait for it. Within a runtime only.
    pub fn warm_up(&self) {
        self.pool.warm_up();
    }
}
