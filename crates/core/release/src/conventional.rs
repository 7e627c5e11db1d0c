//! What a commit's message says about the change, by the rules of conventional commits.
//!
//! A message is understood as far as it goes: when its body breaks the rules, its first line still
//! counts, and so does a `BREAKING CHANGE:` wherever it stands.

use git_conventional::Type;

use crate::commit::Commit;

/// What kind of change a commit makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `feat`.
    Feature,
    /// `fix`.
    Fix,
    /// `perf`.
    Performance,
    /// A revert of something that was released before.
    Revert,
    /// `build`, `chore`, `ci`, `docs`, `refactor`, `style`, `test`: nothing that a user would see.
    Maintenance,
    /// Another type, or no conventional commit.
    Other,
}

/// What a commit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Id of the commit.
    pub id: String,
    /// What kind of change it is.
    pub kind: Kind,
    /// Which part it is about.
    pub scope: Option<String>,
    /// The change in one line.
    pub summary: String,
    /// What breaks, in one line; `None` if nothing does.
    pub breaking: Option<String>,
}

/// What the commit says.
pub(crate) fn read(commit: &Commit) -> Change {
    let message = commit.message.trim().replace("\r\n", "\n");
    let subject = commit.subject();
    let parsed = git_conventional::Commit::parse(&message)
        .or_else(|_| git_conventional::Commit::parse(subject));
    let Ok(parsed) = parsed else {
        return Change {
            id: commit.id.clone(),
            kind: Kind::Other,
            scope: None,
            summary: one_line(subject),
            breaking: None,
        };
    };
    let breaking = parsed.breaking_description().or_else(|| footer(&message));
    Change {
        id: commit.id.clone(),
        kind: kind(parsed.type_()),
        scope: parsed.scope().map(|scope| one_line(scope.as_str())),
        summary: one_line(parsed.description()),
        breaking: breaking.map(one_line),
    }
}

fn kind(name: Type<'_>) -> Kind {
    const MAINTENANCE: [Type<'_>; 5] = [
        Type::CHORE,
        Type::DOCS,
        Type::REFACTOR,
        Type::STYLE,
        Type::TEST,
    ];
    match name {
        name if name == Type::FEAT => Kind::Feature,
        name if name == Type::FIX => Kind::Fix,
        name if name == Type::PERF => Kind::Performance,
        name if name == Type::REVERT => Kind::Revert,
        name if MAINTENANCE.contains(&name) => Kind::Maintenance,
        name => match name.as_str().to_ascii_lowercase().as_str() {
            "build" | "ci" | "tests" => Kind::Maintenance,
            _ => Kind::Other,
        },
    }
}

fn footer(message: &str) -> Option<&str> {
    message.lines().find_map(|line| {
        let rest = line.strip_prefix("BREAKING CHANGE:");
        rest.or_else(|| line.strip_prefix("BREAKING-CHANGE:"))
    })
}

/// The text without line breaks and other control characters: it goes into lists and logs.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}
