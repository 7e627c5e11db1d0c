//! Taint: where text of strangers goes on its way into a script. From `${{ }}` through variables, outputs
//! of steps and jobs, matrices and inputs, within a file and into those that it calls or uses.
//!
//! Each file is looked at once, with its inputs as unknowns; its callers put theirs in their place.

mod expression;
mod flow;
mod known;
mod program;
mod script;
mod trail;

use std::{collections::BTreeMap, rc::Rc};

use cutover_model::{Diagnostic, Position};

use self::{
    flow::Flow,
    trail::{Origin, Trail},
};
use super::{
    model::{Named, Step, Text, Workflow},
    syntax::{Case, Empty, Syntax},
};
use crate::{
    ForeignActions, SourceTree,
    diagnostic::{Code, Sink},
    foreign,
    github::call::path_from,
    yaml::{self, Node},
};

/// What files there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'t> {
    pub(crate) tree: &'t SourceTree,
    pub(crate) foreign: &'t ForeignActions,
}

/// How deep files may use each other.
const MAX_DEPTH: usize = 10;
/// So many scripts that inputs of one file reach are told to its callers.
const MAX_REACHED: usize = 50;
/// So many are told in all, and of one script.
const MAX_TOLD: usize = 200;

/// Says where text of strangers gets into a script by a detour; gives what there is to say about other
/// files.
pub(super) fn check(
    files: &Files<'_>,
    path: &str,
    workflow: &Workflow<'_>,
    sink: &mut Sink,
) -> Vec<Diagnostic> {
    let mut analysis = Analysis {
        files: *files,
        known: BTreeMap::new(),
        open: vec![path.to_owned()],
        found: Vec::new(),
    };
    let file = File {
        path: path.into(),
        home: Home::Ours,
        is_action: false,
    };
    Flow::new(&mut analysis, file).workflow(workflow);
    let mut others: BTreeMap<Rc<str>, Sink> = BTreeMap::new();
    for (reached, trail) in std::mem::take(&mut analysis.found) {
        let own = if *reached.file == *path {
            &mut *sink
        } else {
            let bytes = files.tree.get(&reached.file).unwrap_or_default();
            let new = || Sink::heeding(&reached.file, bytes);
            others.entry(Rc::clone(&reached.file)).or_insert_with(new)
        };
        say(&reached, &trail, own);
    }
    others.into_values().flat_map(Sink::finish).collect()
}

fn say(reached: &Reached, trail: &Trail, sink: &mut Sink) {
    let message = match &trail.origin {
        Origin::Stranger(path) if trail.is_direct() => {
            format!("`{path}` is written by strangers, and becomes part of the script")
        }
        Origin::Stranger(_) | Origin::Input(_) => {
            format!(
                "text of strangers becomes part of {}: {trail}",
                reached.what
            )
        }
    };
    let hint = "hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`";
    sink.error_hint(Code::Untrusted, reached.at, message, hint.to_owned());
}

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Home {
    Ours,
    Theirs { repository: String, git_ref: String },
}

/// A file that is looked at.
#[derive(Debug, Clone)]
struct File {
    /// Its path; of others with the repository.
    path: Rc<str>,
    home: Home,
    /// Nothing else looks at the expressions of an action.
    is_action: bool,
}

/// A script that is reached.
#[derive(Debug, Clone)]
struct Reached {
    file: Rc<str>,
    is_ours: bool,
    at: Position,
    /// What is reached, for people.
    what: Rc<str>,
}

/// What a file does with its inputs.
#[derive(Debug, Default)]
struct Summary {
    /// Scripts that they reach.
    reached: Vec<(Reached, Trail)>,
    /// Its outputs, as far as they are tainted.
    outputs: BTreeMap<String, Vec<Trail>>,
}

struct Analysis<'t> {
    files: Files<'t>,
    known: BTreeMap<Rc<str>, Rc<Summary>>,
    /// The files that are looked at just now, outermost first.
    open: Vec<String>,
    /// Scripts that strangers reach.
    found: Vec<(Reached, Trail)>,
}

