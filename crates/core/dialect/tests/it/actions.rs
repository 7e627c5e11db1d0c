//! `uses:` of built-in and of local composite actions.

use cutover_dialect::{Options, compile, lint};
use cutover_model::plan::StepBody;

use crate::{PATH, check, check_tree, plan, push, render, tree};

const USES_GREET: &str = "
    on: push
    jobs:
      a:
        runs-on: x
        steps:
          - id: greet
            uses: ./.github/actions/greet
            with: { WHO: '${{ github.actor }}' }
    ";
const GREET: &str = "
    name: Greet
    description: greets
    inputs:
      who: { description: whom, required: true }
      how: { default: '${{ github.ref_name }}' }
      left: 
    outputs:
      said: { value: '${{ steps.say.outputs.said }}' }
    runs:
      using: composite
      steps:
        - id: say
          run: echo \"said=hello ${{ inputs.who }}\" >> \"$GITHUB_OUTPUT\"
          shell: bash
        - uses: ./.github/actions/nested/../nested
    ";
const NESTED: &str = "
    runs:
      using: composite
      steps:
        - { run: echo, shell: 'sh -e {0}' }
    ";

#[test]
fn a_composite_action_is_lowered_with_its_inputs_bound() {
    let plan = plan(&[
        (PATH, USES_GREET),
        (".github/actions/greet/action.yml", GREET),
        (".github/actions/nested/action.yaml", NESTED),
    ]);
    let StepBody::Composite {
        path,
        inputs,
        outputs,
        steps,
        ..
    } = &plan.jobs[0].steps[0].body
    else {
        panic!("{:?}", plan.jobs[0].steps[0].body);
    };
    assert_eq!(path, ".github/actions/greet");
    let inputs: Vec<(&str, &str)> = inputs
        .iter()
        .map(|(name, value)| (name.as_str(), value.text.as_str()))
        .collect();
    assert_eq!(
        inputs,
        [
            ("who", "${{ github.actor }}"),
            ("how", "${{ github.ref_name }}"),
            ("left", "")
        ]
    );
    assert_eq!(outputs[0].1.text, "${{ steps.say.outputs.said }}");
    let StepBody::Composite { path, steps, .. } = &steps[1].body else {
        panic!("{:?}", steps[1].body);
    };
    assert_eq!((path.as_str(), steps.len()), (".github/actions/nested", 1));
}

#[test]
fn an_input_that_goes_away_is_told_to_whoever_gives_it() {
    check_tree(
        &[
            (
                PATH,
                "
                on: push
                jobs:
                  a:
                    runs-on: x
                    steps:
                      - uses: ./act
                      - uses: ./act
                        with: { OLD: x, new: y }
                ",
            ),
            (
                "act/action.yml",
                "
                inputs:
                  old: { deprecationMessage: take `new` }
                  new: {}
                runs: { using: composite, steps: [{ run: echo, shell: bash }] }
                ",
            ),
        ],
        "
            8:22 W 1053 Input 'old' has been deprecated with message: take `new`
            ",
    );
}

#[test]
fn faults_in_an_action_are_told_once_with_its_path() {
    check_tree(
        &[
            (
                PATH,
                "
                on: push
                jobs:
                  a:
                    runs-on: x
                    steps:
                      - uses: ./act
                      - uses: ./act
                        with: { whom: x }
                      - uses: ./missing
                      - uses: ./../out
                      - uses: ./js
                ",
            ),
            (
                "act/action.yml",
                "
                inputs:
                  who: { required: true, type: string }
                outputs: { x: {} }
                runs:
                  using: composite
                  steps:
                    - run: echo ${{ secrets.A }}
                    - { run: echo, shell: bash, timeout-minutes: 1 }
                    - uses: someone/else@v1
                ",
            ),
            ("js/action.yml", "runs: { using: deno, main: index.js }"),
        ],
        "
            6:15 1053 action `./act` needs the input `who`
            7:15 1053 action `./act` needs the input `who`
            8:17 1053 action `./act` has no input `whom` | did you mean `who`?
            9:15 W 1051 there is no action in `./missing` | it needs `missing/action.yml`
            10:15 W 1051 `./../out` leads out of the sources
            act/action.yml:2:26 W 1010 unknown key `type` in an input | known here: `default`, `deprecationMessage`, `description`, `required`
            act/action.yml:3:15 1011 an output of an action made of steps needs `value`
            act/action.yml:7:7 1011 a `run` step of an action needs `shell` | add `shell: bash`
            act/action.yml:7:21 1030 Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.A
            act/action.yml:8:33 W 1014 `timeout-minutes` in an action's step works here and not at GitHub
            act/action.yml:9:13 W 1050 action `someone/else@v1` is not here | `--local-repository OWNER/REPO@REF=DIR` takes it from a directory
            js/action.yml:1:16 W 1014 an action that runs with `deno` is not there yet | known are `composite`, `docker`, `node12`, `node16`, `node20` and `node24`
            ",
    );
}

