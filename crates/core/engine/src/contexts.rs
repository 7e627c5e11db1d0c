//! What expressions can see from a place: `github`, `env`, `steps`, `needs` and their kin. Values that
//! hold secrets are only there when somebody gives them (`resolve`).

use std::collections::BTreeMap;

use cutover_model::{
    plan::StepBody,
    run::{HandedOn, Outcome, State, StepPath},
};
use serde_json::{Map, Value, json};

use crate::{
    background, call,
    condition::{self, Status},
    containers, environment, github, job,
    resolve::{Kind, Withheld},
    scope::Scope,
    step,
};

/// Stands for a value that holds a secret where no secret may be seen. The word joiners set it apart
/// from what people write.
pub(crate) const WITHHELD: &str = "\u{2060}***\u{2060}";

/// The names that mean something in an expression. Which of them a key may use is checked when a
/// workflow is compiled.
pub(crate) const CONTEXTS: [&str; 12] = [
    "github", "env", "vars", "inputs", "needs", "strategy", "matrix", "job", "jobs", "runner",
    "steps", "secrets",
];

/// The ids that begin so are ours, and no context shows them.
const OUR_IDS: &str = "__";

/// Whether a text was made from a value that is withheld.
pub(crate) fn is_withheld(text: &str) -> bool {
    text.contains(WITHHELD)
}

/// A text as it may be stored.
pub(crate) fn handed_on(text: String) -> HandedOn {
    if is_withheld(&text) {
        HandedOn::Withheld
    } else {
        HandedOn::Plain(text)
    }
}

