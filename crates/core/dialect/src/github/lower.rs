//! A workflow's words → a plan. The only file where the two vocabularies meet.

use std::collections::{BTreeMap, BTreeSet};

use cutover_model::{
    Diagnostic, Position, Severity,
    plan::{ActionSource, ActionUse, Hook, JobSpec, Plan, RunDefaults, StepBody, StepSpec},
    project::Project,
    source::{Trigger, TriggerKind},
};

use super::{
    action::{self, Actions, Lowered, MAX_STEPS, Place},
    background,
    builtin::{self, Named},
    call::Calls,
    ground::{Ground, Lies},
    lint::{self as rules, Files},
    model::{Does, Job, Node, NodeHook, Runs, Step, With, Workflow},
    parse,
    parse::container,
    template, trigger,
};
use crate::{
    Compiled, ForeignAction, ForeignActions, ForeignFault, Lacking, Linted, Options, SourceTree,
    Wanted,
    diagnostic::{Code, Sink},
    foreign,
    shape::Spanned,
    yaml::{self, Document},
};

/// Compiles one workflow; `on:` is read and checked, and does not decide anything here.
pub(crate) fn compile(
    tree: &SourceTree,
    foreign: &ForeignActions,
    path: &str,
    trigger: &Trigger,
    options: Options,
) -> Compiled {
    let (project, mut diagnostics) = crate::project::read(tree);
    let mut sink = Sink::heeding(path, tree.get(path).unwrap_or_default());
    let mut lowering = Lowering {
        options,
        own: &trigger.repository,
        project: project.as_ref(),
        ..Lowering::new(tree, path, foreign)
    };
    let plan = checked(tree, path, &mut sink).and_then(|(document, verdict)| {
        if verdict == Verdict::Accepted {
            // The hosted service would run it, so what the rules say is advice.
            sink.advise(HOSTED);
        }
        let root = document.root.as_ref().filter(|_| !sink.has_errors())?;
        let workflow = parse::workflow(root, &mut sink)?;
        if trigger.kind == TriggerKind::WorkflowDispatch && !options.inputs_come_later {
            trigger::resolve_inputs(&workflow.on, trigger, &mut sink);
        }
        Some(lowering.workflow(path, workflow, &mut sink))
    });
    let mut all = sink.finish();
    all.append(&mut lowering.actions.diagnostics);
    if !all.iter().any(is_error) {
        all.append(&mut lowering.objections(path));
    }
    all.append(&mut diagnostics);
    let refused = all.iter().any(is_error);
    let wanted = lowering.wanted;
    Compiled {
        plan: plan
            .filter(|_| !refused)
            .map(|plan| Plan { project, ..plan }),
        diagnostics: all,
        wanted,
    }
}

/// What there is to say about a workflow. What cutover cannot do yet is no error of the file.
pub(crate) fn lint(tree: &SourceTree, foreign: &ForeignActions, path: &str) -> Linted {
    let (project, mut diagnostics) = crate::project::read(tree);
    let mut sink = Sink::heeding(path, tree.get(path).unwrap_or_default());
    let mut lowering = Lowering {
        project: project.as_ref(),
        is_lint: true,
        ..Lowering::new(tree, path, foreign)
    };
    let checked = checked(tree, path, &mut sink);
    let mut others = Vec::new();
    if let Some((document, verdict)) = &checked
        && let Some(root) = &document.root
    {
        let mut aside = sink.aside();
        if !sink.has_errors() {
            if let Some(workflow) = parse::workflow(root, &mut sink) {
                lowering.workflow(path, workflow, &mut sink);
            }
        } else if let Some(workflow) = parse::workflow(root, &mut aside) {
            // What is wrong elsewhere in the file is no reason not to look at what steps use.
            lowering.workflow(path, workflow, &mut aside);
            sink.take_independent(aside, USED);
        }
        if *verdict == Verdict::Accepted {
            others = rules::advise(&Files { tree, foreign }, path, document, &mut sink);
        }
    }
    let mut all = sink.finish();
    all.append(&mut others);
    all.append(&mut lowering.actions.diagnostics);
    if !all.iter().any(is_error) {
        all.append(&mut lowering.objections(path));
    }
    for diagnostic in &mut all {
        if OURS.iter().any(|code| code.id() == diagnostic.code) {
            diagnostic.severity = Severity::Warning;
        }
    }
    all.append(&mut diagnostics);
    Linted {
        diagnostics: all,
        wanted: lowering.wanted,
    }
}

