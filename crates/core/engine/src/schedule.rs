//! What is ready: jobs whose needs have ended, legs that may ask for a runner, the end of the run.

use cutover_model::{
    event::{self, RunEvent},
    plan::{JobSpec, Template},
    run::{JobKey, Outcome, State, WaitingOn},
};

use crate::{
    Fault, call, choice, condition,
    decide::Draft,
    expression, group, job, matrix, retry,
    run::{Group, Run},
    scope::{Combination, Scope},
    strategy::{self, Strategy},
    timeout,
};

/// Goes as far as it can with the whole run.
pub(crate) fn advance(draft: &mut Draft) {
    let Some(head) = draft.run.head.clone() else {
        return;
    };
    if !matches!(draft.run.state, State::Running { .. }) {
        return;
    }
    // One pass lets jobs start that stand behind those that just ended; a need may be written after
    // the job that has it, so pass until nothing changes.
    loop {
        let before = draft.events.len();
        for spec in &head.plan.jobs {
            advance_job(draft, spec);
        }
        if draft.events.len() == before {
            break;
        }
    }
    let ended = |spec: &JobSpec| condition::conclusion(&draft.run, &spec.id).is_some();
    if draft.run.is_live() && head.plan.jobs.iter().all(ended) {
        let outcome = outcome(&draft.run);
        draft.say(RunEvent::RunFinished { outcome });
    }
}

pub(crate) fn advance_job(draft: &mut Draft, spec: &JobSpec) {
    if !draft.run.groups.contains_key(&spec.id) {
        if !condition::needs_are_met(&draft.run, spec) {
            return;
        }
        begin(draft, spec);
    }
    let keys = draft.run.legs_of(&spec.id).to_vec();
    for key in &keys {
        job::advance(draft, spec, key);
    }
    fail_fast(draft, spec, &keys);
}

/// Decides what becomes of a job whose needs have all ended.
fn begin(draft: &mut Draft, spec: &JobSpec) {
    let run = &draft.run;
    let around = call::stopping(run, &spec.id);
    let forced = run.cancels.len() > 1 || around.as_ref().is_some_and(|(_, force)| *force);
    let cancel = run.cancels.first().map(crate::run::Cancel::text);
    let cancel = cancel.or(around.map(|(reason, _)| reason));
    // The first wish to end it leaves jobs that ask for it (`always()`); the second leaves none.
    let holds = if forced {
        Ok(false)
    } else {
        condition::of_job(run, spec)
    };
    let event = match (holds, cancel) {
        (Ok(true), _) => match expand(run, spec) {
            Ok(event) => event,
            Err(fault) => ended(spec, Outcome::Faulted, fault.to_string()),
        },
        (Ok(false), Some(text)) => ended(spec, Outcome::Cancelled, text),
        (Ok(false), None) => RunEvent::JobSkipped {
            job: spec.id.clone(),
            reason: why_skipped(run, spec),
        },
        (Err(fault), _) => ended(spec, Outcome::Faulted, fault.to_string()),
    };
    draft.say(event);
}

/// A job that ends before it has legs.
pub(crate) fn ended(spec: &JobSpec, outcome: Outcome, reason: String) -> RunEvent {
    RunEvent::JobFinished {
        job: JobKey::single(&spec.id),
        outcome,
        conclusion: outcome,
        outputs: std::collections::BTreeMap::new(),
        environment_url: None,
        reason: Some(reason),
    }
}

fn why_skipped(run: &Run, spec: &JobSpec) -> String {
    if let Some(condition) = &spec.condition {
        return format!("`if: {}` does not hold", condition.text);
    }
    let culprit = spec.needs.iter().find_map(|job| {
        let conclusion = condition::conclusion(run, job)?;
        (conclusion != Outcome::Succeeded).then(|| format!("`{}` {conclusion}", call::own_id(job)))
    });
    culprit.unwrap_or_else(|| "a job further back did not succeed".to_owned())
}

