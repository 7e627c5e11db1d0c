//! Called workflows: their files are found among the sources, read once each, and become the jobs of the
//! job that calls them. What a caller owes (inputs, secrets, permissions) the official reader's rules say.

use std::collections::BTreeSet;

use cutover_model::{
    Diagnostic,
    plan::{ActionSource, CallInput, CallSpec, JobSpec, Permissions, StepBody, StepSpec, Template},
};

use super::{
    lower::{HOSTED, Lowering, Verdict, checked},
    model::{JobCall, Workflow},
    parse,
    template::{self, ReadOptions},
};
use crate::{
    ForeignFault, Lacking, SourceTree,
    diagnostic::{Code, Sink},
    foreign,
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

impl Lowering<'_> {
    /// What the official reader objects to in a workflow together with those that it calls.
    pub(super) fn objections(&self, path: &str) -> Vec<Diagnostic> {
        if self.calls.files.is_empty() || self.calls.lacks {
            return Vec::new();
        }
        let paths = self.calls.files.iter().map(String::as_str).chain([path]);
        let files: SourceTree = paths
            .filter_map(|path| Some((path, self.source(path)?)))
            .collect();
        let errors = template::read(&files, path, &ReadOptions::default());
        let mut found = Vec::new();
        for error in errors.err().unwrap_or_default() {
            let mut sink = Sink::new(error.path.as_deref().unwrap_or(path));
            sink.error(Code::Refused, error.at.unwrap_or_default(), error.what);
            found.extend(sink.finish());
        }
        found
    }

    /// What a job calls, with the jobs of the called file; or a step that says that it is not there.
    pub(super) fn call(
        &mut self,
        call: JobCall,
        permissions: Option<&Permissions>,
        sink: &mut Sink,
    ) -> Option<Called> {
        let reference = &call.reference;
        let here = self.calls.open.last().map_or("", String::as_str);
        let path = path_from(here, &reference.text);
        let source = match self.place_of(&path, reference, sink) {
            Ok(source) => source,
            Err(Some(message)) => return self.lacking_call(reference, message, sink),
            Err(None) => return None,
        };
        if let Some(from) = self.calls.open.iter().position(|open| *open == path) {
            let open = self.calls.open[from..].iter().map(String::as_str);
            let circle: Vec<&str> = open.chain([path.as_str()]).collect();
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
        let mut own = Sink::heeding(&path, self.source(&path).unwrap_or_default());
        let outside = std::mem::replace(&mut self.here, source);
        let mut workflow = self.called_file(&path, &mut own);
        if let Some(workflow) = &mut workflow {
            self.calls.jobs += workflow.jobs.len();
            let inherited = workflow.permissions.take();
            workflow.permissions = inherited.or_else(|| permissions.cloned());
        }
        if self.calls.jobs > MAX_JOBS {
            let message = format!("called workflows come to more than {MAX_JOBS} jobs");
            sink.error(Code::ActionNesting, reference.at, message);
            workflow = None;
        }
        let lowered = workflow.map(|workflow| self.lowered_call(&path, workflow, call, &mut own));
        self.here = outside;
        if is_news {
            self.actions.diagnostics.extend(own.finish());
        }
        lowered
    }

    fn lowered_call(
        &mut self,
        path: &str,
        mut workflow: Workflow,
        call: JobCall,
        own: &mut Sink,
    ) -> Called {
        // The reader says in its words when it does not want to be called.
        let trigger = workflow.on.call.take().unwrap_or_default();
        let concurrency = workflow.concurrency.take();
        let env = std::mem::take(&mut workflow.env);
        self.calls.open.push(path.to_owned());
        let jobs = self.jobs(workflow, own);
        self.calls.open.pop();
        let commit = match &self.here {
            ActionSource::Foreign(tree) => Some(tree.commit.clone()),
            ActionSource::Workspace | ActionSource::Own => None,
        };
        let spec = CallSpec {
            commit,
            inputs: inputs(trigger.inputs, &call),
            secrets: call.secrets,
            outputs: trigger.outputs,
            env,
            concurrency,
            ..CallSpec::new(path, jobs)
        };
        Called::Workflow(Box::new(spec))
    }

    /// The bytes of a file, be it of the sources or from elsewhere.
    fn source(&self, path: &str) -> Option<&[u8]> {
        if let Some(bytes) = self.tree.get(path) {
            return Some(bytes);
        }
        let read = foreign::reference(path)?;
        match self.foreign.get(&read.repository, read.git_ref)? {
            Ok(found) => found.files.get(&read.path),
            Err(_) => None,
        }
    }

    /// Whose file it is, when it is there. `Err(None)`: that has been told; else what is lacking.
    fn place_of(
        &mut self,
        path: &str,
        reference: &Spanned,
        sink: &mut Sink,
    ) -> Result<ActionSource, Option<String>> {
        if self.tree.get(path).is_some() {
            return Ok(ActionSource::Workspace);
        }
        let Some(read) = foreign::reference(path) else {
            let message = format!("there is no workflow `{path}`");
            sink.error(Code::NoFile, reference.at, message);
            return Err(None);
        };
        match self.handed_in(&read.repository, read.git_ref, reference.at, sink) {
            None => Err(Some(format!("workflow `{path}` is not here"))),
            Some(Err(ForeignFault::Lacking(fault))) => Err(Some(fault.clone())),
            Some(Err(ForeignFault::Lock(fault))) => {
                let hint = "`cutover lock` adds what is missing, `cutover lock --update` takes \
                            what the refs name now";
                sink.error_hint(Code::Lock, reference.at, fault, hint.to_owned());
                Err(None)
            }
            Some(Ok(found)) if found.files.get(&read.path).is_none() => {
                let message = format!("there is no workflow `{path}`");
                sink.error(Code::NoFile, reference.at, message);
                Err(None)
            }
            Some(Ok(found)) => {
                if !found.is_locked {
                    let message = format!("workflow `{path}` is not locked");
                    let hint = "`cutover lock` writes `.github/cutover.lock`".to_owned();
                    sink.warning(Code::Unlocked, reference.at, message, hint);
                }
                Ok(ActionSource::Foreign(found.tree.clone()))
            }
        }
    }

    fn called_file(&self, path: &str, own: &mut Sink) -> Option<Workflow> {
        let file: SourceTree = [(path, self.source(path)?)].into_iter().collect();
        let (document, verdict) = checked(&file, path, own)?;
        if verdict == Verdict::Accepted && !self.is_lint {
            // As with the workflow that begins it all.
            own.advise(HOSTED);
        }
        let root = document.root.as_ref().filter(|_| !own.has_errors())?;
        parse::workflow(root, own)
    }

    fn lacking_call(
        &mut self,
        reference: &Spanned,
        message: String,
        sink: &mut Sink,
    ) -> Option<Called> {
        self.calls.lacks = true;
        let uses = reference.text.clone();
        let hint = "`--local-repository OWNER/REPO@REF=DIR` takes it from a directory".to_owned();
        match self.options.lacking {
            Lacking::Refuse => {
                sink.error_hint(Code::LackingAction, reference.at, message, hint);
                None
            }
            Lacking::FaultWhenReached => {
                sink.warning(Code::LackingAction, reference.at, message.clone(), hint);
                Some(Called::Lacking(Box::new(StepSpec {
                    at: reference.at,
                    ..StepSpec::new(StepBody::Lacking { uses, message })
                })))
            }
        }
    }
}

/// What became of a call.
pub(super) enum Called {
    Workflow(Box<CallSpec>),
    Lacking(Box<StepSpec>),
}

impl Called {
    /// Puts it into the job that calls.
    pub(super) fn enter(self, job: &mut JobSpec) {
        match self {
            Self::Workflow(call) => job.call = Some(call),
            Self::Lacking(step) => {
                job.runs_on = vec![Template::plain("local")];
                job.steps = vec![*step];
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
