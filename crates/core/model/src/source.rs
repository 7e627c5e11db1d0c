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

impl Trigger {
    /// Takes on the inputs as they came to be, defaults and all. The payload says them, too: as texts,
    /// which is how the hosted service sends them.
    pub fn take_inputs(&mut self, inputs: BTreeMap<String, serde_json::Value>) {
        if let (TriggerKind::WorkflowDispatch, Some(payload)) =
            (&self.kind, self.payload.as_object_mut())
        {
            let texts = inputs
                .iter()
                .map(|(name, value)| (name.clone(), text_of(value)));
            payload.insert("inputs".to_owned(), texts.collect());
        }
        self.inputs = inputs;
    }
}

fn text_of(value: &serde_json::Value) -> serde_json::Value {
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        }
        other => other.to_string(),
    };
    serde_json::Value::String(text)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_payload_says_inputs_as_texts() {
        let mut trigger = Trigger {
            kind: TriggerKind::WorkflowDispatch,
            repository: "acme/hello".to_owned(),
            git_ref: GitRef("refs/heads/main".to_owned()),
            revision: Revision("abc".to_owned()),
            before: None,
            actor: "ada".to_owned(),
            base_ref: None,
            head_ref: None,
            changed_paths: None,
            inputs: BTreeMap::new(),
            payload: json!({ "inputs": { "who": "ada" } }),
            trust: Trust::Trusted,
        };
        let inputs = json!({ "dry": true, "count": 3.0, "part": 0.5, "who": "ada", "note": "" });
        trigger.take_inputs(serde_json::from_value(inputs.clone()).unwrap());
        assert_eq!(json!(trigger.inputs), inputs);
        assert_eq!(
            trigger.payload["inputs"],
            json!({ "dry": "true", "count": "3", "part": "0.5", "who": "ada", "note": "" })
        );
        trigger.kind = TriggerKind::Push;
        trigger.payload = json!({});
        trigger.take_inputs(BTreeMap::new());
        assert_eq!(trigger.payload, json!({}));
    }
}
