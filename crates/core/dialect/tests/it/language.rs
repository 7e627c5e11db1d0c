//! The tables of the official language, written out once more: events with their types and filters,
//! and what each key may use in expressions.

use std::collections::BTreeSet;

use cutover_dialect::{Options, asks_for_nothing, compile, lint};
use cutover_model::source::{Trigger, TriggerKind};
use serde_json::json;

use crate::{PATH, check, plan, push, render, tree};

/// Each event, a bar, its types; `-` for none.
const EVENTS: &str = "
    branch_protection_rule | created edited deleted
    check_run | created rerequested completed requested_action
    check_suite | completed
    create | -
    delete | -
    deployment | -
    deployment_status | -
    discussion | created edited deleted transferred pinned unpinned labeled unlabeled locked unlocked category_changed answered unanswered
    discussion_comment | created edited deleted
    fork | -
    gollum | -
    image_version | created ready deleted
    issue_comment | created edited deleted
    issues | opened edited deleted transferred pinned unpinned closed reopened assigned unassigned labeled unlabeled locked unlocked milestoned demilestoned typed untyped field_added field_removed
    label | created edited deleted
    merge_group | checks_requested
    milestone | created closed opened edited deleted
    page_build | -
    project | created closed reopened edited deleted
    project_card | created moved converted edited deleted
    project_column | created updated moved deleted
    public | -
    pull_request | assigned unassigned labeled unlabeled opened edited closed reopened synchronize converted_to_draft ready_for_review locked unlocked milestoned demilestoned enqueued dequeued stacked unstacked review_requested review_request_removed auto_merge_enabled auto_merge_disabled
    pull_request_comment | created edited deleted
    pull_request_review | submitted edited dismissed
    pull_request_review_comment | created edited deleted
    pull_request_target | assigned unassigned labeled unlabeled opened edited closed reopened synchronize converted_to_draft ready_for_review locked unlocked milestoned demilestoned enqueued dequeued stacked unstacked review_requested review_request_removed auto_merge_enabled auto_merge_disabled
    push | -
    registry_package | published updated
    release | published unpublished created edited deleted prereleased released
    status | -
    watch | started
    workflow_run | requested completed in_progress
    ";

const JOBS: &str = "jobs: { a: { runs-on: ubuntu-latest, steps: [{ run: echo }] } }\n";

fn said(on: &str) -> String {
    let workflow = format!("on: {on}\n{JOBS}");
    render(&lint(&tree(&[(PATH, &workflow)]), PATH))
}

fn events() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    EVENTS.lines().filter_map(|line| {
        let (event, types) = line.split_once('|')?;
        let types = types.split_whitespace().filter(|word| *word != "-");
        Some((event.trim(), types.collect()))
    })
}

#[test]
fn every_event_starts_a_workflow_with_every_type_it_has_and_no_other() {
    // Those four have forms of their own.
    let own = [
        "repository_dispatch",
        "schedule",
        "workflow_call",
        "workflow_dispatch",
    ];
    assert_eq!(events().count() + own.len(), 37);
    for (event, types) in events() {
        let kind: TriggerKind = event.parse().unwrap();
        let needs = match event {
            "workflow_run" => "workflows: [ci], ",
            _ => "",
        };
        let answers = |on: &str, action: &str| {
            let trigger = Trigger {
                kind,
                payload: json!({ "action": action, "workflow_run": { "name": "ci" } }),
                ..push()
            };
            let workflow = format!("on: {on}\n{JOBS}");
            cutover_dialect::triggered_by(&tree(&[(PATH, &workflow)]), PATH, &trigger)
        };
        for &action in &types {
            let on = format!("{{ {event}: {{ {needs}types: [{action}] }} }}");
            assert_eq!(said(&on), "", "{on}");
            assert_eq!(
                answers(&on, action),
                cutover_dialect::Triggered::Yes,
                "{on}"
            );
            let other = answers(&on, "something");
            assert!(matches!(other, cutover_dialect::Triggered::No(_)), "{on}");
        }
        let wrong = said(&format!("{{ {event}: {{ {needs}types: [bogus] }} }}"));
        assert!(wrong.contains(" 1042 event "), "{event}: {wrong}");
        if needs.is_empty() {
            assert_eq!(said(event), "", "{event}");
            assert_eq!(said(&format!("{{ {event}: }}")), "", "{event}");
            // Without types all start it, but for pull requests.
            let usual = |action: &&str| answers(event, action) == cutover_dialect::Triggered::Yes;
            let starting = types.iter().copied().filter(usual).count();
            let expected = if kind.is_pull_request() {
                3
            } else {
                types.len()
            };
            assert_eq!(starting, expected, "{event}");
        }
    }
}

