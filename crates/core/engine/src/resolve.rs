//! Turns a step of the plan into something that can be started. The only place where secrets are
//! seen: they pass through to the edge, and never into an event, an effect or the state.

use std::{collections::BTreeMap, fmt};

use cutover_model::{
    Position, Secret,
    plan::{
        ActionSource, ActionUse, Bindings, Builtin, RunDefaults, StepBody, StepSpec, Template,
        container::ContainerImage,
    },
    run::{JobKey, Phase, RunnerPlace, StepPath},
};

use crate::{
    Fault, background, call, condition,
    containers::{self, ContainerCall, JobContainers},
    expression, github,
    run::Run,
    scope::Scope,
    step,
};

pub use crate::github::EVENT_FILE;

/// What the edge knows and a run does not.
pub struct Given<'a> {
    /// By name. A run that must not see them sees none, whatever is given.
    pub secrets: &'a BTreeMap<String, Secret>,
    /// Asks for a value that holds a secret, and is therefore kept beside the job.
    pub withheld: &'a dyn Fn(Withheld<'_>) -> Option<String>,
    /// `hashFiles`, over the job's workspace.
    pub hash_files: &'a dyn Fn(&[String]) -> Result<String, String>,
    /// Where the job runs.
    pub runner: &'a RunnerFacts,
    /// Who runs it.
    pub server: &'a ServerFacts,
}

/// A value that a step handed on and that is not in the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withheld<'a> {
    /// The step.
    pub step: &'a StepPath,
    /// What kind of value.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
}

/// What kind of value a step handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `GITHUB_OUTPUT`.
    Output,
    /// `GITHUB_ENV`.
    Env,
    /// `GITHUB_STATE`.
    State,
}

/// Where a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunnerFacts {
    /// Its name.
    pub name: String,
    /// `Linux`, `macOS` or `Windows`.
    pub os: String,
    /// `X64` or `ARM64`.
    pub arch: String,
    /// A directory for files that may go when the job has ended.
    pub temp: String,
    /// A directory for tools that stay.
    pub tool_cache: String,
    /// The directory the job works in.
    pub workspace: String,
    /// The directory for the actions that the job uses and that are not in its workspace.
    pub actions: String,
    /// The directory with the files by which the step hands values on.
    pub exchange: String,
}

impl RunnerFacts {
    /// The part of it that is remembered when no step runs.
    pub fn place(&self, server: &ServerFacts) -> RunnerPlace {
        RunnerPlace {
            server: server.url.clone(),
            temp: self.temp.clone(),
            tool_cache: self.tool_cache.clone(),
            workspace: self.workspace.clone(),
            actions: self.actions.clone(),
        }
    }
}

/// The directory of an action.
pub(crate) fn action_path(runner: &RunnerPlace, source: &ActionSource, path: &str) -> String {
    let around = match source.place() {
        None => runner.workspace.clone(),
        Some(place) => format!("{}/{place}", runner.actions),
    };
    let path = path.trim_start_matches("./");
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{around}{slash}{path}")
}

/// Who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerFacts {
    /// Where people find it, without a slash at the end.
    pub url: String,
}

/// A step that can be started. Its values may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ResolvedStep {
    /// Its name.
    pub name: String,
    /// What it does.
    pub body: Body,
    /// All of its environment but what the executor itself knows.
    pub env: BTreeMap<String, String>,
    /// Directories to put before `PATH`, the first one first.
    pub path_prepend: Vec<String>,
    /// The files that have to be in their places in the directory of actions: of the actions around
    /// the step, and of itself.
    pub sources: Vec<ActionSource>,
}

/// What a step does, with all expressions replaced.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// A script.
    Script {
        /// The script.
        script: String,
        /// The shell; the runner's own when absent.
        shell: Option<String>,
        /// From the workspace; the workspace itself when absent.
        working_directory: Option<String>,
    },
    /// An action that this binary has built in.
    Builtin {
        /// Which.
        action: Builtin,
        /// Its inputs.
        with: BTreeMap<String, String>,
    },
    /// A program of a JavaScript action; its inputs are in the environment.
    Node {
        /// `uses:` as written, for people.
        uses: String,
        /// The major version of node that it was written for.
        version: u16,
        /// The program, with its directory.
        file: String,
    },
    /// A container of its own.
    Container(Box<ContainerCall>),
    /// The containers of the job.
    SetUpContainers(Box<JobContainers>),
}