/// What matters to the hosted service alone.
pub(super) const HOSTED: &[Code] = &[Code::RunnerLabel, Code::OutdatedAction];
/// What is told of the actions that a file uses also when something else in it is wrong.
const USED: &[Code] = &[
    Code::NoAction,
    Code::ActionNesting,
    Code::ActionVersion,
    Code::UnknownName,
];
/// What is no matter of the file, but of what cutover has.
const OURS: &[Code] = &[Code::NotYet, Code::LackingAction, Code::NoAction];

/// Whether the hosted service would take a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Refused,
}

/// A file that has been held against the language: by our rules, which know the exact place, and by the
/// reader of the hosted service, whose words are told when the rules find nothing.
pub(super) fn checked(
    tree: &SourceTree,
    path: &str,
    sink: &mut Sink,
) -> Option<(Document, Verdict)> {
    let bytes = parse::file(tree, path, sink)?;
    let document = yaml::as_written(bytes);
    rules::check(&document, sink);
    let objections = template::objections(path, &document);
    let verdict = match objections.as_slice() {
        [] => Verdict::Accepted,
        _ => Verdict::Refused,
    };
    if !sink.has_errors() {
        for error in objections {
            sink.error(Code::Refused, error.at.unwrap_or_default(), error.what);
        }
    }
    Some((document, verdict))
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

/// A workflow on its way to a plan.
pub(super) struct Lowering<'t> {
    pub(super) tree: &'t SourceTree,
    pub(super) foreign: &'t ForeignActions,
    pub(super) options: Options,
    /// Whether the file is looked at, and not what would be done.
    pub(super) is_lint: bool,
    project: Option<&'t Project>,
    pub(super) actions: Actions,
    /// Where the steps that are lowered just now stand: the workflow's sources, or an action's.
    pub(super) here: ActionSource,
    /// Steps of the plan so far.
    steps: usize,
    /// What is used and was not handed in, each once.
    wanted: Vec<Wanted>,
    /// The repository of the run; empty when there is no run.
    own: &'t str,
    /// What the job that is lowered just now has checked out.
    ground: Ground,
    /// What has been said of those that could not be had.
    lacks: BTreeSet<String>,
    pub(super) calls: Calls,
}

impl<'t> Lowering<'t> {
    fn new(tree: &'t SourceTree, path: &str, foreign: &'t ForeignActions) -> Self {
        Self {
            tree,
            foreign,
            options: Options::default(),
            is_lint: false,
            project: None,
            actions: Actions::default(),
            here: ActionSource::Workspace,
            steps: 0,
            wanted: Vec::new(),
            own: "",
            ground: Ground::default(),
            lacks: BTreeSet::new(),
            calls: Calls::of(path),
        }
    }

    fn workflow(&mut self, path: &str, mut workflow: Workflow, sink: &mut Sink) -> Plan {
        let name = workflow.name.take().filter(|name| !name.is_empty());
        Plan {
            path: path.to_owned(),
            name: name.unwrap_or_else(|| path.to_owned()),
            run_name: workflow.run_name.take(),
            env: std::mem::take(&mut workflow.env),
            concurrency: workflow.concurrency.take(),
            permissions: workflow.permissions.clone(),
            jobs: self.jobs(workflow, sink),
            project: None,
        }
    }

    /// The jobs of a file, be it the workflow itself or one that is called.
    pub(super) fn jobs(&mut self, workflow: Workflow, sink: &mut Sink) -> Vec<JobSpec> {
        let (defaults, permissions) = (workflow.defaults, workflow.permissions);
        let jobs = workflow.jobs.into_iter();
        jobs.map(|mut job| {
            job.permissions = job.permissions.or_else(|| permissions.clone());
            self.job(job, &defaults, sink)
        })
        .collect()
    }

    fn job(&mut self, job: Job, defaults: &RunDefaults, sink: &mut Sink) -> JobSpec {
        let before = self.steps;
        let around = self.now_on(Ground::default());
        let mut steps = self.steps(job.steps, sink);
        background::wait_for_the_rest(&mut steps);
        let (call, permissions) = (job.call, job.permissions.as_ref());
        let call = call.and_then(|call| self.call(call, permissions, sink));
        if before <= MAX_STEPS && self.steps > MAX_STEPS {
            let message = format!("the workflow comes to more than {MAX_STEPS} steps");
            sink.error(Code::ActionNesting, job.at, message);
        }
        let mut spec = JobSpec {
            id: job.id,
            name: job.name,
            needs: job.needs.into_iter().map(|need| need.text).collect(),
            condition: job.condition,
            matrix: job.matrix,
            runs_on: job.runs_on,
            environment: job.environment,
            env: job.env,
            outputs: job.outputs,
            defaults: merged(job.defaults, defaults),
            timeout_minutes: job.timeout_minutes,
            cancel_timeout_minutes: job.cancel_timeout_minutes,
            concurrency: job.concurrency,
            permissions: job.permissions,
            continue_on_error: job.continue_on_error,
            container: job.container,
            services: job.services,
            runner_images: BTreeMap::new(),
            steps,
            call: None,
            at: job.at,
        };
        if let Some(call) = call {
            call.enter(&mut spec);
        }
        self.now_on(around);
        spec.with_set_up()
    }

