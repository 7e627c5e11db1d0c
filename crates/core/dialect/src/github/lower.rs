//! A workflow's words → a plan. The only file where the two vocabularies meet.

use std::collections::BTreeMap;

use cutover_model::{
    Diagnostic, Position, Severity,
    plan::{JobSpec, Plan, RunDefaults, StepBody, StepSpec},
    project::Project,
    source::{Trigger, TriggerKind},
};

use super::{
    action::{self, Actions, Lowered, MAX_STEPS},
    background,
    builtin::{self, Named},
    lint as rules,
    model::{Does, Job, Step, With, Workflow},
    parse,
    parse::container,
    template, trigger,
};
use crate::{
    Compiled, Lacking, Options, SourceTree,
    diagnostic::{Code, Sink},
    shape::Spanned,
    yaml::{self, Document},
};

/// Compiles one workflow; `on:` is read and checked, and does not decide anything here.
pub(crate) fn compile(
    tree: &SourceTree,
    path: &str,
    trigger: &Trigger,
    options: Options,
) -> Compiled {
    let (project, mut diagnostics) = crate::project::read(tree);
    let mut sink = Sink::new(path);
    let mut lowering = Lowering {
        tree,
        options,
        project: project.as_ref(),
        actions: Actions::default(),
        steps: 0,
    };
    let plan = checked(tree, path, &mut sink).and_then(|(document, verdict)| {
        if verdict == Verdict::Accepted {
            // The hosted service would run it, so what the rules say is advice.
            sink.advise(HOSTED);
        }
        let root = document.root.as_ref().filter(|_| !sink.has_errors())?;
        let workflow = parse::workflow(root, &mut sink)?;
        if trigger.kind == TriggerKind::WorkflowDispatch {
            trigger::resolve_inputs(&workflow.on, trigger, &mut sink);
        }
        Some(lowering.workflow(path, workflow, &mut sink))
    });
    let mut all = sink.finish();
    all.append(&mut lowering.actions.diagnostics);
    all.append(&mut diagnostics);
    let refused = all.iter().any(is_error);
    Compiled {
        plan: plan
            .filter(|_| !refused)
            .map(|plan| Plan { project, ..plan }),
        diagnostics: all,
    }
}

/// What there is to say about a workflow. What cutover cannot do yet is no error of the file.
pub(crate) fn lint(tree: &SourceTree, path: &str) -> Vec<Diagnostic> {
    let (project, mut diagnostics) = crate::project::read(tree);
    let mut sink = Sink::new(path);
    let mut lowering = Lowering {
        tree,
        options: Options::default(),
        project: project.as_ref(),
        actions: Actions::default(),
        steps: 0,
    };
    if let Some((document, _)) = checked(tree, path, &mut sink)
        && let Some(root) = &document.root
        && !sink.has_errors()
        && let Some(workflow) = parse::workflow(root, &mut sink)
    {
        lowering.workflow(path, workflow, &mut sink);
    }
    let mut all = sink.finish();
    all.append(&mut lowering.actions.diagnostics);
    for diagnostic in &mut all {
        if OURS.iter().any(|code| code.id() == diagnostic.code) {
            diagnostic.severity = Severity::Warning;
        }
    }
    all.append(&mut diagnostics);
    all
}

/// What matters to the hosted service alone.
const HOSTED: &[Code] = &[Code::RunnerLabel, Code::OutdatedAction];
/// What is no matter of the file, but of what cutover has.
const OURS: &[Code] = &[Code::NotYet, Code::LackingAction, Code::NoAction];

/// Whether the hosted service would take a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
}

/// A file that has been held against the language: by our rules, which know the exact place, and by the
/// reader of the hosted service, whose words are told when the rules find nothing.
fn checked(tree: &SourceTree, path: &str, sink: &mut Sink) -> Option<(Document, Verdict)> {
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

struct Lowering<'t> {
    tree: &'t SourceTree,
    options: Options,
    project: Option<&'t Project>,
    actions: Actions,
    /// Steps of the plan so far.
    steps: usize,
}