#[test]
fn only_some_events_have_filters() {
    const FILTERS: [(&str, &[&str]); 9] = [
        (
            "branches",
            &[
                "merge_group",
                "pull_request",
                "pull_request_target",
                "push",
                "workflow_run",
            ],
        ),
        (
            "branches-ignore",
            &[
                "merge_group",
                "pull_request",
                "pull_request_target",
                "push",
                "workflow_run",
            ],
        ),
        ("tags", &["push"]),
        ("tags-ignore", &["push"]),
        ("paths", &["pull_request", "pull_request_target", "push"]),
        (
            "paths-ignore",
            &["pull_request", "pull_request_target", "push"],
        ),
        ("workflows", &["workflow_run"]),
        ("names", &["image_version"]),
        ("versions", &["image_version"]),
    ];
    for (event, _) in events() {
        for (filter, having) in FILTERS {
            let needs = match (event, filter) {
                ("workflow_run", "workflows") => "",
                ("workflow_run", _) => "workflows: [ci], ",
                _ => "",
            };
            let on = format!("{{ {event}: {{ {needs}{filter}: [a] }} }}");
            let found = said(&on);
            let is_refused = found.lines().any(|line| !line.contains(" W "));
            assert_eq!(is_refused, !having.contains(&event), "{on}: {found}");
        }
    }
}

#[test]
fn what_nothing_here_makes_is_accepted_and_said_to_do_nothing() {
    check(
        "
        on:
          push:
          image_version: { types: [ready], names: [base], versions: '1.*' }
        jobs:
          a: { runs-on: ubuntu-latest, snapshot: base, steps: [{ run: echo }] }
          b:
            runs-on: ubuntu-latest
            snapshot: { image-name: base, version: 1.*, if: github.ref == 'refs/heads/main' }
            steps: [{ run: echo }]
          c: { runs-on: ubuntu-latest, snapshot: { version: 1.* }, steps: [{ run: echo }] }
        ",
        "
            10:42 1011 `snapshot` needs `image-name`
            ",
    );
    let workflow = "
        on:
          push:
          image_version: { types: [ready], names: [base], versions: '1.*' }
        jobs:
          a: { runs-on: ubuntu-latest, snapshot: base, steps: [{ run: echo }] }
        ";
    let compiled = compile(
        &tree(&[(PATH, workflow)]),
        PATH,
        &push(),
        Options::default(),
    );
    let hint = "`cutover run --event image_version` starts the workflow";
    assert_eq!(
        render(&compiled.diagnostics),
        format!(
            "3:36 W 1014 `names` is not looked at: nothing here makes images | {hint}\n\
             3:51 W 1014 `versions` is not looked at: nothing here makes images | {hint}\n\
             5:32 W 1014 `snapshot` does nothing here: no image is made of this machine | the job \
             runs as it would without it\n"
        )
    );
    assert_eq!(compiled.plan.unwrap().jobs.len(), 1);
}

