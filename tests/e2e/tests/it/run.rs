//! `cutover run` on a working tree, and what steps may do in it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    binary,
    repository::Repository,
    world::{Done, World, finish_child},
};

fn run(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut all = vec!["run", "-C", repository.path()];
    all.extend(arguments);
    world.cutover(&all)
}

/// A workflow with one job of these steps.
fn steps(text: &str) -> String {
    format!("name: t\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{text}")
}

#[test]
fn the_exit_code_says_what_happened() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.write("file", "committed\n").commit("one");
    // Not committed: the tree as it stands.
    repository.write("file", "as it stands\n");
    repository.workflow(&steps(
        "      - uses: actions/checkout@v4\n      - run: cat file\n",
    ));
    run(&world, &repository, &[])
        .exits(0)
        .says(&["as it stands"]);
    repository.workflow(&steps("      - run: exit 5\n      - run: echo not here\n"));
    let failed = run(&world, &repository, &[]).exits(1);
    assert!(!failed.stdout.contains("not here"), "{}", failed.said());
    repository.workflow(&steps("      - rnu: exit 5\n"));
    run(&world, &repository, &[]).exits(2);
    repository
        .write(
            "cutover.yml",
            "gates:\n  q: { tests: { pass_rate: 100, min_tests: 1, junit: none.xml } }\n",
        )
        .workflow(&steps(
            "      - { uses: cutover/gate@v1, with: { gate: q } }\n",
        ));
    run(&world, &repository, &[]).exits(3).says(&["none.xml"]);
    repository
        .workflow(&steps("      - run: 'true'\n").replace("push", "{ push: { branches: [x] } }"));
    run(&world, &repository, &[]).exits(4);
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn steps_speak_through_files_and_each_line_of_json_is_one() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.write(
        "greet/action.yml",
        "name: greet
inputs: { who: { required: true } }
outputs: { said: { value: '${{ steps.s.outputs.said }}' } }
runs:
  using: composite
  steps:
    - id: s
      shell: bash
      run: echo \"said=hello ${{ inputs.who }}\" >> \"$GITHUB_OUTPUT\"
",
    );
    repository.write("bin/mine", "#!/bin/sh\necho mine ran\n");
    repository.workflow(
        "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    strategy: { matrix: { n: [1, 2] } }
    outputs: { who: '${{ steps.g.outputs.said }}' }
    steps:
      - uses: actions/checkout@v4
      - { id: g, uses: ./greet, with: { who: world } }
      - run: |
          echo \"NAME=from env ${{ matrix.n }}\" >> \"$GITHUB_ENV\"
          echo \"$PWD/bin\" >> \"$GITHUB_PATH\"
          echo '# Summary' >> \"$GITHUB_STEP_SUMMARY\"
      - run: mine && echo \"NAME is $NAME\"
      - { run: exit 1, continue-on-error: true }
      - { run: sleep 60, timeout-minutes: 0.01, continue-on-error: true }
      - { if: failure(), run: echo never }
  b:
    needs: a
    runs-on: ubuntu-latest
    steps: [{ run: 'echo \"b heard ${{ needs.a.outputs.who }}\"' }]
",
    );
    let said = [
        "mine ran",
        "NAME is from env 1",
        "NAME is from env 2",
        "b heard hello world",
    ];
    run(&world, &repository, &[]).exits(0).says(&said);
    let json = run(&world, &repository, &["--json"]).exits(0);
    let lines: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let last = &lines.last().unwrap()["run"];
    assert_eq!(last["outcome"], "succeeded", "{last:#}");
    assert_eq!(last["jobs"].as_array().unwrap().len(), 3, "{last:#}");
    assert!(last.to_string().contains("# Summary"), "{last:#}");
    assert!(last.to_string().contains("timed_out"), "{last:#}");
    assert_eq!(world.processes(), [], "left behind");
}

/// Files below a folder that hold these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holding(&path, bytes));
        } else if kind.is_file() {
            let text = fs::read(&path).unwrap_or_default();
            if text.windows(bytes.len()).any(|window| window == bytes) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_is_in_no_file_and_in_no_line() {
    const SECRET: &str = "hunter2-Zq9x-rather-long";
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.workflow(&steps(
        "      - env: { TOKEN: '${{ secrets.TOKEN }}' }
        run: |
          echo \"plain $TOKEN and ${{ secrets.TOKEN }}\"
          printf %s \"$TOKEN\" | base64
          echo \"split ${TOKEN%x-*}\"; echo \"out=$TOKEN\" >> \"$GITHUB_OUTPUT\"
          echo \"::notice::$TOKEN\"; echo \"$TOKEN\" >> \"$GITHUB_STEP_SUMMARY\"
          test \"${#TOKEN}\" = 24 && echo it was there
",
    ));
    let mut command = world.command(&["run", "-C", repository.path(), "--secret", "TOKEN"]);
    command.env("TOKEN", SECRET);
    let done = crate::world::finish(command)
        .exits(0)
        .says(&["it was there", "plain ***"]);
    let encoded = BASE64_STANDARD.encode(SECRET);
    for form in [SECRET, encoded.as_str()] {
        assert!(!done.said().contains(form), "{}", done.said());
        let found = holding(&world.path("home"), form.as_bytes());
        assert!(found.is_empty(), "`{form}` is in {found:?}");
    }
}

/// Starts `cutover run`, and waits until it says this.
fn started(world: &World, repository: &Repository<'_>, arguments: &[&str], says: &str) -> Child {
    let mut command = world.command(&["run", "-C", repository.path()]);
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        said.any(|line| line.unwrap().contains(says)),
        "it never said `{says}`"
    );
    // Whoever writes into a pipe without an end would be ended by that and not by us.
    std::thread::spawn(move || said.for_each(drop));
    child
}

#[test]
fn ctrl_c_cancels_and_leaves_nothing_behind() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.workflow(&steps(
        "      - run: setsid sleep 301 & echo it goes; sleep 302
      - { if: always(), run: echo cleaned > cleaned }
      - run: echo > not-here
",
    ));
    let child = started(&world, &repository, &[], "it goes");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let done = finish_child(child, "cutover run");
    assert_eq!(done.code, Some(1), "{}", done.said());
    assert!(done.said().contains("cancelled"), "{}", done.said());
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn a_run_goes_on_after_kill_nine() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let seen = world.path("seen");
    repository.workflow(&steps(&format!(
        "      - run: echo one >> '{0}'
      - run: echo it goes; echo two >> '{0}'; sleep 2; echo three >> '{0}'
      - run: echo four >> '{0}'
",
        seen.display()
    )));
    let mut child = started(&world, &repository, &[], "it goes");
    child.kill().unwrap();
    child.wait().unwrap();
    run(&world, &repository, &["--resume"]).exits(0);
    assert_eq!(
        fs::read_to_string(&seen).unwrap(),
        "one\ntwo\nthree\nfour\n"
    );
    run(&world, &repository, &["--resume"]).exits(4);
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn this_projects_own_workflow_compiles() {
    let world = World::new();
    let here = binary::repository().to_str().unwrap();
    world.cutover(&["lint", "-C", here]).exits(0);
    world
        .cutover(&["plan", "ci", "-C", here])
        .exits(0)
        .says(&["uses actions/checkout"]);
}
