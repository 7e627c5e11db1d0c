//! What starts workflows on a server beside a push: a word, the clock, another run; and why they did or did
//! not run.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{repository::Repository, world::World};

/// How long a run of one step may take here.
const LIMIT: Duration = Duration::from_mins(1);

fn workflow(name: &str, on: &str, script: &str) -> String {
    format!(
        "name: {name}\non: {on}\njobs:\n  go:\n    runs-on: ubuntu-latest\n    steps:\n      - run: {script}\n"
    )
}

fn write(repository: &Repository<'_>, name: &str, on: &str, script: &str) {
    let path = format!(".github/workflows/{name}.yml");
    repository.write(&path, &workflow(name, on, script));
}

#[test]
fn runs_follow_runs_and_words_find_who_listens() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "events");
    write(
        &repository,
        "ci",
        "{ push: { branches: [main] } }",
        "'true'",
    );
    write(
        &repository,
        "after",
        "{ workflow_run: { workflows: [ci], types: [completed] } }",
        "echo after ${{ github.event.workflow_run.conclusion }} of ${{ github.event.workflow_run.name }}",
    );
    write(
        &repository,
        "told",
        "{ repository_dispatch: { types: [rebuilt] } }",
        "echo told of ${{ github.event.client_payload.image }}",
    );
    write(
        &repository,
        "asked",
        "{ workflow_dispatch: { inputs: { n: { type: number, default: 3 }, who: { default: ada } } } }",
        "echo asked ${{ inputs.n == 4 }} ${{ github.event.inputs.n }} of ${{ github.event.inputs.who }}",
    );
    repository.ship("one");
    let first = world.run_ended(1, LIMIT);
    assert_eq!(first["name"], "ci", "{first:#}");
    let second = world.run_ended(2, LIMIT);
    assert_eq!(
        (&second["name"], &second["trigger"]),
        (&json!("after"), &json!("workflow_run"))
    );
    let log = |run: &str| world.cutover(&["logs", run]).exits(0);
    log("2").says(&["after success of ci"]);

    let told = world.cutover(&[
        "dispatch",
        "events",
        "--type",
        "rebuilt",
        "--payload",
        "{\"image\":\"base\"}",
    ]);
    told.exits(0)
        .says(&["run #3", "`on` does not have `repository_dispatch`"]);
    world.run_ended(3, LIMIT);
    log("3").says(&["told of base"]);
    world
        .cutover(&["dispatch", "events", "--type", "other"])
        .exits(4)
        .says(&["`types` of `repository_dispatch` does not have `other`"]);

    world
        .cutover(&["dispatch", "events", "asked.yml", "--input", "n=4"])
        .exits(0)
        .says(&["run #4"]);
    world.run_ended(4, LIMIT);
    log("4").says(&["asked true 4 of ada"]);

    repository.write("README.md", "nothing to run");
    repository.ship("docs: a word [skip ci]");
    world
        .cutover(&["dispatch", "events", "asked.yml"])
        .exits(0)
        .says(&["run #5"]);
}

#[test]
fn three_runs_follow_each_other_and_no_more() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "chain");
    write(&repository, "ci", "push", "'true'");
    write(
        &repository,
        "round",
        "{ workflow_run: { workflows: [ci, round], types: [completed] }, workflow_dispatch: }",
        "echo round after ${{ github.event.workflow_run.name || 'nothing' }}",
    );
    repository.ship("one");
    let fourth = world.run_ended(4, LIMIT);
    assert_eq!(
        (&fourth["name"], &fourth["trigger"]),
        (&json!("round"), &json!("workflow_run"))
    );
    let asked = world.cutover(&["dispatch", "chain", "round.yml"]);
    asked.exits(0).says(&["run #5"]);
    world.run_ended(5, LIMIT);
    let log = world.cutover(&["logs", "5"]);
    log.exits(0).says(&["round after nothing"]);
}

