//! Rules about what is allowed and lets strangers in: sources of theirs that run with the rights of the
//! repository, files that steer later steps, conditions that anybody can satisfy, secrets that no mask
//! knows.

use cutover_expr::{Part, Tree};

use super::model::{Env, Event, Job, Step, Text, Workflow};
use crate::diagnostic::{Code, Sink};

/// Events that run with secrets and the right to write although strangers bring them about.
const PRIVILEGED: [&str; 2] = ["pull_request_target", "workflow_run"];
/// Where the head of a foreign branch is named.
const HEADS: [&str; 5] = [
    "github.event.pull_request.head.",
    "github.event.workflow_run.head_",
    "github.event.workflow_run.pull_requests",
    "github.head_ref",
    "refs/pull/",
];
/// What a condition must not be made of: strangers choose it, or it is not who they seem to be.
const CHOSEN: [&str; 7] = [
    "github.actor",
    "github.triggering_actor",
    "github.ref",
    "github.ref_name",
    "github.head_ref",
    "github.base_ref",
    "github.event.pull_request.head.ref",
];
const UNSECURE: &str = "ACTIONS_ALLOW_UNSECURE_COMMANDS";

pub(super) fn check(workflow: &Workflow<'_>, sink: &mut Sink) {
    let privileged = PRIVILEGED.into_iter().find(|name| has(workflow, name));
    unsecure(workflow.env.as_ref(), sink);
    for job in &workflow.jobs {
        unsecure(job.env.as_ref(), sink);
        expressions(job, sink);
        conditions(job, has(workflow, "pull_request_target"), sink);
        for step in &job.steps {
            unsecure(step.env.as_ref(), sink);
        }
        if let Some(event) = privileged {
            foreign_sources(job, event, sink);
            for run in job.steps.iter().filter_map(|step| step.run) {
                steering(run, event, sink);
            }
        }
    }
}

fn has(workflow: &Workflow<'_>, event: &str) -> bool {
    let is_it = |one: &Event<'_>| match one {
        Event::Webhook(webhook) => webhook.name.text() == event,
        Event::Schedule(_)
        | Event::Dispatch(..)
        | Event::RepositoryDispatch(_)
        | Event::Call(_) => false,
    };
    workflow.events.iter().any(is_it)
}

/// A job that checks out what a stranger wrote, and then runs something of it.
fn foreign_sources(job: &Job<'_>, event: &str, sink: &mut Sink) {
    for (index, step) in job.steps.iter().enumerate() {
        let Some(value) = foreign_head(step) else {
            continue;
        };
        let runs = |step: &Step<'_>| {
            let is_own = |uses: Text<'_>| uses.text().starts_with("./");
            step.run.is_some() || step.uses.is_some_and(is_own)
        };
        if job.steps.iter().skip(index + 1).any(runs) {
            let message = format!(
                "`{event}` has the rights of the repository, and the steps behind this one run what \
                 strangers wrote"
            );
            let hint =
                "use `pull_request`, or look at these sources without running anything of them";
            sink.error_hint(Code::ForeignSources, value.at(), message, hint.to_owned());
        }
    }
}

/// What a step checks out, when that is what a stranger wrote.
fn foreign_head<'a>(step: &Step<'a>) -> Option<Text<'a>> {
    if !step.uses?.text().starts_with("actions/checkout@") {
        return None;
    }
    let mut inputs = step.with.iter();
    let named = inputs.find(|(name, value)| {
        let text = value.lower().replace(' ', "");
        matches!(name.lower().as_str(), "ref" | "repository")
            && HEADS.iter().any(|head| text.contains(head))
    });
    named.map(|(_, value)| *value)
}

/// A line that writes more than fixed text into a file that later steps obey.
fn steering(run: Text<'_>, event: &str, sink: &mut Sink) {
    let mut start = 0;
    for line in run.text().split_inclusive('\n') {
        let place = run.place(start + (line.len() - line.trim_start().len()));
        start += line.len();
        let Some((written, to)) = line.split_once(">>") else {
            continue;
        };
        let file = ["GITHUB_ENV", "GITHUB_PATH"]
            .into_iter()
            .find(|file| to.contains(file) || to.contains(&file.replace('_', ".").to_lowercase()));
        let is_fixed = !written.contains('$') && !written.contains('`');
        if let (Some(file), false) = (file, is_fixed) {
            let message = format!(
                "what is written to `{file}` is not fixed, and `{event}` is brought about by strangers"
            );
            let hint =
                "hand the value over as an output, and name it where it is needed".to_owned();
            sink.error_hint(Code::SteeredFile, place, message, hint);
        }
    }
}

fn unsecure(env: Option<&Env<'_>>, sink: &mut Sink) {
    let Some(Env::Variables(variables)) = env else {
        return;
    };
    for (name, value) in variables {
        if name.text() == UNSECURE && matches!(value.lower().trim(), "true" | "1") {
            let message =
                format!("with `{UNSECURE}` whatever a step prints may change the next ones");
            let hint = "write to the files `$GITHUB_ENV` and `$GITHUB_PATH` instead".to_owned();
            sink.error_hint(Code::UnsecureCommands, name.at(), message, hint);
        }
    }
}

