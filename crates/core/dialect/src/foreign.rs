//! Actions of other repositories: what a workflow wants of them, and what somebody has got of it.
//! Nothing is fetched here; whoever compiles hands in what is there, and looks at what is wanted.

use std::collections::BTreeMap;

use cutover_model::{Position, plan::ActionTree};

use crate::SourceTree;

/// What is known of the actions of other repositories.
#[derive(Debug, Clone, Default)]
pub struct ForeignActions {
    known: BTreeMap<(String, String), Result<ForeignAction, ForeignFault>>,
}

/// Why there is nothing, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignFault {
    /// It could not be had.
    Lacking(String),
    /// It is there, and not what the lock says: nothing of the workflow is run.
    Lock(String),
}

/// A repository with actions, at a ref.
#[derive(Debug, Clone)]
pub struct ForeignAction {
    /// Which files exactly.
    pub tree: ActionTree,
    /// Those of its files that compiling needs.
    pub files: SourceTree,
    /// Whether the lock of the workflow's repository says that it is these; what is not locked is
    /// warned of.
    pub is_locked: bool,
}

/// A repository whose actions are used and that was not handed in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// `owner/repository`, as written.
    pub repository: String,
    /// What stands behind the `@`.
    pub git_ref: String,
    /// The file that uses it first.
    pub path: String,
    /// Where in that file.
    pub at: Position,
}

impl ForeignActions {
    /// Hands in what was found, or why there is nothing.
    pub fn insert(
        &mut self,
        repository: &str,
        git_ref: &str,
        found: Result<ForeignAction, ForeignFault>,
    ) {
        self.known.insert(key(repository, git_ref), found);
    }

    /// What was handed in.
    pub fn get(
        &self,
        repository: &str,
        git_ref: &str,
    ) -> Option<&Result<ForeignAction, ForeignFault>> {
        self.known.get(&key(repository, git_ref))
    }

    /// All that was found, by name.
    pub fn found(&self) -> impl Iterator<Item = &ForeignAction> {
        self.known.values().filter_map(|found| found.as_ref().ok())
    }
}

/// Repositories have one name in whatever case; refs do not.
fn key(repository: &str, git_ref: &str) -> (String, String) {
    (repository.to_ascii_lowercase(), git_ref.to_owned())
}

/// `owner/repository/path@ref`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    pub(crate) repository: String,
    /// The directory of the action; empty for the topmost.
    pub(crate) path: String,
    pub(crate) git_ref: &'a str,
}

/// Reads a reference; `None` for one that no repository could have. What is read here ends in
/// addresses, in arguments of git and in names of directories.
pub(crate) fn reference(text: &str) -> Option<Reference<'_>> {
    let (path, git_ref) = text.split_once('@')?;
    let mut parts = path.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let rest: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let leads_out = |part: &&str| matches!(*part, "." | "..") || part.contains('\\');
    // Repositories may be called `.github`; nobody is called `.`-something.
    let holds = is_name(owner)
        && !owner.starts_with('.')
        && is_name(name)
        && is_ref(git_ref)
        && !rest.iter().any(leads_out);
    holds.then(|| Reference {
        repository: format!("{owner}/{name}"),
        path: rest.join("/"),
        git_ref,
    })
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !matches!(text, "." | "..")
        && !text.to_ascii_lowercase().ends_with(".git")
}

/// As git has it, but stricter.
fn is_ref(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+#=@!,%".contains(&byte) || byte >= 0x80;
    !text.is_empty()
        && text.len() <= 250
        && text.bytes().all(plain)
        && !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let found = reference("Some-One/else.js/deep//er@releases/v1.2").unwrap();
        assert_eq!(found.repository, "Some-One/else.js");
        assert_eq!(
            (found.path.as_str(), found.git_ref),
            ("deep/er", "releases/v1.2")
        );
        assert_eq!(reference("a/b@v1").unwrap().path, "");
        let shared = reference("some-one/.github/.github/workflows/x.yml@main").unwrap();
        assert_eq!(
            (shared.repository.as_str(), shared.path.as_str()),
            ("some-one/.github", ".github/workflows/x.yml")
        );
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_reference() {
        for wrong in [
            "a/b",
            "a@v1",
            "a/b@",
            "a/b@-x",
            "a/b@a..b",
            "a/b@a b",
            "a/b@a:b",
            "-a/b@v1",
            "a/../b@v1",
            "../b@v1",
            "a/b/../../c@v1",
            "a/b.git@v1",
            ".a/b@v1",
            "a/.@v1",
            "a/..@v1",
            "a/.git@v1",
            "a/b?x=1@v1",
            "a/b@v1\n",
        ] {
            assert_eq!(reference(wrong), None, "{wrong}");
        }
    }
}
