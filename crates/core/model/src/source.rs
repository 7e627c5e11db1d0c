//! Where sources come from, and the fact that made us start.

mod kind;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use kind::{EventName, TriggerKind, UnknownEvent};

/// One immutable state of the sources: a commit id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

impl Revision {
    /// The first seven characters, for people.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A full git ref: `refs/heads/main`, `refs/tags/v1.0.0`, `refs/pull/7/merge`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GitRef(pub String);

impl GitRef {
    /// The branch's name, when it is a branch.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }

    /// The tag's name, when it is a tag.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }

    /// The name without its folder: `main`, `v1.0.0`, `7/merge`.
    pub fn short(&self) -> &str {
        ["refs/heads/", "refs/tags/", "refs/pull/"]
            .iter()
            .find_map(|folder| self.0.strip_prefix(folder))
            .unwrap_or(&self.0)
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fact that made us start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// What kind of fact.
    pub kind: TriggerKind,
    /// `owner/name` of the repository.
    pub repository: String,
    /// The ref that was pushed, or on which a person asked.
    pub git_ref: GitRef,
    /// The state of the sources to work on.
    pub revision: Revision,
    /// Where the ref stood before a push; absent for a new ref.
    pub before: Option<Revision>,
    /// Who did it: as authenticated, not as the commit claims.
    pub actor: String,
    /// Branch that a pull request wants to enter.
    pub base_ref: Option<String>,
    /// Branch that a pull request comes from.
    pub head_ref: Option<String>,
    /// Paths that differ from `before`; `None` when it is not known (then path filters match).
    pub changed_paths: Option<Vec<String>>,
    /// Inputs of `workflow_dispatch`.
    pub inputs: BTreeMap<String, serde_json::Value>,
    /// The payload as workflows see it under `github.event`.
    pub payload: serde_json::Value,
    /// Whether what it brings may see secrets.
    pub trust: Trust,
}

/// Whether the bytes of a run were written by somebody who may see secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "level", content = "reason")]
pub enum Trust {
    /// Came through a door that asks who is there.
    Trusted,
    /// Did not; the text says why.
    Untrusted(String),
}

/// An untrusted thing that a run has touched. Once touched, always tainted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum Taint {
    /// The workflow itself, or the sources that were checked out, are from an untrusted ref.
    Sources {
        /// The ref.
        git_ref: GitRef,
        /// The state of the sources.
        revision: Revision,
    },
    /// Inputs that an untrusted actor wrote (a title, a branch name, a comment).
    Payload {
        /// Which field.
        field: String,
    },
}
