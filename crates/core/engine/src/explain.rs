//! Why a job or a step did or did not run: what was looked at when its turn came, part by part. The log is
//! read again, so that things are seen as they stood then.

use cutover_expr::Tree;
use cutover_model::{
    event::{Recorded, RunEvent},
    plan::{Expression, JobSpec},
    run::{Attempt, JobKey, Outcome, StepPath},
};
use serde::Serialize;

use crate::{call, condition, condition::Status, evolve, run::Run, scope::Scope, step};

/// What was decided about a job or a step, and because of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The job's id in the run, or the leg of a step.
    pub job: String,
    /// The step, when it is about one.
    pub step: Option<StepPath>,
    /// Its name, for people.
    pub name: String,
    /// `runs`, `skipped` or what it ended as without having run.
    pub decided: String,
    /// Why it did not run, in words.
    pub reason: Option<String>,
    /// What `success()`, `failure()` and `cancelled()` asked: `success`, `failure`, `skipped`, `cancelled`.
    pub status: &'static str,
    /// The jobs before it, each with how it ended.
    pub needs: Vec<(String, String)>,
    /// Its `if:`; without one `success()` is meant.
    pub condition: Option<Looked>,
}

/// A condition that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// The condition as written.
    pub text: String,
    /// `file:line:column`.
    pub at: String,
    /// Whether `success()` was put in front because it does not ask for the status itself.
    pub implied_success: bool,
    /// Its parts, each before those that it is made of; empty when it is too deep to look at.
    pub parts: Vec<LookedPart>,
}

/// A part of a condition, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookedPart {
    /// How deep it lies, from 0.
    pub depth: usize,
    /// The part.
    pub text: String,
    /// Its value as JSON, or why it has none.
    pub value: String,
}

/// How much of a value is told.
const MAX_VALUE: usize = 200;

/// Explains what was decided about the jobs and steps that are wanted: a job's id in the run, or a leg's
/// key, and the step in it.
pub fn explain<'a>(
    events: impl IntoIterator<Item = &'a Recorded<RunEvent>>,
    wanted: impl Fn(&str, Option<&StepPath>) -> bool,
) -> Vec<Explanation> {
    let mut run = Run::default();
    let mut found = Vec::new();
    for recorded in events {
        if let Some(decision) = decision(&recorded.event)
            && wanted(decision.job, decision.step)
        {
            found.extend(decision.explain(&run));
        }
        evolve(&mut run, recorded.at, &recorded.event);
    }
    found
}

/// An event by which something runs or does not.
struct Decision<'a> {
    job: &'a str,
    step: Option<&'a StepPath>,
    name: Option<&'a str>,
    decided: String,
    reason: Option<&'a str>,
}

fn decision(event: &RunEvent) -> Option<Decision<'_>> {
    let of = |job, step, name| Decision {
        job,
        step,
        name,
        decided: "runs".to_owned(),
        reason: None,
    };
    Some(match event {
        RunEvent::JobExpanded { job, .. } => of(job, None, None),
        RunEvent::JobSkipped { job, reason } => Decision {
            decided: "skipped".to_owned(),
            reason: Some(reason),
            ..of(job, None, None)
        },
        RunEvent::JobFinished {
            job,
            outcome,
            reason,
            ..
        } => Decision {
            decided: outcome.to_string(),
            reason: reason.as_deref(),
            ..of(&job.0, None, None)
        },
        RunEvent::StepStarted {
            job,
            step,
            attempt: Attempt::FIRST,
            name,
        } => of(&job.0, Some(step), Some(name)),
        RunEvent::StepSkipped {
            job,
            step,
            name,
            reason,
        } => Decision {
            decided: "skipped".to_owned(),
            reason: Some(reason),
            ..of(&job.0, Some(step), Some(name))
        },
        _ => return None,
    })
}

