//! What expressions can see: the contexts `github`, `env`, `steps`, `needs` and their kin, at one
//! place of a run. Values that hold secrets are only there when somebody gives them (`resolve`).

use std::collections::BTreeMap;

use cutover_model::{
    plan::{Bindings, JobSpec, StepBody, StepSpec},
    run::{HandedOn, JobKey, StepPath},
};
use serde_json::{Map, Value, json};

use crate::{
    Fault,
    condition::{self, Status},
    expression, github,
    job::{self, Leg},
    resolve::{Given, Kind, Withheld},
    run::{Group, Run},
    step,
};

/// Stands for a value that holds a secret where no secret may be seen. The word joiners set it apart
/// from what people write.
const WITHHELD: &str = "\u{2060}***\u{2060}";

/// The names that mean something in an expression. Which of them a key may use is checked when a
/// workflow is compiled.
pub(crate) const CONTEXTS: [&str; 11] = [
    "github", "env", "vars", "inputs", "needs", "strategy", "matrix", "job", "runner", "steps",
    "secrets",
];

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

/// The path of the workflow.
pub(crate) fn workflow_file(run: &Run) -> &str {
    run.plan().map_or("", |plan| plan.path.as_str())
}

/// One leg among its siblings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Combination<'a> {
    pub(crate) matrix: &'a Map<String, Value>,
    pub(crate) index: usize,
    pub(crate) total: usize,
    pub(crate) fail_fast: bool,
    pub(crate) max_parallel: Option<u32>,
}

/// A place in a run, from which an expression looks around.
pub(crate) struct Scope<'a> {
    pub(crate) run: &'a Run,
    pub(crate) spec: Option<&'a JobSpec>,
    pub(crate) key: Option<&'a JobKey>,
    pub(crate) combination: Option<Combination<'a>>,
    /// The level whose steps are seen: the job itself when empty, else the inside of an action.
    pub(crate) level: Option<StepPath>,
    /// The directory of the action around.
    pub(crate) action: Option<&'a str>,
    pub(crate) env: BTreeMap<String, String>,
    /// The inputs of the action around; those of the workflow when absent.
    inputs: Option<BTreeMap<String, String>>,
    pub(crate) status: Status,
    pub(crate) given: Option<&'a Given<'a>>,
}

impl<'a> Scope<'a> {
    /// Where the conditions and the matrix of a job are looked at.
    pub(crate) fn before_job(run: &'a Run, spec: &'a JobSpec) -> Self {
        Self {
            spec: Some(spec),
            ..Self::workflow(run)
        }
    }

    fn workflow(run: &'a Run) -> Self {
        Self {
            run,
            spec: None,
            key: None,
            combination: None,
            level: None,
            action: None,
            env: BTreeMap::new(),
            inputs: None,
            status: Status::Success,
            given: None,
        }
    }

    /// Where the parts of one leg are looked at.
    pub(crate) fn leg(run: &'a Run, spec: &'a JobSpec, combination: Combination<'a>) -> Self {
        Self {
            combination: Some(combination),
            ..Self::before_job(run, spec)
        }
    }

    /// Where the keys of a job are looked at once it has its legs.
    pub(crate) fn job(run: &'a Run, key: &'a JobKey) -> Result<Self, Fault> {
        let spec = run.spec(key.job()).ok_or_else(|| nowhere(run, key))?;
        Ok(Self {
            key: Some(key),
            combination: combination(run, key),
            ..Self::before_job(run, spec)
        })
    }

    /// Where a job's outputs are looked at.
    pub(crate) fn end_of_job(run: &'a Run, key: &'a JobKey) -> Result<Self, Fault> {
        let top = StepPath::default();
        let mut scope = Self::top(run, key, None)?;
        scope.status = condition::status(run, key, &top);
        Ok(scope)
    }

    /// Where the keys of a step are looked at, its own `env:` included.
    pub(crate) fn step(
        run: &'a Run,
        key: &'a JobKey,
        path: &StepPath,
        given: Option<&'a Given<'a>>,
    ) -> Result<Self, Fault> {
        let mut scope = Self::top(run, key, given)?;
        let mut at = StepPath::default();
        let Some((last, around)) = path.0.split_last() else {
            return Ok(scope);
        };
        for index in around {
            at = at.child(usize::from(*index));
            let spec = scope.enter_step(&at)?;
            scope.enter_action(&at, spec)?;
        }
        scope.enter_step(&at.child(usize::from(*last)))?;
        Ok(scope)
    }

    /// Where the outputs of an action are looked at.
    pub(crate) fn inside(
        run: &'a Run,
        key: &'a JobKey,
        path: &StepPath,
        given: Option<&'a Given<'a>>,
    ) -> Result<Self, Fault> {
        let mut scope = Self::step(run, key, path, given)?;
        if let Some(spec) = step::spec(scope.steps(), path) {
            scope.enter_action(path, spec)?;
        }
        Ok(scope)
    }

