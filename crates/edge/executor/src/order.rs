//! What is asked of the executor, and what it answers.

use std::{collections::BTreeMap, fmt};

use cutover_model::{
    Secret,
    run::{Outcome, StepReport},
};

use crate::{container::InContainers, layout::StepKey};

/// A step with a script, or with a program.
#[derive(Clone)]
pub struct StepOrder {
    /// Which step; a second start of the same one does nothing.
    pub key: StepKey,
    /// What runs.
    pub script: String,
    /// A program with its arguments, in place of a script and its shell; empty for none.
    pub program: Vec<String>,
    /// Lines of ours that stand in its log before its own.
    pub preface: Vec<String>,
    /// `bash`, `sh`, `python`, `pwsh`, a template with `{0}`; without one, bash if it is there.
    pub shell: Option<String>,
    /// Where it runs, below the workspace.
    pub working_directory: Option<String>,
    /// Its variables, over those that every step has.
    pub env: BTreeMap<String, String>,
    /// Directories before those of `PATH`.
    pub path_prepend: Vec<String>,
    /// What must not be seen in anything it prints.
    pub masks: Vec<Secret>,
    /// Whether strangers have written it.
    pub untrusted: bool,
    /// What it has to do with containers; absent: it runs on the machine. Then its script, its
    /// directory and its variables are meant as they are seen inside.
    pub containers: Option<Box<InContainers>>,
}

impl fmt::Debug for StepOrder {
    /// Scripts and variables may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepOrder")
            .field("key", &self.key)
            .field("shell", &self.shell)
            .finish_non_exhaustive()
    }
}

/// The end of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepEnd {
    /// It has ended, and we know how.
    Exited {
        /// How.
        outcome: Outcome,
        /// What is left of it.
        report: StepReport,
    },
    /// It was started, and whoever looked after it died before it ended.
    Lost {
        /// Why we think so, for people.
        reason: String,
    },
}

/// What is known of a step before it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nobody has started it.
    No,
    /// Somebody has, and its end is not recorded: it runs, or was cut off.
    Yes,
    /// It has ended.
    Ended(Box<StepEnd>),
}

/// By which way a step handed a value on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedKind {
    /// `GITHUB_OUTPUT`.
    Output,
    /// `GITHUB_ENV`.
    Env,
    /// `GITHUB_STATE`.
    State,
}
