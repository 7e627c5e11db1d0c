//! Only one job of a plan and what it needs; only some legs of a matrix; places for labels. What nothing
//! has is refused before anything begins.

use anyhow::bail;
use cutover_dialect as dialect;
use cutover_model::plan::{JobSpec, Plan};

use crate::cli;

/// What the command line wants of the plans.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// The job, with what it needs.
    job: Option<&'a str>,
    /// The legs: names and values.
    matrix: &'a [(String, String)],
    /// Labels, and where their jobs run.
    places: &'a [(String, String)],
}

impl<'a> Wanted<'a> {
    pub(super) fn of(args: &'a cli::Run) -> Self {
        Self {
            job: args.job.as_deref(),
            matrix: &args.matrix,
            places: &args.runs_on,
        }
    }
}

/// Leaves out what is not wanted; which plans are left. Of several plans one that has what is wanted is
/// enough.
pub(super) fn choose(plans: &mut [Plan], wanted: &Wanted<'_>) -> anyhow::Result<Vec<bool>> {
    let mut chosen = vec![true; plans.len()];
    if plans.is_empty() {
        return Ok(chosen);
    }
    if let Some(job) = wanted.job {
        chosen = plans.iter().map(|plan| plan.job(job).is_some()).collect();
        if !chosen.contains(&true) {
            bail!("{}", no_job(plans, job));
        }
    }
    for (plan, _) in plans.iter_mut().zip(&chosen).filter(|(_, chosen)| **chosen) {
        if let Some(job) = wanted.job {
            only(plan, job);
        }
    }
    let of = |plans: &[Plan], has: fn(&JobSpec) -> bool| {
        let plans = plans.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
        plans.filter(|(plan, _)| any(&plan.jobs, has)).count()
    };
    let matrices = of(plans, |job| job.matrix.is_some());
    for (plan, _) in plans.iter_mut().zip(&chosen).filter(|(_, chosen)| **chosen) {
        if matrices == 0 || any(&plan.jobs, |job| job.matrix.is_some()) {
            cutover_engine::choose_legs(plan, wanted.matrix)?;
        }
    }
    for (label, _) in wanted.places {
        is_used(plans.iter().zip(&chosen), label)?;
    }
    Ok(chosen)
}

fn no_job(plans: &[Plan], wanted: &str) -> String {
    let mut all: Vec<&str> = Vec::new();
    for job in plans.iter().flat_map(|plan| &plan.jobs) {
        if !all.contains(&job.id.as_str()) {
            all.push(&job.id);
        }
    }
    let paths: Vec<&str> = plans.iter().map(|plan| plan.path.as_str()).collect();
    let hint = dialect::nearest(wanted, all.iter().copied()).map_or_else(
        || format!("there is `{}`", all.join("`, `")),
        |near| format!("did you mean `{near}`?"),
    );
    format!("there is no job `{wanted}` in {}; {hint}", paths.join(", "))
}

/// Leaves out every job that the wanted one does not need.
fn only(plan: &mut Plan, wanted: &str) {
    let mut keep = vec![wanted.to_owned()];
    let mut next = 0;
    while let Some(id) = keep.get(next).cloned() {
        let needs = plan.job(&id).map(|job| job.needs.clone());
        for need in needs.unwrap_or_default() {
            if !keep.contains(&need) {
                keep.push(need);
            }
        }
        next += 1;
    }
    plan.jobs.retain(|job| keep.contains(&job.id));
}

/// Whether some job has this label, or one that is only known when its turn comes.
fn is_used<'a>(
    plans: impl Iterator<Item = (&'a Plan, &'a bool)> + Clone,
    label: &str,
) -> anyhow::Result<()> {
    let plans = plans.filter(|(_, chosen)| **chosen).map(|(plan, _)| plan);
    let mut labels = Vec::new();
    for plan in plans.clone() {
        add_labels(&plan.jobs, &mut labels);
    }
    let may_be = |known: &&str| *known == label || known.contains("${{");
    if labels.iter().any(may_be) {
        return Ok(());
    }
    let paths: Vec<&str> = plans.map(|plan| plan.path.as_str()).collect();
    bail!(
        "--runs-on {label}=…: no job of {} runs on `{label}`; there is `{}`",
        paths.join(", "),
        labels.join("`, `")
    )
}

fn add_labels<'a>(jobs: &'a [JobSpec], labels: &mut Vec<&'a str>) {
    for job in jobs {
        for label in &job.runs_on {
            if !labels.contains(&label.text.as_str()) {
                labels.push(&label.text);
            }
        }
        if let Some(call) = &job.call {
            add_labels(&call.jobs, labels);
        }
    }
}

