//! Steps that go at once, and runs that do not.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::{
    repository::Repository,
    world::{Done, World},
};

const LIMIT: Duration = Duration::from_secs(60);

fn run(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut all = vec!["run", "-C", repository.path()];
    all.extend(arguments);
    world.cutover(&all)
}

fn steps(text: &str) -> String {
    format!("name: t\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{text}")
}

#[test]
fn steps_go_beside_each_other_and_hand_on_at_the_wait() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    // Each half of the group waits for the other; the one that serves is ended, and asked kindly.
    repository.workflow(&steps(
        "      - id: serve
        background: true
        run: |
          trap 'echo went kindly >> kindly; exit 0' INT
          mkfifo ready && echo up > up && while :; do sleep 0.05; done
      - id: slow
        background: true
        run: echo \"A=late\" >> \"$GITHUB_ENV\"; echo v=1 >> \"$GITHUB_OUTPUT\"; echo done > slow
      - run: until test -e slow -a -e up; do sleep 0.02; done; echo \"seen=<$A>${{ steps.slow.outputs.v }}\"
      - wait: slow
      - run: echo \"then=<$A>${{ steps.slow.outputs.v }}\"
      - parallel:
          - run: mkfifo one two; echo > one; cat two > got
          - run: until test -p two; do sleep 0.02; done; cat one; echo hello > two
      - run: cat got
      - cancel: serve
      - run: cat kindly
",
    ));
    let done = run(&world, &repository, &[]).exits(0);
    done.says(&["seen=<>", "then=<late>1", "hello", "went kindly"]);
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn a_failure_in_the_background_fails_the_job_and_what_serves_ends_all_the_same() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.workflow(&steps(
        "      - { id: serve, background: true, run: sleep 1000 }
      - { id: lint, background: true, run: exit 3 }
      - run: echo goes on
      - wait: lint
      - run: echo not here
      - cancel: serve
",
    ));
    let done = run(&world, &repository, &["--json"]).exits(1);
    let last: Value = serde_json::from_str(done.stdout.lines().last().unwrap()).unwrap();
    let outcomes: Vec<&str> = last["run"]["jobs"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        [
            "cancelled",
            "failed",
            "succeeded",
            "failed",
            "skipped",
            "succeeded"
        ],
        "{last:#}"
    );
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn jobs_of_one_run_that_share_a_group_go_one_after_the_other() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let log = world.path("log");
    let job = |name: &str| {
        format!(
            "  {name}:
    runs-on: x
    concurrency: {{ group: G, queue: max }}
    steps: [{{ run: 'echo +{name} >> {0}; sleep 0.2; echo -{name} >> {0}' }}]\n",
            log.display()
        )
    };
    let jobs: String = ["a", "b", "c"].map(job).concat();
    repository.workflow(&format!("on: push\njobs:\n{jobs}"));
    run(&world, &repository, &["--jobs", "3"]).exits(0);
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(said, "+a\n-a\n+b\n-b\n+c\n-c\n");
}

/// Waits until a run waits for somebody.
fn waits(world: &World, number: u64, on: &str) {
    let what = format!("run #{number} waits on {on}");
    world.until(&what, LIMIT, || {
        let run = world.run(number)?;
        let waits = run["waiting_on"].as_str()?;
        waits.contains(on).then_some(())
    });
}

#[test]
fn one_run_at_a_time_also_after_kill_nine_and_the_middle_one_is_superseded() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "small");
    let go = world.path("go");
    let log = world.path("log");
    repository.workflow(&format!(
        "on: push\nconcurrency: 'deploy-${{{{ github.ref }}}}'\njobs:
  a:
    runs-on: x
    steps:
      - run: |
          echo \"+$GITHUB_RUN_NUMBER\" >> '{1}'
          until test -e '{0}'; do sleep 0.05; done
          echo \"-$GITHUB_RUN_NUMBER\" >> '{1}'\n",
        go.display(),
        log.display()
    ));
    repository.ship("one");
    world.until("the first runs", LIMIT, || log.exists().then_some(()));
    repository.ship("two");
    waits(&world, 2, "held by run #1");
    repository.ship("three");
    let second = world.run_ended(2, LIMIT);
    assert_eq!(second["outcome"], "superseded", "{second:#}");
    let reason = second["jobs"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("superseded by run #3"), "{reason}");
    waits(&world, 3, "held by run #1");
    world.kill();
    world.serve();
    waits(&world, 3, "held by run #1");
    fs::write(&go, "").unwrap();
    assert_eq!(world.run_ended(1, LIMIT)["outcome"], "succeeded");
    assert_eq!(world.run_ended(3, LIMIT)["outcome"], "succeeded");
    assert_eq!(fs::read_to_string(&log).unwrap(), "+1\n-1\n+3\n-3\n");
}

