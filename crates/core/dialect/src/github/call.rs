//! Called workflows: their files are found among the sources, read once each, and become the jobs of the
//! job that calls them. What a caller owes (inputs, secrets, permissions) the official reader's rules say.

use std::collections::BTreeSet;

use cutover_model::{
    Diagnostic,
    plan::{CallInput, CallSpec, JobSpec, StepBody, StepSpec, Template},
};

use super::{
    lower::{Lowering, checked},
    model::{CallTrigger, JobCall, Workflow},
    parse,
    template::{self, ReadOptions},
};
use crate::{
    Lacking, SourceTree,
    diagnostic::{Code, Sink},
    shape::Spanned,
};

/// How deep workflows may call each other, and how many files a run may be made of.
const MAX_DEPTH: usize = 10;
const MAX_FILES: usize = 51;
/// How many jobs a plan may have, those of called workflows included.
const MAX_JOBS: usize = 1_024;

/// The calls of one plan.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The files that are being lowered, outermost first.
    open: Vec<String>,
    /// All that have been called; it is told once what is wrong in them.
    files: BTreeSet<String>,
    jobs: usize,
    /// Some called file is not there: then nobody can say whether it is called rightly.
    lacks: bool,
}

impl Calls {
    pub(super) fn of(path: &str) -> Self {
        Self {
            open: vec![path.to_owned()],
            ..Self::default()
        }
    }
}

/// What the official reader objects to in a workflow together with those that it calls.
pub(super) fn objections(tree: &SourceTree, path: &str, calls: &Calls) -> Vec<Diagnostic> {
    if calls.files.is_empty() || calls.lacks {
        return Vec::new();
    }
    let errors = template::read(tree, path, &ReadOptions::default());
    let mut found = Vec::new();
    for error in errors.err().unwrap_or_default() {
        let mut sink = Sink::new(error.path.as_deref().unwrap_or(path));
        sink.error(Code::Refused, error.at.unwrap_or_default(), error.what);
        found.extend(sink.finish());
    }
    found
}

impl Lowering<'_> {
    /// What a job calls, with the jobs of the called file; or a step that says that it is not there.
    pub(super) fn call(&mut self, call: JobCall, sink: &mut Sink) -> Option<Called> {
        let reference = &call.reference;
        let Some(path) = self.called_path(reference, sink) else {
            return self.lacking_call(reference, sink);
        };
        if let Some(from) = self.calls.open.iter().position(|open| *open == path) {
            let mut circle: Vec<&str> =
                self.calls.open[from..].iter().map(String::as_str).collect();
            circle.push(&path);
            let circle = crate::graph::arrows(&circle);
            let message = format!("workflows call each other: {circle}");
            sink.error(Code::ActionNesting, reference.at, message);
            return None;
        }
        if self.calls.open.len() > MAX_DEPTH {
            let message = format!("workflows call each other deeper than {MAX_DEPTH}");
            sink.error(Code::ActionNesting, reference.at, message);
            return None;
        }
        let is_news = self.calls.files.insert(path.clone());
        if self.calls.files.len() >= MAX_FILES {
            let message = format!("a run is made of {MAX_FILES} files at most");
            sink.error(Code::ActionNesting, reference.at, message);
            return None;
        }
        let mut own = Sink::new(&path);
        let workflow = self.called_file(&path, &mut own);
        let lowered = workflow.and_then(|(trigger, workflow)| {
            self.calls.jobs += workflow.jobs.len();
            if self.calls.jobs > MAX_JOBS {
                let message = format!("called workflows come to more than {MAX_JOBS} jobs");
                sink.error(Code::ActionNesting, reference.at, message);
                return None;
            }
            self.calls.open.push(path.clone());
            let env = workflow.env.clone();
            let jobs = self.jobs(workflow, &mut own);
            self.calls.open.pop();
            Some((trigger, env, jobs))
        });
        if is_news {
            self.actions.diagnostics.extend(own.finish());
        }
        let (trigger, env, jobs) = lowered?;
        Some(Called::Workflow(Box::new(CallSpec {
            inputs: inputs(trigger.inputs, &call),
            secrets: call.secrets,
            outputs: trigger.outputs,
            env,
            jobs,
            ..CallSpec::new(&path, Vec::new())
        })))
    }

    /// Where the called file is among the sources. A local path of a file from elsewhere is meant there.
    fn called_path(&mut self, reference: &Spanned, sink: &mut Sink) -> Option<String> {
        let text = &reference.text;
        if !text.starts_with("./") {
            return self.tree.get(text).map(|_| text.clone());
        }
        let here = self.calls.open.last().map_or("", String::as_str);
        let path = path_from(here, text);
        if self.tree.get(&path).is_none() {
            let message = format!("there is no workflow `{path}`");
            sink.error(Code::NoFile, reference.at, message);
        }
        Some(path)
    }

    fn called_file(&self, path: &str, own: &mut Sink) -> Option<(CallTrigger, Workflow)> {
        // Whoever calls it has said that it is not there.
        self.tree.get(path)?;
        let (document, _) = checked(self.tree, path, own)?;
        let root = document.root.as_ref().filter(|_| !own.has_errors())?;
        let mut workflow = parse::workflow(root, own)?;
        // The reader says in its words when it does not want to be called.
        let trigger = workflow.on.call.take().unwrap_or_default();
        Some((trigger, workflow))
    }

    fn lacking_call(&mut self, reference: &Spanned, sink: &mut Sink) -> Option<Called> {
        self.calls.lacks = true;
        let uses = reference.text.clone();
        let message = format!("workflow `{uses}` is from elsewhere, and not among the sources");
        let hint = "copy it to `.github/workflows`, and call it by `./.github/workflows/…`";
        match self.options.lacking {
            Lacking::Refuse => {
                sink.error_hint(Code::LackingAction, reference.at, message, hint.to_owned());
                None
            }
            Lacking::FaultWhenReached => {
                sink.warning(
                    Code::LackingAction,
                    reference.at,
                    message.clone(),
                    hint.to_owned(),
                );
                Some(Called::Lacking(StepSpec {
                    at: reference.at,
                    ..StepSpec::new(StepBody::Lacking { uses, message })
                }))
            }
        }
    }
}

/// What became of a call.
pub(super) enum Called {
    Workflow(Box<CallSpec>),
    Lacking(StepSpec),
}

impl Called {
    /// Puts it into the job that calls.
    pub(super) fn enter(self, job: &mut JobSpec) {
        match self {
            Self::Workflow(call) => job.call = Some(call),
            Self::Lacking(step) => {
                job.runs_on = vec![Template::plain("local")];
                job.steps = vec![step];
            }
        }
    }
}

/// The path that a reference has among the sources, as the file `here` means it: what is local in a file
/// from elsewhere is local there.
pub(super) fn path_from(here: &str, reference: &str) -> String {
    let Some(local) = reference.strip_prefix("./") else {
        return reference.to_owned();
    };
    let elsewhere = here.rsplit_once('@').and_then(|(place, at)| {
        let (repository, _) = place.split_once("/.github/workflows/")?;
        Some(format!("{repository}/{local}@{at}"))
    });
    elsewhere.unwrap_or_else(|| local.to_owned())
}

fn inputs(declared: Vec<super::model::CallInput>, call: &JobCall) -> Vec<CallInput> {
    declared
        .into_iter()
        .map(|input| {
            let given = call
                .with
                .iter()
                .find(|with| with.name.text.eq_ignore_ascii_case(&input.name));
            CallInput {
                given: given.map(|with| with.value.clone()),
                name: input.name,
                kind: input.kind,
                default: input.default,
            }
        })
        .collect()
}
