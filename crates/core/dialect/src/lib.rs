//! Files of a user → a plan. Dialects are read here and nowhere else; what they call things stays here.
//!
//! Nothing fails: a file gives a plan, or diagnostics that say why there is none, all of them in one
//! pass. No file is read and nothing is run: the sources come in as a tree in memory.
#![warn(missing_docs)]

mod diagnostic;
mod fix;
mod foreign;
mod github;
mod graph;
mod ignore;
mod lock;
mod project;
mod shape;
mod suggest;
mod tree;
mod yaml;

use std::collections::BTreeMap;

use cutover_model::{
    Diagnostic,
    delivery::Strategy,
    plan::Plan,
    project::Project,
    source::{Trigger, TriggerKind},
};

pub use diagnostic::{CODES, explain};
pub use fix::{Edit, Fix, apply, fixes};
pub use foreign::{ForeignAction, ForeignActions, ForeignFault, Wanted};
pub use github::{DefaultPermissions, ReadError, ReadOptions, read};
pub use lock::Lock;
pub use suggest::nearest;
pub use tree::SourceTree;

/// What compiling gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The plan; absent exactly when one of the diagnostics is an error.
    pub plan: Option<Plan>,
    /// Everything there is to say, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// The repositories whose actions are used and that were not handed in: with them there may be
    /// another plan, and more that is wanted.
    pub wanted: Vec<Wanted>,
}

/// What there is to say about a file, whatever starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linted {
    /// Everything there is to say, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// The repositories whose actions are used and that were not handed in.
    pub wanted: Vec<Wanted>,
}

/// How strict compiling is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What becomes of actions that are not there.
    pub lacking: Lacking,
    /// Whether required inputs of a manual trigger may be absent: the plan is looked at, and not run.
    pub inputs_come_later: bool,
}

/// What becomes of a step whose action is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lacking {
    /// An error: the workflow is refused.
    #[default]
    Refuse,
    /// A warning: the plan holds a `StepBody::Lacking`, which faults when its turn comes.
    FaultWhenReached,
}

/// Whether a trigger starts a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Triggered {
    /// It does.
    Yes,
    /// It does not; why, for people.
    No(String),
    /// That cannot be told, since `on:` does not hold.
    Invalid(Vec<Diagnostic>),
}

/// The paths of all workflows, sorted.
pub fn workflows(tree: &SourceTree) -> Vec<String> {
    github::workflows(tree)
}

/// Compiles one workflow for a trigger, without actions of other repositories. Whether the trigger
/// starts it is not asked here.
pub fn compile(tree: &SourceTree, path: &str, trigger: &Trigger, options: Options) -> Compiled {
    github::compile(tree, &ForeignActions::default(), path, trigger, options)
}

/// The same, with the actions of other repositories that are there.
pub fn compile_with(
    tree: &SourceTree,
    foreign: &ForeignActions,
    path: &str,
    trigger: &Trigger,
    options: Options,
) -> Compiled {
    github::compile(tree, foreign, path, trigger, options)
}

/// What there is to say about a workflow, whatever starts it, without actions of other repositories.
pub fn lint(tree: &SourceTree, path: &str) -> Vec<Diagnostic> {
    github::lint(tree, &ForeignActions::default(), path).diagnostics
}

/// The same, with the actions of other repositories that are there.
pub fn lint_with(tree: &SourceTree, foreign: &ForeignActions, path: &str) -> Linted {
    github::lint(tree, foreign, path)
}

/// Whether a trigger starts a workflow, by its `on:`.
pub fn triggered_by(tree: &SourceTree, path: &str, trigger: &Trigger) -> Triggered {
    github::triggered_by(tree, path, trigger)
}

/// The words in the message of a pushed commit that ask for nothing to be started: `[skip ci]` and its
/// kin. Only whoever starts runs by itself heeds them.
pub fn asks_for_nothing(trigger: &Trigger) -> Option<&'static str> {
    github::asks_for_nothing(trigger)
}

/// One thing that stands between a trigger and a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it lets the trigger through.
    pub holds: bool,
    /// What was looked at, and what was found, for people.
    pub text: String,
}

/// All that `on:` asks of a trigger, one by one, and how each went; or why that cannot be told.
pub fn checks(
    tree: &SourceTree,
    path: &str,
    trigger: &Trigger,
) -> Result<Vec<Check>, Vec<Diagnostic>> {
    github::checks(tree, path, trigger)
}

/// A time at which a workflow wants to be run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schedule {
    /// The pattern, five fields.
    pub cron: String,
    /// The name of a time zone; UTC when absent.
    pub timezone: Option<String>,
}

/// When a workflow wants to be run by the clock.
pub fn schedules(tree: &SourceTree, path: &str) -> Vec<Schedule> {
    github::schedules(tree, path)
}

/// What a workflow names of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Its types; none when any will do, or the usual ones.
    pub types: Vec<String>,
    /// Of `workflow_run`: the names of the workflows that it follows.
    pub workflows: Vec<String>,
}

/// What a workflow names of an event: nothing when it does not have it.
pub fn named(tree: &SourceTree, path: &str, kind: TriggerKind) -> Named {
    github::named(tree, path, kind)
}

/// The pattern of a schedule in numbers alone, for whoever counts times; `None` when it is none.
pub fn times(cron: &str) -> Option<String> {
    github::times(cron)
}

/// The `inputs` context of a manual trigger: what was given, of the declared types, and defaults for the
/// rest.
pub fn inputs(
    tree: &SourceTree,
    path: &str,
    trigger: &Trigger,
) -> (BTreeMap<String, serde_json::Value>, Vec<Diagnostic>) {
    github::inputs(tree, path, trigger)
}

/// The code of the diagnostic that says that an action is not there.
pub const LACKING_ACTION: &str = "CUT-1050";

/// A strategy by its word in `cutover.yml`, with the figures that it has when none are given.
pub fn default_strategy(word: &str) -> Option<Strategy> {
    project::default_strategy(word)
}

/// Reads `cutover.yml`. There is no project when there is no such file, or an error in it.
pub fn project(tree: &SourceTree) -> (Option<Project>, Vec<Diagnostic>) {
    project::read(tree)
}
