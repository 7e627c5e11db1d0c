//! Jobs that call a workflow. A leg of such a job is a frame: the called jobs are part of the run behind
//! its key (`build#1.test`), are scheduled like all others, and look around from inside of the frame.
//! The leg ends when they have.

use std::{collections::BTreeMap, sync::Arc};

use cutover_model::{
    Secret,
    event::RunEvent,
    plan::{
        CallInput, CallInputKind, CallSecrets, CallSpec, GroupUse, JobSpec, MAX_CALLED_JOBS,
        Template,
    },
    run::{JobKey, Outcome, split_job_id},
};
use serde_json::{Map, Value, json};

use crate::{
    Fault, condition, contexts, decide::Draft, expression, github, group, job, resolve::Given,
    run::Run, schedule, scope::Scope,
};

/// A leg that has called a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The called file.
    pub(crate) path: String,
    /// The commit that it is of, when it is from elsewhere.
    pub(crate) commit: Option<String>,
    /// The `inputs` that its jobs see.
    pub(crate) inputs: BTreeMap<String, Value>,
    /// Its jobs, by their ids in this run.
    pub(crate) jobs: Vec<JobSpec>,
    /// The concurrency group of the called file, once it has asked for it, and whether it has it.
    pub(crate) group: Option<GroupUse>,
    pub(crate) holds_group: bool,
}

impl Run {
    /// What a leg has called.
    pub(crate) fn call(&self, caller: &JobKey) -> Option<&Call> {
        self.calls.get(caller).map(Arc::as_ref)
    }

    /// The leg that calls a job, and what it has called.
    pub(crate) fn frame(&self, job: &str) -> Option<(&JobKey, &Call)> {
        let (caller, _) = split_job_id(job);
        let (key, call) = self.calls.get_key_value(&JobKey(caller?.to_owned()))?;
        Some((key, call))
    }

    /// What a leg of this job would call.
    pub(crate) fn callee(&self, key: &JobKey) -> Option<&CallSpec> {
        self.spec(key.job())?.call.as_deref()
    }

    /// `owner/name/path@ref` of the file in which a job is written.
    pub fn workflow_ref_of(&self, job: &str) -> Option<String> {
        let (repository, path, at) = github::written_in(self.trigger()?, self.file_of(job));
        Some(format!("{repository}/{path}@{at}"))
    }

    /// The commit of the file in which a job is written; empty when that is in none.
    pub fn workflow_sha_of(&self, job: &str) -> Option<String> {
        let elsewhere = self.frame(job).and_then(|(_, call)| call.commit.clone());
        elsewhere.or_else(|| Some(self.trigger()?.revision.0.clone()))
    }

    /// The file in which a job is written.
    pub(crate) fn file_of(&self, job: &str) -> &str {
        match self.frame(job) {
            Some((_, call)) => &call.path,
            None => self.plan().map_or("", |plan| plan.path.as_str()),
        }
    }
}

/// The job's id as its own file writes it.
pub(crate) fn own_id(job: &str) -> &str {
    split_job_id(job).1
}

/// What a leg has called, once it has: its jobs get their names in this run.
pub(crate) fn called(run: &Run, key: &JobKey, inputs: &BTreeMap<String, Value>) -> Option<Call> {
    let call = run.callee(key)?;
    let caller = run.leg(key)?.spec.name.as_str();
    let jobs = call.jobs.iter().map(|spec| instance(spec, key, caller));
    Some(Call {
        path: call.path.clone(),
        commit: call.commit.clone(),
        inputs: inputs.clone(),
        jobs: jobs.collect(),
        group: None,
        holds_group: false,
    })
}

fn instance(spec: &JobSpec, key: &JobKey, caller: &str) -> JobSpec {
    // The caller's name is evaluated: what looks like an expression in it is none.
    let caller = caller.replace("${{", "${{ '${{' }}");
    let (own, at) = match &spec.name {
        Some(name) => (name.text.as_str(), name.at),
        None => (spec.id.as_str(), spec.at),
    };
    JobSpec {
        id: key.called(&spec.id),
        name: Some(Template {
            text: format!("{caller} / {own}"),
            at,
        }),
        needs: spec.needs.iter().map(|need| key.called(need)).collect(),
        ..spec.clone()
    }
}