impl Decision<'_> {
    fn explain(self, run: &Run) -> Option<Explanation> {
        match self.step {
            None => self.explain_job(run),
            Some(_) => self.explain_step(run),
        }
    }

    fn explain_job(self, run: &Run) -> Option<Explanation> {
        // A leg that has run ends; that is not decided before.
        if run.leg(&JobKey(self.job.to_owned())).is_some() {
            return None;
        }
        let spec = run.spec(self.job)?;
        let status = condition::job_status(run, spec);
        let scope = Scope::before_job(run, spec).with_status(status);
        let looked = spec
            .condition
            .as_ref()
            .map(|condition| looked(condition, &scope, run.file_of(&spec.id)));
        Some(Explanation {
            job: self.job.to_owned(),
            step: None,
            name: name_of(run, spec),
            decided: self.decided,
            reason: self.reason.map(str::to_owned),
            status: word(status),
            needs: needs(run, spec),
            condition: looked,
        })
    }

    fn explain_step(self, run: &Run) -> Option<Explanation> {
        let (key, path) = (JobKey(self.job.to_owned()), self.step?);
        let spec = step::spec(&run.spec(key.job())?.steps, path)?;
        let status = condition::status(run, &key, &path.parent().unwrap_or_default());
        let scope = Scope::step(run, &key, path, None).ok();
        let looked = spec
            .condition
            .as_ref()
            .zip(scope)
            .map(|(condition, scope)| {
                let scope = scope.with_status(status).asking_for(path);
                looked(condition, &scope, &step::file(run, &key, path))
            });
        Some(Explanation {
            job: self.job.to_owned(),
            step: Some(path.clone()),
            name: self.name.unwrap_or_default().to_owned(),
            decided: self.decided,
            reason: self.reason.map(str::to_owned),
            status: word(status),
            needs: Vec::new(),
            condition: looked,
        })
    }
}

fn name_of(run: &Run, spec: &JobSpec) -> String {
    let scope = Scope::before_job(run, spec);
    let written = spec.name.as_ref();
    let name = written.map(|name| crate::expression::text(&scope, name, ""));
    match name {
        Some(Ok(name)) => name,
        Some(Err(_)) => written.map_or_else(String::new, |name| name.text.clone()),
        None => spec.id.clone(),
    }
}

fn needs(run: &Run, spec: &JobSpec) -> Vec<(String, String)> {
    let result = |job: &String| {
        let end = condition::conclusion(run, job);
        let word = end.map_or("not ended", Outcome::github_result);
        (call::own_id(job).to_owned(), word.to_owned())
    };
    spec.needs.iter().map(result).collect()
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Failure => "failure",
        Status::Skipped => "skipped",
        Status::Cancelled => "cancelled",
    }
}

fn looked(condition: &Expression, scope: &Scope<'_>, file: &str) -> Looked {
    let mut parts = Vec::new();
    let tree = cutover_expr::tree(&condition.text).ok().flatten();
    if let Some(tree) = &tree {
        add(tree, 0, scope, &mut parts);
    }
    Looked {
        text: condition.text.clone(),
        at: format!("{file}:{}", condition.at),
        implied_success: tree.as_ref().is_some_and(|tree| !asks_status(tree)),
        parts,
    }
}

fn add(tree: &Tree, depth: usize, scope: &Scope<'_>, parts: &mut Vec<LookedPart>) {
    if tree.is_literal() && depth > 0 {
        return;
    }
    let text = tree.to_string();
    let value = match cutover_expr::evaluate(&text, scope) {
        Ok(value) => value.to_json().to_string(),
        Err(error) => format!("no value: {error}"),
    };
    parts.push(LookedPart {
        depth,
        text,
        value: shortened(value),
    });
    for child in tree.children() {
        add(child, depth + 1, scope, parts);
    }
}

fn shortened(value: String) -> String {
    match value.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value,
    }
}

fn asks_status(tree: &Tree) -> bool {
    let own = match &tree.part {
        cutover_expr::Part::Call(name, _) => ["success", "failure", "always", "cancelled"]
            .iter()
            .any(|word| name.eq_ignore_ascii_case(word)),
        _ => false,
    };
    own || tree.children().into_iter().any(asks_status)
}