    #[must_use]
    pub(crate) fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    fn steps(&self) -> &'a [StepSpec] {
        self.spec.map_or(&[], |spec| spec.steps.as_slice())
    }

    /// The job itself, between its steps.
    fn top(run: &'a Run, key: &'a JobKey, given: Option<&'a Given<'a>>) -> Result<Self, Fault> {
        let mut scope = Self::job(run, key)?;
        scope.given = given;
        let file = workflow_file(run);
        if let Some(plan) = run.plan() {
            scope.add_env(&plan.env, file)?;
        }
        if let Some(spec) = scope.spec {
            scope.add_env(&spec.env, file)?;
        }
        for (path, step) in run.leg(key).into_iter().flat_map(|leg| &leg.steps) {
            for (name, value) in &step.report.env {
                let value = scope.seen(path, Kind::Env, name, value);
                scope.env.insert(name.clone(), value);
            }
        }
        scope.level = Some(StepPath::default());
        Ok(scope)
    }

    /// Takes on the `env:` of a step.
    fn enter_step(&mut self, path: &StepPath) -> Result<&'a StepSpec, Fault> {
        let spec = step::spec(self.steps(), path).ok_or_else(|| {
            let message = format!("there is no step {path}");
            Fault::new(
                workflow_file(self.run),
                cutover_model::Position::default(),
                message,
            )
        })?;
        let file = self.file();
        self.add_env(&spec.env, &file)?;
        Ok(spec)
    }

    /// Steps into a composite action: from here on its inputs and its steps are seen.
    fn enter_action(&mut self, path: &StepPath, spec: &'a StepSpec) -> Result<(), Fault> {
        let StepBody::Composite {
            path: action,
            inputs,
            ..
        } = &spec.body
        else {
            return Ok(());
        };
        let file = self.file();
        let inputs = self.evaluate(inputs, &file)?;
        self.inputs = Some(inputs);
        self.action = Some(action);
        self.level = Some(path.clone());
        Ok(())
    }

    /// The file in which what is looked at is written.
    pub(crate) fn file(&self) -> String {
        self.action.map_or_else(
            || workflow_file(self.run).to_owned(),
            |action| format!("{action}/action.yml"),
        )
    }

    /// Evaluates a whole map before any of it counts, as GitHub does.
    pub(crate) fn evaluate(
        &self,
        bindings: &Bindings,
        file: &str,
    ) -> Result<BTreeMap<String, String>, Fault> {
        bindings
            .iter()
            .map(|(name, template)| Ok((name.clone(), expression::text(self, template, file)?)))
            .collect()
    }

    fn add_env(&mut self, bindings: &Bindings, file: &str) -> Result<(), Fault> {
        let values = self.evaluate(bindings, file)?;
        self.env.extend(values);
        Ok(())
    }

    /// What a step handed on, as far as it may be seen from here.
    fn seen(&self, step: &StepPath, kind: Kind, name: &str, value: &HandedOn) -> String {
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
        expression::text(&scope, template, &scope.file()).ok()
    }

    /// A context by its name; `None` when there is none of that name here.
    pub(crate) fn context(&self, name: &str) -> Option<Value> {
        Some(match name {
            "github" => github::context(self),
            "env" => json!(self.env),
            "vars" => json!(self.run.head.as_ref()?.vars),
            "inputs" => match &self.inputs {
                Some(inputs) => json!(inputs),
                None => json!(self.run.trigger()?.inputs),
            },
            "needs" => self.needs(),
            "strategy" => self.strategy(),
            "matrix" => self
                .combination
                .filter(|one| !one.matrix.is_empty())
                .map_or(Value::Null, |one| Value::Object(one.matrix.clone())),
            "job" => json!({ "status": self.status_word() }),
            "runner" => self.runner(),
            "steps" => self.step_results(),
            "secrets" => self.secrets(),
            _ => return None,
        })
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
            let result = condition::conclusion(self.run, job).map_or("", |end| end.github_word());
            // The last leg wins, as on GitHub, where it is the last to end.
            let outputs: BTreeMap<&String, &String> = self
                .run
                .legs_of(job)
                .iter()
                .filter_map(|key| self.run.leg(key))
                .flat_map(|leg| &leg.outputs)
                .collect();
            needs.insert(job.clone(), json!({ "result": result, "outputs": outputs }));
        }
        Value::Object(needs)
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
            "debug": "",
        });
        if let (Some(given), Some(object)) = (self.given, value.as_object_mut()) {
            object.insert("temp".to_owned(), json!(given.runner.temp));
            object.insert("tool_cache".to_owned(), json!(given.runner.tool_cache));
            object.insert("workspace".to_owned(), json!(given.runner.workspace));
        }
        value
    }

    fn secrets(&self) -> Value {
        match self.given {
            Some(given) if self.run.may_see_secrets() => given
                .secrets
                .iter()
                .map(|(name, secret)| (name.clone(), json!(secret.expose())))
                .collect::<Map<_, _>>()
                .into(),
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

fn combination<'a>(run: &'a Run, key: &JobKey) -> Option<Combination<'a>> {
    let Group::Expanded {
        legs,
        fail_fast,
        max_parallel,
    } = run.groups.get(key.job())?
    else {
        return None;
    };
    let leg: &Leg = run.leg(key)?;
    Some(Combination {
        matrix: &leg.spec.matrix,
        index: legs.iter().position(|one| one == key)?,
        total: legs.len(),
        fail_fast: *fail_fast,
        max_parallel: *max_parallel,
    })
}

fn nowhere(run: &Run, key: &JobKey) -> Fault {
    let message = format!("there is no job `{key}`");
    Fault::new(
        workflow_file(run),
        cutover_model::Position::default(),
        message,
    )
}
