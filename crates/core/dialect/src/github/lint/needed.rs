//! What jobs may do with their tokens, held against what is known of their steps. What a job needs is
//! known when each of its steps is a widely used action or a script that names no token; else nothing is
//! said of it.

mod actions;

use std::collections::BTreeMap;

use super::model::{Env, Event, Granted, Job, Named, Step, Text, Workflow};
use crate::diagnostic::{Code, Sink};

/// What the permission is called that a push to the repository takes.
const CONTENTS: &str = "contents";
/// How a token is named in a workflow.
const TOKENS: [&str; 3] = ["github.token", "secrets.github_token", "github_token"];
/// Words of scripts that may push with what a checkout leaves behind, where it cannot be seen.
const MAY_PUSH: [&str; 14] = [
    "./", "bash ", "deploy", "git ", "just ", "make", "node ", "npm ", "npx ", "pnpm ", "publish",
    "python", "release", "yarn ",
];

/// How much of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Read,
    Write,
}

/// What is known of what a job needs.
#[derive(Debug, Default)]
struct Needs {
    scopes: BTreeMap<&'static str, Level>,
    /// Some step may need anything.
    is_open: bool,
    /// Some script may push.
    may_push: bool,
}

impl Needs {
    fn add(&mut self, scope: &'static str, level: Level) {
        let own = self.scopes.entry(scope).or_insert(level);
        *own = (*own).max(level);
    }

    /// Whether a scope is written to; `None` when that is not known.
    fn writes(&self, scope: &str) -> Option<bool> {
        match self.scopes.get(scope) {
            Some(Level::Write) => Some(true),
            Some(Level::Read) | None if self.is_open => None,
            Some(Level::Read) | None if self.may_push && scope == CONTENTS => None,
            Some(Level::Read) | None => Some(false),
        }
    }

    fn is_known(&self) -> bool {
        !self.is_open && (!self.may_push || self.scopes.get(CONTENTS) == Some(&Level::Write))
    }

    /// As it would be written.
    fn shown(&self) -> String {
        if self.scopes.is_empty() {
            return "permissions: {}".to_owned();
        }
        let scope = |(scope, level): (&&str, &Level)| match level {
            Level::Read => format!("{scope}: read"),
            Level::Write => format!("{scope}: write"),
        };
        let scopes: Vec<String> = self.scopes.iter().map(scope).collect();
        format!("permissions: {{ {} }}", scopes.join(", "))
    }
}

pub(super) fn check(workflow: &Workflow<'_>, sink: &mut Sink) {
    let names_token = names_token(workflow.env.as_ref());
    let needs: Vec<Needs> = workflow
        .jobs
        .iter()
        .map(|job| needs(job, names_token))
        .collect();
    let jobs: Vec<(&Job<'_>, &Needs)> = workflow.jobs.iter().zip(&needs).collect();
    let (own, inheriting): (Vec<_>, Vec<_>) = jobs
        .into_iter()
        .partition(|(job, _)| job.permissions.is_some());
    for (job, needs) in own {
        if let Some(granted) = &job.permissions {
            of_job(job, granted, needs, sink);
        }
    }
    match &workflow.permissions {
        Some(granted) => of_all(granted, &inheriting, sink),
        None => absent(workflow, &inheriting, sink),
    }
}

/// Nothing is said: then the repository or the organisation decides.
fn absent(workflow: &Workflow<'_>, jobs: &[(&Job<'_>, &Needs)], sink: &mut Sink) {
    let is_called = |event: &Event<'_>| matches!(event, Event::Call(_));
    // A called workflow has at most what its caller gives.
    if workflow.events.iter().all(is_called) {
        return;
    }
    let Some((first, _)) = jobs.first() else {
        return;
    };
    let who = match jobs {
        [(job, _)] => format!("job `{}` has", job.id.text()),
        jobs => format!("{} jobs have", jobs.len()),
    };
    let message = format!(
        "no `permissions`: {who} the default of the repository, which may be to write everything"
    );
    let hint = least(jobs).map_or_else(
        || "begin with `permissions: { contents: read }`, and add what is refused".to_owned(),
        |least| format!("enough is `{least}`"),
    );
    sink.note(Code::Permissions, first.id.at(), message, hint);
}

