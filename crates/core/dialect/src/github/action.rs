//! Actions with an `action.yml`, of these sources and of others: found, read once each, lowered once
//! each.
//!
//! A composite action's steps do not depend on who uses it (only the values of its inputs do), so what
//! was lowered for one use serves for all: files that use each other often stay cheap.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    rc::Rc,
};

use cutover_model::{
    Diagnostic, Position, Severity,
    plan::{ActionSource, Bindings, StepSpec, Template},
};

use super::{
    ground,
    model::{Action, ActionInput, With},
    parse,
};
use crate::{
    SourceTree,
    diagnostic::{Code, Sink},
    shape::Spanned,
    suggest,
};

/// How deep actions may nest.
pub(crate) const MAX_DEPTH: usize = 10;
/// How many steps a plan may have, those inside of actions included.
pub(crate) const MAX_STEPS: usize = 10_000;

/// An action with its steps lowered.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) action: Action,
    pub(crate) steps: Vec<StepSpec>,
    /// Steps, with those inside of its actions.
    pub(crate) count: usize,
    /// 1 when it uses no other.
    pub(crate) height: usize,
}

/// Where an action is: the files it is among, and its directory there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: ActionSource,
    pub(crate) directory: String,
    /// Where in the workspace the files lie, when they are not its own.
    pub(crate) root: String,
}

impl Place {
    /// The directory, as the files are told to us.
    fn inside(&self) -> &str {
        ground::below(&self.directory, &self.root).unwrap_or(&self.directory)
    }

    /// Whether there is an action among the files.
    pub(crate) fn is_there(&self, tree: &SourceTree) -> bool {
        file(tree, self.inside()).is_some()
    }

    /// Its file, for people, and a name that no other place has.
    fn name(&self, file: &str) -> String {
        match &self.source {
            ActionSource::Workspace | ActionSource::Own => file.to_owned(),
            ActionSource::Foreign(tree) => format!("{}:{file}", tree.name()),
        }
    }

    /// That there is none, and what is needed.
    pub(crate) fn is_not_there(&self, reference: &Spanned) -> (String, String) {
        let message = format!("there is no action in `{}`", reference.text);
        let wanted = match self.directory.as_str() {
            "" => "action.yml".to_owned(),
            directory => format!("{directory}/action.yml"),
        };
        let hint = format!("it needs `{}`", self.name(&wanted));
        (message, hint)
    }

    /// For the names in a circle.
    fn short(&self) -> String {
        match &self.source {
            ActionSource::Workspace => self.directory.clone(),
            ActionSource::Own => format!("$/{}", self.directory),
            ActionSource::Foreign(_) if self.directory.is_empty() => {
                self.name("").trim_end_matches(':').to_owned()
            }
            ActionSource::Foreign(_) => self.name(&self.directory),
        }
    }
}

/// The actions seen so far, by place.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    /// By name, and by what is checked out. `None`: refused, and it has been said why.
    known: BTreeMap<(String, String), Option<Rc<Lowered>>>,
    /// What the job has checked out: what an action uses of it is another thing elsewhere.
    pub(crate) ground: String,
    /// Those that are being lowered, outermost first.
    pub(crate) open: Vec<String>,
    /// What there is to say about their files.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The directory that a reference names, from the root of the sources.
pub(crate) fn directory(reference: &Spanned, path: &str, sink: &mut Sink) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    let message = format!("`{}` leads out of the sources", reference.text);
                    sink.error(Code::NoAction, reference.at, message);
                    return None;
                }
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The file of an action in a directory.
fn file<'t>(tree: &'t SourceTree, directory: &str) -> Option<(String, &'t [u8])> {
    ["action.yml", "action.yaml"].into_iter().find_map(|name| {
        let path = if directory.is_empty() {
            name.to_owned()
        } else {
            format!("{directory}/{name}")
        };
        tree.get(&path).map(|bytes| (path, bytes))
    })
}

