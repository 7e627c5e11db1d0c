//! `uses:` of actions of other repositories, and of JavaScript actions.

use cutover_dialect::{
    Compiled, ForeignAction, ForeignActions, ForeignFault, Lacking, Options, compile_with,
};
use cutover_model::plan::{ActionSource, ActionTree, ActionUse, StepBody};

use crate::{PATH, check_tree, push, render, tree};

fn action_tree(repository: &str, git_ref: &str) -> ActionTree {
    ActionTree {
        repository: repository.to_owned(),
        git_ref: git_ref.to_owned(),
        commit: "c".repeat(40),
        tree: "d".repeat(40),
    }
}

/// Paths and what is in them.
type Files<'a> = &'a [(&'a str, &'a str)];

fn foreign(actions: &[(&str, &str, Files<'_>)]) -> ForeignActions {
    let mut foreign = ForeignActions::default();
    for (repository, git_ref, files) in actions {
        let found = ForeignAction {
            tree: action_tree(repository, git_ref),
            files: tree(files),
            is_locked: true,
        };
        foreign.insert(repository, git_ref, Ok(found));
    }
    foreign
}

fn compiled(workflow: &str, foreign: &ForeignActions) -> Compiled {
    let sources = tree(&[(PATH, workflow)]);
    compile_with(&sources, foreign, PATH, &push(), Options::default())
}

fn steps(workflow: &str, foreign: &ForeignActions) -> Vec<StepBody> {
    let compiled = compiled(workflow, foreign);
    assert_eq!(render(&compiled.diagnostics), "");
    let plan = compiled.plan.unwrap();
    plan.jobs[0]
        .steps
        .iter()
        .map(|step| step.body.clone())
        .collect()
}

const USES: &str = "
    on: push
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - uses: some/tools/deep/js@v1
            with: { Token: t, colour: red }
    ";
const JS: &str = "
    name: js
    icon: star
    inputs:
      token: { required: true, type: string }
      left: { default: '${{ github.token }}' }
    outputs: { made: { description: what was made } }
    runs:
      using: node20
      main: ./dist/index.js
      pre: dist/pre.js
      pre-if: runner.os == 'Linux'
      post: dist/post.js
    ";

#[test]
fn a_javascript_action_of_another_repository_is_in_the_plan_with_its_tree() {
    let foreign = foreign(&[("some/tools", "v1", &[("deep/js/action.yml", JS)])]);
    let found = compiled(USES, &foreign);
    assert_eq!(
        render(&found.diagnostics),
        "7:27 W 1053 action `some/tools/deep/js@v1` has no input `colour` | known here: `left`, `token`\n"
    );
    let StepBody::Action(action) = &found.plan.unwrap().jobs[0].steps[0].body else {
        panic!("no action");
    };
    let ActionUse {
        source,
        path,
        node,
        main,
        pre,
        post,
        inputs,
        ..
    } = action.as_ref();
    assert_eq!(
        source,
        &ActionSource::Foreign(action_tree("some/tools", "v1"))
    );
    assert_eq!((path.as_str(), *node), ("deep/js", 20));
    assert_eq!(main, "dist/index.js");
    let pre = pre.as_ref().unwrap();
    assert_eq!(pre.file, "dist/pre.js");
    let condition = pre.condition.as_ref().unwrap();
    assert_eq!(condition.text, "runner.os == 'Linux'");
    let post = post.as_ref().unwrap();
    assert_eq!(
        (post.file.as_str(), &post.condition),
        ("dist/post.js", &None)
    );
    let inputs: Vec<(&str, &str)> = inputs
        .iter()
        .map(|(name, value)| (name.as_str(), value.text.as_str()))
        .collect();
    assert_eq!(
        inputs,
        [
            ("token", "t"),
            ("left", "${{ github.token }}"),
            ("colour", "red")
        ]
    );
}

#[test]
fn what_is_wanted_is_asked_for_until_nothing_is_lacking() {
    let uses = |what: &str| format!("runs: {{ using: composite, steps: [{{ uses: {what} }}] }}");
    let workflow = "
        on: push
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - uses: one/first@v1
              - uses: ONE/first/again@v1
        ";
    let none = compiled(workflow, &ForeignActions::default());
    assert_eq!(none.plan, None);
    let wanted: Vec<String> = none
        .wanted
        .iter()
        .map(|one| format!("{}@{} {}:{}", one.repository, one.git_ref, one.path, one.at))
        .collect();
    assert_eq!(wanted, [format!("one/first@v1 {PATH}:6:15")]);
    let first: &[(&str, &str)] = &[
        ("action.yml", &uses("two/second@main")),
        ("again/action.yml", &uses("$/deep")),
        ("deep/action.yaml", "runs: { using: node24, main: m.js }"),
    ];
    let known = foreign(&[("one/first", "v1", first)]);
    let more = compiled(workflow, &known);
    assert_eq!(more.wanted.len(), 1);
    assert_eq!(more.wanted[0].repository, "two/second");
    assert_eq!(more.wanted[0].path, "one/first@v1:action.yml");
    let second: &[(&str, &str)] = &[("action.yml", "runs: { using: node24, main: m.js }")];
    let known = foreign(&[("one/first", "v1", first), ("two/second", "main", second)]);
    let steps = steps(workflow, &known);
    let StepBody::Composite { source, steps, .. } = &steps[1] else {
        panic!("{steps:?}");
    };
    let there = ActionSource::Foreign(action_tree("one/first", "v1"));
    assert_eq!(source, &there);
    let StepBody::Action(inner) = &steps[0].body else {
        panic!("{steps:?}");
    };
    assert_eq!((&inner.source, inner.path.as_str()), (&there, "deep"));
}

#[test]
fn what_cannot_be_had_and_what_is_not_locked_is_said_where_it_is_used() {
    let mut known = foreign(&[("some/tools", "v1", &[("deep/js/action.yml", JS)])]);
    let found = known.get("some/tools", "v1").unwrap().clone().unwrap();
    let open = ForeignAction {
        is_locked: false,
        ..found
    };
    known.insert("some/tools", "v1", Ok(open));
    let said = render(&compiled(USES, &known).diagnostics);
    assert!(
        said.starts_with("6:15 W 1058 action `some/tools/deep/js@v1` is not locked"),
        "{said}"
    );
    known.insert(
        "some/tools",
        "v1",
        Err(ForeignFault::Lacking("no route".to_owned())),
    );
    let said = render(&compiled(USES, &known).diagnostics);
    assert!(said.starts_with("6:15 1050 no route"), "{said}");
    known.insert(
        "some/tools",
        "v1",
        Err(ForeignFault::Lock("another tree".to_owned())),
    );
    // However much is passed over, a lock is not.
    let options = Options {
        lacking: Lacking::FaultWhenReached,
        ..Options::default()
    };
    let sources = tree(&[(PATH, USES)]);
    let found = compile_with(&sources, &known, PATH, &push(), options);
    assert_eq!(found.plan, None);
    let said = render(&found.diagnostics);
    assert!(said.starts_with("6:15 1059 another tree"), "{said}");
}

#[test]
fn actions_of_the_sources_are_javascript_too() {
    let sources = tree(&[
        (
            PATH,
            "
            on: push
            jobs:
              a:
                runs-on: ubuntu-latest
                steps:
                  - uses: ./js
                  - uses: $/js
            ",
        ),
        (
            "js/action.yml",
            "runs: { using: node16, main: m.js, pre: p.js, post: q.js }",
        ),
    ]);
    let none = ForeignActions::default();
    let found = compile_with(&sources, &none, PATH, &push(), Options::default());
    let said = render(&found.diagnostics);
    assert!(
        said.starts_with("6:15 W 1053 `pre` of `./js` is not run"),
        "{said}"
    );
    let plan = found.plan.unwrap();
    let uses: Vec<(&ActionSource, bool, bool)> = plan.jobs[0]
        .steps
        .iter()
        .map(|step| match &step.body {
            StepBody::Action(action) => {
                (&action.source, action.pre.is_some(), action.post.is_some())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        uses,
        [
            (&ActionSource::Workspace, false, true),
            (&ActionSource::Own, true, true)
        ]
    );
}

#[test]
fn an_action_yml_that_does_not_hold_is_refused_with_its_place() {
    let workflow = "
        on: push
        jobs:
          a:
            runs-on: x
            steps:
              - uses: ./a
              - uses: ./b
              - uses: ./c
        ";
    check_tree(
        &[
            (PATH, workflow),
            ("a/action.yml", "runs: { using: node20 }"),
            (
                "b/action.yml",
                "runs: { using: node20, main: /bin/x, steps: [] }",
            ),
            (
                "c/action.yml",
                "runs: { using: node20, main: m.js, pre: p.js, pre-if: secrets.X }",
            ),
        ],
        "
            8:15 W 1053 `pre` of `./c` is not run | the workspace is empty before the first step; `$/path` takes it from the revision
            a/action.yml:1:7 1011 `runs` needs `main`
            b/action.yml:1:30 1013 `main` must be a path from the action's directory
            b/action.yml:1:38 1010 unknown key `steps` in `runs` | known here: `main`, `post-if`, `post`, `pre-if`, `pre`, `using`
            c/action.yml:1:55 1030 Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.X
            ",
    );
}

const CHECKED_OUT: &str = "
    on: push
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@v4
            with: { path: here }
          - uses: actions/checkout@v4
            with: { repository: some/tools, path: ./shared/, ref: refs/tags/v1 }
          - uses: ./here/own
          - uses: ./shared/deep
          - uses: ./shared
      b:
        runs-on: ubuntu-latest
        steps:
          - uses: ./own
    ";
const SCRIPT: &str = "runs: { using: composite, steps: [{ run: echo, shell: bash }] }";

#[test]
fn actions_of_what_a_job_checks_out_elsewhere_are_found_there() {
    let files: Files<'_> = &[("deep/action.yml", SCRIPT), ("action.yaml", SCRIPT)];
    let known = foreign(&[("some/tools", "v1", files)]);
    let sources = tree(&[(PATH, CHECKED_OUT), ("own/action.yml", SCRIPT)]);
    let found = compile_with(&sources, &known, PATH, &push(), Options::default());
    assert_eq!(render(&found.diagnostics), "");
    let plan = found.plan.unwrap();
    let places: Vec<(bool, String)> = plan
        .jobs
        .iter()
        .flat_map(|job| &job.steps)
        .filter_map(|step| match &step.body {
            StepBody::Composite { source, path, .. } => Some((source.is_workspace(), path.clone())),
            _ => None,
        })
        .collect();
    let place = |is_ours: bool, path: &str| (is_ours, path.to_owned());
    assert_eq!(
        places,
        [
            place(true, "here/own"),
            place(false, "deep"),
            place(false, ""),
            place(true, "own")
        ]
    );

    let bare = tree(&[(PATH, CHECKED_OUT)]);
    let found = compile_with(&bare, &known, PATH, &push(), Options::default());
    assert_eq!(
        render(&found.diagnostics),
        "10:15 1051 there is no action in `./here/own` | it needs `here/own/action.yml`\n\
         16:15 1051 there is no action in `./own` | it needs `own/action.yml`\n"
    );
    // A script may still put it there, or nobody may ever come to it.
    let options = Options {
        lacking: Lacking::FaultWhenReached,
        ..Options::default()
    };
    let found = compile_with(&bare, &known, PATH, &push(), options);
    assert!(matches!(
        &found.plan.unwrap().jobs[1].steps[0].body,
        StepBody::Lacking { uses, .. } if uses == "./own"
    ));
}

#[test]
fn an_action_may_check_out_those_that_come_after_it() {
    let text = "
        on: push
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - uses: some/ci@v1
              - uses: ./.github/ci/deep
          b:
            runs-on: ubuntu-latest
            steps:
              - uses: some/ci@v1
              - uses: ./.github/ci/deep
        ";
    let brings = "
        runs:
          using: composite
          steps:
            - uses: actions/checkout@v4
              with: { repository: some/ci, path: .github/ci, ref: v2 }
        ";
    let known = foreign(&[
        ("some/ci", "v1", &[("action.yml", brings)]),
        ("some/ci", "v2", &[("deep/action.yml", SCRIPT)]),
    ]);
    let found = compiled(text, &known);
    assert_eq!(render(&found.diagnostics), "");
    for job in found.plan.unwrap().jobs {
        let StepBody::Composite { source, path, .. } = &job.steps[1].body else {
            panic!("no action");
        };
        let there = ActionSource::Foreign(action_tree("some/ci", "v2"));
        assert_eq!((source, path.as_str()), (&there, "deep"));
    }
}

#[test]
fn what_is_lacking_is_told_where_it_is_used_first() {
    let twice = USES.replace(
        "- uses: some/tools/deep/js@v1\n",
        "- uses: some/tools/deep/js@v1\n          - uses: some/tools/deep/js@v1\n",
    );
    let said = render(&compiled(&twice, &ForeignActions::default()).diagnostics);
    assert_eq!(said.matches(" 1050 ").count(), 1, "{said}");
}