/// Also in the workflows that jobs call.
fn any(jobs: &[JobSpec], has: fn(&JobSpec) -> bool) -> bool {
    let inner = |job: &JobSpec| job.call.as_ref().is_some_and(|call| any(&call.jobs, has));
    jobs.iter().any(|job| has(job) || inner(job))
}

#[cfg(test)]
mod tests {
    use cutover_dialect::SourceTree;

    use super::*;

    const CI: &str = "on: push\njobs:\n  build: {runs-on: ubuntu-latest, steps: [{run: a}]}\n  \
        test: {needs: build, runs-on: [self-hosted, gpu], strategy: {matrix: {os: [linux, mac], v: [1]}}, \
        steps: [{run: a}]}\n  late: {runs-on: x, steps: [{run: a}]}\n";
    const DOCS: &str = "on: push\njobs:\n  pages: {runs-on: ubuntu-latest, steps: [{run: a}]}\n";
    const DYNAMIC: &str = "on: push\njobs:\n  test: {runs-on: '${{ matrix.os }}', strategy: {matrix: \
        '${{ fromJSON(vars.M) }}'}, steps: [{run: a}]}\n";

    fn plan(name: &str, text: &str) -> Plan {
        let path = format!(".github/workflows/{name}.yml");
        let mut tree = SourceTree::default();
        tree.insert(path.as_str(), text.as_bytes().to_vec());
        let trigger = super::super::event::tests::push();
        let compiled = dialect::compile(&tree, &path, &trigger, dialect::Options::default());
        compiled.plan.expect("it compiles")
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    /// The jobs that are left of each plan.
    fn chosen(texts: &[&str], wanted: Wanted<'_>) -> Result<String, String> {
        let names = ["ci", "docs"];
        let mut plans: Vec<Plan> = names
            .into_iter()
            .zip(texts)
            .map(|(name, text)| plan(name, text))
            .collect();
        let chosen = choose(&mut plans, &wanted).map_err(|error| error.to_string())?;
        let left = plans.iter().zip(chosen).filter(|(_, chosen)| *chosen);
        let left = left.map(|(plan, _)| {
            let ids: Vec<&str> = plan.jobs.iter().map(|job| job.id.as_str()).collect();
            ids.join(" ")
        });
        Ok(left.collect::<Vec<_>>().join("; "))
    }

    fn job(name: &str) -> Wanted<'_> {
        Wanted {
            job: Some(name),
            ..Wanted::default()
        }
    }

    #[test]
    fn of_several_workflows_those_with_the_job_are_run() {
        assert_eq!(chosen(&[CI, DOCS], job("test")).unwrap(), "build test");
        assert_eq!(chosen(&[CI, DOCS], job("pages")).unwrap(), "pages");
        let refused = chosen(&[CI, DOCS], job("page")).unwrap_err();
        assert!(refused.ends_with("ci.yml, .github/workflows/docs.yml; did you mean `pages`?"));
        let refused = chosen(&[CI], job("nope")).unwrap_err();
        assert!(
            refused.ends_with("there is `build`, `test`, `late`"),
            "{refused}"
        );
    }

    #[test]
    fn a_leg_that_no_matrix_has_is_refused_with_those_there_are() {
        let legs = |texts: &[&str], name: &str, value: &str| {
            let matrix = [pair(name, value)];
            let matrix = &matrix[..];
            chosen(
                texts,
                Wanted {
                    matrix,
                    ..Wanted::default()
                },
            )
        };
        assert_eq!(
            legs(&[CI, DOCS], "os", "mac").unwrap(),
            "build test late; pages"
        );
        let value = legs(&[CI], "os", "nope").unwrap_err();
        assert!(
            value.contains("job `test`") && value.contains("`os: linux, v: 1`, `os: mac, v: 1`"),
            "{value}"
        );
        let name = legs(&[CI], "node", "1").unwrap_err();
        assert!(
            name.ends_with("no matrix of .github/workflows/ci.yml has `node`; there is `os`, `v`")
        );
        assert!(
            legs(&[DOCS], "os", "mac")
                .unwrap_err()
                .contains("no job of")
        );
        assert!(
            legs(&[DYNAMIC], "node", "1").is_ok(),
            "known when its turn comes"
        );
    }

    #[test]
    fn a_place_for_a_label_that_no_job_has_is_refused() {
        let place = |text: &str, label: &str| {
            let places = [pair(label, "host")];
            let places = &places[..];
            chosen(
                &[text],
                Wanted {
                    places,
                    ..Wanted::default()
                },
            )
        };
        assert!(place(CI, "gpu").is_ok());
        let refused = place(CI, "cpu").unwrap_err();
        assert!(
            refused.ends_with("there is `ubuntu-latest`, `self-hosted`, `gpu`, `x`"),
            "{refused}"
        );
        assert!(place(DYNAMIC, "cpu").is_ok(), "known when its turn comes");
    }
}