impl<'t> Analysis<'t> {
    fn tree(&self, home: &Home) -> Option<&'t SourceTree> {
        match home {
            Home::Ours => Some(self.files.tree),
            Home::Theirs {
                repository,
                git_ref,
            } => {
                let found = self.files.foreign.get(repository, git_ref)?;
                found.as_ref().ok().map(|found| &found.files)
            }
        }
    }

    /// The action that a step of a file uses, when it is made of steps and at hand.
    fn action(&mut self, from: &File, uses: &str) -> Option<Rc<Summary>> {
        let (home, directory) = if let Some(path) = uses.strip_prefix("./") {
            (Home::Ours, path.to_owned())
        } else if let Some(path) = uses.strip_prefix("$/") {
            (from.home.clone(), path.to_owned())
        } else {
            let read = foreign::reference(uses)?;
            let git_ref = read.git_ref.to_owned();
            let repository = read.repository;
            (
                Home::Theirs {
                    repository,
                    git_ref,
                },
                read.path,
            )
        };
        let tree = self.tree(&home)?;
        let directory = directory.trim_matches('/');
        let (path, bytes) = ["action.yml", "action.yaml"].into_iter().find_map(|name| {
            let path = match directory {
                "" => name.to_owned(),
                directory => format!("{directory}/{name}"),
            };
            tree.get(&path).map(|bytes| (path, bytes))
        })?;
        let file = file(home, &path, true);
        self.summary(&file, |analysis| {
            let document = yaml::as_written(bytes);
            let mut aside = Sink::new("");
            let mut syntax = Syntax { sink: &mut aside };
            let action = document
                .root
                .as_ref()
                .and_then(|root| action(&mut syntax, root));
            action.map(|action| Flow::new(analysis, file.clone()).action(&action))
        })
    }

    /// The workflow that a job of a file calls, when it is at hand.
    fn called(&mut self, from: &File, uses: &str) -> Option<Rc<Summary>> {
        let path = path_from(&from.path, uses);
        let (home, path) = if self.files.tree.get(&path).is_some() {
            (Home::Ours, path)
        } else {
            let read = foreign::reference(&path)?;
            let git_ref = read.git_ref.to_owned();
            let repository = read.repository;
            (
                Home::Theirs {
                    repository,
                    git_ref,
                },
                read.path,
            )
        };
        let bytes = self.tree(&home)?.get(&path)?;
        let file = file(home, &path, false);
        self.summary(&file, |analysis| {
            let document = yaml::as_written(bytes);
            let mut aside = Sink::new("");
            let root = document.root.as_ref()?;
            let workflow = Syntax { sink: &mut aside }.workflow(root);
            Some(Flow::new(analysis, file.clone()).workflow(&workflow))
        })
    }

    fn summary(
        &mut self,
        file: &File,
        look: impl FnOnce(&mut Self) -> Option<Summary>,
    ) -> Option<Rc<Summary>> {
        if let Some(known) = self.known.get(&file.path) {
            return Some(Rc::clone(known));
        }
        let is_open = self.open.iter().any(|open| **open == *file.path);
        if is_open || self.open.len() > MAX_DEPTH {
            return None;
        }
        self.open.push(file.path.to_string());
        let summary = look(self).unwrap_or_default();
        self.open.pop();
        let summary = Rc::new(summary);
        self.known
            .insert(Rc::clone(&file.path), Rc::clone(&summary));
        Some(summary)
    }
}

fn file(home: Home, path: &str, is_action: bool) -> File {
    let path = match &home {
        Home::Ours => path.into(),
        // As `path_from` takes it apart.
        Home::Theirs {
            repository,
            git_ref,
        } => format!("{repository}/{path}@{git_ref}").into(),
    };
    File {
        path,
        home,
        is_action,
    }
}

/// An action that is made of steps.
struct Action<'a> {
    /// Its inputs with their defaults.
    inputs: Vec<(Text<'a>, Option<Text<'a>>)>,
    outputs: Vec<Named<'a>>,
    steps: Vec<Step<'a>>,
}

fn action<'a>(syntax: &mut Syntax<'_>, root: &'a Node) -> Option<Action<'a>> {
    let mut action = Action {
        inputs: Vec::new(),
        outputs: Vec::new(),
        steps: Vec::new(),
    };
    let mut is_composite = false;
    for entry in syntax.mapping(root, "", Empty::Fine, Case::Matters) {
        match entry.key.as_str() {
            "inputs" => {
                for input in syntax.mapping(&entry.value, "", Empty::Fine, Case::Ignored) {
                    let default = key(syntax, &input.value, "default");
                    action.inputs.push((Text { node: &input.node }, default));
                }
            }
            "outputs" => {
                for output in syntax.mapping(&entry.value, "", Empty::Fine, Case::Ignored) {
                    let value = key(syntax, &output.value, "value");
                    let name = Text { node: &output.node };
                    action.outputs.extend(value.map(|value| (name, value)));
                }
            }
            "runs" => {
                for entry in syntax.mapping(&entry.value, "", Empty::Fine, Case::Matters) {
                    if entry.key == "using" {
                        let using = Text { node: &entry.value };
                        is_composite = using.text().eq_ignore_ascii_case("composite");
                    } else if entry.key == "steps" {
                        let items = syntax.sequence(&entry.value, "", Empty::Fine);
                        let items = items.unwrap_or_default().iter();
                        action.steps = items.flat_map(|item| syntax.step(item)).collect();
                    }
                }
            }
            _ => {}
        }
    }
    is_composite.then_some(action)
}

/// The steps of an `action.yml` that is made of steps.
pub(super) fn steps_of_action<'a>(
    syntax: &mut Syntax<'_>,
    root: &'a Node,
) -> Option<Vec<Step<'a>>> {
    action(syntax, root).map(|action| action.steps)
}

fn key<'a>(syntax: &mut Syntax<'_>, node: &'a Node, key: &str) -> Option<Text<'a>> {
    let entries = syntax.mapping(node, "", Empty::Fine, Case::Matters);
    let entry = entries.into_iter().find(|entry| entry.key == key)?;
    Some(Text { node: &entry.value })
}