#[test]
fn a_commit_may_ask_for_nothing_to_be_started() {
    let says = |kind: TriggerKind, message: &str| {
        asks_for_nothing(&Trigger {
            kind,
            payload: json!({ "head_commit": { "message": message } }),
            ..push()
        })
    };
    for words in [
        "[skip ci]",
        "[ci skip]",
        "[no ci]",
        "[skip actions]",
        "[actions skip]",
    ] {
        let message = format!("docs: a word {words}\n\nbody");
        assert_eq!(says(TriggerKind::Push, &message), Some(words));
        assert_eq!(says(TriggerKind::WorkflowDispatch, &message), None);
    }
    assert!(says(TriggerKind::Push, "docs: x\n\n\nskip-checks: true").is_some());
    for message in ["skip ci", "docs: skip-checks: true", "[skip  ci]", ""] {
        assert_eq!(says(TriggerKind::Push, message), None, "{message}");
    }
    assert_eq!(asks_for_nothing(&push()), None);
}

#[test]
fn all_of_env_may_be_one_expression() {
    let plan = plan(&[(
        PATH,
        "
        on: push
        env: ${{ fromJSON(vars.ALL) }}
        jobs:
          a:
            runs-on: ubuntu-latest
            strategy: { matrix: { env: [{ A: 1 }] } }
            env: ${{ matrix.env }}
            steps:
              - run: echo
                env: ${{ fromJSON(steps.x.outputs.env) }}
        ",
    )]);
    let of = |env: &[(String, cutover_model::plan::Template)]| {
        let found = env
            .iter()
            .map(|(name, value)| format!("{name}:{}", value.text));
        found.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of(&plan.env), ":${{ fromJSON(vars.ALL) }}");
    assert_eq!(of(&plan.jobs[0].env), ":${{ matrix.env }}");
    assert_eq!(
        of(&plan.jobs[0].steps[0].env),
        ":${{ fromJSON(steps.x.outputs.env) }}"
    );
    check(
        "
        on: push
        jobs:
          a: { runs-on: ubuntu-latest, env: '${{ env.A }}', steps: [{ run: echo }] }
        ",
        "
            3:42 1030 context `env` is not available here | available here: `github`, `inputs`, `matrix`, `needs`, `secrets`, `strategy`, `vars`
            ",
    );
}

const CONTEXTS: [&str; 12] = [
    "env", "github", "inputs", "job", "jobs", "matrix", "needs", "runner", "secrets", "steps",
    "strategy", "vars",
];
const FUNCTIONS: [&str; 5] = [
    "always()",
    "cancelled()",
    "failure()",
    "success()",
    "hashFiles('a')",
];

/// Where it stands, a key with `§` for an expression, and all that may stand there. `JOB` and `STEP` are
/// what most keys of those may use.
const PLACES: &str = "
    root | run-name: § | github inputs vars
    root | concurrency: § | github inputs vars
    root | concurrency: { group: a, cancel-in-progress: § } | github inputs vars
    root | env: { A: § } | github inputs vars secrets
    root | name: § |
    root | defaults: { run: { working-directory: § } } |
    called | inputs: { x: { type: string, default: § } } | github inputs vars
    called | outputs: { x: { value: § } } | github inputs vars jobs
    job | if: § | github inputs vars needs always() cancelled() failure() success()
    job | strategy: { matrix: { a: [§] } } | github inputs vars needs
    job | strategy: { matrix: { a: [1] }, fail-fast: § } | github inputs vars needs
    job | strategy: { matrix: { a: [1] }, max-parallel: § } | github inputs vars needs
    job | name: § | JOB
    job | concurrency: § | JOB
    job | continue-on-error: § | JOB
    job | timeout-minutes: § | JOB
    job | cancel-timeout-minutes: § | JOB
    job | environment: § | JOB
    job | environment: { name: a, url: § } | JOB env job runner steps
    job | outputs: { x: § } | JOB env job runner secrets steps
    job | env: { A: § } | JOB secrets
    job | defaults: { run: { shell: § } } | JOB env
    job | defaults: { run: { working-directory: § } } | JOB env
    job | container: § | JOB
    job | container: { image: § } | JOB
    job | container: { image: a, options: § } | JOB
    job | container: { image: a, ports: [§] } | JOB
    job | container: { image: a, volumes: [§] } | JOB
    job | container: { image: a, credentials: { username: a, password: § } } | JOB env secrets
    job | container: { image: a, env: { A: § } } | JOB env job runner secrets
    job | services: { x: { image: § } } | JOB
    job | services: { x: { image: a, credentials: { username: a, password: § } } } | JOB env secrets
    job | services: { x: { image: a, env: { A: § } } } | JOB env job runner secrets
    call | with: { x: § } | JOB
    call | secrets: { x: § } | JOB secrets
    step | name: § | STEP
    step | env: { A: § } | STEP
    step | continue-on-error: § | STEP
    step | timeout-minutes: § | STEP
    step | working-directory: § | STEP
    step | shell: § |
    step | if: § | JOB env job runner steps hashFiles('a') always() cancelled() failure() success()
    jobs | a: { runs-on: §, steps: [{ run: echo }] } | JOB
    jobs | a: { runs-on: x, steps: [{ run: § }] } | STEP
    jobs | a: { runs-on: x, steps: [{ uses: actions/checkout@v4, with: { ref: § } }] } | STEP
    ";