#[test]
fn the_newest_ends_what_is_in_progress() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "small");
    let log = world.path("log");
    repository.workflow(&format!(
        "on: push\nconcurrency: {{ group: g, cancel-in-progress: true }}\njobs:
  a:
    runs-on: x
    steps:
      - run: echo \"+$GITHUB_RUN_NUMBER\" >> '{0}'; test $GITHUB_RUN_NUMBER = 2 || sleep 1000\n",
        log.display()
    ));
    repository.ship("one");
    world.until("the first runs", LIMIT, || log.exists().then_some(()));
    repository.ship("two");
    let first = world.run_ended(1, LIMIT);
    assert_eq!(first["outcome"], "cancelled", "{first:#}");
    let reason = first["jobs"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("cancelled by run #2"), "{reason}");
    assert_eq!(world.run_ended(2, LIMIT)["outcome"], "succeeded");
    assert_eq!(fs::read_to_string(&log).unwrap(), "+1\n+2\n");
}

#[test]
fn an_environment_has_variables_and_secrets_of_its_own() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.write(
        "cutover.yml",
        "environments:\n  production: { vars: { REGION: north, SIZE: large } }\n",
    );
    let show =
        "echo \"${{ vars.REGION }}/${{ vars.SIZE }}/$T/\"; test \"${#T}\" = ${{ vars.LENGTH }}";
    repository.workflow(&format!(
        "on: push\njobs:
  a:
    runs-on: x
    steps: [{{ run: '{show}', env: {{ T: '${{{{ secrets.TOKEN }}}}' }} }}]
  b:
    runs-on: x
    environment: {{ name: Production, url: 'https://${{{{ vars.REGION }}}}.example', deployment: false }}
    steps: [{{ run: '{show}', env: {{ T: '${{{{ secrets.TOKEN }}}}' }} }}]\n"
    ));
    // Names of environments in the file are exact; in settings their case does not matter.
    repository.write(
        "cutover.yml",
        "environments:\n  Production: { vars: { REGION: north, SIZE: large } }\n",
    );
    let arguments = [
        "--secret=TOKEN=four",
        "--secret=production/TOKEN=seven-7",
        "--var=REGION=any",
        "--var=LENGTH=4",
        "--var=production/LENGTH=7",
        "--json",
    ];
    let done = run(&world, &repository, &arguments).exits(0);
    let said = done.said();
    assert!(
        said.contains("any//***/") && said.contains("north/large/***/"),
        "{said}"
    );
    assert!(said.contains("https://north.example"), "{said}");
    assert!(!said.contains("seven-7"), "{said}");
}

#[test]
fn hooks_of_the_runner_stand_around_each_job() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let started = world.path("started.sh");
    let completed = world.path("completed.sh");
    fs::write(
        &started,
        "echo \"hook of $GITHUB_JOB\"; echo FROM_HOOK=1 >> \"$GITHUB_ENV\"",
    )
    .unwrap();
    fs::write(&completed, "echo hook at the end; exit 4").unwrap();
    repository.workflow(&steps(
        "      - run: test \"$FROM_HOOK\" = 1\n      - run: exit 1\n",
    ));
    let mut command = world.command(&["run", "-C", repository.path()]);
    command
        .env("ACTIONS_RUNNER_HOOK_JOB_STARTED", &started)
        .env("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", &completed);
    crate::world::finish(command).exits(1).says(&[
        "Set up runner",
        "hook of a",
        "Complete runner",
        "hook at the end",
    ]);
}
