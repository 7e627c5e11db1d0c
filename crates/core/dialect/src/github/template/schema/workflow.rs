//! Everything of a workflow file but `on:`.

use super::{
    BOOLEAN, Definition, FILLED, FILLED_LIST, FILLED_OR_LIST, Mapping, NULL, NUMBER, SEQUENCE,
    STRING, Shape, events::ON, loose, mapping, may, must,
};

/// What can be known before any job is looked at.
const ROOT_CONTEXT: &[&str] = &["github", "inputs", "vars"];
const NEEDS: &[&str] = &["github", "inputs", "vars", "needs"];
/// What a job knows before it has a runner.
pub(in super::super) const JOB: &[&str] =
    &["github", "inputs", "vars", "needs", "strategy", "matrix"];
const JOB_SECRETS: &[&str] = &[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets",
];
/// What the condition of a job knows.
pub(in super::super) const JOB_IF: &[&str] = &[
    "github",
    "inputs",
    "vars",
    "needs",
    "always(0,0)",
    "failure(0,MAX)",
    "cancelled(0,0)",
    "success(0,MAX)",
];
const RUNNER: &[&str] = &[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env",
];
const RUNNER_SECRETS: &[&str] = &[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job", "runner",
    "env",
];
/// What a step knows.
const STEP: &[&str] = &[
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
];
/// What the condition of a step knows.
pub(in super::super) const STEP_IF: &[&str] = &[
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
];
const DEFAULTS: &[&str] = &[
    "github", "inputs", "vars", "strategy", "matrix", "needs", "env",
];
const CREDENTIALS: &[&str] = &["github", "inputs", "vars", "secrets", "env"];

/// A workflow file.
pub(in super::super) static ROOT: Definition = Definition::new(mapping(&[
    must("on", &ON),
    may("name", &STRING),
    may("description", &STRING),
    may("run-name", &RUN_NAME),
    may("defaults", &WORKFLOW_DEFAULTS),
    may("env", &WORKFLOW_ENV),
    may("permissions", &PERMISSIONS),
    may("concurrency", &WORKFLOW_CONCURRENCY),
    must("jobs", &JOBS),
]));
static RUN_NAME: Definition = Definition::within(ROOT_CONTEXT, Shape::Text);
static WORKFLOW_DEFAULTS: Definition =
    Definition::new(mapping(&[may("run", &WORKFLOW_DEFAULTS_RUN)]));
static WORKFLOW_DEFAULTS_RUN: Definition = Definition::new(mapping(&[
    may("shell", &FILLED),
    may("working-directory", &FILLED),
]));
static WORKFLOW_ENV: Definition = Definition::within(
    &["github", "inputs", "vars", "secrets"],
    loose(&FILLED, &STRING),
);

static PERMISSIONS: Definition =
    Definition::new(Shape::OneOf(&[&PERMISSIONS_KEYS, &PERMISSIONS_ALL]));
static PERMISSIONS_ALL: Definition = Definition::new(Shape::Words(&["read-all", "write-all"]));
static LEVEL: Definition = Definition::new(Shape::Words(&["read", "write", "none"]));
static LEVEL_READ: Definition = Definition::new(Shape::Words(&["read", "none"]));
static LEVEL_WRITE: Definition = Definition::new(Shape::Words(&["write", "none"]));
static PERMISSIONS_KEYS: Definition = Definition::new(mapping(&[
    may("actions", &LEVEL),
    may("artifact-metadata", &LEVEL),
    may("attestations", &LEVEL),
    may("checks", &LEVEL),
    may("code-quality", &LEVEL),
    may("contents", &LEVEL),
    may("copilot-requests", &LEVEL_WRITE),
    may("deployments", &LEVEL),
    may("discussions", &LEVEL),
    may("drives", &LEVEL),
    may("id-token", &LEVEL_WRITE),
    may("issues", &LEVEL),
    may("models", &LEVEL_READ),
    may("packages", &LEVEL),
    may("pages", &LEVEL),
    may("pull-requests", &LEVEL),
    may("repository-projects", &LEVEL),
    may("security-events", &LEVEL),
    may("statuses", &LEVEL),
    may("vulnerability-alerts", &LEVEL),
]));

static WORKFLOW_CONCURRENCY: Definition =
    Definition::within(ROOT_CONTEXT, Shape::OneOf(&[&STRING, &CONCURRENCY_KEYS]));
static JOB_CONCURRENCY: Definition =
    Definition::within(JOB, Shape::OneOf(&[&FILLED, &CONCURRENCY_KEYS]));
static CONCURRENCY_KEYS: Definition = Definition::new(mapping(&[
    must("group", &FILLED),
    may("cancel-in-progress", &BOOLEAN),
    may("queue", &CONCURRENCY_QUEUE),
]));
static CONCURRENCY_QUEUE: Definition = Definition::new(Shape::Words(&["single", "max"]));

