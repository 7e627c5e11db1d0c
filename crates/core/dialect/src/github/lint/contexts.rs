//! The contexts of the language with their types, and where each may be used.

use super::types::{Object, Type};

/// A place of a workflow where expressions may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// Where they stand, but see nothing.
    Nothing,
    Root,
    RootEnv,
    CallOutput,
    Job,
    JobIf,
    JobEnv,
    Strategy,
    Defaults,
    Credentials,
    ContainerEnv,
    Url,
    Output,
    Step,
    StepIf,
}

impl Spot {
    /// The contexts that may be used there.
    pub(super) fn contexts(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Root => &["github", "inputs", "vars"],
            Self::RootEnv => &["github", "inputs", "secrets", "vars"],
            Self::CallOutput => &["github", "inputs", "jobs", "vars"],
            Self::Job => &["github", "inputs", "matrix", "needs", "strategy", "vars"],
            Self::JobIf | Self::Strategy => &["github", "inputs", "needs", "vars"],
            Self::JobEnv => &[
                "github", "inputs", "matrix", "needs", "secrets", "strategy", "vars",
            ],
            Self::Defaults => &[
                "env", "github", "inputs", "matrix", "needs", "strategy", "vars",
            ],
            Self::Credentials => &[
                "env", "github", "inputs", "matrix", "needs", "secrets", "strategy", "vars",
            ],
            Self::ContainerEnv => &[
                "env", "github", "inputs", "job", "matrix", "needs", "runner", "secrets",
                "strategy", "vars",
            ],
            Self::Url | Self::StepIf => &[
                "env", "github", "inputs", "job", "matrix", "needs", "runner", "steps", "strategy",
                "vars",
            ],
            Self::Output | Self::Step => &[
                "env", "github", "inputs", "job", "matrix", "needs", "runner", "secrets", "steps",
                "strategy", "vars",
            ],
        }
    }

    /// The special functions that may be called there.
    pub(super) fn functions(self) -> &'static [&'static str] {
        match self {
            Self::JobIf => &["always", "cancelled", "failure", "success"],
            Self::StepIf => &["always", "cancelled", "failure", "hashfiles", "success"],
            Self::Step => &["hashfiles"],
            _ => &[],
        }
    }
}

/// All contexts before anything is known of the workflow.
pub(super) fn all() -> Object {
    let mut all = Object::default();
    let texts = || Type::map(Type::Text);
    let nothing = || Type::strict([]);
    for (name, kind) in [
        ("github", github()),
        ("env", texts()),
        ("vars", texts()),
        ("secrets", texts()),
        ("job", job()),
        ("runner", runner()),
        ("strategy", strategy()),
        ("steps", nothing()),
        ("matrix", nothing()),
        ("needs", nothing()),
        ("inputs", nothing()),
    ] {
        all.properties.insert(name.to_owned(), kind);
    }
    all
}

fn github() -> Type {
    const TEXTS: [&str; 41] = [
        "action",
        "action_path",
        "action_ref",
        "action_repository",
        "action_status",
        "actor",
        "actor_id",
        "api_url",
        "base_ref",
        "env",
        "event_name",
        "event_path",
        "graphql_url",
        "head_ref",
        "job",
        "output",
        "path",
        "ref",
        "ref_name",
        "ref_type",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "repository_visibility",
        "repositoryurl",
        "run_attempt",
        "run_id",
        "run_number",
        "secret_source",
        "server_url",
        "sha",
        "state",
        "step_summary",
        "token",
        "triggering_actor",
        "workflow",
        "workflow_ref",
        "workflow_sha",
        "workspace",
        "artifacts",
    ];
    let texts = TEXTS.into_iter().map(|name| (name, Type::Text));
    Type::strict(texts.chain([
        ("artifact_cache_size_limit", Type::Number),
        ("retention_days", Type::Number),
        ("ref_protected", Type::Bool),
        ("event", Type::loose()),
    ]))
}

fn job() -> Type {
    let text = |name| (name, Type::Text);
    Type::strict([
        ("check_run_id", Type::Number),
        text("status"),
        text("workflow_ref"),
        text("workflow_sha"),
        text("workflow_repository"),
        text("workflow_file_path"),
        ("container", Type::strict([text("id"), text("network")])),
        (
            "services",
            Type::map(Type::strict([
                text("id"),
                text("network"),
                ("ports", Type::map(Type::Text)),
            ])),
        ),
    ])
}

fn runner() -> Type {
    const TEXTS: [&str; 8] = [
        "name",
        "os",
        "arch",
        "temp",
        "tool_cache",
        "debug",
        "environment",
        "workspace",
    ];
    Type::strict(TEXTS.map(|name| (name, Type::Text)))
}

fn strategy() -> Type {
    let Type::Object(mut strategy) = Type::strict([
        ("fail-fast", Type::Bool),
        ("job-index", Type::Number),
        ("job-total", Type::Number),
        ("max-parallel", Type::Number),
    ]) else {
        return Type::Any;
    };
    strategy.others = Some(Box::new(Type::Any));
    Type::Object(strategy)
}