#[test]
fn actions_that_lead_back_to_themselves_are_named() {
    let uses = |path: &str| format!("runs: {{ using: composite, steps: [{{ uses: {path} }}] }}");
    check_tree(
        &[
            (
                PATH,
                "on: push\njobs: { a: { runs-on: x, steps: [{ uses: ./a }] } }",
            ),
            ("a/action.yml", &uses("./b")),
            ("b/action.yml", &uses("./a")),
        ],
        "
            b/action.yml:1:43 1052 actions use each other: a → b → a
            ",
    );
}

/// `a0` uses `a1` `times` times, and so on; the last has one step.
fn chain(length: usize, times: usize) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = (0..length)
        .map(|n| {
            let step = format!("{{ uses: ./a{} }}", n + 1);
            let steps = vec![step; times].join(", ");
            let text = format!("runs: {{ using: composite, steps: [{steps}] }}");
            (format!("a{n}/action.yml"), text)
        })
        .collect();
    let last = "runs: { using: composite, steps: [{ run: echo, shell: sh }] }";
    files.push((format!("a{length}/action.yml"), last.to_owned()));
    let workflow = "on: push\njobs: { a: { runs-on: x, steps: [{ uses: ./a0 }] } }";
    files.push((PATH.to_owned(), workflow.to_owned()));
    files
}

fn lint_chain(length: usize, times: usize) -> String {
    let files = chain(length, times);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    render(&lint(&tree(&files), PATH))
}

#[test]
fn actions_nest_ten_deep() {
    assert_eq!(lint_chain(9, 1), "");
    assert_eq!(
        lint_chain(10, 1),
        "a9/action.yml:1:43 1052 actions nest deeper than 10\n"
    );
}

#[test]
fn actions_that_multiply_are_refused_quickly() {
    assert_eq!(lint_chain(3, 10), "");
    let said = lint_chain(9, 30);
    assert!(
        said.contains("1052 the workflow comes to more than 10000 steps"),
        "{said}"
    );
}

#[test]
fn built_in_actions_know_their_versions_and_inputs() {
    check(
        "
        on: push
        jobs:
          a:
            runs-on: x
            steps:
              - uses: actions/checkout@0123456789abcdef
              - uses: actions/checkout@v4
                with: { fetch-dept: 1, token: x, repository: y }
              - uses: cutover/gate@v2
              - uses: cutover/gaet@v1
              - uses: cutover/deploy@v1
                with: { strategy: canary }
        ",
        "
            8:17 1053 `actions/checkout` has no input `fetch-dept` | did you mean `fetch-depth`?
            9:15 1054 `cutover/gate` is not there in version `v2` | write `cutover/gate@v1`
            10:15 W 1050 there is no built-in action `cutover/gaet` | did you mean `cutover/gate`?
            11:15 1053 `cutover/deploy` needs the input `environment`
            ",
    );
}

/// What the hosted service warns of stops no run here either.
#[test]
fn a_run_goes_on_without_the_inputs_that_nobody_knows() {
    let text = "
        on: push
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/setup-java@v4
                with: { java-version: 21, Server-Id: central, jdk: x }
              - uses: actions/cache@v4
                with: { path: a, key: b, save-always: true }
        ";
    let compiled = compile(&tree(&[(PATH, text)]), PATH, &push(), Options::default());
    assert_eq!(
        render(&compiled.diagnostics),
        "7:35 W 1014 input `Server-Id` of `actions/setup-java` changes nothing here\n\
         7:55 W 1053 `actions/setup-java` has no input `jdk` | known here: `architecture`, \
         `cache-dependency-path`, `cache`, `check-latest`, `distribution`, `java-package`, \
         `java-version-file`, `java-version`, `token`\n\
         9:34 W 1014 input `save-always` of `actions/cache` changes nothing here\n"
    );
    let plan = compiled.plan.unwrap();
    let StepBody::Builtin { with, .. } = &plan.jobs[0].steps[0].body else {
        panic!("no built-in action");
    };
    assert_eq!(with.len(), 1);

    let without = text.replace("jdk: x", "jdk-file: x");
    let compiled = compile(
        &tree(&[(PATH, &without)]),
        PATH,
        &push(),
        Options::default(),
    );
    let said = render(&compiled.diagnostics);
    assert!(
        said.contains("7:55 1014 input `jdk-file` of `actions/setup-java` is not there yet"),
        "{said}"
    );
    let ours = "
        on: push
        jobs: { a: { runs-on: ubuntu-latest, steps: [{ uses: cutover/gate@v1, with: { gat: x } }] } }
        ";
    let compiled = compile(&tree(&[(PATH, ours)]), PATH, &push(), Options::default());
    assert_eq!(compiled.plan, None);
}

#[test]
fn names_of_the_project_are_looked_up() {
    check_tree(
        &[
            (
                PATH,
                "
                on: push
                jobs:
                  a:
                    runs-on: x
                    steps:
                      - { uses: cutover/gate@v1, with: { gate: qualty } }
                      - { uses: cutover/build@v1, with: { service: '${{ github.ref }}' } }
                      - { uses: cutover/deploy@v1, with: { environment: staging } }
                ",
            ),
            (
                "cutover.yml",
                "gates: { quality: { tests: } }\nenvironments: { production: }\n",
            ),
        ],
        "
            6:48 1101 `cutover.yml` has no gate `qualty` | did you mean `quality`?
            8:57 1101 `cutover.yml` has no environment `staging` | known here: `production`
            ",
    );
}