impl fmt::Debug for ResolvedStep {
    /// Only what cannot hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedStep")
            .field("body", &self.body)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { .. } => f.write_str("Script"),
            Self::Builtin { action, .. } => write!(f, "Builtin({})", action.name()),
            Self::Node { uses, .. } => write!(f, "Node({uses})"),
            Self::Container(_) => f.write_str("Container"),
            Self::SetUpContainers(_) => f.write_str("SetUpContainers"),
        }
    }
}

/// What is to be started for this step.
pub fn step(
    run: &Run,
    job: &JobKey,
    step: &StepPath,
    given: &Given<'_>,
) -> Result<ResolvedStep, Fault> {
    let level = step.parent().unwrap_or_default();
    let status = condition::status(run, job, &condition::level_of(step));
    let mut scope = Scope::step(run, job, step, Some(given))?.with_status(status);
    let found = run
        .spec(job.job())
        .and_then(|spec| Some((step::spec(&spec.steps, step)?, &spec.defaults)));
    let Some((spec, defaults)) = found else {
        return Err(missing(run, job, step));
    };
    let file = scope.file();
    // The defaults of a job end where an action begins.
    let defaults = level.0.is_empty().then_some(defaults);
    let sources = sources(&scope, step);
    let mut env = environment(&scope, step, spec, &file)?;
    let body = body(&mut scope, step.phase(), spec, defaults, &file, &mut env)?;
    Ok(ResolvedStep {
        name: run
            .step(job, step)
            .map_or_else(|| step::plain_name_at(spec, step), |step| step.name.clone()),
        body,
        env,
        path_prepend: path(run, job, step),
        sources,
    })
}

/// The files of actions that a step needs, apart from its workspace.
fn sources(scope: &Scope<'_>, path: &StepPath) -> Vec<ActionSource> {
    let mut found = Vec::new();
    let mut at = StepPath::default();
    for index in path.indices() {
        at = at.child(usize::from(*index));
        let source = match step::spec(scope.steps(), &at).map(|spec| &spec.body) {
            Some(StepBody::Composite { source, .. }) => source,
            Some(StepBody::Action(action)) => &action.source,
            Some(StepBody::Container(step)) => match &step.image {
                ContainerImage::Dockerfile { source, .. } => source,
                ContainerImage::Reference { .. } => continue,
            },
            Some(
                StepBody::Run { .. }
                | StepBody::Builtin { .. }
                | StepBody::Lacking { .. }
                | StepBody::SetUpContainers
                | StepBody::Wait { .. }
                | StepBody::WaitAll
                | StepBody::CancelStep { .. },
            )
            | None => continue,
        };
        if !source.is_workspace() && !found.contains(source) {
            found.push(source.clone());
        }
    }
    found
}

/// The values that must be masked wherever a step of this run writes.
pub fn masks<'a>(run: &Run, given: &Given<'a>) -> Vec<&'a Secret> {
    if !run.may_see_secrets() {
        return Vec::new();
    }
    let seen = |secret: &&Secret| !secret.expose().trim().is_empty();
    given.secrets.values().filter(seen).collect()
}

/// The values that callers of this job's workflow have made from secrets, to be masked as well.
pub fn call_masks(run: &Run, job: &JobKey, given: &Given<'_>) -> Vec<Secret> {
    call::masks(run, job, given)
}

fn missing(run: &Run, job: &JobKey, step: &StepPath) -> Fault {
    let message = format!("there is no step {step} in job `{job}`");
    Fault::new(run.file_of(job.job()), Position::default(), message)
}

/// What it does; what it needs beside the variables of every step goes into `env`.
fn body(
    scope: &mut Scope<'_>,
    phase: Phase,
    spec: &StepSpec,
    defaults: Option<&RunDefaults>,
    file: &str,
    env: &mut BTreeMap<String, String>,
) -> Result<Body, Fault> {
    match &spec.body {
        StepBody::Run {
            script,
            shell,
            working_directory,
        } => {
            let shell = shell
                .as_ref()
                .or_else(|| defaults.and_then(|defaults| defaults.shell.as_ref()));
            let directory = working_directory
                .as_ref()
                .or_else(|| defaults.and_then(|defaults| defaults.working_directory.as_ref()));
            Ok(Body::Script {
                script: expression::text(scope, script, file)?,
                shell: optional(scope, shell, file)?,
                working_directory: optional(scope, directory, file)?,
            })
        }
        StepBody::Builtin { action, with } => Ok(Body::Builtin {
            action: *action,
            with: with_inputs(scope, with, file)?,
        }),
        StepBody::Lacking { message, .. } => Err(Fault::new(file, spec.at, message.clone())),
        StepBody::Wait { .. } | StepBody::WaitAll | StepBody::CancelStep { .. } => {
            let message = "a step that waits for others is not started itself".to_owned();
            Err(Fault::new(file, spec.at, message))
        }
        StepBody::Composite { path, .. } => Err(Fault::new(
            file,
            spec.at,
            format!("`{path}` is made of steps: it is not started itself"),
        )),
        StepBody::Action(action) => Ok(program(scope, phase, action)),
        StepBody::Container(container) => {
            let (call, more) = containers::call(scope, phase, container, file)?;
            env.extend(more);
            Ok(Body::Container(Box::new(call)))
        }
        StepBody::SetUpContainers => {
            Ok(Body::SetUpContainers(Box::new(containers::of_leg(scope)?)))
        }
    }
}