/// What is enough for all of some jobs.
fn least(jobs: &[(&Job<'_>, &Needs)]) -> Option<String> {
    let mut all = Needs::default();
    for (_, needs) in jobs {
        if !needs.is_known() {
            return None;
        }
        for (scope, level) in &needs.scopes {
            all.add(scope, *level);
        }
    }
    Some(all.shown())
}

fn write_all(text: Text<'_>, jobs: &[(&Job<'_>, &Needs)], sink: &mut Sink) {
    if text.text() == "write-all" {
        let message = "`write-all` lets every step change everything in the repository";
        let hint = least(jobs).map_or_else(
            || "name the scopes that are needed".to_owned(),
            |least| format!("enough is `{least}`"),
        );
        sink.warning(Code::Permissions, text.at(), message, hint);
    }
}

fn written<'g, 'a>(granted: &'g Granted<'a>) -> impl Iterator<Item = &'g Named<'a>> {
    let is_write = |(_, level): &&Named<'a>| level.text() == "write";
    granted.scopes.iter().filter(is_write)
}

/// What the permissions at the top give to jobs that have none of their own.
fn of_all(granted: &Granted<'_>, jobs: &[(&Job<'_>, &Needs)], sink: &mut Sink) {
    if let Some(text) = granted.all {
        write_all(text, jobs, sink);
    }
    for (scope, _) in written(granted) {
        let name = scope.text();
        let ids = |wanted: Option<bool>| -> Vec<&str> {
            let jobs = jobs.iter();
            jobs.filter(|(_, needs)| needs.writes(name) == wanted)
                .map(|(job, _)| job.id.text())
                .collect()
        };
        let (need, open, idle) = (ids(Some(true)), ids(None), ids(Some(false)));
        if idle.is_empty() || need.len() + open.len() > 1 {
            continue;
        }
        let (message, hint) = match need.first().or(open.first()) {
            None => (
                format!("no job needs `{name}: write`"),
                "leave it out, or write `read`".to_owned(),
            ),
            Some(job) => {
                let may = if need.is_empty() { "can need" } else { "needs" };
                (
                    format!("all jobs get `{name}: write`, and only job `{job}` {may} it"),
                    format!("write it into the `permissions` of job `{job}`"),
                )
            }
        };
        sink.warning(Code::Permissions, scope.at(), message, hint);
    }
}

/// What a job has and does not need.
fn of_job(job: &Job<'_>, granted: &Granted<'_>, needs: &Needs, sink: &mut Sink) {
    if let Some(text) = granted.all {
        write_all(text, &[(job, needs)], sink);
    }
    for (scope, _) in written(granted) {
        if needs.writes(scope.text()) == Some(false) {
            let message = format!(
                "job `{}` does not need `{}: write`",
                job.id.text(),
                scope.text()
            );
            let hint = needs
                .is_known()
                .then(|| format!("enough is `{}`", needs.shown()));
            sink.warning(Code::Permissions, scope.at(), message, hint);
        }
    }
}

fn needs(job: &Job<'_>, names_token: bool) -> Needs {
    let mut needs = Needs {
        is_open: job.call.is_some() || names_token || self::names_token(job.env.as_ref()),
        ..Needs::default()
    };
    let mut keeps_credentials = false;
    for step in &job.steps {
        if let Some(run) = step.run {
            let script = run.lower();
            needs.is_open |= has_token(&script) || self::names_token(step.env.as_ref());
            if keeps_credentials && script.contains("git push") {
                needs.add(CONTENTS, Level::Write);
            }
            needs.may_push |=
                keeps_credentials && MAY_PUSH.iter().any(|word| script.contains(word));
        }
        if let Some(uses) = step.uses {
            match actions::needed(uses, step) {
                Some(scopes) => {
                    for (scope, level) in scopes {
                        needs.add(scope, level);
                    }
                }
                None => needs.is_open = true,
            }
            keeps_credentials |= leaves_credentials(uses, step);
        }
    }
    needs
}

/// A checkout leaves the token behind for later steps, unless it is told not to.
fn leaves_credentials(uses: Text<'_>, step: &Step<'_>) -> bool {
    let forgets = |(name, value): &Named<'_>| {
        name.lower() == "persist-credentials" && value.lower() == "false"
    };
    uses.lower().starts_with("actions/checkout@") && !step.with.iter().any(forgets)
}

fn names_token(env: Option<&Env<'_>>) -> bool {
    match env {
        None => false,
        Some(Env::Expression(_)) => true,
        Some(Env::Variables(variables)) => {
            variables.iter().any(|(_, value)| has_token(&value.lower()))
        }
    }
}

fn has_token(lower: &str) -> bool {
    TOKENS.iter().any(|token| lower.contains(token))
}
