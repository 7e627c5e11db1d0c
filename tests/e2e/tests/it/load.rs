//! Steady traffic while a test does something, and what became of it.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{World, finish_child};

/// Traffic that goes on until it is stopped.
pub(crate) struct Load(Option<Child>);

impl Load {
    pub(crate) fn start(world: &World, url: &str, rate: u32, keep_alive: bool) -> Self {
        let rate = rate.to_string();
        let mut arguments = vec!["load", url, "--rate", &rate, "--seconds", "900"];
        if !keep_alive {
            arguments.push("--no-keep-alive");
        }
        let mut command = world.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().expect("the load")))
    }

    /// Ends it, and counts.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Tally {
        let child = self.0.take().expect("a load that goes on");
        // Ctrl-C: it waits for the answers that are still owed.
        kill_process(Pid::from_child(&child), Signal::INT).expect("SIGINT");
        Tally(finish_child(child, "cutover load").json())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// What became of the requests.
#[derive(Debug)]
pub(crate) struct Tally(Value);

impl Tally {
    pub(crate) fn sent(&self) -> u64 {
        self.0["sent"].as_u64().expect("sent")
    }

    fn sum(&self, what: &str) -> u64 {
        let counts = self.0[what].as_object().expect("counts by version");
        counts.values().filter_map(Value::as_u64).sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.sum("failed")
    }

    /// How many versions answered.
    pub(crate) fn versions(&self) -> usize {
        self.0["good"].as_object().map_or(0, serde_json::Map::len)
    }

    /// Nothing was lost, and each request that was sent is accounted for.
    #[track_caller]
    pub(crate) fn none_lost(&self, what: &str) {
        eprintln!("{what}: {}", self.0);
        assert_eq!(self.0["lost"], 0, "{what}: {:#}", self.0);
        assert_eq!(self.sum("good") + self.failed(), self.sent(), "{what}");
    }

    /// The rate was kept up: traffic that stops proves nothing.
    #[track_caller]
    pub(crate) fn kept_up(&self, rate: u32, took: Duration) {
        let wanted = f64::from(rate) * took.as_secs_f64();
        let sent = f64::from(u32::try_from(self.sent()).unwrap_or(u32::MAX));
        assert!(sent > wanted * 0.8, "{sent} of about {wanted} were sent");
    }
}
