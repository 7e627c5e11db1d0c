//! Only one job of a plan, and what it needs.

use anyhow::bail;
use cutover_model::plan::Plan;

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