impl Actions {
    /// The action at a place; `lower` turns its steps into ours.
    pub(crate) fn find(
        &mut self,
        tree: &SourceTree,
        place: &Place,
        reference: &Spanned,
        sink: &mut Sink,
        lower: impl FnOnce(&mut Self, Action, &mut Sink) -> Lowered,
    ) -> Option<Rc<Lowered>> {
        let name = place.short();
        if let Some(from) = self.open.iter().position(|open| *open == name) {
            let mut circle: Vec<&str> = self.open[from..].iter().map(String::as_str).collect();
            circle.push(&name);
            let message = format!("actions use each other: {}", crate::graph::arrows(&circle));
            sink.error(Code::ActionNesting, reference.at, message);
            return None;
        }
        let key = (name.clone(), self.ground.clone());
        if !self.known.contains_key(&key) {
            let Some((path, bytes)) = file(tree, place.inside()) else {
                let (message, hint) = place.is_not_there(reference);
                sink.error_hint(Code::NoAction, reference.at, message, hint);
                return None;
            };
            if self.open.len() >= MAX_DEPTH {
                too_deep(reference.at, sink);
                return None;
            }
            let mut own = Sink::heeding(&place.name(&path), bytes);
            let action = parse::action(bytes, &mut own);
            self.open.push(name);
            let lowered = action.map(|action| Rc::new(lower(self, action, &mut own)));
            self.open.pop();
            let found = own.finish();
            let is_ours = !matches!(place.source, ActionSource::Foreign(_));
            // What is no more than advice can be taken by whoever owns the file.
            let told = |it: &Diagnostic| is_ours || it.severity == Severity::Error;
            self.diagnostics.extend(found.into_iter().filter(told));
            self.known.insert(key.clone(), lowered);
        }
        let lowered = match self.known.entry(key) {
            Entry::Occupied(known) => known.get().clone()?,
            Entry::Vacant(_) => return None,
        };
        if self.open.len() + lowered.height > MAX_DEPTH {
            too_deep(reference.at, sink);
            return None;
        }
        Some(lowered)
    }
}

fn too_deep(at: Position, sink: &mut Sink) {
    let message = format!("actions nest deeper than {MAX_DEPTH}");
    sink.error(Code::ActionNesting, at, message);
}

/// The inputs of an action, from `with:` or by default. What it does not declare is handed on all the
/// same, and what it requires may be absent, as on the hosted service: both are told.
pub(crate) fn bind(
    inputs: &[ActionInput],
    reference: &Spanned,
    with: &[With],
    sink: &mut Sink,
) -> Bindings {
    let declared: BTreeSet<String> = inputs
        .iter()
        .map(|input| input.name.to_ascii_lowercase())
        .collect();
    let mut given = BTreeMap::new();
    let mut beyond = Bindings::new();
    for entry in with {
        let name = entry.name.text.to_ascii_lowercase();
        if !declared.contains(&name) {
            let known = inputs.iter().map(|input| input.name.as_str());
            let hint = suggest::hint(&name, known);
            let message = format!(
                "action `{}` has no input `{}`",
                reference.text, entry.name.text
            );
            sink.error_hint(Code::ActionInput, entry.name.at, message, hint);
            beyond.push((entry.name.text.clone(), entry.value.clone()));
        }
        given.insert(name, &entry.value);
    }
    let mut bindings = Bindings::new();
    for input in inputs {
        let given = given.get(&input.name.to_ascii_lowercase()).copied();
        if let (Some(given), Some(why)) = (given, &input.deprecation) {
            let name = &input.name;
            let message = format!("Input '{name}' has been deprecated with message: {why}");
            sink.warning(Code::ActionInput, given.at, message, None);
        }
        if given.is_none() && input.default.is_none() && input.required {
            let message = format!(
                "action `{}` needs the input `{}`",
                reference.text, input.name
            );
            sink.error(Code::ActionInput, reference.at, message);
        }
        let value = given
            .or(input.default.as_ref())
            .cloned()
            .unwrap_or_else(|| Template::plain(""));
        bindings.push((input.name.clone(), value));
    }
    bindings.extend(beyond);
    bindings
}
