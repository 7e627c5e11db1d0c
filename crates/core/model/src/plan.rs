//! A workflow as compiled for one trigger: immutable, and free of any dialect's words.

mod action;
mod builtin;
mod call;
mod concurrency;
pub mod container;
mod permissions;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::container::{ContainerStep, ContainerUse, Services};
pub use self::{
    action::{ActionSource, ActionTree, ActionUse, Hook},
    builtin::Builtin,
    call::{CallInput, CallInputKind, CallSecrets, CallSpec, MAX_CALLED_JOBS},
    concurrency::{Concurrency, GroupUse, MAX_QUEUED, Queue},
    permissions::{Access, Permissions},
};
use crate::{Duration, Position, project::Project};

/// Text with `${{ }}` in it, or without; checked at compile time, evaluated when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The text as written.
    pub text: String,
    /// Where it stands in the workflow.
    pub at: Position,
}

impl Template {
    /// A text without a place, for plans that nobody wrote.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            at: Position::default(),
        }
    }
}

/// One expression, without its `${{ }}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expression {
    /// The text as written.
    pub text: String,
    /// Where it stands in the workflow.
    pub at: Position,
}

/// Names with templates, in the order written: later ones may not see earlier ones, but people do.
pub type Bindings = Vec<(String, Template)>;

/// The name in [`Bindings`] of `env:` whose value is one expression for all of its names.
pub const ALL: &str = "";

/// A workflow compiled for one trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Path of the workflow in the sources.
    pub path: String,
    /// `name:`, else the path.
    pub name: String,
    /// `run-name:`.
    pub run_name: Option<Template>,
    /// `env:` of the workflow.
    pub env: Bindings,
    /// `concurrency:` of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// `permissions:` of the workflow; those of a job are in the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// The jobs in the order written; `needs` has no cycle and names only these.
    pub jobs: Vec<JobSpec>,
    /// `cutover.yml` at the same revision, when there is one.
    pub project: Option<Project>,
}

impl Plan {
    /// A plan of this workflow without any job.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            name: path.to_owned(),
            run_name: None,
            env: Vec::new(),
            concurrency: None,
            permissions: None,
            jobs: Vec::new(),
            project: None,
        }
    }

    /// The job with this id.
    pub fn job(&self, id: &str) -> Option<&JobSpec> {
        self.jobs.iter().find(|job| job.id == id)
    }
}

/// Steps that share one place, scheduled as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The key under `jobs:`.
    pub id: String,
    /// `name:`.
    pub name: Option<Template>,
    /// Ids of the jobs before it.
    pub needs: Vec<String>,
    /// `if:`; absent means `success()`.
    pub condition: Option<Expression>,
    /// `strategy:`, when it has a matrix.
    pub matrix: Option<MatrixSpec>,
    /// `runs-on:` as labels.
    pub runs_on: Vec<Template>,
    /// `environment:`.
    pub environment: Option<EnvironmentUse>,
    /// `env:` of the job.
    pub env: Bindings,
    /// `outputs:`.
    pub outputs: Bindings,
    /// `defaults.run` of the job over that of the workflow.
    pub defaults: RunDefaults,
    /// `timeout-minutes:`, a number or an expression; absent means 360.
    pub timeout_minutes: Option<Template>,
    /// `cancel-timeout-minutes:`, how long it may clean up; absent means five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_timeout_minutes: Option<Template>,
    /// `continue-on-error:`, `true`, `false` or an expression.
    pub continue_on_error: Option<Template>,
    /// `container:`: where its steps run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerUse>,
    /// `services:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,
    /// Images that stand for labels of `runs-on`, when nothing is said in `container:`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runner_images: BTreeMap<String, String>,
    /// `concurrency:` of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// What its tokens may do: its own `permissions:`, else those of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// The steps, in order.
    pub steps: Vec<StepSpec>,
    /// The workflow that it calls; then it has no steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallSpec>>,
    /// Where it stands.
    pub at: Position,
}

impl JobSpec {
    /// A job of which nothing is said but its id and what it does.
    pub fn new(id: &str, steps: Vec<StepSpec>) -> Self {
        Self {
            id: id.to_owned(),
            name: None,
            needs: Vec::new(),
            condition: None,
            matrix: None,
            runs_on: Vec::new(),
            environment: None,
            env: Vec::new(),
            outputs: Vec::new(),
            defaults: RunDefaults::default(),
            timeout_minutes: None,
            cancel_timeout_minutes: None,
            continue_on_error: None,
            container: None,
            services: None,
            runner_images: BTreeMap::new(),
            concurrency: None,
            permissions: None,
            steps,
            call: None,
            at: Position::default(),
        }
    }
}