const OF_JOB: &str = "github inputs matrix needs strategy vars";
const OF_STEP: &str =
    "env github inputs job matrix needs runner secrets steps strategy vars hashFiles('a')";

/// A line of the table: a workflow, and what may stand in it.
fn place(line: &str) -> Option<(String, BTreeSet<&str>)> {
    let mut parts = line.split('|').map(str::trim);
    let (kind, key, allowed) = (parts.next()?, parts.next()?, parts.next()?);
    let workflow = match kind {
        "root" => format!("{key}\non: push\n{JOBS}"),
        "called" => format!("on: {{ workflow_call: {{ {key} }} }}\n{JOBS}"),
        "call" => {
            format!("on: push\njobs: {{ a: {{ uses: ./.github/workflows/b.yml, {key} }} }}\n")
        }
        "job" => JOBS
            .replace("steps:", &format!("{key}, steps:"))
            .replace("jobs:", "on: push\njobs:"),
        "step" => JOBS
            .replace("run: echo", &format!("run: echo, {key}"))
            .replace("jobs:", "on: push\njobs:"),
        _ => format!("on: push\njobs: {{ {key} }}\n"),
    };
    let words = allowed.split_whitespace().flat_map(|word| match word {
        "JOB" => OF_JOB.split(' '),
        "STEP" => OF_STEP.split(' '),
        word => word.split(' '),
    });
    Some((workflow, words.collect()))
}

#[test]
fn every_key_may_use_what_github_lets_it_use_and_nothing_else() {
    assert_eq!(PLACES.lines().filter_map(place).count(), 45);
    for (workflow, allowed) in PLACES.lines().filter_map(place) {
        let mut found = BTreeSet::new();
        for name in CONTEXTS.into_iter().chain(FUNCTIONS) {
            let asks = format!("\"${{{{ {name} }}}}\"");
            let text = workflow.replace('§', &asks);
            let diagnostics = lint(&tree(&[(PATH, &text)]), PATH);
            let is_refused = diagnostics
                .iter()
                .any(|one| one.code == "CUT-1030" || one.code == "CUT-1020");
            if !is_refused {
                found.insert(name);
            }
        }
        assert_eq!(found, allowed, "{workflow}");
    }
}

#[test]
fn what_does_nothing_is_no_reason_to_refuse_a_run() {
    let workflow = "on: push
jobs:
  a:
    runs-on: x
    strategy: { max-parallel: 0, matrix: { n: [1] } }
    steps:
      - run: ''
      - run:
      - { run: echo, timeout-minutes: 0 }
";
    let plan = plan(&[(PATH, workflow)]);
    let steps = &plan.jobs[0].steps;
    assert_eq!(steps.len(), 3);
    let limit = steps[2].timeout_minutes.as_ref().unwrap();
    assert_eq!(limit.text, "0");
    // To lint it cannot be meant.
    let said = render(&lint(&tree(&[(PATH, workflow)]), PATH));
    assert!(said.contains("`run` must not be empty"), "{said}");
    assert!(said.contains("`max-parallel` must be above 0"), "{said}");
}
