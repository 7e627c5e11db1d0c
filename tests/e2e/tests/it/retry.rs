//! Runs that failed and go on: from a step, in part, here and on a server.

use std::{fs, io::Write as _, process::Stdio};

use serde_json::Value;

use crate::{
    repository::Repository,
    server::get,
    world::{Done, World, finish_child},
};

fn run(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut all = vec!["run", "-C", repository.path()];
    all.extend(arguments);
    world.cutover(&all)
}

fn retry(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut all = vec!["retry", "-C", repository.path()];
    all.extend(arguments);
    world.cutover(&all)
}

/// The command that a failed run says, as words behind `cutover`.
fn command(done: &Done) -> Vec<String> {
    let line = done
        .stderr
        .lines()
        .find_map(|line| line.split_once("go on from there: cutover "))
        .unwrap_or_else(|| panic!("no command is said:\n{}", done.said()));
    line.1.split(' ').map(str::to_owned).collect()
}

/// `build` fails in its third step until somebody mends it; `ship` needs it.
fn half_done(mended: &str) -> String {
    format!(
        "name: t
on: push
jobs:
  lint:
    runs-on: ubuntu-latest
    steps: [{{ run: echo lint ran }}]
  build:
    runs-on: ubuntu-latest
    outputs: {{ v: '${{{{ steps.get.outputs.v }}}}' }}
    steps:
      - id: get
        run: |
          echo got; echo one > made; echo v=7 >> \"$GITHUB_OUTPUT\"
          echo FROM_ENV=kept >> \"$GITHUB_ENV\"
      - run: echo two >> made
      - name: The weak one
        run: cat made; echo three >> made; test -e '{mended}'
      - run: echo \"last $FROM_ENV attempt $GITHUB_RUN_ATTEMPT\"; cat made
  ship:
    needs: build
    runs-on: ubuntu-latest
    steps: [{{ run: 'echo \"shipped ${{{{ needs.build.outputs.v }}}}\"' }}]
"
    )
}

#[test]
fn a_run_goes_on_at_the_step_that_failed_by_the_command_that_it_says() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let mended = world.path("mended");
    repository.workflow(&half_done(mended.to_str().unwrap()));
    let failed = run(&world, &repository, &[]).exits(1);
    let words = command(&failed);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Not mended yet: it fails again, in the workspace as it was before the step.
    let again = world.cutover(&words).exits(1);
    let seen = "build │ one\nbuild │ two\n";
    assert_eq!(again.stdout, seen, "{}", again.said());
    fs::write(&mended, "").unwrap();
    let done = world.cutover(&words).exits(0).says(&[
        "build goes on at step 2, `The weak one`",
        "last kept attempt 3",
        "build │ two\nbuild │ three\n",
        "shipped 7",
    ]);
    for old in ["lint ran", "got\n"] {
        assert!(!done.said().contains(old), "{}", done.said());
    }
    // There is nothing more to be had.
    world
        .cutover(&words)
        .exits(3)
        .says(&["nothing failed in it"]);
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn a_run_goes_on_from_a_step_that_is_named_or_a_job_begins_anew() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let mended = world.path("mended");
    repository.workflow(&half_done(mended.to_str().unwrap()));
    run(&world, &repository, &[]).exits(1);
    fs::write(&mended, "").unwrap();
    retry(&world, &repository, &["1", "--from", "9"])
        .exits(3)
        .says(&["what failed has no step `9`"]);
    retry(&world, &repository, &["1", "--from", "1"])
        .exits(0)
        .says(&["build goes on at step 1", "build │ three\n", "shipped 7"]);
    let anew = retry(&world, &repository, &["1", "--job", "build"])
        .exits(0)
        .says(&["build begins anew", "got", "attempt 3", "shipped 7"]);
    assert!(!anew.said().contains("lint ran"), "{}", anew.said());
    retry(&world, &repository, &["7"])
        .exits(2)
        .says(&["there is no run `7`"]);
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn secrets_are_asked_for_again_and_a_value_with_one_is_there_still() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let mended = world.path("mended");
    repository.workflow(&format!(
        "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo \"MINE=x${{{{ secrets.TOKEN }}}}\" >> \"$GITHUB_ENV\"
      - run: test -e '{}'
      - run: test \"$MINE\" = xhunter2hunter2 && echo it was there
",
        mended.display()
    ));
    let secret = ["--secret", "TOKEN=hunter2hunter2"];
    let failed = run(&world, &repository, &secret).exits(1);
    assert!(!failed.said().contains("hunter2"), "{}", failed.said());
    fs::write(&mended, "").unwrap();
    retry(&world, &repository, &["1"])
        .exits(2)
        .says(&["give `TOKEN` again"]);
    retry(&world, &repository, &[&["1"], &secret[..]].concat())
        .exits(0)
        .says(&["it was there"]);
}

