//! Actions that a plan uses: where their files come from, and what of a JavaScript action is run when.
//! How `uses:` and `action.yml` are written is no matter here.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Bindings, Expression};

/// Where the files of an action come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum ActionSource {
    /// The workspace of the job, as it is when the step's turn comes: `./path`.
    #[default]
    Workspace,
    /// The sources at the revision of the run, whatever the job has made of its workspace: `$/path`.
    Own,
    /// Another repository: `owner/repository/path@ref`.
    Foreign(ActionTree),
}

impl ActionSource {
    /// Whether it is the workspace.
    pub const fn is_workspace(&self) -> bool {
        matches!(self, Self::Workspace)
    }

    /// Where the files lie below the directory that a job has for its actions; `None` for those of the
    /// workspace. Each component is a plain name.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Workspace => None,
            Self::Own => Some("_own".to_owned()),
            Self::Foreign(tree) => Some(tree.place()),
        }
    }
}

/// The files of another repository at a ref, and which they were when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionTree {
    /// `owner/repository`, as written.
    pub repository: String,
    /// What stands behind the `@`.
    pub git_ref: String,
    /// The commit that the ref named; empty when the files were in no commit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// The id of its tree, by git's own reckoning: what is run is what has this id.
    pub tree: String,
}

impl ActionTree {
    /// `owner/repository@ref`.
    pub fn name(&self) -> String {
        format!("{}@{}", self.repository, self.git_ref)
    }

    /// `owner/repository/ref`, with every character of the ref that could lead elsewhere replaced.
    fn place(&self) -> String {
        let mut place = format!("{}/", self.repository);
        for character in self.git_ref.chars() {
            match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => place.push(character),
                // A ref of dots alone would lead upwards.
                '.' if !place.ends_with('/') => place.push('.'),
                other => {
                    // Writing to a string does not fail.
                    write!(place, "%{:x}", u32::from(other)).ok();
                }
            }
        }
        place
    }
}

/// A JavaScript action: programs for the machine's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionUse {
    /// `uses:` as written.
    pub uses: String,
    /// Where its files come from.
    #[serde(default, skip_serializing_if = "ActionSource::is_workspace")]
    pub source: ActionSource,
    /// Its directory there; empty for the topmost.
    pub path: String,
    /// The major version of node that it was written for.
    pub node: u16,
    /// What is run, from its directory.
    pub main: String,
    /// What is run before the first step of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<Hook>,
    /// What is run after the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Hook>,
    /// What `with:` gives, and defaults for the rest.
    pub inputs: Bindings,
}

/// A program of an action that is run before or after all the steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The program, from the action's directory.
    pub file: String,
    /// `pre-if:` or `post-if:`; absent means `always()`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ref_leads_out_of_the_place_of_an_action() {
        let place = |git_ref: &str| {
            ActionSource::Foreign(ActionTree {
                repository: "o/r".to_owned(),
                git_ref: git_ref.to_owned(),
                commit: String::new(),
                tree: "t".to_owned(),
            })
            .place()
        };
        assert_eq!(place("v1.2").as_deref(), Some("o/r/v1.2"));
        assert_eq!(place("..").as_deref(), Some("o/r/%2e."));
        assert_eq!(place("releases/v1").as_deref(), Some("o/r/releases%2fv1"));
        assert_eq!(ActionSource::Workspace.place(), None);
    }
}