static JOBS: Definition = Definition::new(loose(&FILLED, &JOB_EITHER));
static JOB_EITHER: Definition = Definition::new(Shape::OneOf(&[&JOB_FACTORY, &JOB_CALL]));
static JOB_FACTORY: Definition = Definition::new(mapping(&[
    may("needs", &FILLED_OR_LIST),
    may("if", &JOB_CONDITION),
    may("strategy", &STRATEGY),
    may("name", &JOB_STRING),
    must("runs-on", &RUNS_ON),
    may("timeout-minutes", &JOB_NUMBER),
    may("cancel-timeout-minutes", &JOB_NUMBER),
    may("continue-on-error", &JOB_BOOLEAN),
    may("container", &CONTAINER),
    may("services", &SERVICES),
    may("env", &JOB_ENV),
    may("environment", &ENVIRONMENT),
    may("permissions", &PERMISSIONS),
    may("concurrency", &JOB_CONCURRENCY),
    may("outputs", &JOB_OUTPUTS),
    may("defaults", &JOB_DEFAULTS),
    may("steps", &STEPS),
    may("snapshot", &SNAPSHOT),
]));
static JOB_CALL: Definition = Definition::new(mapping(&[
    may("name", &JOB_STRING),
    must("uses", &FILLED),
    may("with", &CALL_WITH),
    may("secrets", &CALL_SECRETS),
    may("needs", &FILLED_OR_LIST),
    may("if", &JOB_CONDITION),
    may("permissions", &PERMISSIONS),
    may("concurrency", &JOB_CONCURRENCY),
    may("strategy", &STRATEGY),
]));
static JOB_CONDITION: Definition = Definition::within(JOB_IF, Shape::Text);
static JOB_STRING: Definition = Definition::within(JOB, Shape::Text);
static JOB_NUMBER: Definition = Definition::within(JOB, Shape::Number);
static JOB_BOOLEAN: Definition = Definition::within(JOB, Shape::Boolean);
static JOB_ENV: Definition = Definition::within(JOB_SECRETS, loose(&FILLED, &STRING));
static JOB_OUTPUTS: Definition = Definition::new(loose(&FILLED, &RUNNER_STRING));
static JOB_DEFAULTS: Definition = Definition::new(mapping(&[may("run", &JOB_DEFAULTS_RUN)]));
static JOB_DEFAULTS_RUN: Definition = Definition::within(
    DEFAULTS,
    mapping(&[may("shell", &FILLED), may("working-directory", &FILLED)]),
);
static RUNNER_STRING: Definition = Definition::within(RUNNER_SECRETS, Shape::Text);
static ENVIRONMENT_URL: Definition = Definition::within(RUNNER, Shape::Text);

static CALL_WITH: Definition = Definition::new(loose(&FILLED, &CALL_WITH_VALUE));
static CALL_WITH_VALUE: Definition =
    Definition::within(JOB, Shape::OneOf(&[&STRING, &BOOLEAN, &NUMBER]));
static CALL_SECRETS: Definition =
    Definition::new(Shape::OneOf(&[&CALL_SECRETS_KEYS, &CALL_SECRETS_INHERIT]));
static CALL_SECRETS_KEYS: Definition = Definition::new(loose(&FILLED, &CALL_SECRET));
static CALL_SECRETS_INHERIT: Definition = Definition::new(Shape::Words(&["inherit"]));
static CALL_SECRET: Definition =
    Definition::within(JOB_SECRETS, Shape::OneOf(&[&STRING, &BOOLEAN, &NUMBER]));

static STRATEGY: Definition = Definition::within(
    NEEDS,
    mapping(&[
        may("fail-fast", &BOOLEAN),
        may("max-parallel", &NUMBER),
        may("matrix", &MATRIX),
    ]),
);
static MATRIX: Definition = Definition::new(Shape::Mapping(Mapping {
    properties: &[
        may("include", &MATRIX_FILTER),
        may("exclude", &MATRIX_FILTER),
    ],
    loose: Some((&FILLED, &SEQUENCE)),
}));
static MATRIX_FILTER: Definition = Definition::new(Shape::Sequence(&MATRIX_FILTER_ITEM));
static MATRIX_FILTER_ITEM: Definition = Definition::new(loose(&FILLED, &super::ANY));

static SNAPSHOT: Definition = Definition::within(JOB, Shape::OneOf(&[&FILLED, &SNAPSHOT_KEYS]));
static SNAPSHOT_KEYS: Definition = Definition::new(mapping(&[
    must("image-name", &FILLED),
    may("if", &SNAPSHOT_IF),
    may("version", &FILLED),
]));
static SNAPSHOT_IF: Definition = Definition::within(JOB, Shape::Text);

static RUNS_ON: Definition =
    Definition::within(JOB, Shape::OneOf(&[&FILLED, &FILLED_LIST, &RUNS_ON_KEYS]));
static RUNS_ON_KEYS: Definition = Definition::new(mapping(&[
    may("group", &FILLED),
    may("labels", &FILLED_OR_LIST),
]));

static ENVIRONMENT: Definition =
    Definition::within(JOB, Shape::OneOf(&[&STRING, &ENVIRONMENT_KEYS]));
