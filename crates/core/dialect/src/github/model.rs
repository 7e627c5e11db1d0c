//! The words of a workflow file, as read and checked, before they become ours.

use std::collections::BTreeMap;

use cutover_model::{
    Position,
    plan::{
        Bindings, CallInputKind, CallSecrets, Concurrency, EnvironmentUse, Expression, MatrixSpec,
        Permissions, RunDefaults, Template,
        container::{ContainerStep, ContainerUse, Services},
    },
};

use super::filter::Patterns;
use crate::shape::Spanned;

/// A workflow file.
#[derive(Debug)]
pub(crate) struct Workflow {
    pub(crate) name: Option<String>,
    pub(crate) run_name: Option<Template>,
    pub(crate) on: On,
    pub(crate) env: Bindings,
    pub(crate) defaults: RunDefaults,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) jobs: Vec<Job>,
}

/// `on:`.
#[derive(Debug, Default)]
pub(crate) struct On {
    /// By their names; those below are not among them.
    pub(crate) webhooks: BTreeMap<String, Webhook>,
    pub(crate) dispatch: Option<Dispatch>,
    pub(crate) repository_dispatch: Option<RepositoryDispatch>,
    pub(crate) schedule: Vec<Time>,
    pub(crate) call: Option<CallTrigger>,
}

/// An event that a forge tells, with what it is filtered by.
#[derive(Debug, Default)]
pub(crate) struct Webhook {
    pub(crate) filters: Filters,
    /// `None` where nothing is written.
    pub(crate) types: Option<Vec<String>>,
    /// Of `workflow_run`: the names of the workflows that are meant.
    pub(crate) workflows: Option<Vec<String>>,
}

/// One item of `schedule`.
#[derive(Debug)]
pub(crate) struct Time {
    pub(crate) cron: String,
    pub(crate) timezone: Option<String>,
}

/// `on.workflow_call`.
#[derive(Debug, Default)]
pub(crate) struct CallTrigger {
    pub(crate) inputs: Vec<CallInput>,
    pub(crate) outputs: Bindings,
}

/// One of `on.workflow_call.inputs`. Whether it is there when it must is the reader's to look at.
#[derive(Debug)]
pub(crate) struct CallInput {
    pub(crate) name: String,
    pub(crate) kind: CallInputKind,
    pub(crate) default: Option<Template>,
}

/// What a job calls instead of having steps.
#[derive(Debug)]
pub(crate) struct JobCall {
    pub(crate) reference: Spanned,
    pub(crate) with: Vec<With>,
    pub(crate) secrets: CallSecrets,
}

/// `on.repository_dispatch`.
#[derive(Debug, Default)]
pub(crate) struct RepositoryDispatch {
    /// `None` where nothing is written, which means all.
    pub(crate) types: Option<Vec<String>>,
}

/// The filters of an event.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    pub(crate) branches: Option<Filter>,
    pub(crate) tags: Option<Filter>,
    pub(crate) paths: Option<Filter>,
}

/// `branches` or `branches-ignore`, and so on.
#[derive(Debug)]
pub(crate) enum Filter {
    /// What matches starts the workflow.
    Only(Patterns),
    /// What matches does not.
    Except(Patterns),
}

/// `on.workflow_dispatch`.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    pub(crate) at: Position,
    pub(crate) inputs: BTreeMap<String, Input>,
}

/// One of `on.workflow_dispatch.inputs`.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) kind: InputKind,
    pub(crate) required: bool,
    pub(crate) default: Option<serde_json::Value>,
}

/// `type:` of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InputKind {
    Text,
    Boolean,
    Number,
    Choice(Vec<String>),
    Environment,
}

/// A job under `jobs:`.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) at: Position,
    pub(crate) name: Option<Template>,
    pub(crate) needs: Vec<Spanned>,
    pub(crate) condition: Option<Expression>,
    pub(crate) matrix: Option<MatrixSpec>,
    pub(crate) runs_on: Vec<Template>,
    pub(crate) environment: Option<EnvironmentUse>,
    pub(crate) env: Bindings,
    pub(crate) outputs: Bindings,
    pub(crate) defaults: RunDefaults,
    pub(crate) timeout_minutes: Option<Template>,
    pub(crate) cancel_timeout_minutes: Option<Template>,
    pub(crate) continue_on_error: Option<Template>,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) container: Option<ContainerUse>,
    pub(crate) services: Option<Services>,
    pub(crate) steps: Vec<Step>,
    pub(crate) call: Option<JobCall>,
}

/// A step of a job or of a composite action.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) id: Option<Spanned>,
    pub(crate) name: Option<Template>,
    pub(crate) condition: Option<Expression>,
    pub(crate) env: Bindings,
    pub(crate) timeout_minutes: Option<Template>,
    pub(crate) continue_on_error: Option<Template>,
    pub(crate) background: bool,
    pub(crate) does: Does,
    pub(crate) at: Position,
}

/// `run:` or `uses:`.
#[derive(Debug)]
pub(crate) enum Does {
    Run {
        script: Template,
        shell: Option<Template>,
        working_directory: Option<Template>,
    },
    Uses {
        reference: Spanned,
        with: Vec<With>,
    },
    /// It waits for these steps.
    Wait(Vec<String>),
    WaitAll,
    /// It ends this step.
    Cancel(String),
    /// These go at once, and are waited for.
    Parallel(Vec<Step>),
    /// It was refused; the diagnostics say why.
    Nothing,
}

/// One entry of `with:`.
#[derive(Debug, Clone)]
pub(crate) struct With {
    pub(crate) name: Spanned,
    pub(crate) value: Template,
}

/// An `action.yml`.
#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) inputs: Vec<ActionInput>,
    /// Of a composite action; others say theirs when they run.
    pub(crate) outputs: Bindings,
    pub(crate) runs: Runs,
}

/// `runs:` of an action.
#[derive(Debug)]
pub(crate) enum Runs {
    /// `using: composite`.
    Composite(Vec<Step>),
    /// `using: node20` and its kin.
    Node(Node),
    /// `using: docker`: all that does not depend on where its files are.
    Docker(Box<DockerRuns>),
}

/// A container action.
#[derive(Debug, Clone)]
pub(crate) struct DockerRuns {
    /// A Dockerfile from the action's directory, or `docker://IMAGE`.
    pub(crate) image: String,
    /// The rest of it; its image is not known yet.
    pub(crate) step: ContainerStep,
}

/// A JavaScript action.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) version: u16,
    pub(crate) main: String,
    pub(crate) pre: Option<NodeHook>,
    pub(crate) post: Option<NodeHook>,
}

/// `pre:` with `pre-if:`, or `post:` with `post-if:`.
#[derive(Debug, Clone)]
pub(crate) struct NodeHook {
    pub(crate) file: String,
    pub(crate) condition: Option<Expression>,
}

/// A declared input of an action.
#[derive(Debug)]
pub(crate) struct ActionInput {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) default: Option<Template>,
    /// What whoever still gives it is told.
    pub(crate) deprecation: Option<String>,
}