#[test]
fn a_server_goes_on_with_a_run_too() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let mended = world.path("mended");
    repository.workflow(&half_done(mended.to_str().unwrap()));
    world.serve();
    repository.commit("one").push();
    world.cutover(&["logs", "1", "-f"]).exits(0);
    let view = || -> Value {
        let (status, text) = get(&world.address(), "/api/v1/runs/1").unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let failed = view();
    assert_eq!(failed["outcome"], "failed", "{failed:#}");
    fs::write(&mended, "").unwrap();
    world.cutover(&["retry", "1"]).exits(0);
    let done = view();
    assert_eq!(done["outcome"], "succeeded", "{done:#}");
    assert_eq!(done["attempt"], 2, "{done:#}");
    world
        .cutover(&["logs", "1", "--job", "ship"])
        .exits(0)
        .says(&["shipped 7"]);
    world.cutover(&["retry", "1"]).exits(3);
}

#[test]
fn a_shell_opens_in_the_place_of_a_step_that_fails() {
    let world = World::new();
    if std::process::Command::new("script")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!(
            "SKIPPED: a shell in a step's place, because `script` is not here to give it a terminal"
        );
        return;
    }
    let repository = Repository::new(&world, "small");
    repository.workflow(
        "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    env: { SAID: in-the-workflow }
    steps:
      - run: echo found > here
      - { id: weak, run: test -e mended }
      - { id: hopeless, run: exit 4 }
      - run: 'echo \"it said ${{ steps.hopeless.outputs.v }} $LATER\"'
",
    );
    run(&world, &repository, &["--on-failure=shell"])
        .exits(2)
        .says(&["needs a terminal"]);
    let line = format!(
        "{} run -C {} --on-failure=shell",
        world.binary().display(),
        repository.path()
    );
    let mut command = world.program("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let typed = "cat here; touch mended; exit 75\n\
                 echo v=$SAID >> $GITHUB_OUTPUT; echo LATER=later >> $GITHUB_ENV; exit 0\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    finish_child(child, "script").exits(0).says(&[
        "A shell in its place",
        "is masked",
        "found",
        "it said in-the-workflow later",
        "counts as done",
    ]);
}

#[test]
fn what_steps_remarked_and_say_at_length_is_told_at_the_end() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.workflow(
        "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    continue-on-error: true
    steps:
      - run: |
          echo '::error file=src/a.rs,line=3,col=7,title=Oh::no such thing'
          echo '# All about it' >> \"$GITHUB_STEP_SUMMARY\"
          echo '{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":[{
            \"regexp\":\"^(?i:NO) (\\\\S+):(\\\\d+)\\\\s(\\\\w.*)$\",
            \"file\":1,\"line\":2,\"message\":3}]}]}' > m.json
          echo '::add-matcher::m.json'
          echo 'no src/b.rs:12 way'
          exit 1
",
    );
    run(&world, &repository, &[]).exits(0).says(&[
        "error: src/a.rs:3:7: Oh: no such thing (a / Run",
        "error: src/b.rs:12:1: way (a / Run",
        "── summary of a / Run",
        "# All about it",
        "a failed (counts as succeeded)",
    ]);
    let json = run(&world, &repository, &["--json"]).exits(0);
    let last: Value = serde_json::from_str(json.stdout.lines().last().unwrap()).unwrap();
    let run = &last["run"];
    assert_eq!(run["conclusion"], "success", "{run:#}");
    let job = &run["jobs"][0];
    assert_eq!(
        [&job["outcome"], &job["conclusion"]],
        ["failed", "succeeded"]
    );
    let remark = &job["steps"][0]["annotations"][0];
    assert_eq!(remark["file"], "src/a.rs", "{remark:#}");
    assert_eq!(remark["at"]["line"], 3, "{remark:#}");
}
