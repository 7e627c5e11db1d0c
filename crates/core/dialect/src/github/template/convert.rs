//! Tokens → workflow and jobs. The schema has looked at every value before; what it cannot say is
//! looked at here: ids, needs, vectors of a matrix, names of groups.

mod job;
mod step;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cutover_expr::Allowed;
use serde_json::{Map, Value as Json};

use super::{
    Reading, events,
    permissions::Permissions,
    token::{Token, Value},
};

/// A workflow file.
#[derive(Debug)]
pub(super) struct Workflow {
    /// `defaults`, `env` and `concurrency`, as they are written.
    pub(super) fields: Vec<(&'static str, Token)>,
    pub(super) permissions: Option<Permissions>,
    pub(super) jobs: Vec<Job>,
    on: Option<Token>,
}

/// A job, or the call of a workflow.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: Token,
    pub(super) name: Token,
    needs: Vec<Token>,
    condition: Token,
    /// What it calls; such a job has `jobs` instead of steps.
    pub(super) reference: Option<Token>,
    pub(super) inherits_secrets: bool,
    pub(super) permissions: Option<Permissions>,
    /// What is kept as it is written, by the name it has in the template.
    pub(super) fields: Vec<(&'static str, Token)>,
    pub(super) jobs: Vec<Self>,
    steps: Vec<Step>,
}

/// A step.
#[derive(Debug)]
struct Step {
    id: String,
    condition: Option<Token>,
    fields: Vec<(&'static str, Token)>,
}

impl Workflow {
    /// What a file says.
    pub(super) fn convert(root: &Token, reading: &mut Reading<'_>) -> Self {
        let mut workflow = Self {
            fields: Vec::new(),
            permissions: None,
            jobs: Vec::new(),
            on: None,
        };
        for (key, value) in root.entries() {
            match key.text() {
                Some("on") => {
                    events::check(value, reading);
                    workflow.on = Some(value.clone());
                }
                Some("defaults") => workflow.fields.push(("defaults", value.clone())),
                Some("env") => workflow.fields.push(("env", value.clone())),
                Some("concurrency") => {
                    job::concurrency(value, reading);
                    workflow.fields.push(("concurrency", value.clone()));
                }
                Some("permissions") => workflow.permissions = Some(Permissions::convert(value)),
                Some("jobs") => workflow.jobs = jobs(value, reading),
                _ => {}
            }
        }
        workflow
    }

    /// Jobs that say nothing have the permissions of the workflow.
    pub(super) fn inherit(&mut self) {
        for job in &mut self.jobs {
            if job.permissions.is_none() {
                job.permissions.clone_from(&self.permissions);
            }
        }
    }

    pub(super) fn json(&self, reading: &Reading<'_>) -> Json {
        let places = reading.options.places;
        let mut object = Map::new();
        if let Some(on) = &self.on {
            let types = events::input_types(on);
            if !types.is_empty() {
                object.insert("input-types".to_owned(), types.into());
            }
            object.insert("events".to_owned(), events::json(on));
        }
        if let Some(permissions) = &self.permissions {
            object.insert("permissions".to_owned(), permissions.json());
        }
        for (name, token) in &self.fields {
            object.insert((*name).to_owned(), token.json(places));
        }
        let jobs = self.jobs.iter().map(|job| job.json(places)).collect();
        object.insert("jobs".to_owned(), jobs);
        if places {
            object.insert("file-table".to_owned(), reading.files.clone().into());
        }
        object.into()
    }
}

impl Job {
    pub(super) fn field(&self, name: &str) -> Option<&Token> {
        let mut fields = self.fields.iter();
        fields.find(|(own, _)| *own == name).map(|(_, token)| token)
    }