impl Lowering<'_> {
    fn workflow(&mut self, path: &str, workflow: Workflow, sink: &mut Sink) -> Plan {
        let name = workflow.name.filter(|name| !name.is_empty());
        Plan {
            path: path.to_owned(),
            name: name.unwrap_or_else(|| path.to_owned()),
            run_name: workflow.run_name,
            env: workflow.env,
            concurrency: workflow.concurrency,
            jobs: workflow
                .jobs
                .into_iter()
                .map(|job| {
                    let mut job = self.job(job, &workflow.defaults, sink);
                    job.permissions = job.permissions.or_else(|| workflow.permissions.clone());
                    job
                })
                .collect(),
            permissions: workflow.permissions,
            project: None,
        }
    }

    fn job(&mut self, job: Job, defaults: &RunDefaults, sink: &mut Sink) -> JobSpec {
        let before = self.steps;
        let mut steps = self.steps(job.steps, sink);
        background::wait_for_the_rest(&mut steps);
        if before <= MAX_STEPS && self.steps > MAX_STEPS {
            let message = format!("the workflow comes to more than {MAX_STEPS} steps");
            sink.error(Code::ActionNesting, job.at, message);
        }
        JobSpec {
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
            at: job.at,
        }
        .with_set_up()
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
        Some(StepSpec {
            id: step.id.map(|id| id.text),
            name: step.name,
            condition: step.condition,
            env: step.env,
            timeout_minutes: step.timeout_minutes,
            continue_on_error: step.continue_on_error,
            background: step.background,
            body,
            at: step.at,
        })
    }

    fn uses(&mut self, reference: &Spanned, with: &[With], sink: &mut Sink) -> Option<StepBody> {
        if reference.text == "." || reference.text.starts_with("./") {
            return self.composite(reference, with, sink);
        }
        if reference.text.starts_with("$/") || reference.text.starts_with("../") {
            let message = format!(
                "`{}` as a place of an action is not there yet",
                reference.text
            );
            let hint = "write it as `./path`, from the root of the sources".to_owned();
            sink.error_hint(Code::NotYet, reference.at, message, hint);
            return None;
        }
        if let Some(image) = container::image(reference, sink) {
            return image.map(|image| container::step(reference, image, with));
        }
        match builtin::find(reference, sink) {
            Named::Builtin(action) => {
                let with = builtin::bind(action, reference.at, with, sink);
                builtin::check_names(&with, self.project, sink);
                Some(StepBody::Builtin { action, with })
            }
            Named::Refused => None,
            Named::Foreign => self.lacking(reference, sink),
        }
    }

    fn lacking(&self, reference: &Spanned, sink: &mut Sink) -> Option<StepBody> {
        let uses = reference.text.clone();
        let message =
            format!("action `{uses}` is not built in, and fetching actions is not there yet");
        let hint = "do the same in a `run` step, or in a local action (`uses: ./path`)".to_owned();
        match self.options.lacking {
            Lacking::Refuse => {
                sink.error_hint(Code::LackingAction, reference.at, message, hint);
                None
            }
            Lacking::FaultWhenReached => {
                sink.warning(Code::LackingAction, reference.at, message.clone(), hint);
                Some(StepBody::Lacking { uses, message })
            }
        }
    }

    fn composite(
        &mut self,
        reference: &Spanned,
        with: &[With],
        sink: &mut Sink,
    ) -> Option<StepBody> {
        let mut actions = std::mem::take(&mut self.actions);
        let tree = self.tree;
        let found = actions.find(tree, reference, sink, |actions, action, sink| {
            std::mem::swap(&mut self.actions, actions);
            let lowered = self.lowered(action, sink);
            std::mem::swap(&mut self.actions, actions);
            lowered
        });
        self.actions = actions;
        let (path, lowered) = found?;
        self.steps = self.steps.saturating_add(lowered.count);
        // Beyond the limit the plan is refused; what would fill the memory is left out.
        let steps = if self.steps <= MAX_STEPS {
            lowered.steps.clone()
        } else {
            Vec::new()
        };
        Some(StepBody::Composite {
            path,
            inputs: action::bind(&lowered, reference, with, sink),
            outputs: lowered.action.outputs.clone(),
            steps,
        })
    }

    /// Lowers the steps of an action apart from those of the plan, which come in with each use.
    fn lowered(&mut self, mut action: super::model::Action, sink: &mut Sink) -> Lowered {
        let outside = std::mem::take(&mut self.steps);
        let steps = self.steps(std::mem::take(&mut action.steps), sink);
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
