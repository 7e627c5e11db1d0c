//! A commit as far as a release looks at it.

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its full id in hexadecimal.
    pub id: String,
    /// The whole message.
    pub message: String,
}

impl Commit {
    /// A commit of that id and message.
    pub fn new(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            message: message.into(),
        }
    }

    /// The first line that says something.
    pub(crate) fn subject(&self) -> &str {
        let line = self
            .message
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty());
        line.unwrap_or_default()
    }

    /// Whether git or a forge made it to join branches: what it joins speaks for itself.
    pub(crate) fn is_merge(&self) -> bool {
        const KINDS: [&str; 6] = [
            "branch",
            "branches",
            "commit",
            "pull request",
            "remote-tracking",
            "tag",
        ];
        let joined = self.subject().strip_prefix("Merge ");
        joined.is_some_and(|what| {
            KINDS.iter().any(|kind| {
                what.strip_prefix(kind)
                    .is_some_and(|rest| rest.starts_with(' '))
            })
        })
    }
}