/// The legs of a job.
fn expand(run: &Run, spec: &JobSpec) -> Result<RunEvent, Fault> {
    let file = run.file_of(&spec.id);
    let before = Scope::before_job(run, spec);
    let Strategy {
        combinations,
        has_matrix,
        fail_fast,
        max_parallel,
    } = strategy::of(&before, spec, file)?;
    let lacking = run.plan().zip(spec.matrix.as_ref());
    let lacking = lacking.and_then(|(plan, matrix)| choice::lacking(plan, matrix, &combinations));
    if let (Some(message), Some(matrix)) = (lacking, &spec.matrix) {
        return Err(Fault::new(file, matrix.at, message));
    }
    let total = combinations.len();
    let legs = combinations
        .into_iter()
        .enumerate()
        .map(|(index, matrix)| {
            let combination = Combination {
                matrix: &matrix,
                index,
                total,
                fail_fast,
                max_parallel,
            };
            let scope = Scope::leg(run, spec, combination);
            timeout::of_leg(&scope, spec, file)?;
            timeout::cleaning_of_leg(&scope, spec, file)?;
            let (name, runs_on, environment) = parts_of_leg(&scope, spec, file)?;
            let key = if has_matrix {
                JobKey::leg(&spec.id, index)
            } else {
                JobKey::single(&spec.id)
            };
            let concurrency = spec
                .concurrency
                .as_ref()
                .map(|written| group::evaluate(&scope, written, file))
                .transpose()?;
            Ok(event::Leg {
                key,
                name,
                matrix,
                runs_on,
                environment,
                concurrency,
            })
        })
        .collect::<Result<_, Fault>>()?;
    Ok(RunEvent::JobExpanded {
        job: spec.id.clone(),
        legs,
        fail_fast,
        max_parallel,
    })
}

/// Name, labels and environment of one leg.
fn parts_of_leg(
    scope: &Scope<'_>,
    spec: &JobSpec,
    file: &str,
) -> Result<(String, Vec<String>, Option<String>), Fault> {
    let label = scope.combination.map(|one| matrix::label(one.matrix));
    let label = label.filter(|label| !label.is_empty());
    let written = spec.name.as_ref();
    let name = match written {
        Some(template) => expression::text(scope, template, file)?,
        None => call::own_id(&spec.id).to_owned(),
    };
    let says_it = written.is_some_and(|template| template.text.contains("${{"));
    let name = match label {
        Some(label) if !says_it => format!("{name} ({label})"),
        Some(_) | None => name,
    };
    let runs_on = labels(scope, &spec.runs_on, file)?;
    let environment = match &spec.environment {
        Some(environment) => Some(expression::text(scope, &environment.name, file)?),
        None => None,
    };
    Ok((name, runs_on, environment.filter(|name| !name.is_empty())))
}

/// The labels of `runs-on`; an expression may give several at once.
fn labels(scope: &Scope<'_>, templates: &[Template], file: &str) -> Result<Vec<String>, Fault> {
    let mut labels = Vec::new();
    for template in templates {
        match expression::json(scope, template, file)? {
            serde_json::Value::Array(items) => {
                for item in items {
                    labels.push(
                        item.as_str()
                            .map_or_else(|| item.to_string(), str::to_owned),
                    );
                }
            }
            _ => labels.push(expression::text(scope, template, file)?),
        }
    }
    Ok(labels)
}