    fn json(&self, places: bool) -> Json {
        let mut object = Map::new();
        let mut put = |name: &str, value: Json| object.insert(name.to_owned(), value);
        let needs: Vec<Json> = self.needs.iter().map(|need| need.json(places)).collect();
        let jobs: Vec<Json> = self.jobs.iter().map(|job| job.json(places)).collect();
        if let Some(reference) = &self.reference {
            put("type", "reusableWorkflowJob".into());
            put("ref", reference.json(places));
            put("needs", needs.into());
            put("jobs", jobs.into());
            if self.inherits_secrets {
                put("inherit-secrets", true.into());
            }
        } else {
            put("type", "job".into());
            if !needs.is_empty() {
                put("needs", needs.into());
            }
            if !self.steps.is_empty() {
                put(
                    "steps",
                    self.steps.iter().map(|step| step.json(places)).collect(),
                );
            }
        }
        put("id", self.id.json(places));
        put("name", self.name.json(places));
        put("if", self.condition.json(places));
        if let Some(permissions) = &self.permissions {
            put("permissions", permissions.json());
        }
        for (name, token) in &self.fields {
            put(name, token.json(places));
        }
        object.into()
    }
}

impl Step {
    fn json(&self, places: bool) -> Json {
        let mut object = Map::new();
        object.insert("id".to_owned(), self.id.as_str().into());
        if let Some(condition) = &self.condition {
            object.insert("if".to_owned(), condition.json(places));
        }
        for (name, token) in &self.fields {
            object.insert((*name).to_owned(), token.json(places));
        }
        object.into()
    }
}

fn jobs(mapping: &Token, reading: &mut Reading<'_>) -> Vec<Job> {
    let jobs: Vec<Job> = mapping
        .entries()
        .iter()
        .map(|(id, body)| job::convert(id, body, reading))
        .collect();
    if reading.errors.is_empty() {
        order(mapping, &jobs, reading);
    }
    jobs
}

/// Every job must come to its turn.
fn order(mapping: &Token, jobs: &[Job], reading: &mut Reading<'_>) {
    let lower = |token: &Token| token.print().to_ascii_lowercase();
    let mut waiting: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut open: Vec<usize> = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        open.push(job.needs.len());
        for need in &job.needs {
            waiting.entry(lower(need)).or_default().push(index);
        }
    }
    let starts = (0..jobs.len()).filter(|index| open[*index] == 0);
    let mut ready: VecDeque<usize> = starts.collect();
    if ready.is_empty() {
        let message = "The workflow must contain at least one job with no dependencies.";
        reading.error(mapping, message);
        return;
    }
    let mut done = BTreeSet::new();
    while let Some(index) = ready.pop_front() {
        let id = lower(&jobs[index].id);
        for next in waiting.get(&id).map_or(&[][..], Vec::as_slice) {
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.push_back(*next);
            }
        }
        done.insert(id);
    }
    let known: BTreeSet<String> = jobs.iter().map(|job| lower(&job.id)).collect();
    for (index, job) in jobs.iter().enumerate() {
        for need in job.needs.iter().filter(|_| open[index] > 0) {
            let (own, other) = (job.id.print(), need.print());
            if done.contains(&lower(need)) {
                continue;
            }
            let message = if known.contains(&lower(need)) {
                format!(
                    "Job '{own}' depends on job '{other}' which creates a cycle in the dependency graph."
                )
            } else {
                format!("Job '{own}' depends on unknown job '{other}'.")
            };
            reading.error(need, &message);
        }
    }
}

/// An `if` with `success()` in front, unless it asks for the status itself.
fn condition(token: Option<&Token>, context: &[&str], reading: &mut Reading<'_>) -> Token {
    let place = token.and_then(|token| token.place);
    let text = match token.map(|token| &token.value) {
        Some(Value::Expression(text) | Value::Text(text)) => text.trim(),
        _ => "",
    };
    let success = || Value::Expression("success()".to_owned());
    if text.is_empty() {
        let value = success();
        return Token { place, value };
    }
    let value = match cutover_expr::parse(text, &Allowed::list(context.iter().copied())) {
        Ok(ast) if ast.calls_status() => Value::Expression(written(token)),
        Ok(_) => Value::Expression(format!("success() && ({})", written(token))),
        Err(error) => {
            reading.error_at(place, &error.to_string());
            success()
        }
    };
    Token { place, value }
}

/// A condition as it is written, without `${{ }}` around it.
fn written(token: Option<&Token>) -> String {
    match token.map(|token| &token.value) {
        Some(Value::Expression(text) | Value::Text(text)) => text.clone(),
        _ => String::new(),
    }
}
