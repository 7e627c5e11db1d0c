//! What a good workflow becomes.

use cutover_dialect::{Lacking, Options, compile, workflows};
use cutover_model::{
    Position,
    plan::{Builtin, StepBody},
};

use crate::{PATH, check, plan, push, render, tree};

/// A workflow with everything that is there.
const FULL: &str = r#"
name: Everything
run-name: ${{ github.actor }} tries
description: as it says
on:
  push:
    branches: [main, 'releases/**']
    paths-ignore: ['**.md']
  pull_request:
    types: [opened]
  workflow_dispatch:
    inputs:
      dry-run: { type: boolean, default: true }
env:
  NUMBER: 1.0
  TRUTH: TRUE
  NOTHING:
  HEX: 0x10
defaults:
  run: { shell: bash, working-directory: app }
jobs:
  test:
    name: test ${{ matrix.os }}
    runs-on: [self-hosted, "${{ matrix.os }}"]
    strategy:
      fail-fast: false
      max-parallel: 2
      matrix:
        os: [linux, mac]
        version: [16, 1.5, "3.10", ~, { a: [1] }]
        include:
          - { os: linux, extra: true }
    env: { LEG: "${{ matrix.version }}" }
    outputs: { sum: "${{ steps.add.outputs.sum }}" }
    timeout-minutes: 5
    continue-on-error: ${{ matrix.os == 'mac' }}
    steps:
      - uses: actions/checkout@v4
        with: { Fetch-Depth: 0 }
      - id: add
        name: Add
        if: ${{ always() && github.ref == 'refs/heads/main' }}
        run: echo sum=3 >> "$GITHUB_OUTPUT"
        env: { A: "${{ secrets.A }}" }
        shell: Python
        timeout-minutes: 0.5
        continue-on-error: true
  deploy:
    needs: test
    if: success() || failure()
    runs-on: ubuntu-latest
    environment: { name: production, url: "${{ steps.go.outputs.url }}" }
    defaults: { run: { shell: sh } }
    steps:
      - id: go
        run: |
          echo one
          echo two
"#;

#[test]
fn everything_that_is_there_becomes_a_plan() {
    check(
        FULL,
        "
        51:26 W 1098 two runs may deploy to `production` at the same time, and the older one may end last | `concurrency: { group: production, cancel-in-progress: false }` in job `deploy`
        ",
    );
    let plan = plan(&[(PATH, FULL)]);
    assert_eq!(plan.name, "Everything");
    assert_eq!(plan.run_name.unwrap().text, "${{ github.actor }} tries");
    let env: Vec<(&str, &str)> = plan
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.text.as_str()))
        .collect();
    let expected = [
        ("NUMBER", "1"),
        ("TRUTH", "true"),
        ("NOTHING", ""),
        ("HEX", "16"),
    ];
    assert_eq!(env, expected);

    let test = &plan.jobs[0];
    assert_eq!((test.id.as_str(), test.at), ("test", Position::new(21, 3)));
    assert_eq!(test.runs_on.len(), 2);
    let matrix = test.matrix.as_ref().unwrap();
    assert_eq!(
        matrix.values,
        serde_json::json!({
            "os": ["linux", "mac"],
            "version": [16, 1.5, "3.10", null, {"a": [1]}],
            "include": [{"os": "linux", "extra": true}],
        })
    );
    assert_eq!(matrix.fail_fast.as_ref().unwrap().text, "false");
    assert_eq!(test.timeout_minutes.as_ref().unwrap().text, "5");
    assert_eq!(test.defaults.shell.as_ref().unwrap().text, "bash");
    let StepBody::Builtin { action, with } = &test.steps[0].body else {
        panic!("{:?}", test.steps[0].body);
    };
    assert_eq!(*action, Builtin::Checkout);
    assert_eq!(
        (with[0].0.as_str(), with[0].1.text.as_str()),
        ("fetch-depth", "0")
    );
    let add = &test.steps[1];
    assert_eq!(
        add.condition.as_ref().unwrap().text,
        "always() && github.ref == 'refs/heads/main'"
    );
    let StepBody::Run { shell, .. } = &add.body else {
        panic!("{:?}", add.body);
    };
    assert_eq!(shell.as_ref().unwrap().text, "python");

    let deploy = &plan.jobs[1];
    assert_eq!(deploy.needs, ["test"]);
    assert_eq!(deploy.environment.as_ref().unwrap().name.text, "production");
    assert_eq!(deploy.defaults.shell.as_ref().unwrap().text, "sh");
    assert_eq!(
        deploy.defaults.working_directory.as_ref().unwrap().text,
        "app"
    );
    let StepBody::Run { script, .. } = &deploy.steps[0].body else {
        panic!("{:?}", deploy.steps[0].body);
    };
    assert_eq!(script.text, "echo one\necho two\n");
}