/// A leg that nothing else holds up asks for a runner, when there is a place for it.
pub(crate) fn queue(draft: &mut Draft, key: &JobKey) {
    let run = &draft.run;
    let Some(leg) = run.leg(key).filter(|leg| !leg.asked_runner) else {
        return;
    };
    let calls = run.spec(key.job()).is_some_and(|spec| spec.call.is_some());
    let places = match run.groups.get(key.job()) {
        Some(Group::Expanded { max_parallel, .. }) => *max_parallel,
        Some(Group::Ended { .. }) | None => None,
    };
    let taken = run
        .legs_of(key.job())
        .iter()
        .filter(|other| run.leg(other).is_some_and(job::Leg::takes_a_place))
        .count();
    let free = places.is_none_or(|places| u32::try_from(taken).is_ok_and(|taken| taken < places));
    if free && calls {
        call::begin(draft, key);
        return;
    }
    let on = if free {
        WaitingOn::Runner {
            labels: leg.spec.runs_on.clone(),
        }
    } else {
        WaitingOn::MaxParallel
    };
    let says_so = matches!(
        leg.state,
        State::Waiting {
            on: WaitingOn::MaxParallel,
            ..
        }
    );
    if free || !says_so {
        draft.say(RunEvent::JobWaiting {
            job: key.clone(),
            on,
        });
    }
}

/// The first leg that fails ends the others.
fn fail_fast(draft: &mut Draft, spec: &JobSpec, keys: &[JobKey]) {
    let Some(Group::Expanded {
        fail_fast: true, ..
    }) = draft.run.groups.get(&spec.id)
    else {
        return;
    };
    let failed = keys.iter().find_map(|key| {
        let leg = draft.run.leg(key)?;
        let conclusion = leg.conclusion?;
        // What failed in an earlier try of the run, and is not done once more, ends nothing now.
        let counts = job::is_failing(conclusion)
            && !matches!(conclusion, Outcome::Cancelled | Outcome::Superseded)
            && retry::is_of_now(&draft.run, leg);
        counts.then(|| format!("`{}` {conclusion} and `fail-fast` is on", leg.spec.name))
    });
    let Some(reason) = failed else {
        return;
    };
    for key in keys {
        stop(draft, key, Outcome::Cancelled, false, &reason);
        job::advance(draft, spec, key);
    }
}

/// Wishes a leg ended; a wish that changes nothing is not said.
pub(crate) fn stop(draft: &mut Draft, key: &JobKey, outcome: Outcome, force: bool, reason: &str) {
    let Some(leg) = draft.run.leg(key).filter(|leg| !leg.state.is_finished()) else {
        return;
    };
    let (outcome, reason) = match &leg.stop {
        Some(stop) if stop.force || !force => return,
        Some(stop) => (stop.outcome, stop.reason.clone()),
        None => (outcome, reason.to_owned()),
    };
    draft.say(RunEvent::JobStopRequested {
        job: key.clone(),
        outcome,
        force,
        reason: reason.clone(),
    });
    call::stop(draft, key, outcome, force, &reason);
}

/// Wishes the whole run ended. The second wish also ends what the first one spared.
pub(crate) fn cancel(draft: &mut Draft, by: String, reason: Option<String>) {
    let force = !draft.run.cancels.is_empty();
    if draft.run.cancels.len() >= 2 {
        return;
    }
    draft.say(RunEvent::CancelRequested { by, reason });
    let text = draft.run.cancels.last().map(crate::run::Cancel::text);
    let text = text.unwrap_or_default();
    if group::waits(&draft.run, None) {
        group::end_all(draft, Outcome::Cancelled, &text);
        return;
    }
    let keys: Vec<JobKey> = draft.run.legs.keys().cloned().collect();
    for key in &keys {
        let spec = draft.run.spec(key.job());
        let spared = !force && spec.is_some_and(|spec| condition::job_is_spared(&draft.run, spec));
        if !spared {
            stop(draft, key, Outcome::Cancelled, force, &text);
        }
    }
}

/// How a run ends: cancelled before failed before succeeded.
fn outcome(run: &Run) -> Outcome {
    if !run.cancels.is_empty() {
        return Outcome::Cancelled;
    }
    run.plan()
        .into_iter()
        .flat_map(|plan| &plan.jobs)
        .filter_map(|spec| condition::conclusion(run, &spec.id))
        .filter(|conclusion| *conclusion != Outcome::Skipped)
        .fold(Outcome::Succeeded, condition::worse)
}
