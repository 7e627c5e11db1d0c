//! Only one job of a plan and what it needs; only some legs of a matrix.

use anyhow::bail;
use cutover_model::plan::{JobSpec, Plan};

/// Leaves out every job that the wanted one does not need.
pub(super) fn only(plan: &mut Plan, wanted: &str) -> anyhow::Result<()> {
    if plan.job(wanted).is_none() {
        let all: Vec<&str> = plan.jobs.iter().map(|job| job.id.as_str()).collect();
        bail!(
            "there is no job `{wanted}` in {}; there is `{}`",
            plan.path,
            all.join("`, `")
        );
    }
    let mut keep = vec![wanted.to_owned()];
    let mut next = 0;
    while let Some(id) = keep.get(next).cloned() {
        for need in plan
            .job(&id)
            .map(|job| job.needs.clone())
            .unwrap_or_default()
        {
            if !keep.contains(&need) {
                keep.push(need);
            }
        }
        next += 1;
    }
    plan.jobs.retain(|job| keep.contains(&job.id));
    Ok(())
}

/// Keeps only the legs with these values; at least one job must have a matrix to choose from.
pub(super) fn legs(plan: &mut Plan, wanted: &[(String, String)]) -> anyhow::Result<()> {
    if !choose(&mut plan.jobs, wanted) && !wanted.is_empty() {
        bail!(
            "--matrix chooses legs, and no job of {} has a matrix",
            plan.path
        );
    }
    Ok(())
}

/// Also in the workflows that jobs call; whether any job has a matrix.
fn choose(jobs: &mut [JobSpec], wanted: &[(String, String)]) -> bool {
    let mut any = false;
    for job in jobs {
        if let Some(matrix) = &mut job.matrix {
            matrix.only = wanted.to_vec();
            any = true;
        }
        if let Some(call) = &mut job.call {
            any |= choose(&mut call.jobs, wanted);
        }
    }
    any
}