/// The program that a JavaScript action has for a phase.
fn program(scope: &Scope<'_>, phase: Phase, action: &ActionUse) -> Body {
    let hook = match phase {
        Phase::Pre => action.pre.as_ref(),
        Phase::Main => None,
        Phase::Post => action.post.as_ref(),
    };
    let file = hook.map_or(&action.main, |hook| &hook.file);
    let place = scope.place();
    let directory = place.map(|place| action_path(&place, &action.source, &action.path));
    Body::Node {
        uses: action.uses.clone(),
        version: action.node,
        file: format!("{}/{file}", directory.unwrap_or_default()),
    }
}

/// What a JavaScript action finds in its environment besides: its inputs, what its earlier programs
/// have saved, and where it is.
fn of_action(
    scope: &Scope<'_>,
    path: &StepPath,
    action: &ActionUse,
    file: &str,
) -> Result<BTreeMap<String, String>, Fault> {
    let mut env = BTreeMap::new();
    for (name, value) in scope.evaluate(&action.inputs, file)? {
        env.insert(
            format!("INPUT_{}", name.replace(' ', "_").to_uppercase()),
            value,
        );
    }
    env.extend(saved(scope, path));
    let facts = github::of_action(scope, &action.source, &action.path);
    env.extend(
        facts
            .into_iter()
            .map(|(name, value)| (format!("GITHUB_{}", name.to_uppercase()), value)),
    );
    Ok(env)
}

/// What the earlier programs of an action have saved.
fn saved(scope: &Scope<'_>, path: &StepPath) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for phase in [Phase::Pre, Phase::Main] {
        let earlier = path.in_phase(phase);
        let done = scope.key.and_then(|key| scope.run.step(key, &earlier));
        for (name, value) in done.into_iter().flat_map(|step| &step.report.state) {
            let value = scope.seen(&earlier, Kind::State, name, value);
            env.insert(format!("STATE_{name}"), value);
        }
    }
    env
}

/// The inputs of a built-in action. An empty text is as good as none, and what stands around a text does
/// not count: people write them as blocks, which end in a line break.
fn with_inputs(
    scope: &Scope<'_>,
    with: &Bindings,
    file: &str,
) -> Result<BTreeMap<String, String>, Fault> {
    let mut inputs: BTreeMap<String, String> = scope.evaluate(with, file)?;
    for value in inputs.values_mut() {
        let bare = value.trim();
        if bare.len() != value.len() {
            *value = bare.to_owned();
        }
    }
    Ok(inputs)
}

/// An expression may come to nothing: then the next best thing holds.
fn optional(
    scope: &Scope<'_>,
    template: Option<&Template>,
    file: &str,
) -> Result<Option<String>, Fault> {
    let text = template
        .map(|template| expression::text(scope, template, file))
        .transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// What people wrote, under what is always there; the facts cannot be changed, `CI` can.
fn environment(
    scope: &Scope<'_>,
    path: &StepPath,
    spec: &StepSpec,
    file: &str,
) -> Result<BTreeMap<String, String>, Fault> {
    let mut env = BTreeMap::from([("CI".to_owned(), "true".to_owned())]);
    env.extend(scope.env.clone());
    env.extend(github::variables(scope));
    if let StepBody::Action(action) = &spec.body {
        env.extend(of_action(scope, path, action, file)?);
    }
    if let StepBody::Container(_) = &spec.body {
        env.extend(saved(scope, path));
    }
    Ok(env)
}

/// What earlier steps added, the last one first.
fn path(run: &Run, job: &JobKey, from: &StepPath) -> Vec<String> {
    let mut added: Vec<String> = Vec::new();
    // What is done after the last step is done behind it.
    let from = Some(from).filter(|from| from.phase() != Phase::Post);
    for (_, step) in background::in_order(run, job, from) {
        added.extend(step.report.path.iter().cloned());
    }
    added.reverse();
    added
}
