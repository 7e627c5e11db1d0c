//! One step.

use super::{
    model::Step,
    syntax::{Case, Empty, Syntax},
};
use crate::{
    diagnostic::Code,
    suggest,
    yaml::{Entry, Node},
};

const RUN: [&str; 10] = [
    "id",
    "if",
    "name",
    "env",
    "continue-on-error",
    "timeout-minutes",
    "run",
    "shell",
    "working-directory",
    "background",
];
const ACTION: [&str; 9] = [
    "id",
    "if",
    "name",
    "env",
    "continue-on-error",
    "timeout-minutes",
    "uses",
    "with",
    "background",
];
const WAIT: [&str; 6] = [
    "id",
    "name",
    "continue-on-error",
    "wait",
    "wait-all",
    "cancel",
];
const PARALLEL: [&str; 3] = ["id", "name", "parallel"];
/// Keys that say what a step does.
const DEEDS: [&str; 6] = ["run", "uses", "wait", "wait-all", "cancel", "parallel"];

impl Syntax<'_> {
    /// A step, with those inside of it. The last key that says what it does decides what kind of step it
    /// is.
    pub(super) fn step<'a>(&mut self, node: &'a Node) -> Vec<Step<'a>> {
        let mut step = Step::new(node);
        let mut inside = Vec::new();
        let entries = self.mapping(node, "a step", Empty::Refused, Case::Matters);
        let kind = entries
            .iter()
            .rev()
            .find_map(|entry| match entry.key.as_str() {
                "run" => Some(("a step with `run`", RUN.as_slice())),
                "uses" => Some(("a step with `uses`", ACTION.as_slice())),
                "wait" | "wait-all" | "cancel" => Some(("a step that waits", WAIT.as_slice())),
                "parallel" => Some(("a step with `parallel`", PARALLEL.as_slice())),
                _ => None,
            });
        let Some((what, keys)) = kind else {
            self.does_nothing(node, &entries);
            return vec![step];
        };
        for entry in entries {
            if entry.key == "parallel" && keys.contains(&"parallel") {
                let items = self.sequence(&entry.value, "`parallel`", Empty::Refused);
                let items = items.unwrap_or_default().iter();
                inside.extend(items.flat_map(|item| self.step(item)));
            } else if keys.contains(&entry.key.as_str()) {
                self.step_key(&mut step, entry);
            } else {
                self.unknown(entry, what, keys);
            }
        }
        inside.insert(0, step);
        inside
    }

    /// A step without any key that says what it does; most often that key has a slip in it. What is no slip
    /// makes no sense with any deed.
    fn does_nothing(&mut self, node: &Node, entries: &[&Entry]) {
        let mut keys: Vec<&'static str> = Vec::new();
        for key in [&RUN[..], &ACTION, &WAIT, &PARALLEL].concat() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut is_deed = false;
        for entry in entries {
            let is_known = keys.contains(&entry.key.as_str());
            let near = suggest::nearest(&entry.key, keys.iter().copied());
            if let Some(near) = near.filter(|_| !is_known) {
                is_deed |= DEEDS.contains(&near);
                self.unknown(entry, "a step", &keys);
            }
        }
        if !is_deed {
            let hint = "it needs `run` or `uses`".to_owned();
            let message = "a step must do something";
            self.sink
                .error_hint(Code::MissingKey, node.at, message, hint);
        }
    }

    fn step_key<'a>(&mut self, step: &mut Step<'a>, entry: &'a Entry) {
        let node = &entry.value;
        let mut filled = |what: &str| self.text(node, what, Empty::Refused);
        match entry.key.as_str() {
            "id" => step.id = filled("`id`"),
            "if" => step.condition = filled("`if`"),
            "run" => step.run = filled("`run`"),
            "uses" => step.uses = filled("`uses`"),
            "shell" => step.shell = filled("`shell`"),
            "working-directory" => step.working_directory = filled("`working-directory`"),
            "name" => step.name = self.text(node, "`name`", Empty::Fine),
            "env" => step.env = self.env(node),
            "with" => step.with = self.bindings(node, "`with`", Empty::Refused),
            "continue-on-error" => {
                step.continue_on_error = self.truth(node, "`continue-on-error`");
            }
            "timeout-minutes" => step.timeout = self.number(node, "`timeout-minutes`", false),
            "background" => {
                self.truth(node, "`background`");
            }
            "wait" => {
                self.one_or_more(node, "`wait`");
            }
            "cancel" => {
                filled("`cancel`");
            }
            _ => {}
        }
    }
}