    /// Takes note of what is checked out now, and gives what was before.
    fn now_on(&mut self, ground: Ground) -> Ground {
        self.actions.ground = ground.key();
        std::mem::replace(&mut self.ground, ground)
    }

    fn steps(&mut self, steps: Vec<Step>, sink: &mut Sink) -> Vec<StepSpec> {
        let mut lowered = Vec::new();
        for step in steps {
            match step.does {
                Does::Parallel(inside) => {
                    let group = background::Group::of(step.id, step.name, step.at);
                    let inside = self.steps(inside, sink);
                    group.spread(inside, &mut lowered);
                }
                _ => lowered.extend(self.step(step, sink)),
            }
        }
        lowered
    }

    fn step(&mut self, step: Step, sink: &mut Sink) -> Option<StepSpec> {
        self.steps = self.steps.saturating_add(1);
        let body = match step.does {
            Does::Run {
                script,
                shell,
                working_directory,
            } => StepBody::Run {
                script,
                shell,
                working_directory,
            },
            Does::Uses { reference, with } => self.uses(&reference, &with, sink)?,
            Does::Wait(steps) => StepBody::Wait { steps },
            Does::WaitAll => StepBody::WaitAll,
            Does::Cancel(step) => StepBody::CancelStep { step },
            // It is not one step, and comes in with its list.
            Does::Parallel(_) | Does::Nothing => return None,
        };
        let mut ground = self.ground.clone();
        ground.see_step(&body, self.own, step.condition.is_some());
        if ground != self.ground {
            self.now_on(ground);
        }
        Some(StepSpec {
            id: step.id.map(|id| id.text),
            name: step.name,
            condition: step.condition,
            env: step.env,
            timeout_minutes: step.timeout_minutes,
            continue_on_error: step.continue_on_error,
            background: step.background,
            on_machine: false,
            body,
            at: step.at,
        })
    }

    fn uses(&mut self, reference: &Spanned, with: &[With], sink: &mut Sink) -> Option<StepBody> {
        let text = reference.text.as_str();
        if text == "." || text.starts_with("./") {
            let directory = action::directory(reference, text, sink)?;
            return self.local(directory, reference, with, sink);
        }
        if let Some(path) = text.strip_prefix("$/") {
            return self.own(path, reference, with, sink);
        }
        if text.starts_with("../") {
            let message = format!("`{text}` as a place of an action is not there yet");
            let hint = "write it as `./path`, from the root of the sources".to_owned();
            sink.error_hint(Code::NotYet, reference.at, message, hint);
            return None;
        }
        if let Some(image) = container::image(reference) {
            return container::step(reference, image, with, sink);
        }
        match builtin::find(reference, sink) {
            Named::Builtin(action) => {
                let with = builtin::bind(action, reference, with, self.is_lint, sink);
                builtin::check_names(&with, self.project, sink);
                Some(StepBody::Builtin { action, with })
            }
            Named::Refused => None,
            Named::Foreign => self.foreign(reference, with, sink),
        }
    }

    /// `./path`: an action of what the job has checked out there.
    fn local(
        &mut self,
        directory: String,
        reference: &Spanned,
        with: &[With],
        sink: &mut Sink,
    ) -> Option<StepBody> {
        let root = match self.ground.at(&directory) {
            Lies::Own(root) => root,
            Lies::Other(text) => {
                let at = reference.at;
                return self.foreign(&Spanned { text, at }, with, sink);
            }
        };
        let place = Place {
            source: ActionSource::Workspace,
            directory,
            root,
        };
        let faults = self.options.lacking == Lacking::FaultWhenReached;
        if faults && !place.is_there(self.tree) {
            // A script may put it there, or the step may never be reached.
            let (message, hint) = place.is_not_there(reference);
            sink.warning(Code::NoAction, reference.at, message.clone(), hint);
            let uses = reference.text.clone();
            return Some(StepBody::Lacking { uses, message });
        }
        self.action(self.tree, &place, reference, with, sink)
    }