#[test]
fn what_the_clock_missed_is_made_up_for_once() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "clock");
    // Each day at what was an hour ago.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let minutes = now.as_secs() / 60 - 60;
    let cron = format!("{} {} * * *", minutes % 60, minutes / 60 % 24);
    write(
        &repository,
        "nightly",
        &format!("{{ schedule: [{{ cron: '{cron}' }}] }}"),
        "echo it was ${{ github.event.schedule }}",
    );
    repository.ship("one");
    let schedule = |ready: &dyn Fn(&Value) -> bool| {
        world.until("its schedule", LIMIT, || {
            let status = world.api("/status");
            let first = status["schedules"].as_array()?.first()?.clone();
            ready(&first).then_some(first)
        })
    };
    let time = schedule(&|_| true);
    assert_eq!(time["workflow"], ".github/workflows/nightly.yml");
    assert!(
        time["next_at"].is_i64() && time["last_at"].is_null(),
        "{time:#}"
    );
    assert!(world.run(1).is_none(), "a new schedule waits for its time");
    world
        .cutover(&["status"])
        .exits(0)
        .says(&["nightly.yml", &format!("{cron} UTC")]);

    // Nobody was there for two hours.
    world.stop();
    let place = world.data_dir().join("schedules.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&place).unwrap()).unwrap();
    let until = kept[0][1]["until"].as_i64().unwrap();
    kept[0][1]["until"] = json!(until - 2 * 60 * 60 * 1000);
    fs::write(&place, kept.to_string()).unwrap();
    world.serve();
    let run = world.run_ended(1, LIMIT);
    assert_eq!(
        (&run["trigger"], &run["actor"]),
        (&json!("schedule"), &json!("cutover"))
    );
    assert_eq!(run["outcome"], "succeeded", "{run:#}");

    // It is not forgotten that it was, and even then it would be the same run.
    world.stop();
    fs::write(&place, kept.to_string()).unwrap();
    world.serve();
    schedule(&|time| time["last_at"].is_i64());
    assert!(world.run(2).is_none(), "started twice");
}

#[test]
fn it_is_told_why_a_job_or_a_step_did_not_run() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "why");
    repository.workflow(
        "name: ci
on: { push: { branches: [main], paths: ['src/**'] } }
jobs:
  build:
    runs-on: ubuntu-latest
    outputs: { kind: docs }
    steps:
      - run: 'true'
      - { run: echo no, if: \"github.ref_name == 'release'\" }
  deploy:
    needs: build
    if: github.event.head_commit.message != 'one' && needs.build.outputs.kind == 'code'
    runs-on: ubuntu-latest
    steps: [{ run: 'true' }]
",
    );
    repository.write("src/a", "a").ship("one");
    world.run_ended(1, LIMIT);
    world.cutover(&["explain"]).exits(0).says(&[
        "deploy `deploy`: skipped",
        "needs: build = success",
        "github.event.head_commit.message = \"one\"",
        "github.event.head_commit.message != 'one' = false",
        "needs.build.outputs.kind = \"docs\"",
    ]);
    world
        .cutover(&["explain", "1", "build", "1"])
        .exits(0)
        .says(&["github.ref_name = \"main\"", "skipped"]);
    world.cutover(&["explain", "1", "nowhere"]).exits(2);
    let local = |arguments: &[&str]| {
        let mut all = vec!["explain", "-C", repository.path()];
        all.extend(arguments);
        world.cutover(&all)
    };
    repository.write("src/a", "b").commit("two");
    local(&["ci.yml"]).exits(0).says(&[
        "push starts .github/workflows/ci.yml",
        "yes branch `main` matches `branches`",
        "yes changed path `src/a` matches `paths`",
    ]);
    local(&["--event", "push", "--ref", "topic"])
        .exits(4)
        .says(&[
            "push does not start",
            "no  branch `topic` does not match `branches`",
        ]);
}

#[test]
fn an_event_that_nobody_recorded_is_made_from_git() {
    let world = World::new();
    let repository = Repository::new(&world, "events");
    let on = "{ release: { types: [created, published] }, pull_request: { types: [closed] } }";
    let script = "echo \"told ${{ github.event.action }} ${{ github.event.release.tag_name }} \
        ${{ github.event.pull_request.base.sha == github.sha }} ${{ github.event.repository.default_branch }}\"";
    write(&repository, "told", on, script);
    repository.commit("one");
    repository.git(&["branch", "-M", "trunk"]).exits(0);
    repository.git(&["branch", "master"]).exits(0);
    let local = |arguments: &[&str]| {
        let arguments = [&["run", "-C", repository.path()][..], arguments].concat();
        world.cutover(&arguments).exits(0)
    };
    local(&["--event", "release"]).says(&["told created  false master"]);
    local(&["--event", "pull_request"]).says(&["told closed  true master"]);
}