static ENVIRONMENT_KEYS: Definition = Definition::new(mapping(&[
    must("name", &JOB_STRING),
    may("url", &ENVIRONMENT_URL),
    may("deployment", &BOOLEAN),
]));

static CONTAINER: Definition = Definition::within(JOB, Shape::OneOf(&[&STRING, &CONTAINER_KEYS]));
static CONTAINER_KEYS: Definition = Definition::new(mapping(&[
    may("image", &FILLED),
    may("options", &STRING),
    may("env", &CONTAINER_ENV),
    may("ports", &FILLED_LIST),
    may("volumes", &FILLED_LIST),
    may("credentials", &REGISTRY_CREDENTIALS),
]));
static SERVICES: Definition = Definition::within(JOB, loose(&FILLED, &SERVICE));
static SERVICE: Definition = Definition::within(JOB, Shape::OneOf(&[&STRING, &SERVICE_KEYS]));
static SERVICE_KEYS: Definition = Definition::new(mapping(&[
    may("image", &FILLED),
    may("options", &STRING),
    may("entrypoint", &STRING),
    may("command", &STRING),
    may("env", &CONTAINER_ENV),
    may("ports", &FILLED_LIST),
    may("volumes", &FILLED_LIST),
    may("credentials", &REGISTRY_CREDENTIALS),
]));
static CONTAINER_ENV: Definition = Definition::new(loose(&FILLED, &RUNNER_STRING));
static REGISTRY_CREDENTIALS: Definition = Definition::within(
    CREDENTIALS,
    mapping(&[may("username", &FILLED), may("password", &FILLED)]),
);

static STEPS: Definition = Definition::new(Shape::Sequence(&STEP_ANY));
static STEP_ANY: Definition = Definition::new(Shape::OneOf(&[
    &STEP_RUN,
    &STEP_ACTION,
    &STEP_WAIT,
    &STEP_WAIT_ALL,
    &STEP_CANCEL,
    &STEP_PARALLEL,
]));
static STEP_RUN: Definition = Definition::new(mapping(&[
    may("name", &STEP_STRING),
    may("id", &FILLED),
    may("if", &STEP_CONDITION),
    may("timeout-minutes", &STEP_NUMBER),
    must("run", &STEP_STRING),
    may("continue-on-error", &STEP_BOOLEAN),
    may("env", &STEP_VALUES),
    may("working-directory", &STEP_STRING),
    may("shell", &FILLED),
    may("background", &BOOLEAN),
]));
static STEP_ACTION: Definition = Definition::new(mapping(&[
    may("name", &STEP_STRING),
    may("id", &FILLED),
    may("if", &STEP_CONDITION),
    may("continue-on-error", &STEP_BOOLEAN),
    may("timeout-minutes", &STEP_NUMBER),
    must("uses", &FILLED),
    may("with", &STEP_VALUES),
    may("env", &STEP_VALUES),
    may("background", &BOOLEAN),
]));
static STEP_WAIT: Definition = Definition::new(mapping(&[
    may("name", &STEP_STRING),
    may("id", &FILLED),
    may("continue-on-error", &STEP_BOOLEAN),
    must("wait", &FILLED_OR_LIST),
]));
static STEP_WAIT_ALL: Definition = Definition::new(mapping(&[
    may("name", &STEP_STRING),
    may("id", &FILLED),
    may("continue-on-error", &STEP_BOOLEAN),
    must("wait-all", &NULL_OR_BOOLEAN),
]));
static STEP_CANCEL: Definition = Definition::new(mapping(&[
    may("name", &STEP_STRING),
    may("id", &FILLED),
    may("continue-on-error", &STEP_BOOLEAN),
    must("cancel", &FILLED),
]));
static STEP_PARALLEL: Definition = Definition::new(mapping(&[
    may("name", &STEP_STRING),
    may("id", &FILLED),
    must("parallel", &PARALLEL),
]));
static PARALLEL: Definition = Definition::new(Shape::Sequence(&PARALLEL_STEP));
static PARALLEL_STEP: Definition = Definition::new(Shape::OneOf(&[&STEP_RUN, &STEP_ACTION]));
static NULL_OR_BOOLEAN: Definition = Definition::new(Shape::OneOf(&[&NULL, &BOOLEAN]));
static STEP_STRING: Definition = Definition::within(STEP, Shape::Text);
static STEP_NUMBER: Definition = Definition::within(STEP, Shape::Number);
static STEP_BOOLEAN: Definition = Definition::within(STEP, Shape::Boolean);
static STEP_VALUES: Definition = Definition::within(STEP, loose(&FILLED, &STRING));
static STEP_CONDITION: Definition = Definition::within(STEP_IF, Shape::Text);

/// What the inputs of a called workflow are held against, by their declared types.
pub(in super::super) static BOOLEAN_INPUT: Definition = Definition::within(NEEDS, Shape::Boolean);
pub(in super::super) static NUMBER_INPUT: Definition = Definition::within(NEEDS, Shape::Number);
pub(in super::super) static STRING_INPUT: Definition = Definition::within(NEEDS, Shape::Text);
