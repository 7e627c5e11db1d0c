//! A place in a run, from which an expression looks around: the whole job, or one of its steps,
//! perhaps inside an action. What is seen from there is in `contexts.rs`.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use cutover_expr::template;
use cutover_model::{
    Position,
    plan::{ALL, ActionSource, Bindings, JobSpec, StepBody, StepSpec, Template},
    run::{JobKey, Phase, RunnerPlace, StepPath},
};
use serde_json::{Map, Value};

use crate::{
    Fault, background, call,
    condition::{self, Status},
    containers,
    contexts::WITHHELD,
    environment, expression, github,
    resolve::{Given, Kind},
    run::{Group, Run},
    step,
};

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
    /// The leg whose called workflow is looked at as a whole: where its outputs are.
    pub(crate) caller: Option<&'a JobKey>,
    pub(crate) combination: Option<Combination<'a>>,
    /// The level whose steps are seen: the job itself when empty, else the inside of an action.
    pub(crate) level: Option<StepPath>,
    /// The step from which it is looked; absent behind the last one.
    pub(crate) observer: Option<StepPath>,
    /// The step of which it is looked at.
    pub(crate) at: Option<StepPath>,
    /// The action around: whose files it is among, and its directory there.
    pub(crate) action: Option<(&'a ActionSource, &'a str)>,
    pub(crate) env: BTreeMap<String, String>,
    /// The inputs of the action around; those of the workflow when absent.
    pub(crate) inputs: Option<BTreeMap<String, String>>,
    pub(crate) status: Status,
    pub(crate) given: Option<&'a Given<'a>>,
    /// The step whose condition is looked at: it may ask for the digest of files.
    pub(crate) asker: Option<StepPath>,
    /// The files whose digest is not known yet.
    pub(crate) asked: RefCell<Option<Vec<String>>>,
}

impl<'a> Scope<'a> {
    /// Where the conditions and the matrix of a job are looked at.
    pub(crate) fn before_job(run: &'a Run, spec: &'a JobSpec) -> Self {
        Self {
            spec: Some(spec),
            ..Self::workflow(run)
        }
    }