/// Each text of a job that may hold expressions and meets secrets.
fn texts<'a>(job: &Job<'a>) -> Vec<Text<'a>> {
    let mut found: Vec<Text<'a>> = job.outputs.iter().map(|(_, value)| *value).collect();
    let mut add_env = |env: Option<&Env<'a>>| {
        if let Some(Env::Variables(variables)) = env {
            found.extend(variables.iter().map(|(_, value)| *value));
        }
    };
    add_env(job.env.as_ref());
    for step in &job.steps {
        add_env(step.env.as_ref());
    }
    for step in &job.steps {
        found.extend(step.run);
        found.extend(step.with.iter().map(|(_, value)| *value));
    }
    if let Some(call) = &job.call {
        let given = call.inputs.iter().chain(&call.secrets);
        found.extend(given.map(|(_, value)| *value));
    }
    found
}

fn expressions(job: &Job<'_>, sink: &mut Sink) {
    for text in texts(job) {
        let written = text.text();
        let found = cutover_expr::template::expressions(written).unwrap_or_default();
        for (start, expression) in found {
            if let Ok(Some(tree)) = cutover_expr::tree(expression) {
                look(&tree, &mut |part| {
                    unmasked(part, text, start, sink);
                    never_taken(part, text, start, sink);
                });
            }
        }
    }
}

/// A part of a secret: the mask knows the whole alone.
fn unmasked(tree: &Tree, text: Text<'_>, start: usize, sink: &mut Sink) {
    let (Part::Property(of, _) | Part::Index(of, _) | Part::Filter(of)) = &tree.part else {
        return;
    };
    let Part::Call(name, parameters) = &of.part else {
        return;
    };
    let is_secret = |tree: &Tree| path(tree).is_some_and(|path| path.starts_with("secrets."));
    if name.eq_ignore_ascii_case("fromJSON") && parameters.iter().any(is_secret) {
        let message = "a part of a secret is not masked, as the whole is";
        let hint =
            "make a secret of it, or mask it with `::add-mask::` before it is used".to_owned();
        sink.error_hint(
            Code::Unmasked,
            text.place(start + tree.start),
            message,
            hint,
        );
    }
}

/// `a && '' || b`: whatever `a` is, it comes to `b`.
fn never_taken(tree: &Tree, text: Text<'_>, start: usize, sink: &mut Sink) {
    let Part::Or(left, _) = &tree.part else {
        return;
    };
    let Part::And(_, middle) = &left.part else {
        return;
    };
    let is_nothing = match &middle.part {
        Part::Null => true,
        Part::Text(text) => text.is_empty(),
        Part::Number(number) => *number == 0.0,
        _ => false,
    };
    if is_nothing {
        let message =
            "what stands between `&&` and `||` counts as false, so that it is never taken";
        let hint = "use `case(condition, value, other)`".to_owned();
        sink.error_hint(
            Code::NeverTaken,
            text.place(start + middle.start),
            message,
            hint,
        );
    }
}

fn conditions(job: &Job<'_>, of_strangers: bool, sink: &mut Sink) {
    let steps = job.steps.iter().filter_map(|step| step.condition);
    for text in job.condition.into_iter().chain(steps) {
        let written = text.text();
        let trimmed = written.trim();
        let (start, bare) = match trimmed
            .strip_prefix("${{")
            .and_then(|it| it.strip_suffix("}}"))
        {
            Some(inner) => (written.find("${{").unwrap_or_default() + 3, inner),
            None => (written.len() - written.trim_start().len(), trimmed),
        };
        let Ok(Some(tree)) = cutover_expr::tree(bare) else {
            continue;
        };
        look(&tree, &mut |part| {
            if let Some(message) = satisfiable(part, of_strangers) {
                let at = text.place(start + part.start);
                let hint = "compare the whole with `==`; of a person, `github.event.pull_request.user.login`";
                sink.error_hint(Code::OpenCondition, at, message, hint.to_owned());
            }
            never_taken(part, text, start, sink);
        });
    }
}

/// Why anybody can make a condition hold.
fn satisfiable(tree: &Tree, of_strangers: bool) -> Option<String> {
    match &tree.part {
        Part::Call(name, parameters) if name.eq_ignore_ascii_case("contains") => {
            let [list, item] = parameters.as_slice() else {
                return None;
            };
            let item = path(item).filter(|path| CHOSEN.contains(&path.as_str()))?;
            matches!(&list.part, Part::Text(_))
                .then(|| format!("`{item}` may be any part of that text, down to one letter"))
        }
        Part::Compare("==", left, right) if of_strangers => {
            let is_bot =
                |tree: &Tree| matches!(&tree.part, Part::Text(text) if text.ends_with("[bot]"));
            let actor = |tree: &Tree| {
                path(tree).filter(|path| {
                    matches!(path.as_str(), "github.actor" | "github.triggering_actor")
                })
            };
            let found = match (is_bot(left), is_bot(right)) {
                (true, _) => actor(right),
                (_, true) => actor(left),
                (false, false) => None,
            }?;
            Some(format!(
                "`{found}` is who did the last thing, and not who wrote the sources"
            ))
        }
        _ => None,
    }
}

/// `a.b.c` in lower case; nothing for what is more than names.
fn path(tree: &Tree) -> Option<String> {
    match &tree.part {
        Part::Context(name) => Some(name.to_lowercase()),
        Part::Property(of, name) => Some(format!("{}.{}", path(of)?, name.to_lowercase())),
        _ => None,
    }
}

/// Every part of an expression, the whole first.
fn look(tree: &Tree, see: &mut impl FnMut(&Tree)) {
    see(tree);
    for child in tree.children() {
        look(child, see);
    }
}
