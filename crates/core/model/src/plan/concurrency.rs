//! `concurrency:` of a workflow or a job: who may not go at the same time. Who holds a group, and who
//! comes next, is not said here.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Template;

/// How many may wait for a group with `queue: max`.
pub const MAX_QUEUED: usize = 100;

/// `concurrency:` as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The group's name.
    pub group: Template,
    /// Whether one that comes later ends the one that holds the group: `true`, `false` or an expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_in_progress: Option<Template>,
    /// How many may wait.
    #[serde(default)]
    pub queue: Queue,
}

/// `queue:` of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// One; the next that comes takes its place.
    #[default]
    Single,
    /// As many as [`MAX_QUEUED`], in the order in which they came.
    Max,
}

/// A group as evaluated: what a run or a leg asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupUse {
    /// The group's name; two that differ only in case are one.
    pub group: String,
    /// Whether it ends the one that holds the group.
    pub cancel_in_progress: bool,
    /// How many may wait.
    pub queue: Queue,
}

impl GroupUse {
    /// The name by which groups are compared.
    pub fn key(&self) -> String {
        self.group.to_lowercase()
    }
}

impl fmt::Display for GroupUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.group)
    }
}
