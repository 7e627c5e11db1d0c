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

const BEFORE: &str = "github inputs vars";
const JOB: &str = "github inputs matrix needs strategy vars";
const STATUS: &str = "always() cancelled() failure() success()";
const STEP: &str =
    "env github inputs job matrix needs runner secrets steps strategy vars hashFiles('a')";

/// A workflow with `§` for an expression, and all that may stand in it.
fn places() -> Vec<(String, String)> {
    let root = |text: &str| format!("{text}\non: push\n{JOBS}");
    let job = |text: &str| {
        format!(
            "on: push\njobs: {{ a: {{ runs-on: ubuntu-latest, steps: [{{ run: echo }}], {text} }} }}\n"
        )
    };
    let step = |text: &str| {
        format!(
            "on: push\njobs: {{ a: {{ runs-on: ubuntu-latest, steps: [{{ run: echo, {text} }}] }} }}\n"
        )
    };
    let call = |text: &str| {
        format!("on: push\njobs: {{ a: {{ uses: ./.github/workflows/b.yml, {text} }} }}\n")
    };
    let called = |text: &str| format!("on: {{ workflow_call: {{ {text} }} }}\n{JOBS}");
    let with = |more: &str| format!("{JOB} {more}");
    let credentials = with("env secrets");
    let variables = with("env job runner secrets");
    let seen_at_end = with("env job runner steps");
    let mut places = vec![
        (root("run-name: §"), BEFORE.to_owned()),
        (root("concurrency: §"), BEFORE.to_owned()),
        (
            root("concurrency: { group: a, cancel-in-progress: § }"),
            BEFORE.to_owned(),
        ),
        (root("env: { A: § }"), format!("{BEFORE} secrets")),
        (root("name: §"), String::new()),
        (
            root("defaults: { run: { working-directory: § } }"),
            String::new(),
        ),
        (
            called("inputs: { x: { type: string, default: § } }"),
            BEFORE.to_owned(),
        ),
        (
            called("outputs: { x: { value: § } }"),
            format!("{BEFORE} jobs"),
        ),
        (job("if: §"), format!("{BEFORE} needs {STATUS}")),
        (
            job("strategy: { matrix: { a: [§] } }"),
            format!("{BEFORE} needs"),
        ),
        (
            job("strategy: { matrix: { a: [1] }, fail-fast: § }"),
            format!("{BEFORE} needs"),
        ),
        (
            job("strategy: { matrix: { a: [1] }, max-parallel: § }"),
            format!("{BEFORE} needs"),
        ),
        (job("env: { A: § }"), with("secrets")),
        (job("defaults: { run: { shell: § } }"), with("env")),
        (
            job("defaults: { run: { working-directory: § } }"),
            with("env"),
        ),
        (job("environment: { name: a, url: § }"), seen_at_end.clone()),
        (job("outputs: { x: § }"), format!("{seen_at_end} secrets")),
        (call("with: { x: § }"), JOB.to_owned()),
        (call("secrets: { x: § }"), with("secrets")),
        (
            step("if: §"),
            format!("{STATUS} {}", STEP.replace(" secrets", "")),
        ),
        (step("shell: §"), String::new()),
    ];
    for text in [
        "name: §",
        "concurrency: §",
        "continue-on-error: §",
        "timeout-minutes: §",
        "cancel-timeout-minutes: §",
        "environment: §",
        "container: §",
        "container: { image: § }",
        "container: { image: a, options: § }",
        "container: { image: a, ports: [§] }",
        "container: { image: a, volumes: [§] }",
        "services: { x: { image: § } }",
    ] {
        places.push((job(text), JOB.to_owned()));
    }
    for key in ["container:", "services: { x:"] {
        let end = if key.contains('{') { "}" } else { "" };
        let text =
            format!("{key} {{ image: a, credentials: {{ username: a, password: § }} }} {end}");
        places.push((job(&text), credentials.clone()));
        let text = format!("{key} {{ image: a, env: {{ A: § }} }} {end}");
        places.push((job(&text), variables.clone()));
    }
    places.push((job("").replace("ubuntu-latest", "§"), JOB.to_owned()));
    for text in [
        "name: §",
        "env: { A: § }",
        "continue-on-error: §",
        "timeout-minutes: §",
        "working-directory: §",
    ] {
        places.push((step(text), STEP.to_owned()));
    }
    places.push((step("").replace("echo", "§"), STEP.to_owned()));
    let uses = "on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ uses: actions/checkout@v4, with: { ref: § } }] } }\n";
    places.push((uses.to_owned(), STEP.to_owned()));
    places
}

#[test]
fn every_key_may_use_what_github_lets_it_use_and_nothing_else() {
    for (workflow, allowed) in places() {
        let allowed: BTreeSet<&str> = allowed.split(' ').filter(|word| !word.is_empty()).collect();
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
