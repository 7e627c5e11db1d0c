//! `permissions:` of a workflow or a job: what the tokens of a job may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a token may do with one kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nothing.
    None,
    /// Look at it.
    Read,
    /// Change it.
    Write,
}

/// `permissions:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    /// `read-all`.
    ReadAll,
    /// `write-all`.
    WriteAll,
    /// Those that are named; everything else is `none`.
    Only(BTreeMap<String, Access>),
}

impl Permissions {
    /// What may be done with this kind of thing: `contents`, `id-token`, ….
    pub fn access(&self, scope: &str) -> Access {
        match self {
            // There is nothing to read about an id token.
            Self::ReadAll if scope == "id-token" => Access::None,
            Self::ReadAll => Access::Read,
            Self::WriteAll => Access::Write,
            Self::Only(scopes) => scopes.get(scope).copied().unwrap_or(Access::None),
        }
    }

    /// Whether a job may ask for id tokens.
    pub fn gives_id_tokens(&self) -> bool {
        self.access("id-token") == Access::Write
    }
}