#[test]
fn the_same_sources_give_the_same_plan() {
    let once = serde_json::to_string(&plan(&[(PATH, FULL)])).unwrap();
    let twice = serde_json::to_string(&plan(&[(PATH, FULL)])).unwrap();
    assert_eq!(once, twice);
}

#[test]
fn anchors_stand_for_what_they_name() {
    let plan = plan(&[(
        PATH,
        "
        on: push
        env: &env { A: 1 }
        jobs:
          one:
            runs-on: &where linux
            env: *env
            steps: &steps
              - run: echo ${{ github.sha }}
          two:
            runs-on: *where
            steps: *steps
        ",
    )]);
    assert_eq!(plan.jobs[0].env[0].1.text, "1");
    assert_eq!(plan.jobs[1].runs_on[0].text, "linux");
    assert_eq!(plan.jobs[1].steps, plan.jobs[0].steps);
    assert_eq!(
        plan.name, PATH,
        "a workflow without a name is called by its path"
    );
}

#[test]
fn text_around_an_expression_makes_a_condition_of_it_that_always_holds() {
    let plan = plan(&[(
        PATH,
        "on: push\njobs:\n  a:\n    runs-on: x\n    if: github.ref == ${{ 'it''s' }}\n    steps:\n    - run: echo\n      \
         if: ${{ failure() }} && ${{ env.X }}\n",
    )]);
    let job = &plan.jobs[0];
    let said = job.condition.as_ref().unwrap();
    assert_eq!(said.text, "format('github.ref == {0}', 'it''s')");
    let said = job.steps[0].condition.as_ref().unwrap();
    assert_eq!(said.text, "format('{0} && {1}', failure(), env.X)");
}

#[test]
fn a_matrix_may_be_one_expression() {
    let plan = plan(&[(
        PATH,
        "
        on: push
        jobs:
          a:
            runs-on: ${{ matrix.os }}
            strategy:
              matrix: ${{ fromJSON(needs.b.outputs.matrix) }}
            needs: b
            steps: [{ run: echo }]
          b:
            runs-on: linux
            steps: [{ run: echo }]
        ",
    )]);
    let values = &plan.jobs[0].matrix.as_ref().unwrap().values;
    assert_eq!(values, "${{ fromJSON(needs.b.outputs.matrix) }}");
}

/// The shape of the founding documents' workflow: three jobs in a row, other people's actions.
const FOREIGN: &str = "
    name: Delivery
    on:
      push: { branches: [main] }
    jobs:
      check:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@v2
          - name: Runtime
            uses: some/runtime@v3
            with: { python-version: '3.12' }
          - run: make test
      ship:
        needs: check
        runs-on: ubuntu-latest
        steps:
          - uses: owner/other@v1
    ";

#[test]
fn lacking_actions_refuse_the_file_or_fault_when_reached() {
    let message = "action `some/runtime@v3` is not here";
    let hint = "`--local-repository OWNER/REPO@REF=DIR` takes it from a directory";
    check(
        FOREIGN,
        &format!(
            "
            8:15 W 1057 `actions/checkout@v2` runs on a node that the hosted service no longer has | version 4 or later does not
            10:15 W 1050 {message} | {hint}
            17:15 W 1050 {} | {hint}
            ",
            message.replace("some/runtime@v3", "owner/other@v1")
        ),
    );
    // The file is right; a run of it is refused all the same.
    let refused = compile(&tree(&[(PATH, FOREIGN)]), PATH, &push(), Options::default());
    assert_eq!(refused.plan, None);
    let said = render(&refused.diagnostics);
    assert!(
        said.starts_with("10:15 1050 action") && !said.contains("1057"),
        "{said}"
    );
    let options = Options {
        lacking: Lacking::FaultWhenReached,
        ..Options::default()
    };
    let compiled = compile(&tree(&[(PATH, FOREIGN)]), PATH, &push(), options);
    assert!(render(&compiled.diagnostics).starts_with("10:15 W 1050 action"));
    let plan = compiled.plan.unwrap();
    assert_eq!(
        plan.jobs[0].steps[1].body,
        StepBody::Lacking {
            uses: "some/runtime@v3".to_owned(),
            message: message.to_owned(),
        }
    );
}

#[test]
fn workflows_are_found_by_their_place() {
    let tree = tree(&[
        (".github/workflows/b.yaml", ""),
        (".github/workflows/a.yml", ""),
        (".github/workflows/.yml", ""),
        (".github/workflows/deep/c.yml", ""),
        (".github/workflows/notes.md", ""),
        ("a.yml", ""),
    ]);
    assert_eq!(
        workflows(&tree),
        [".github/workflows/a.yml", ".github/workflows/b.yaml"]
    );
}