/// A job's `environment:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentUse {
    /// Its name.
    pub name: Template,
    /// Where to look at what was deployed.
    pub url: Option<Template>,
    /// Whether its use counts as a deployment there (`deployment:`).
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub deployment: bool,
}

const fn yes() -> bool {
    true
}

impl EnvironmentUse {
    /// The environment of this name, of which nothing else is said.
    pub fn new(name: Template) -> Self {
        Self {
            name,
            url: None,
            deployment: true,
        }
    }
}

/// `defaults.run`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunDefaults {
    /// The shell.
    pub shell: Option<Template>,
    /// The directory, from the workspace.
    pub working_directory: Option<Template>,
}

/// A job's `strategy:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixSpec {
    /// The matrix as JSON; strings in it may hold `${{ }}`. Either an object with the axes,
    /// `include` and `exclude`, or one string that is an expression for all of it.
    pub values: serde_json::Value,
    /// Whether the first leg that fails cancels the others.
    pub fail_fast: Option<Template>,
    /// How many legs at once.
    pub max_parallel: Option<Template>,
    /// An expression for all of `strategy:`; then nothing else is known before its turn comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Template>,
    /// Only the legs that have each of these values, when somebody asked for some; of axes that this
    /// matrix has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<(String, String)>,
    /// Where it stands.
    pub at: Position,
}

impl MatrixSpec {
    /// A matrix of which nothing is said but its values.
    pub fn new(values: serde_json::Value) -> Self {
        Self {
            values,
            fail_fast: None,
            max_parallel: None,
            strategy: None,
            only: Vec::new(),
            at: Position::default(),
        }
    }
}

/// The smallest ordered thing in a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSpec {
    /// `id:`.
    pub id: Option<String>,
    /// `name:`.
    pub name: Option<Template>,
    /// `if:`; absent means `success()`.
    pub condition: Option<Expression>,
    /// `env:` of the step.
    pub env: Bindings,
    /// `timeout-minutes:`.
    pub timeout_minutes: Option<Template>,
    /// `continue-on-error:`.
    pub continue_on_error: Option<Template>,
    /// Whether the steps after it do not wait for it; only a job's own steps go in the background.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// Whether it runs on the machine, also when its job has a container: hooks of whoever keeps it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_machine: bool,
    /// What it does.
    pub body: StepBody,
    /// Where it stands.
    pub at: Position,
}

impl StepSpec {
    /// A step of which nothing is said but what it does.
    pub fn new(body: StepBody) -> Self {
        Self {
            id: None,
            name: None,
            condition: None,
            env: Vec::new(),
            timeout_minutes: None,
            continue_on_error: None,
            background: false,
            on_machine: false,
            body,
            at: Position::default(),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum StepBody {
    /// A script.
    Run {
        /// The script.
        script: Template,
        /// `bash`, `sh`, `python` …, or a template with `{0}`.
        shell: Option<Template>,
        /// From the workspace.
        working_directory: Option<Template>,
    },
    /// An action that this binary has built in.
    Builtin {
        /// Which.
        action: Builtin,
        /// `with:`.
        with: Bindings,
    },
    /// An action made of steps.
    Composite {
        /// Where its files come from.
        #[serde(default, skip_serializing_if = "ActionSource::is_workspace")]
        source: ActionSource,
        /// The action's directory there; empty for the topmost.
        path: String,
        /// Its declared inputs: what `with:` gives, else the default.
        inputs: Bindings,
        /// Its outputs.
        outputs: Bindings,
        /// Its steps, in order.
        steps: Vec<StepSpec>,
    },
    /// An action that is not there; the step faults when its turn comes, and not before.
    Lacking {
        /// `uses:` as written.
        uses: String,
        /// What is lacking, for people.
        message: String,
    },
    /// A container of its own.
    Container(Box<ContainerStep>),
    /// Makes the job's container and services ready; nobody writes it, see
    /// [`JobSpec::with_set_up`].
    SetUpContainers,
    /// Waits for steps in the background, and takes over what they left.
    Wait {
        /// Their ids.
        steps: Vec<String>,
    },
    /// Waits for all steps that are in the background then.
    WaitAll,
    /// Ends a step in the background, which is no failure.
    CancelStep {
        /// Its id.
        step: String,
    },
    /// A JavaScript action.
    Action(Box<ActionUse>),
}

/// How long a job may take when nothing else is said: six hours.
pub const DEFAULT_JOB_TIMEOUT: Duration = Duration::from_mins(360);
/// How long a job that was told to end may clean up when nothing else is said.
pub const DEFAULT_CANCEL_TIMEOUT: Duration = Duration::from_mins(5);
/// How many steps of a job go in the background at once; more wait for a place.
pub const MAX_BACKGROUND: usize = 10;
/// How many legs a matrix may have.
pub const MAX_LEGS: usize = 256;
