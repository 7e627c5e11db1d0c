//! What the token of a job may do, and that a called workflow asks for no more than its caller has.

use serde_json::Value as Json;

use super::{
    DefaultPermissions, Reading,
    convert::Job,
    token::{Token, Value},
};

/// How much of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    None,
    Read,
    Write,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The scopes in the order in which they are told, with the most that `write-all` gives.
const SCOPES: [(&str, Level); 20] = [
    ("actions", Level::Write),
    ("artifact-metadata", Level::Write),
    ("attestations", Level::Write),
    ("checks", Level::Write),
    ("code-quality", Level::Write),
    ("contents", Level::Write),
    ("copilot-requests", Level::Write),
    ("deployments", Level::Write),
    ("discussions", Level::Write),
    ("drives", Level::Write),
    ("issues", Level::Write),
    ("packages", Level::Write),
    ("pages", Level::Write),
    ("pull-requests", Level::Write),
    ("repository-projects", Level::Write),
    ("statuses", Level::Write),
    ("security-events", Level::Write),
    ("vulnerability-alerts", Level::Write),
    ("id-token", Level::Write),
    ("models", Level::Read),
];

/// A level for each scope.
#[derive(Debug, Clone)]
pub(super) struct Permissions([Level; SCOPES.len()]);

impl Permissions {
    /// What `permissions:` says; the schema has looked at it before.
    pub(super) fn convert(token: &Token) -> Self {
        match token.text() {
            Some("read-all") => Self::all(Level::Read),
            Some(_) => Self::all(Level::Write),
            None => {
                let mut own = Self::all(Level::None);
                for (scope, level) in token.entries() {
                    let at = SCOPES
                        .iter()
                        .position(|(name, _)| Some(*name) == scope.text());
                    if let Some(at) = at {
                        own.0[at] = match level.text() {
                            Some("read") => Level::Read,
                            Some("write") => Level::Write,
                            _ => Level::None,
                        };
                    }
                }
                own
            }
        }
    }

    fn all(level: Level) -> Self {
        Self(SCOPES.map(|(_, most)| level.min(most)))
    }

    /// What there is when no file says anything. Nobody gets an identity by default.
    fn default(policy: DefaultPermissions) -> Self {
        let level = |scope: &str, most: Level| match policy {
            _ if scope == "id-token" => Level::None,
            DefaultPermissions::Write => most,
            DefaultPermissions::LimitedRead if matches!(scope, "contents" | "packages") => {
                Level::Read
            }
            DefaultPermissions::LimitedRead => Level::None,
        };
        Self(SCOPES.map(|(scope, most)| level(scope, most)))
    }

    pub(super) fn json(&self) -> Json {
        let given = SCOPES.iter().zip(self.0);
        given
            .filter(|(_, level)| *level != Level::None)
            .map(|((scope, _), level)| ((*scope).to_owned(), Json::from(level.word())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// Says when a called workflow, or a job of it, asks for more than the caller has.
pub(super) fn check(
    caller: &Job,
    nested: Option<&Job>,
    requested: &Permissions,
    most: Option<&Permissions>,
    reading: &mut Reading<'_>,
) {
    let most = most.map_or_else(
        || Permissions::default(reading.options.default_permissions),
        Clone::clone,
    );
    let mut asked = Vec::new();
    let mut allowed = Vec::new();
    for (((scope, _), own), most) in SCOPES.iter().zip(requested.0).zip(most.0) {
        if own > most {
            asked.push(format!("{scope}: {}", own.word()));
            allowed.push(format!("{scope}: {}", most.word()));
        }
    }
    if asked.is_empty() {
        return;
    }
    let target = caller
        .reference
        .as_ref()
        .and_then(Token::text)
        .unwrap_or_default();
    let who = match nested {
        Some(job) => format!("nested job '{}'", name(job)),
        None => format!("workflow '{target}'"),
    };
    let message = format!(
        "Error calling workflow '{target}'. The {who} is requesting '{}', but is only allowed '{}'.",
        asked.join(", "),
        allowed.join(", ")
    );
    reading.error(&caller.id, &message);
}

fn name(job: &Job) -> String {
    match &job.name.value {
        Value::Text(name) => name.clone(),
        _ => job.id.print(),
    }
}
