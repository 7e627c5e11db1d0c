//! Whether a trigger starts a workflow: each filter of `on:` is held against it and says how that went.

mod inputs;

use cutover_model::source::{Trigger, TriggerKind};
use serde_json::Value as Json;

pub(crate) use inputs::{inputs, resolve_inputs};

use super::{
    model::{Filter, On, Webhook},
    parse,
};
use crate::{
    Check, Named, Schedule, SourceTree, Triggered,
    diagnostic::{Code, Sink},
    yaml::Value,
};

/// The types that start a workflow when none are written; of events that are not here, all do.
const USUAL_TYPES: [&str; 3] = ["opened", "synchronize", "reopened"];

/// Reads `on:` only: what else is wrong in the file is told when it is compiled.
fn read_on(tree: &SourceTree, path: &str, sink: &mut Sink) -> Option<On> {
    let bytes = parse::file(tree, path, sink)?;
    let root = parse::root(bytes, sink)?;
    let entry = match &*root.value {
        Value::Mapping(entries) => entries.iter().find(|entry| entry.key == "on"),
        Value::Sequence(_) | Value::Scalar(_) => None,
    };
    if entry.is_none() {
        sink.error(Code::MissingKey, root.at, "a workflow needs `on`");
    }
    entry.map(|entry| parse::on(entry, sink))
}

/// Whether the trigger starts the workflow.
pub(crate) fn triggered_by(tree: &SourceTree, path: &str, trigger: &Trigger) -> Triggered {
    match checks(tree, path, trigger) {
        Err(diagnostics) => Triggered::Invalid(diagnostics),
        Ok(checks) => match checks.into_iter().find(|check| !check.holds) {
            None => Triggered::Yes,
            Some(check) => Triggered::No(check.text),
        },
    }
}

/// The same, filter by filter.
pub(crate) fn checks(
    tree: &SourceTree,
    path: &str,
    trigger: &Trigger,
) -> Result<Vec<Check>, Vec<cutover_model::Diagnostic>> {
    let mut sink = Sink::new(path);
    let on = read_on(tree, path, &mut sink);
    match on {
        Some(on) if !sink.has_errors() => {
            let mut filtering = Filtering {
                trigger,
                checks: Vec::new(),
            };
            filtering.on(&on);
            Ok(filtering.checks)
        }
        _ => Err(sink.finish()),
    }
}

/// The words in the message of a pushed commit that ask for nothing to be started.
pub(crate) fn asks_for_nothing(trigger: &Trigger) -> Option<&'static str> {
    const WORDS: [&str; 5] = [
        "[skip ci]",
        "[ci skip]",
        "[no ci]",
        "[skip actions]",
        "[actions skip]",
    ];
    const TRAILERS: [&str; 2] = ["skip-checks: true", "skip-checks:true"];
    let message = (trigger.kind == TriggerKind::Push)
        .then(|| trigger.payload.pointer("/head_commit/message")?.as_str())
        .flatten()?;
    let trailer = |words: &&str| message.lines().skip(1).any(|line| line.trim() == *words);
    let mut words = WORDS.into_iter();
    words
        .find(|words| message.contains(words))
        .or_else(|| TRAILERS.into_iter().find(trailer))
}

/// When a workflow wants to be run by the clock; nothing when its `on:` does not hold.
pub(crate) fn schedules(tree: &SourceTree, path: &str) -> Vec<Schedule> {
    let mut sink = Sink::new(path);
    let on = read_on(tree, path, &mut sink).filter(|_| !sink.has_errors());
    let times = on.map(|on| on.schedule).unwrap_or_default();
    let mut found: Vec<Schedule> = Vec::new();
    for time in times {
        let schedule = Schedule {
            cron: time.cron,
            timezone: time.timezone,
        };
        if !found.contains(&schedule) {
            found.push(schedule);
        }
    }
    found
}

/// What a workflow names of an event; nothing when its `on:` does not hold.
pub(crate) fn named(tree: &SourceTree, path: &str, kind: TriggerKind) -> Named {
    let mut sink = Sink::new(path);
    let Some(mut on) = read_on(tree, path, &mut sink).filter(|_| !sink.has_errors()) else {
        return Named::default();
    };
    if kind == TriggerKind::RepositoryDispatch {
        let types = on.repository_dispatch.and_then(|it| it.types);
        return Named {
            types: types.unwrap_or_default(),
            workflows: Vec::new(),
        };
    }
    let webhook = on.webhooks.remove(kind.event_name()).unwrap_or_default();
    Named {
        types: webhook.types.unwrap_or_default(),
        workflows: webhook.workflows.unwrap_or_default(),
    }
}

struct Filtering<'t> {
    trigger: &'t Trigger,
    checks: Vec<Check>,
}

