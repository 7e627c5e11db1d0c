//! Which contexts and special functions an expression may use, key by key: the table of the official
//! language (property `context` of its two schemas, for workflows and for actions), in its notation.

use cutover_expr::Allowed;

/// The names that are known in one place: `github` is a context, `hashFiles(1,255)` a function with
/// its least and greatest number of parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope(&'static [&'static str]);

impl Scope {
    /// For the parser of expressions.
    pub(crate) fn allowed(self) -> Allowed {
        Allowed::list(self.0.iter().copied())
    }
}

/// `run-name`.
pub(crate) const RUN_NAME: Scope = Scope(&["github", "inputs", "vars"]);

/// `env` of the workflow.
pub(crate) const WORKFLOW_ENV: Scope = Scope(&["github", "inputs", "vars", "secrets"]);

/// `name`, `runs-on`, `environment`, `continue-on-error`, `timeout-minutes` of a job.
pub(crate) const JOB: Scope = Scope(&["github", "inputs", "vars", "needs", "strategy", "matrix"]);

/// `if` of a job.
pub(crate) const JOB_IF: Scope = Scope(&[
    "github",
    "inputs",
    "vars",
    "needs",
    "always(0,0)",
    "failure(0,MAX)",
    "cancelled(0,0)",
    "success(0,MAX)",
]);

/// `strategy` of a job.
pub(crate) const STRATEGY: Scope = Scope(&["github", "inputs", "vars", "needs"]);

/// `defaults.run` of a job.
pub(crate) const JOB_DEFAULTS: Scope = Scope(&[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "env",
]);

/// `env` of a job.
pub(crate) const JOB_ENV: Scope = Scope(&[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets",
]);

/// `container` and `services` of a job, and in them `image`, `ports`, `volumes`, `options`.
pub(crate) const CONTAINER: Scope =
    Scope(&["github", "inputs", "vars", "needs", "strategy", "matrix"]);

/// `credentials` of a container.
pub(crate) const CONTAINER_CREDENTIALS: Scope = Scope(&[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "env",
]);

/// `env` of a container.
pub(crate) const CONTAINER_ENV: Scope = Scope(&[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "job", "runner", "secrets", "env",
]);

/// `environment.url` of a job.
pub(crate) const ENVIRONMENT_URL: Scope = Scope(&[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env",
]);

/// `outputs` of a job.
pub(crate) const JOB_OUTPUTS: Scope = Scope(&[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job", "runner",
    "env",
]);

/// `with` of a job that calls a workflow.
pub(crate) const CALL_WITH: Scope = JOB;

/// `secrets` of a job that calls a workflow.
pub(crate) const CALL_SECRETS: Scope = Scope(&[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets",
]);

/// Defaults of the inputs of a called workflow.
pub(crate) const CALL_DEFAULT: Scope = Scope(&["github", "inputs", "vars"]);

/// Outputs of a called workflow.
pub(crate) const CALL_OUTPUT: Scope = Scope(&["github", "jobs", "vars", "inputs"]);

/// What the keys of a step may use; it differs between a job's steps and an action's.
#[derive(Debug)]
pub(crate) struct StepScopes {
    /// `if`.
    pub(crate) condition: Scope,
    /// `shell`; in a job's step it is a fixed text.
    pub(crate) shell: Option<Scope>,
    /// Everything else.
    pub(crate) other: Scope,
}

/// Steps of a job.
pub(crate) const JOB_STEP: StepScopes = StepScopes {
    condition: Scope(&[
        "github",
        "inputs",
        "vars",
        "needs",
        "strategy",
        "matrix",
        "steps",
        "job",
        "runner",
        "env",
        "always(0,0)",
        "failure(0,0)",
        "cancelled(0,0)",
        "success(0,0)",
        "hashFiles(1,255)",
    ]),
    shell: None,
    other: Scope(&[
        "github",
        "inputs",
        "vars",
        "needs",
        "strategy",
        "matrix",
        "secrets",
        "steps",
        "job",
        "runner",
        "env",
        "hashFiles(1,255)",
    ]),
};

const ACTION: Scope = Scope(&[
    "github",
    "inputs",
    "strategy",
    "matrix",
    "steps",
    "job",
    "runner",
    "env",
    "hashFiles(1,255)",
]);

/// Steps of a composite action.
pub(crate) const ACTION_STEP: StepScopes = StepScopes {
    condition: Scope(&[
        "github",
        "inputs",
        "strategy",
        "matrix",
        "steps",
        "job",
        "runner",
        "env",
        "always(0,0)",
        "failure(0,0)",
        "cancelled(0,0)",
        "success(0,0)",
        "hashFiles(1,255)",
    ]),
    shell: Some(ACTION),
    other: ACTION,
};

/// Defaults of an action's inputs.
pub(crate) const ACTION_INPUT: Scope = Scope(&[
    "github",
    "strategy",
    "matrix",
    "job",
    "runner",
    "hashFiles(1,255)",
]);

/// `args`, `env` and entrypoints of a container action.
pub(crate) const CONTAINER_ACTION: Scope = Scope(&[
    "github",
    "inputs",
    "strategy",
    "matrix",
    "steps",
    "job",
    "runner",
    "env",
    "hashFiles(1,255)",
]);

/// Outputs of an action.
pub(crate) const ACTION_OUTPUT: Scope = Scope(&[
    "github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env",
]);
