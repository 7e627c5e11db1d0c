//! Which legs of its matrices a run is wanted for, as somebody says it: that there are such legs is seen
//! before anything begins, as far as the matrices are known then.

use cutover_model::plan::{JobSpec, MatrixSpec, Plan};

use crate::{
    Fault,
    matrix::{self, Combination},
};

/// Of more legs or values than these the others are only counted.
const SHOWN: usize = 20;

/// What was wanted is not there; says what is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSuchLeg(String);

/// Keeps of every matrix of a plan, also of the workflows that its jobs call, only the legs with these
/// values (`NAME`, `VALUE`). A matrix that is an expression is known when its turn comes, and what it lacks
/// is refused then.
pub fn choose_legs(plan: &mut Plan, wanted: &[(String, String)]) -> Result<(), NoSuchLeg> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut matrices = Vec::new();
    add_matrices(&plan.jobs, &mut matrices);
    if matrices.is_empty() {
        return Err(NoSuchLeg(format!(
            "--matrix chooses legs, and no job of {} has a matrix",
            plan.path
        )));
    }
    let mut known = Vec::new();
    for (job, spec) in &matrices {
        if let Some(legs) = legs_of(spec) {
            known.push((*job, legs));
        }
    }
    if known.len() == matrices.len() {
        are_axes(plan, &known, wanted)?;
    }
    for (job, legs) in &known {
        if !legs.iter().any(|leg| matrix::is_wanted(leg, wanted)) {
            return Err(NoSuchLeg(format!(
                "job `{job}` of {} has no leg with {}; {} (--job leaves out other jobs)",
                plan.path,
                pairs(wanted),
                there_is(legs)
            )));
        }
    }
    keep(&mut plan.jobs, wanted);
    Ok(())
}

/// What was wanted by a name that nothing has, once the only matrix of a plan that had to be evaluated is
/// known. Of several each may be the one that is meant.
pub(crate) fn lacking(plan: &Plan, spec: &MatrixSpec, legs: &[Combination]) -> Option<String> {
    let (name, _) = spec.only.iter().find(|(name, _)| !has(legs, name))?;
    let mut matrices = Vec::new();
    add_matrices(&plan.jobs, &mut matrices);
    let known: Vec<_> = matrices
        .iter()
        .filter_map(|(_, spec)| legs_of(spec))
        .collect();
    let is_last = legs_of(spec).is_none() && known.len() + 1 == matrices.len();
    let is_elsewhere = known.iter().any(|legs| has(legs, name));
    (is_last && !is_elsewhere).then(|| format!("no matrix has `{name}`; here {}", there_is(legs)))
}

fn has(legs: &[Combination], name: &str) -> bool {
    legs.iter().any(|leg| leg.contains_key(name))
}

/// `the legs are …`, for people.
pub(crate) fn there_is(legs: &[Combination]) -> String {
    let one = |leg: &Combination| {
        let values = leg.iter().map(|(name, value)| {
            let text = cutover_expr::Value::from(value.clone()).to_text();
            format!("{name}: {text}")
        });
        format!("`{}`", values.collect::<Vec<_>>().join(", "))
    };
    format!("the legs are {}", some_of(legs.iter().map(one)))
}

/// `name: value`, as it was wanted.
pub(crate) fn pairs(wanted: &[(String, String)]) -> String {
    let all: Vec<String> = wanted
        .iter()
        .map(|(name, value)| format!("`{name}: {value}`"))
        .collect();
    all.join(", ")
}

/// Whether every name that is wanted is one of some leg.
fn are_axes(
    plan: &Plan,
    known: &[(&str, Vec<Combination>)],
    wanted: &[(String, String)],
) -> Result<(), NoSuchLeg> {
    let legs = || known.iter().flat_map(|(_, legs)| legs);
    for (name, _) in wanted {
        if legs().any(|leg| leg.contains_key(name)) {
            continue;
        }
        let mut names: Vec<String> = Vec::new();
        for name in legs().flat_map(|leg| leg.keys()) {
            let name = format!("`{name}`");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        return Err(NoSuchLeg(format!(
            "no matrix of {} has `{name}`; there is {}",
            plan.path,
            some_of(names.into_iter())
        )));
    }
    Ok(())
}

fn some_of(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(SHOWN);
    let shown: Vec<String> = all.take(SHOWN).collect();
    let shown = shown.join(", ");
    if more == 0 {
        shown
    } else {
        format!("{shown}, and {more} more")
    }
}

fn add_matrices<'a>(jobs: &'a [JobSpec], found: &mut Vec<(&'a str, &'a MatrixSpec)>) {
    for job in jobs {
        found.extend(job.matrix.as_ref().map(|spec| (job.id.as_str(), spec)));
        if let Some(call) = &job.call {
            add_matrices(&call.jobs, found);
        }
    }
}

fn keep(jobs: &mut [JobSpec], wanted: &[(String, String)]) {
    for job in jobs {
        if let Some(spec) = &mut job.matrix {
            spec.only = wanted.to_vec();
        }
        if let Some(call) = &mut job.call {
            keep(&mut call.jobs, wanted);
        }
    }
}

/// The legs of a matrix in which nothing has to be evaluated; one that does not hold is told when its
/// turn comes, as ever.
fn legs_of(spec: &MatrixSpec) -> Option<Vec<Combination>> {
    let is_plain = spec.strategy.is_none() && !spec.values.to_string().contains("${{");
    let all = MatrixSpec::new(spec.values.clone());
    let legs: Result<_, Fault> = matrix::of_values(spec.values.clone(), &all, "");
    legs.ok().filter(|_| is_plain)
}