impl Filtering<'_> {
    fn say(&mut self, holds: bool, text: String) {
        self.checks.push(Check { holds, text });
    }

    fn on(&mut self, on: &On) {
        let kind = self.trigger.kind;
        let name = kind.event_name();
        let is_there = match kind {
            TriggerKind::WorkflowDispatch => on.dispatch.is_some(),
            TriggerKind::RepositoryDispatch => on.repository_dispatch.is_some(),
            TriggerKind::Schedule => !on.schedule.is_empty(),
            _ => on.webhooks.contains_key(name),
        };
        if !is_there {
            return self.say(false, format!("`on` does not have `{name}`"));
        }
        self.say(true, format!("`on` has `{name}`"));
        match kind {
            TriggerKind::WorkflowDispatch => {}
            TriggerKind::RepositoryDispatch => {
                let types = on
                    .repository_dispatch
                    .as_ref()
                    .and_then(|it| it.types.as_deref());
                self.types(types, &[]);
            }
            TriggerKind::Schedule => self.time(on),
            _ => {
                if let Some(webhook) = on.webhooks.get(name) {
                    self.webhook(webhook);
                }
            }
        }
    }

    fn payload(&self, pointer: &str) -> Option<&str> {
        self.trigger.payload.pointer(pointer).and_then(Json::as_str)
    }

    /// A time of another workflow is not this one's.
    fn time(&mut self, on: &On) {
        if let Some(cron) = self.payload("/schedule").map(str::to_owned) {
            let holds = on.schedule.iter().any(|time| time.cron == cron);
            let word = if holds { "has" } else { "does not have" };
            self.say(holds, format!("`schedule` {word} `{cron}`"));
        }
    }

    fn webhook(&mut self, webhook: &Webhook) {
        let kind = self.trigger.kind;
        let usual: &[&str] = if kind.is_pull_request() {
            &USUAL_TYPES
        } else {
            &[]
        };
        self.types(webhook.types.as_deref(), usual);
        if let Some(names) = &webhook.workflows {
            let name = self.payload("/workflow_run/name").unwrap_or_default();
            let holds = names.iter().any(|one| one == name);
            let word = if holds { "has" } else { "does not have" };
            let text = format!("`workflows` {word} `{name}`");
            self.say(holds, text);
        }
        if kind == TriggerKind::Push {
            return self.push(webhook);
        }
        if let Some(filter) = &webhook.filters.branches {
            self.branch(filter);
        }
        // Of a merge group paths may be written, and nobody looks at them.
        if kind.is_pull_request() {
            self.paths(webhook.filters.paths.as_ref());
        }
    }

    fn types(&mut self, written: Option<&[String]>, usual: &[&str]) {
        let Some(action) = self.payload("/action").map(str::to_owned) else {
            return;
        };
        let holds = match written {
            Some(types) => types.contains(&action),
            None => usual.is_empty() || usual.contains(&action.as_str()),
        };
        let name = self.trigger.kind.event_name();
        let text = match (written, holds) {
            (None, true) => format!("`{action}` is a type that starts it when none are written"),
            (Some(_), true) => format!("`types` of `{name}` has `{action}`"),
            (_, false) => format!("`types` of `{name}` does not have `{action}`"),
        };
        self.say(holds, text);
    }

    fn push(&mut self, webhook: &Webhook) {
        let (git_ref, filters) = (&self.trigger.git_ref, &webhook.filters);
        if let Some(tag) = git_ref.tag().map(str::to_owned) {
            // Paths are not looked at for tags.
            match (&filters.tags, &filters.branches) {
                (Some(filter), _) => self.name(filter, &tag, "tag", "tags"),
                (None, Some(_)) => {
                    self.say(
                        false,
                        format!("`push` filters branches only, and `{tag}` is a tag"),
                    );
                }
                (None, None) => {}
            }
            return;
        }
        let branch = git_ref.branch().unwrap_or(&git_ref.0).to_owned();
        match (&filters.branches, &filters.tags) {
            (Some(filter), _) => self.name(filter, &branch, "branch", "branches"),
            (None, Some(_)) => {
                self.say(
                    false,
                    format!("`push` filters tags only, and `{branch}` is a branch"),
                );
            }
            (None, None) => {}
        }
        self.paths(filters.paths.as_ref());
    }

    /// The branch that something wants to enter, or comes from.
    fn branch(&mut self, filter: &Filter) {
        let (branch, what) = match self.trigger.kind {
            TriggerKind::WorkflowRun => (self.payload("/workflow_run/head_branch"), "branch"),
            kind if kind.is_pull_request() => (self.trigger.base_ref.as_deref(), "base branch"),
            _ => (self.payload("/merge_group/base_ref"), "base branch"),
        };
        match branch.map(str::to_owned) {
            Some(branch) => {
                let branch = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
                self.name(filter, branch, what, "branches");
            }
            None => self.say(
                false,
                format!("`branches` needs a {what}, and none is known"),
            ),
        }
    }

    fn name(&mut self, filter: &Filter, name: &str, what: &str, key: &str) {
        let (holds, matches, key) = match filter {
            Filter::Only(patterns) => {
                let matches = patterns.matches(name);
                (matches, matches, key.to_owned())
            }
            Filter::Except(patterns) => {
                let matches = patterns.matches(name);
                (!matches, matches, format!("{key}-ignore"))
            }
        };
        let word = if matches { "matches" } else { "does not match" };
        self.say(holds, format!("{what} `{name}` {word} `{key}`"));
    }

    /// Without a list of what changed every path filter matches.
    fn paths(&mut self, filter: Option<&Filter>) {
        let Some(filter) = filter else {
            return;
        };
        let Some(changed) = self.trigger.changed_paths.as_deref() else {
            let text = "it is not known which paths changed, so paths are not looked at".to_owned();
            return self.say(true, text);
        };
        let count = changed.len();
        match filter {
            Filter::Only(patterns) => match changed.iter().find(|path| patterns.matches(path)) {
                Some(path) => self.say(true, format!("changed path `{path}` matches `paths`")),
                None => self.say(
                    false,
                    format!("none of {count} changed paths matches `paths`"),
                ),
            },
            Filter::Except(patterns) => match changed.iter().find(|path| !patterns.matches(path)) {
                Some(path) => {
                    self.say(
                        true,
                        format!("changed path `{path}` does not match `paths-ignore`"),
                    );
                }
                None => self.say(
                    false,
                    format!("all {count} changed paths match `paths-ignore`"),
                ),
            },
        }
    }
}