    /// `$/path`: an action beside the one that uses it, or in the sources of the workflow.
    fn own(
        &mut self,
        path: &str,
        reference: &Spanned,
        with: &[With],
        sink: &mut Sink,
    ) -> Option<StepBody> {
        if path.contains('@') {
            let message = format!("`{}` must not have a ref", reference.text);
            let hint = "what `$/` names is of the same revision".to_owned();
            sink.error_hint(Code::BadReference, reference.at, message, hint);
            return None;
        }
        let directory = action::directory(reference, path, sink)?;
        let (source, tree) = match &self.here {
            ActionSource::Workspace | ActionSource::Own => (ActionSource::Own, self.tree),
            ActionSource::Foreign(here) => {
                match self.foreign.get(&here.repository, &here.git_ref) {
                    Some(Ok(found)) => (self.here.clone(), &found.files),
                    Some(Err(_)) | None => return None,
                }
            }
        };
        let place = Place {
            source,
            directory,
            root: String::new(),
        };
        self.action(tree, &place, reference, with, sink)
    }

    /// What was handed in of a repository; what was not is wanted.
    pub(super) fn handed_in(
        &mut self,
        repository: &str,
        git_ref: &str,
        at: Position,
        sink: &Sink,
    ) -> Option<&'t Result<ForeignAction, ForeignFault>> {
        let found = self.foreign.get(repository, git_ref);
        let known = |wanted: &Wanted| {
            wanted.repository.eq_ignore_ascii_case(repository) && wanted.git_ref == git_ref
        };
        if found.is_none() && !self.wanted.iter().any(known) {
            self.wanted.push(Wanted {
                repository: repository.to_owned(),
                git_ref: git_ref.to_owned(),
                path: sink.path().to_owned(),
                at,
            });
        }
        found
    }

    /// `owner/repository/path@ref`, as far as it was handed in.
    fn foreign(&mut self, reference: &Spanned, with: &[With], sink: &mut Sink) -> Option<StepBody> {
        let uses = &reference.text;
        let Some(read) = foreign::reference(uses) else {
            return self.lacking(reference, format!("`{uses}` names no action"), sink);
        };
        let (repository, git_ref) = (read.repository, read.git_ref.to_owned());
        match self.handed_in(&repository, &git_ref, reference.at, sink) {
            None => self.lacking(reference, format!("action `{uses}` is not here"), sink),
            Some(Err(ForeignFault::Lacking(fault))) => self.lacking(reference, fault.clone(), sink),
            Some(Err(ForeignFault::Lock(fault))) => {
                let hint = "`cutover lock` adds what is missing, `cutover lock --update` takes \
                            what the refs name now";
                sink.error_hint(Code::Lock, reference.at, fault, hint.to_owned());
                None
            }
            Some(Ok(found)) => {
                if !found.is_locked {
                    let message = format!("action `{uses}` is not locked");
                    let hint = "`cutover lock` writes `.github/cutover.lock`".to_owned();
                    sink.warning(Code::Unlocked, reference.at, message, hint);
                }
                let place = Place {
                    source: ActionSource::Foreign(found.tree.clone()),
                    directory: read.path,
                    root: String::new(),
                };
                self.action(&found.files, &place, reference, with, sink)
            }
        }
    }

    /// A step without its action. What is lacking is told where it is used first.
    fn lacking(
        &mut self,
        reference: &Spanned,
        message: String,
        sink: &mut Sink,
    ) -> Option<StepBody> {
        let uses = reference.text.clone();
        let hint = "`--local-repository OWNER/REPO@REF=DIR` takes it from a directory".to_owned();
        let is_news = self.lacks.insert(message.clone());
        match self.options.lacking {
            Lacking::Refuse => {
                if is_news {
                    sink.error_hint(Code::LackingAction, reference.at, message, hint);
                }
                None
            }
            Lacking::FaultWhenReached => {
                if is_news {
                    sink.warning(Code::LackingAction, reference.at, message.clone(), hint);
                }
                Some(StepBody::Lacking { uses, message })
            }
        }
    }

    /// An action with an `action.yml`.
    fn action(
        &mut self,
        tree: &SourceTree,
        place: &Place,
        reference: &Spanned,
        with: &[With],
        sink: &mut Sink,
    ) -> Option<StepBody> {
        let mut actions = std::mem::take(&mut self.actions);
        let found = actions.find(tree, place, reference, sink, |actions, action, sink| {
            std::mem::swap(&mut self.actions, actions);
            let outside = std::mem::replace(&mut self.here, place.source.clone());
            let lowered = self.lowered(action, sink);
            self.here = outside;
            std::mem::swap(&mut self.actions, actions);
            lowered
        });
        self.actions = actions;
        let lowered = found?;
        self.steps = self.steps.saturating_add(lowered.count);
        let mut advice = sink.aside();
        let declared = &lowered.action.inputs;
        let mut inputs = match &lowered.action.runs {
            Runs::Docker(_) => {
                let with = container::without_overrides(with);
                action::bind(declared, reference, &with, &mut advice)
            }
            Runs::Composite(_) | Runs::Node(_) => {
                action::bind(declared, reference, with, &mut advice)
            }
        };
        let lenient: &[Code] = if self.is_lint {
            &[]
        } else {
            &[Code::ActionInput]
        };
        sink.take_in(advice, lenient);
        Some(match &lowered.action.runs {
            Runs::Node(node) => {
                let spec = node_action(node, place, reference, sink);
                StepBody::Action(Box::new(ActionUse { inputs, ..spec }))
            }
            Runs::Docker(runs) => {
                inputs.extend(container::overrides(with));
                let Place {
                    source, directory, ..
                } = place;
                container::action_step(runs, source, directory, reference, inputs)
            }
            Runs::Composite(_) => StepBody::Composite {
                source: place.source.clone(),
                path: place.directory.clone(),
                inputs,
                outputs: lowered.action.outputs.clone(),
                // Beyond the limit the plan is refused; what would fill the memory is left out.
                steps: if self.steps <= MAX_STEPS {
                    lowered.steps.clone()
                } else {
                    Vec::new()
                },
            },
        })
    }

    /// Lowers the steps of an action apart from those of the plan, which come in with each use.
    fn lowered(&mut self, mut action: super::model::Action, sink: &mut Sink) -> Lowered {
        let outside = std::mem::take(&mut self.steps);
        let steps = match &mut action.runs {
            Runs::Composite(steps) => self.steps(std::mem::take(steps), sink),
            Runs::Node(_) | Runs::Docker(_) => Vec::new(),
        };
        let count = std::mem::replace(&mut self.steps, outside);
        if count > MAX_STEPS {
            let message = format!("the action comes to more than {MAX_STEPS} steps");
            sink.error(Code::ActionNesting, Position::default(), message);
        }
        let height = 1 + steps.iter().map(height).max().unwrap_or(0);
        Lowered {
            action,
            steps,
            count,
            height,
        }
    }
}