/// A leg that nothing holds up calls its workflow.
pub(crate) fn begin(draft: &mut Draft, key: &JobKey) {
    let run = &draft.run;
    let Some((spec, call)) = run.spec(key.job()).zip(run.callee(key)) else {
        return;
    };
    let there: usize = run.calls.values().map(|call| call.jobs.len()).sum();
    let inputs = if there + call.jobs.len() > MAX_CALLED_JOBS {
        let message = format!("called workflows come to more than {MAX_CALLED_JOBS} jobs");
        Err(Fault::new(run.file_of(&spec.id), spec.at, message))
    } else {
        inputs(run, key, call)
    };
    match inputs {
        Ok(inputs) => draft.say(RunEvent::JobCalled {
            job: key.clone(),
            inputs,
        }),
        Err(fault) => {
            let spec = spec.clone();
            job::end(draft, &spec, key, Outcome::Faulted, Some(fault.to_string()));
        }
    }
}

fn inputs(run: &Run, key: &JobKey, call: &CallSpec) -> Result<BTreeMap<String, Value>, Fault> {
    let scope = Scope::job(run, key)?;
    let own = run.file_of(key.job());
    call.inputs
        .iter()
        .map(|input| {
            let value = match (&input.given, &input.default) {
                (Some(template), _) => of_kind(&scope, input, template, own)?,
                (None, Some(template)) => of_kind(&scope, input, template, &call.path)?,
                (None, None) => match input.kind {
                    CallInputKind::String => json!(""),
                    CallInputKind::Boolean => json!(false),
                    CallInputKind::Number => json!(0),
                },
            };
            Ok((input.name.clone(), value))
        })
        .collect()
}

fn of_kind(
    scope: &Scope<'_>,
    input: &CallInput,
    template: &Template,
    file: &str,
) -> Result<Value, Fault> {
    let (value, wanted) = match input.kind {
        CallInputKind::String => return Ok(expression::text(scope, template, file)?.into()),
        CallInputKind::Boolean => (
            expression::json(scope, template, file)?,
            "`true` or `false`; for a text write `${{ … == 'true' }}`",
        ),
        CallInputKind::Number => (
            expression::json(scope, template, file)?,
            "a number; for a text write `${{ fromJSON(…) }}`",
        ),
    };
    // A number or a truth that stands in the file is one; the reader of the file has looked at it.
    let value = match &value {
        Value::String(text) if !template.text.contains("${{") => {
            serde_json::from_str(text).unwrap_or(value)
        }
        _ => value,
    };
    let fits = match input.kind {
        CallInputKind::String => true,
        CallInputKind::Boolean => value.is_boolean(),
        CallInputKind::Number => value.is_number(),
    };
    if fits {
        return Ok(value);
    }
    let message = format!("input `{}` is `{value}`, and must be {wanted}", input.name);
    Err(Fault::of(file, template, message))
}

/// Goes as far as it can with the jobs that a leg has called, and ends it when they have ended.
pub(crate) fn advance(draft: &mut Draft, spec: &JobSpec, key: &JobKey) {
    let Some(call) = draft.run.calls.get(key).cloned() else {
        return;
    };
    if !group::before_call(draft, spec, key, &call) {
        return;
    }
    for inner in &call.jobs {
        schedule::advance_job(draft, inner);
    }
    // Skipped is all of it when each of its jobs is.
    let mut outcome = Outcome::Skipped;
    let mut reason = None;
    for inner in &call.jobs {
        let Some(conclusion) = condition::conclusion(&draft.run, &inner.id) else {
            return;
        };
        if job::is_failing(conclusion) && reason.is_none() {
            reason = Some(format!("`{}` {conclusion}", own_id(&inner.id)));
        }
        outcome = condition::worse(outcome, conclusion);
    }
    if let Some(stop) = draft.run.leg(key).and_then(|leg| leg.stop.clone()) {
        (outcome, reason) = (stop.outcome, Some(stop.reason));
    }
    job::end(draft, spec, key, outcome, reason);
}

/// The outputs of the called workflow. One that holds a secret is not handed on.
pub(crate) fn outputs(
    run: &Run,
    call: &CallSpec,
    key: &JobKey,
) -> Result<BTreeMap<String, String>, Fault> {
    let scope = Scope::called(run, key);
    let mut outputs = BTreeMap::new();
    for (name, template) in &call.outputs {
        let value = scope.text(template, &call.path)?;
        if !contexts::is_withheld(&value) {
            outputs.insert(name.clone(), value);
        }
    }
    Ok(outputs)
}

