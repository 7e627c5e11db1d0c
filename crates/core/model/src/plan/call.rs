//! A job that calls a reusable workflow: it has no steps, but jobs of its own. Each leg of it is a frame
//! in which these are evaluated: with its inputs, its secrets, and the `env:` of the called file.

use serde::{Deserialize, Serialize};

use super::{Bindings, Concurrency, JobSpec, Template};

/// How many jobs a run may have by calls: legs of callers times jobs of the called.
pub const MAX_CALLED_JOBS: usize = 2_048;

/// What a calling job calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSpec {
    /// The called file: its path in the sources, or the whole reference when it is from elsewhere.
    pub path: String,
    /// The commit that the file is of, when it is from elsewhere; empty when it is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its declared inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<CallInput>,
    /// What it sees as its `secrets`.
    pub secrets: CallSecrets,
    /// Its `outputs:`, evaluated when its jobs have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Bindings,
    /// `env:` of the called file; that of the caller does not reach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Bindings,
    /// `concurrency:` of the called file: one call at a time, whatever the caller's own says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// Its jobs, by the ids that its file gives them; `needs` names only these.
    pub jobs: Vec<JobSpec>,
}

/// An input that a called workflow declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallInput {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: CallInputKind,
    /// What the caller's `with:` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Template>,
    /// What it is when the caller says nothing; without that, nothing of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Template>,
}

/// The kinds of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallInputKind {
    /// A text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
}

/// What a called workflow sees as its `secrets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CallSecrets {
    /// All that the caller sees.
    Inherit,
    /// These.
    Named {
        /// Evaluated where the caller is.
        values: Bindings,
    },
}

impl CallSpec {
    /// A call of this file of which nothing else is said.
    pub fn new(path: &str, jobs: Vec<JobSpec>) -> Self {
        Self {
            path: path.to_owned(),
            commit: None,
            inputs: Vec::new(),
            secrets: CallSecrets::Named { values: Vec::new() },
            outputs: Vec::new(),
            env: Vec::new(),
            concurrency: None,
            jobs,
        }
    }

    /// Its jobs and those of the workflows that they call.
    pub fn all_jobs(&self) -> usize {
        let nested = |job: &JobSpec| job.call.as_ref().map_or(0, |call| call.all_jobs());
        self.jobs.iter().map(|job| 1 + nested(job)).sum()
    }
}
