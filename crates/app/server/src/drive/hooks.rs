//! The runner's hooks: a script of whoever keeps this machine before the first step of each job, and one
//! behind the last, as steps with logs of their own.
//!
//! Their paths are in the server's environment, under the names that GitHub's runner has for them.

use std::collections::BTreeMap;

use cutover_model::plan::{Expression, Plan, StepBody, StepSpec, Template};

const STARTED: &str = "ACTIONS_RUNNER_HOOK_JOB_STARTED";
const COMPLETED: &str = "ACTIONS_RUNNER_HOOK_JOB_COMPLETED";

/// Puts the hooks of this machine around the steps of each job.
pub(crate) fn put_around(plan: &mut Plan, env: &BTreeMap<String, String>) {
    for job in &mut plan.jobs {
        if let Some(path) = env.get(STARTED) {
            // Only the job's containers come before it: they are made ready first of all.
            let containers = job
                .steps
                .first()
                .is_some_and(|first| matches!(first.body, StepBody::SetUpContainers));
            let place = usize::from(containers);
            job.steps.insert(place, hook("Set up runner", path));
        }
        if let Some(path) = env.get(COMPLETED) {
            job.steps.push(StepSpec {
                condition: Some(Expression {
                    text: "always()".to_owned(),
                    at: job.at,
                }),
                ..hook("Complete runner", path)
            });
        }
    }
}

fn hook(name: &str, path: &str) -> StepSpec {
    let quoted = path.replace('\'', r"'\''");
    StepSpec {
        name: Some(Template::plain(name)),
        on_machine: true,
        ..StepSpec::new(StepBody::Run {
            script: Template::plain(format!("exec bash -e '{quoted}'")),
            shell: Some(Template::plain("bash")),
            working_directory: Some(Template::plain(".")),
        })
    }
}

#[cfg(test)]
mod tests {
    use cutover_model::plan::JobSpec;

    use super::*;

    #[test]
    fn hooks_stand_around_the_steps_of_each_job() {
        let step = StepSpec::new(StepBody::WaitAll);
        let mut plan = Plan {
            jobs: vec![JobSpec::new("a", vec![step])],
            ..Plan::new("ci.yml")
        };
        put_around(&mut plan, &BTreeMap::new());
        assert_eq!(plan.jobs[0].steps.len(), 1);
        let env = [(STARTED, "/it's.sh"), (COMPLETED, "/b.sh")];
        let env = env.map(|(name, path)| (name.to_owned(), path.to_owned()));
        put_around(&mut plan, &env.into());
        let [first, _, last] = plan.jobs[0].steps.as_slice() else {
            panic!("three steps");
        };
        let StepBody::Run { script, .. } = &first.body else {
            panic!("a script");
        };
        assert_eq!(script.text, r"exec bash -e '/it'\''s.sh'");
        assert!(first.condition.is_none());
        assert_eq!(last.condition.as_ref().unwrap().text, "always()");
    }
}