/// Wishes what a leg has called ended, as the leg itself; what asks to run just then is spared once.
pub(crate) fn stop(draft: &mut Draft, key: &JobKey, outcome: Outcome, force: bool, reason: &str) {
    let Some(call) = draft.run.calls.get(key).cloned() else {
        return;
    };
    for inner in &call.jobs {
        if !force && condition::job_is_spared(&draft.run, inner) {
            continue;
        }
        for leg in draft.run.legs_of(&inner.id).to_vec() {
            schedule::stop(draft, &leg, outcome, force, reason);
        }
    }
}

/// Why, when the leg that calls a job, or one further out, is to end; and whether nothing is spared.
pub(crate) fn stopping(run: &Run, job: &str) -> Option<(String, bool)> {
    let mut found: Option<(String, bool)> = None;
    let mut frame = run.frame(job);
    while let Some((caller, _)) = frame {
        if let Some(stop) = run.leg(caller).and_then(|leg| leg.stop.as_ref()) {
            let force = stop.force || found.is_some_and(|(_, force)| force);
            found = Some((stop.reason.clone(), force));
        }
        frame = run.frame(caller.job());
    }
    found
}

/// The `jobs` context: what has become of the jobs that a leg has called.
pub(crate) fn jobs(scope: &Scope<'_>, caller: &JobKey) -> Value {
    let call = scope.run.call(caller);
    let jobs = call.map_or(&[][..], |call| call.jobs.as_slice());
    jobs.iter()
        .map(|spec| {
            let result = scope.result_of(&spec.id);
            (own_id(&spec.id).to_owned(), result)
        })
        .collect::<Map<_, _>>()
        .into()
}

/// What a called job sees as its secrets; `None` when that is what the run has.
pub(crate) fn secrets(scope: &Scope<'_>, given: &Given<'_>) -> Option<Map<String, Value>> {
    let (caller, values) = named(scope)?;
    let Ok(mut around) = Scope::job(scope.run, caller) else {
        return Some(Map::new());
    };
    around.given = Some(given);
    let file = scope.run.file_of(caller.job());
    let value = |(name, template): &(String, Template)| {
        // What cannot be evaluated is nothing, as a secret that is not there.
        let text = expression::text(&around, template, file).unwrap_or_default();
        (name.clone(), json!(text))
    };
    Some(values.iter().map(value).collect())
}

/// Whether a called job may find a secret of this name; `None` when that is not the caller's to say.
pub(crate) fn has_secret(scope: &Scope<'_>, name: Option<&String>) -> Option<bool> {
    let (caller, values) = named(scope)?;
    let Some(name) = name else {
        return Some(!values.is_empty());
    };
    let given = values
        .iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(name));
    Some(given.is_some_and(|(_, template)| {
        let uses_none = !template.text.to_ascii_lowercase().contains("secrets");
        let around = Scope::job(scope.run, caller);
        uses_none || around.is_ok_and(|around| around.needs_the_edge(&template.text))
    }))
}

/// The leg around that names the secrets of what it calls. One that lets its own pass is looked through.
fn named<'a>(scope: &Scope<'a>) -> Option<(&'a JobKey, &'a [(String, Template)])> {
    let mut job = scope.spec?.id.as_str();
    loop {
        let (caller, _) = scope.run.frame(job)?;
        match &scope.run.callee(caller)?.secrets {
            CallSecrets::Named { values } => return Some((caller, values)),
            CallSecrets::Inherit => job = caller.job(),
        }
    }
}

/// What callers have made from secrets for this job: to be masked like the secrets themselves.
pub(crate) fn masks(run: &Run, key: &JobKey, given: &Given<'_>) -> Vec<Secret> {
    let mut masks = Vec::new();
    let mut around = Some(key.clone());
    while let Some(key) = around {
        if let Ok(scope) = Scope::job(run, &key)
            && let Some(own) = secrets(&scope, given)
        {
            let texts = own.values().filter_map(Value::as_str);
            masks.extend(
                texts
                    .filter(|text| !text.trim().is_empty())
                    .map(Secret::new),
            );
        }
        around = key.caller();
    }
    masks
}
