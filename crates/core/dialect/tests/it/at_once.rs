//! Steps that go at once, groups of which one goes at a time, and what else is said of a job.

use cutover_model::plan::{Access, JobSpec, Permissions, Queue, StepBody, StepSpec};

use crate::{PATH, check, plan};

fn job(text: &str) -> JobSpec {
    plan(&[(PATH, text)]).jobs.remove(0)
}

fn short(step: &StepSpec) -> String {
    let background = if step.background { "& " } else { "" };
    let id = step.id.as_deref().unwrap_or("-");
    match &step.body {
        StepBody::Run { script, .. } => format!("{background}{id}: {}", script.text),
        StepBody::Wait { steps } => format!("{id}: wait {}", steps.join(" ")),
        StepBody::WaitAll => format!("{id}: wait-all"),
        StepBody::CancelStep { step } => format!("{id}: cancel {step}"),
        other => format!("{other:?}"),
    }
}

fn steps(text: &str) -> String {
    let job = job(text);
    let steps: Vec<String> = job.steps.iter().map(short).collect();
    steps.join("; ")
}

#[test]
fn steps_go_in_the_background_and_are_waited_for() {
    let text = "
        on: push
        jobs:
          a:
            runs-on: x
            steps:
              - { id: db, run: serve, background: true }
              - { id: lint, run: lint, background: true }
              - { id: plain, run: build, background: false }
              - { wait: lint, continue-on-error: true }
              - { wait: [lint, db] }
              - wait-all:
              - { id: stop, cancel: db }
        ";
    check(text, "");
    assert_eq!(
        steps(text),
        "& db: serve; & lint: lint; plain: build; -: wait lint; -: wait lint db; -: wait-all; \
         stop: cancel db"
    );
    assert!(job(text).steps[3].continue_on_error.is_some());
}

#[test]
fn what_nobody_waits_for_is_waited_for_in_the_end() {
    let text = "
        on: push
        jobs:
          a:
            runs-on: x
            steps:
              - { id: a, run: a, background: true }
              - { run: b, background: true }
              - { wait: a }
        ";
    assert_eq!(steps(text), "& a: a; & -: b; -: wait a; -: wait-all");
    let last = job(text).steps.pop().and_then(|step| step.name);
    assert_eq!(last.unwrap().text, "Wait for all background steps");
}

#[test]
fn a_parallel_group_is_steps_in_the_background_and_a_wait() {
    let text = "
        on: push
        jobs:
          a:
            runs-on: x
            steps:
              - run: first
              - id: both
                name: Both
                parallel:
                  - { id: one, run: one }
                  - { run: two }
              - { run: last }
        ";
    check(text, "");
    assert_eq!(
        steps(text),
        "-: first; & one: one; & __parallel_1_1: two; both: wait one __parallel_1_1; -: last"
    );
    let name = job(text).steps[3].name.clone();
    assert_eq!(name.unwrap().text, "Both");
}

#[test]
fn an_action_goes_in_the_background_as_a_whole() {
    let action = "
        name: it
        runs:
          using: composite
          steps:
            - { run: a, shell: sh, background: true }
        ";
    let workflow = "
        on: push
        jobs:
          a: { runs-on: x, steps: [{ uses: ./it, background: true }] }
        ";
    let said = crate::render(&cutover_dialect::lint(
        &crate::tree(&[(PATH, workflow), ("it/action.yml", action)]),
        PATH,
    ));
    assert!(
        said.contains("`background` is for the steps of a job"),
        "{said}"
    );
}

#[test]
fn groups_of_a_workflow_and_of_a_job() {
    let text = "
        on: push
        concurrency: ${{ github.workflow }}-${{ github.ref }}
        jobs:
          a:
            runs-on: x
            concurrency: { group: 'deploy-${{ matrix.n }}', queue: max, cancel-in-progress: '${{ false }}' }
            strategy: { matrix: { n: [1] } }
            steps: [{ run: a }]
        ";
    check(text, "");
    let plan = plan(&[(PATH, text)]);
    let whole = plan.concurrency.unwrap();
    assert_eq!(whole.group.text, "${{ github.workflow }}-${{ github.ref }}");
    assert_eq!(whole.queue, Queue::Single);
    let job = plan.jobs[0].concurrency.clone().unwrap();
    assert_eq!(job.group.text, "deploy-${{ matrix.n }}");
    assert_eq!(job.queue, Queue::Max);
    assert_eq!(job.cancel_in_progress.unwrap().text, "${{ false }}");
}

#[test]
fn permissions_of_a_job_are_its_own_or_those_of_the_workflow() {
    let text = "
        on: push
        permissions: { id-token: write }
        jobs:
          a: { runs-on: x, steps: [{ run: a }] }
          b: { runs-on: x, permissions: { contents: read }, steps: [{ run: a }] }
          c: { runs-on: x, permissions: write-all, steps: [{ run: a }] }
          d: { runs-on: x, permissions: read-all, steps: [{ run: a }] }
        ";
    let plan = plan(&[(PATH, text)]);
    let of = |index: usize| plan.jobs[index].permissions.clone().unwrap();
    assert!(of(0).gives_id_tokens());
    assert!(!of(1).gives_id_tokens());
    assert_eq!(of(1).access("contents"), Access::Read);
    assert!(of(2).gives_id_tokens());
    assert!(!of(3).gives_id_tokens());
    assert_eq!(of(3), Permissions::ReadAll);
    assert!(plan.permissions.is_some());
}

#[test]
fn what_else_is_said_of_a_job() {
    let text = "
        on: push
        jobs:
          a:
            runs-on: { group: large, labels: [linux, '${{ matrix.n }}'] }
            strategy: ${{ fromJSON(vars.STRATEGY) }}
            cancel-timeout-minutes: 1.5
            environment: { name: n, url: x, deployment: false }
            steps: [{ run: a }]
        ";
    check(text, "");
    let job = job(text);
    let labels: Vec<&str> = job.runs_on.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(labels, ["group:large", "linux", "${{ matrix.n }}"]);
    assert_eq!(job.cancel_timeout_minutes.unwrap().text, "1.5");
    assert!(!job.environment.unwrap().deployment);
    let strategy = job.matrix.unwrap().strategy.unwrap();
    assert_eq!(strategy.text, "${{ fromJSON(vars.STRATEGY) }}");
}
