//! What kind of fact made us start. A few kinds behave in their own way; all others are known by their
//! name alone.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What kind of fact made us start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerKind {
    /// Commits or a tag were pushed.
    Push,
    /// A pull request was opened or changed.
    PullRequest,
    /// The same, seen from the branch that it wants to enter.
    PullRequestTarget,
    /// A person asked for it, with inputs.
    WorkflowDispatch,
    /// A program asked for it, with a payload of its own.
    RepositoryDispatch,
    /// It was time.
    Schedule,
    /// Another workflow began or ended.
    WorkflowRun,
    /// Something else that a forge may tell.
    Other(EventName),
}

/// The name of an event that has no kind of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(&'static str);

const OWN: [TriggerKind; 7] = [
    TriggerKind::Push,
    TriggerKind::PullRequest,
    TriggerKind::PullRequestTarget,
    TriggerKind::WorkflowDispatch,
    TriggerKind::RepositoryDispatch,
    TriggerKind::Schedule,
    TriggerKind::WorkflowRun,
];

/// `workflow_call` is none of them: nothing starts by it alone.
const OTHERS: [&str; 29] = [
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "image_version",
    "issue_comment",
    "issues",
    "label",
    "merge_group",
    "milestone",
    "page_build",
    "project",
    "project_card",
    "project_column",
    "public",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "registry_package",
    "release",
    "status",
    "watch",
];

impl TriggerKind {
    /// All of them, those with a behaviour of their own first.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = OTHERS.into_iter().map(|name| Self::Other(EventName(name)));
        OWN.into_iter().chain(others)
    }

    /// The name as workflows write it under `on:`.
    pub const fn event_name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pull_request",
            Self::PullRequestTarget => "pull_request_target",
            Self::WorkflowDispatch => "workflow_dispatch",
            Self::RepositoryDispatch => "repository_dispatch",
            Self::Schedule => "schedule",
            Self::WorkflowRun => "workflow_run",
            Self::Other(EventName(name)) => name,
        }
    }

    /// Whether it is about a pull request, from either side.
    pub const fn is_pull_request(self) -> bool {
        matches!(self, Self::PullRequest | Self::PullRequestTarget)
    }
}

impl fmt::Display for TriggerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event_name())
    }
}

/// A name that no event has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no event `{0}`")]
pub struct UnknownEvent(String);

impl FromStr for TriggerKind {
    type Err = UnknownEvent;
    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::all()
            .find(|kind| kind.event_name() == text)
            .ok_or_else(|| UnknownEvent(text.to_owned()))
    }
}

impl Serialize for TriggerKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.event_name())
    }
}

impl<'de> Deserialize<'de> for TriggerKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for kind in TriggerKind::all() {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(text, format!("\"{}\"", kind.event_name()));
            assert_eq!(serde_json::from_str::<TriggerKind>(&text).unwrap(), kind);
        }
        assert!("workflow_call".parse::<TriggerKind>().is_err());
        assert!("pushed".parse::<TriggerKind>().is_err());
    }
}