impl Scope<'_> {
    /// What a step handed on, as far as it may be seen from here.
    pub(crate) fn seen(&self, step: &StepPath, kind: Kind, name: &str, value: &HandedOn) -> String {
        match (value, self.given) {
            (HandedOn::Plain(text), _) => text.clone(),
            (HandedOn::Withheld, None) => WITHHELD.to_owned(),
            (HandedOn::Withheld, Some(given)) => {
                self.remade(step, kind, name).unwrap_or_else(|| {
                    let asked = Withheld { step, kind, name };
                    (given.withheld)(asked).unwrap_or_default()
                })
            }
        }
    }

    /// The output of an action that holds a secret is kept nowhere: it is made again.
    fn remade(&self, path: &StepPath, kind: Kind, name: &str) -> Option<String> {
        let (Kind::Output, StepBody::Composite { outputs, .. }) =
            (kind, &step::spec(self.steps(), path)?.body)
        else {
            return None;
        };
        let (_, template) = outputs.iter().find(|(output, _)| output == name)?;
        let scope = Scope::inside(self.run, self.key?, path, self.given).ok()?;
        scope.text(template, &scope.file()).ok()
    }

    /// A context by its name; `None` when there is none of that name here.
    pub(crate) fn context(&self, name: &str) -> Option<Value> {
        Some(match name {
            "github" => github::context(self),
            "env" => json!(self.env),
            "vars" => json!(self.variables()),
            "inputs" => match &self.inputs {
                Some(inputs) => json!(inputs),
                None => match self.called_inputs() {
                    Some(inputs) => json!(inputs),
                    None => json!(self.run.trigger()?.inputs),
                },
            },
            "needs" => self.needs(),
            "strategy" => self.strategy(),
            "matrix" => self
                .combination
                .filter(|one| !one.matrix.is_empty())
                .map_or(Value::Null, |one| Value::Object(one.matrix.clone())),
            "job" => self.job_facts(),
            "jobs" => call::jobs(self, self.caller?),
            "runner" => self.runner(),
            "steps" => self.step_results(),
            "secrets" => self.secrets(),
            _ => return None,
        })
    }

    fn job_facts(&self) -> Value {
        let mut job = Map::new();
        job.insert("status".to_owned(), json!(self.status_word()));
        self.add_file(&mut job);
        containers::context(self, &mut job);
        Value::Object(job)
    }

    fn status_word(&self) -> &'static str {
        match self.status {
            Status::Success | Status::Skipped => "success",
            Status::Failure => "failure",
            Status::Cancelled => "cancelled",
        }
    }

    fn needs(&self) -> Value {
        let mut needs = Map::new();
        for job in self.spec.into_iter().flat_map(|spec| &spec.needs) {
            needs.insert(call::own_id(job).to_owned(), self.result_of(job));
        }
        Value::Object(needs)
    }

    /// How a job ended, and what it handed on.
    pub(crate) fn result_of(&self, job: &str) -> Value {
        let result = condition::conclusion(self.run, job).map_or("", Outcome::github_result);
        let outputs = self.outputs_of(job);
        json!({ "result": result, "outputs": outputs })
    }

    /// The inputs that the caller of this job's workflow gives it.
    fn called_inputs(&self) -> Option<&BTreeMap<String, Value>> {
        let (_, call) = self.run.frame(&self.spec?.id)?;
        Some(&call.inputs)
    }

    /// Where the job is written, which need not be where the run begins.
    fn add_file(&self, job: &mut Map<String, Value>) {
        let (Some(trigger), Some(spec)) = (self.run.trigger(), self.spec) else {
            return;
        };
        let file = self.run.file_of(&spec.id);
        let (repository, path, at) = github::written_in(trigger, file);
        let said = [
            ("workflow_ref", format!("{repository}/{path}@{at}")),
            (
                "workflow_sha",
                self.run.workflow_sha_of(&spec.id).unwrap_or_default(),
            ),
            ("workflow_repository", repository),
            ("workflow_file_path", path),
        ];
        for (name, value) in said {
            job.insert(name.to_owned(), Value::String(value));
        }
    }

    /// The outputs of a job. Of several legs the one that ended last wins, but for values that are
    /// empty: a leg that has nothing to say takes nothing back.
    fn outputs_of(&self, job: &str) -> BTreeMap<&String, &String> {
        let legs = self.run.legs_of(job).iter();
        let mut legs: Vec<&job::Leg> = legs.filter_map(|key| self.run.leg(key)).collect();
        // Those that ended at the same time stay in their order.
        legs.sort_by_key(|leg| match leg.state {
            State::Finished { at, .. } => Some(at),
            State::Pending | State::Waiting { .. } | State::Running { .. } => None,
        });
        let mut outputs = BTreeMap::new();
        for (name, value) in legs.into_iter().flat_map(|leg| &leg.outputs) {
            if !value.is_empty() || !outputs.contains_key(name) {
                outputs.insert(name, value);
            }
        }
        outputs
    }

    fn strategy(&self) -> Value {
        let Some(one) = self.combination else {
            return json!({});
        };
        json!({
            "fail-fast": one.fail_fast,
            "job-index": one.index,
            "job-total": one.total,
            "max-parallel": one.max_parallel.map_or(one.total as u64, u64::from),
        })
    }

    fn runner(&self) -> Value {
        let facts = self.key.and_then(|key| self.run.leg(key)?.runner.clone());
        let facts = facts.unwrap_or_default();
        let mut value = json!({
            "name": facts.name,
            "os": facts.os,
            "arch": facts.arch,
            "environment": "self-hosted",
        });
        if let (true, Some(object)) = (github::wants_debug(self), value.as_object_mut()) {
            object.insert("debug".to_owned(), json!("1"));
        }
        if let (Some(place), Some(object)) = (self.place(), value.as_object_mut()) {
            object.insert("temp".to_owned(), json!(place.temp));
            object.insert("tool_cache".to_owned(), json!(place.tool_cache));
            object.insert("workspace".to_owned(), json!(place.workspace));
        }
        value
    }

    fn secrets(&self) -> Value {
        match self.given {
            Some(given) if self.run.may_see_secrets() => {
                let mut own = call::secrets(self, given);
                // What a called workflow was given, and what its environments have.
                let called = own.is_some();
                let all = given.secrets.iter();
                let seen = all.filter(|(name, _)| !called || environment::passes(name));
                let values = self.secrets_in_force(seen).into_iter();
                own.get_or_insert_default()
                    .extend(values.map(|(name, secret)| (name, json!(secret.expose()))));
                Value::Object(own.unwrap_or_default())
            }
            Some(_) | None => json!({}),
        }
    }

    fn step_results(&self) -> Value {
        let (Some(key), Some(level)) = (self.key, &self.level) else {
            return json!({});
        };
        let mut results = Map::new();
        for (path, done) in job::steps_of(self.run, key, level) {
            let id = step::spec(self.steps(), path).and_then(|spec| spec.id.clone());
            let (Some(id), Some(outcome)) = (id, done.state.outcome()) else {
                continue;
            };
            let seen = background::seen(self.run, key, self.observer.as_ref(), path).is_some();
            if !seen || id.starts_with(OUR_IDS) {
                continue;
            }
            let outputs: Map<String, Value> = done
                .report
                .outputs
                .iter()
                .map(|(name, value)| {
                    let text = self.seen(path, Kind::Output, name, value);
                    (name.clone(), Value::String(text))
                })
                .collect();
            let conclusion = done.conclusion.unwrap_or(outcome);
            let result = json!({
                "outputs": outputs,
                "outcome": outcome.github_word(),
                "conclusion": conclusion.github_word(),
            });
            results.insert(id, result);
        }
        Value::Object(results)
    }
}