/// The job's own defaults over those of the workflow.
fn merged(own: RunDefaults, outer: &RunDefaults) -> RunDefaults {
    RunDefaults {
        shell: own.shell.or_else(|| outer.shell.clone()),
        working_directory: own
            .working_directory
            .or_else(|| outer.working_directory.clone()),
    }
}

/// How many actions lie in each other in a step.
fn height(step: &StepSpec) -> usize {
    match &step.body {
        StepBody::Composite { steps, .. } => 1 + steps.iter().map(height).max().unwrap_or(0),
        StepBody::Action(_) => 1,
        StepBody::Run { .. }
        | StepBody::Builtin { .. }
        | StepBody::Lacking { .. }
        | StepBody::Wait { .. }
        | StepBody::WaitAll
        | StepBody::CancelStep { .. }
        | StepBody::Container(_)
        | StepBody::SetUpContainers => 0,
    }
}

/// A JavaScript action but for its inputs.
fn node_action(node: &Node, place: &Place, reference: &Spanned, sink: &mut Sink) -> ActionUse {
    let hook = |hook: &NodeHook| Hook {
        file: hook.file.clone(),
        condition: hook.condition.clone(),
    };
    let is_in_workspace = place.source.is_workspace();
    if is_in_workspace && node.pre.is_some() {
        let message = format!("`pre` of `{}` is not run", reference.text);
        let hint =
            "the workspace is empty before the first step; `$/path` takes it from the revision";
        sink.warning(Code::ActionInput, reference.at, message, hint.to_owned());
    }
    ActionUse {
        uses: reference.text.clone(),
        source: place.source.clone(),
        path: place.directory.clone(),
        node: node.version,
        main: node.main.clone(),
        pre: node.pre.as_ref().filter(|_| !is_in_workspace).map(hook),
        post: node.post.as_ref().map(hook),
        inputs: Vec::new(),
    }
}