    /// Where what stands before all jobs is looked at.
    pub(crate) fn workflow(run: &'a Run) -> Self {
        Self {
            run,
            spec: None,
            key: None,
            caller: None,
            combination: None,
            level: None,
            observer: None,
            at: None,
            action: None,
            env: BTreeMap::new(),
            inputs: None,
            status: Status::Success,
            given: None,
            asker: None,
            asked: RefCell::default(),
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

    /// Where the outputs of a called workflow are looked at.
    pub(crate) fn called(run: &'a Run, key: &'a JobKey) -> Self {
        // Any job of it will do: the frame is the same for all.
        let inside = run.call(key).and_then(|call| call.jobs.first());
        Self {
            spec: inside,
            caller: Some(key),
            ..Self::workflow(run)
        }
    }

    /// Where a job's outputs are looked at.
    pub(crate) fn end_of_job(run: &'a Run, key: &'a JobKey) -> Result<Self, Fault> {
        let top = StepPath::default();
        let mut scope = Self::top(run, key, None, None)?;
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
        // What is done after the last step is done behind it.
        let is_beyond = path.0.is_empty() || path.phase() == Phase::Post;
        let observer = (!is_beyond).then(|| path.clone());
        let mut scope = Self::top(run, key, observer, given)?;
        scope.at = (!path.0.is_empty()).then(|| path.clone());
        let mut at = StepPath::default();
        let Some((last, around)) = path.indices().split_last() else {
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

    /// Files may be asked for in the name of this step.
    #[must_use]
    pub(crate) fn asking_for(mut self, step: &StepPath) -> Self {
        self.asker = Some(step.clone());
        self
    }

    /// The digest of files as far as it is known here; else it is noted that it is wanted.
    pub(crate) fn known_hash(&self, patterns: &[String]) -> Result<String, String> {
        let (Some(key), Some(asker)) = (self.key, &self.asker) else {
            return Err("hashFiles is not available here".to_owned());
        };
        let asked = (asker.clone(), patterns.to_vec());
        let known = self.run.leg(key).and_then(|leg| leg.hashes.get(&asked));
        if let Some(Some(known)) = known {
            return known.clone();
        }
        self.asked.replace(Some(asked.1));
        Err("the files are not looked at yet".to_owned())
    }

    /// Where the job is: as the edge says it when a step starts, else as it was when the runner came.
    pub(crate) fn place(&self) -> Option<RunnerPlace> {
        if let Some(given) = self.given {
            return Some(given.runner.place(given.server));
        }
        let runner = self.run.leg(self.key?)?.runner.as_ref()?;
        let inside = runner.inside.as_ref();
        let inside = inside.filter(|_| containers::is_inside(self));
        inside.or(runner.place.as_ref()).cloned()
    }

    pub(crate) fn steps(&self) -> &'a [StepSpec] {
        self.spec.map_or(&[], |spec| spec.steps.as_slice())
    }

    /// The job itself, between its steps.
    fn top(
        run: &'a Run,
        key: &'a JobKey,
        observer: Option<StepPath>,
        given: Option<&'a Given<'a>>,
    ) -> Result<Self, Fault> {
        let mut scope = Self::job(run, key)?;
        scope.observer = observer;
        scope.given = given;
        let file = run.file_of(key.job());
        match key.caller() {
            Some(caller) => {
                let call = run.spec(caller.job()).and_then(|spec| spec.call.as_ref());
                if let Some(call) = call {
                    scope.add_env(&call.env, file)?;
                }
            }
            None => {
                if let Some(plan) = run.plan() {
                    scope.add_env(&plan.env, file)?;
                }
            }
        }
        if let Some(spec) = scope.spec {
            scope.add_env(&spec.env, file)?;
        }
        for (path, step) in background::in_order(run, key, scope.observer.as_ref()) {
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
            Fault::new(self.job_file(), Position::default(), message)
        })?;
        let file = self.file();
        self.add_env(&spec.env, &file)?;
        Ok(spec)
    }

    /// Steps into a composite action: from here on its inputs and its steps are seen.
    fn enter_action(&mut self, path: &StepPath, spec: &'a StepSpec) -> Result<(), Fault> {
        let StepBody::Composite {
            source,
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
        self.action = Some((source, action));
        self.level = Some(path.clone());
        Ok(())
    }

    /// The file in which what is looked at is written.
    pub(crate) fn file(&self) -> String {
        self.action.map_or_else(
            || self.job_file().to_owned(),
            |(source, action)| step::action_file(source, action),
        )
    }

    fn job_file(&self) -> &'a str {
        self.run.file_of(self.spec.map_or("", |spec| &spec.id))
    }

    /// A text that is handed on. What only the edge can make (from a secret, from files) is withheld
    /// elsewhere, so that it is made there instead of being stored as nothing.
    pub(crate) fn text(&self, template: &Template, file: &str) -> Result<String, Fault> {
        if self.given.is_none() && self.needs_the_edge(&template.text) {
            return Ok(WITHHELD.to_owned());
        }
        expression::text(self, template, file)
    }

    pub(crate) fn needs_the_edge(&self, text: &str) -> bool {
        if !text.contains("${{") {
            return false;
        }
        let secret = |(root, path): &(String, Vec<String>)| {
            root.eq_ignore_ascii_case("secrets") && self.has_secret(path.first())
        };
        // The token of the job is a secret by another name.
        let token = |(root, path): &(String, Vec<String>)| {
            let names_it = |name: &String| name.eq_ignore_ascii_case("token");
            root.eq_ignore_ascii_case("github")
                && path.first().is_none_or(names_it)
                && self.has_secret(Some(&github::TOKEN.to_owned()))
        };
        let reads_files = text.to_ascii_lowercase().contains("hashfiles");
        reads_files
            || self.run.may_see_secrets()
                && template::uses(text)
                    .iter()
                    .any(|used| secret(used) || token(used))
    }

    /// Whether there is a secret of this name; without a name, whether there may be any.
    pub(crate) fn has_secret(&self, name: Option<&String>) -> bool {
        let known = self
            .run
            .head
            .as_ref()
            .and_then(|head| head.secrets.as_ref());
        let Some(given) = call::has_secret(self, name) else {
            return known.is_none_or(|names| self.is_secret(names, name));
        };
        // A called workflow sees what it was given, and what its environments have.
        let of_environments = |names: &BTreeSet<String>| {
            let names = names.iter().filter(|name| environment::passes(name));
            self.is_secret(&names.cloned().collect(), name)
        };
        given || known.is_some_and(of_environments)
    }

    /// Evaluates a whole map before any of it counts, as GitHub does.
    pub(crate) fn evaluate(
        &self,
        bindings: &Bindings,
        file: &str,
    ) -> Result<BTreeMap<String, String>, Fault> {
        let mut values = BTreeMap::new();
        for (name, template) in bindings {
            if name == ALL {
                values.extend(self.all(template, file)?);
            } else {
                values.insert(name.clone(), self.text(template, file)?);
            }
        }
        Ok(values)
    }

    /// The variables of an `env:` that is one expression. Their names are not known before their values
    /// may be.
    fn all(&self, template: &Template, file: &str) -> Result<BTreeMap<String, String>, Fault> {
        if self.given.is_none() && self.needs_the_edge(&template.text) {
            return Ok(BTreeMap::new());
        }
        let value = expression::json(self, template, file)?;
        if value.as_str().is_some_and(str::is_empty) {
            return Ok(BTreeMap::new());
        }
        let fault = |message: String| Fault::of(file, template, message);
        let values = containers::pairs("env", &value).map_err(fault)?;
        match values
            .keys()
            .find(|name| name.is_empty() || name.contains(['=', '\0']))
        {
            Some(name) => Err(fault(format!("`{name}` cannot name a variable"))),
            None => Ok(values),
        }
    }

    fn add_env(&mut self, bindings: &Bindings, file: &str) -> Result<(), Fault> {
        let values = self.evaluate(bindings, file)?;
        self.env.extend(values);
        Ok(())
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
    let leg = run.leg(key)?;
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
    Fault::new(run.file_of(key.job()), Position::default(), message)
}
