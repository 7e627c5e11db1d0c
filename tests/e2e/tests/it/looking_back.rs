//! Which run is meant, and looking at one afterwards: of a server, and of `cutover run` without one.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    repository::Repository,
    world::{Done, World, finish, finish_child},
};

/// Says something, waits for a file, and keeps an artifact.
fn workflow(goes_on: &str) -> String {
    format!(
        "name: CI
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: echo \"a secret ${{{{ secrets.KEY }}}}\"; until test -e '{goes_on}'; do sleep 0.05; done
      - run: mkdir out; echo kept > out/file
      - uses: actions/upload-artifact@v4
        with: {{ name: report, path: out }}
      - if: github.ref_name == 'nowhere'
        run: echo not here
"
    )
}

/// `cutover run`, as soon as its first step has said something.
fn started(world: &World, repository: &Repository<'_>) -> Child {
    let mut command = world.command(&["run", "-C", repository.path(), "--secret", "KEY=hunter22"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "a secret ***"));
    // Whoever writes into a pipe without an end would be ended by that and not by us.
    std::thread::spawn(move || said.for_each(drop));
    child
}

/// `cutover` in the repository, as whoever works there says it.
#[track_caller]
fn here(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut command = world.command(arguments);
    command.current_dir(repository.path());
    finish(command)
}

fn numbers(done: &Done) -> Vec<u64> {
    let rows: Value = serde_json::from_str(&done.stdout).unwrap();
    let rows = rows["runs"].as_array().unwrap();
    rows.iter()
        .map(|row| row["number"].as_u64().unwrap())
        .collect()
}

#[test]
fn runs_at_once_have_numbers_of_their_own_and_all_are_looked_at_without_a_server() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let goes_on = world.path("goes-on");
    repository
        .workflow(&workflow(goes_on.to_str().unwrap()))
        .commit("one");
    here(&world, &repository, &["logs", "1"]).exits(2).says(&[
        "no server runs on",
        "kept nothing of this repository",
        "-C",
    ]);
    let both = [started(&world, &repository), started(&world, &repository)];
    // While both go on.
    let rows = here(&world, &repository, &["runs", "--json"]).exits(0);
    assert_eq!(numbers(&rows), [2, 1]);
    here(&world, &repository, &["logs", "1"])
        .exits(0)
        .says(&["still runs"]);
    here(&world, &repository, &["logs", "2", "-f"])
        .exits(2)
        .says(&["in a process of its own"]);
    fs::write(&goes_on, "").unwrap();
    for child in both {
        finish_child(child, "cutover run").exits(0);
    }
    finish_child(started(&world, &repository), "cutover run")
        .exits(0)
        .says(&["run #3 of CI succeeded"]);

    // Wherever each of them was, it is found by its number.
    for run in ["1", "#2", "work-small#3", "local/work-small#3"] {
        let log = here(&world, &repository, &["logs", run])
            .exits(0)
            .says(&["a secret ***"]);
        assert!(!log.said().contains("hunter22"), "{}", log.said());
        here(&world, &repository, &["artifacts", run])
            .exits(0)
            .says(&["report"]);
        here(&world, &repository, &["explain", run, "test", "3"])
            .exits(0)
            .says(&["github.ref_name == 'nowhere'"]);
        let to = world.path("out");
        let to = to.to_str().unwrap();
        here(
            &world,
            &repository,
            &["artifacts", run, "report", "--to", to],
        )
        .exits(0);
        assert_eq!(
            fs::read_to_string(format!("{to}/report/file")).unwrap(),
            "kept\n"
        );
        fs::remove_dir_all(to).unwrap();
    }
    let one = here(
        &world,
        &repository,
        &["logs", "3", "--job", "test", "--step", "2"],
    )
    .exits(0);
    assert!(
        !one.stdout.contains("secret") && one.stdout.contains("report"),
        "{}",
        one.said()
    );
    // From elsewhere, by saying where.
    world
        .cutover(&["logs", "4", "-C", repository.path()])
        .exits(2)
        .says(&["no run `#4`"]);
    let rows = numbers(
        &world
            .cutover(&["runs", "-C", repository.path(), "--json"])
            .exits(0),
    );
    assert_eq!(rows.len(), 3);
    world
        .cutover(&[
            "runs",
            "-C",
            repository.path(),
            "--server",
            "http://127.0.0.1:1",
        ])
        .exits(2)
        .says(&["`-C` is for runs of `cutover run`"]);
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn a_number_of_two_repositories_is_refused_and_each_can_be_said() {
    let world = World::new();
    world.serve();
    let goes_on = world.path("goes-on");
    fs::write(&goes_on, "").unwrap();
    let text = workflow(goes_on.to_str().unwrap());
    for name in ["first", "team/second"] {
        let repository = Repository::new(&world, &name.replace('/', "-"));
        let url = repository.url().replace("team-", "team/");
        repository.workflow(&text).commit("one");
        repository
            .git(&["push", &url, "HEAD:refs/heads/main"])
            .exits(0);
        if name == "first" {
            // Alone it is clear.
            world.run_ended(1, Duration::from_mins(1));
            let alone = world.cutover(&["runs"]).exits(0);
            assert!(!alone.stdout.contains("first"), "{}", alone.said());
        }
    }
    world.until("two runs", Duration::from_mins(1), || {
        let rows = world.api("/runs");
        let rows = rows["runs"].as_array().unwrap().clone();
        let all_ended = rows.iter().all(|row| !row["outcome"].is_null());
        (rows.len() == 2 && all_ended).then_some(())
    });
    world
        .cutover(&["runs"])
        .exits(0)
        .says(&["first#1", "team/second#1"]);
    let what_to_say = [
        "`#1` may be any of these runs",
        "`first#1`",
        "`team/second#1`",
    ];
    for verb in ["logs", "artifacts", "explain", "retry"] {
        world.cutover(&[verb, "1"]).exits(2).says(&what_to_say);
    }
    world.cutover(&["cancel", "#1"]).exits(2).says(&what_to_say);
    for run in ["first#1", "team/second#1", "second#1"] {
        world.cutover(&["logs", run]).exits(0).says(&["a secret"]);
        world
            .cutover(&["artifacts", run])
            .exits(0)
            .says(&["report"]);
        world.cutover(&["explain", run]).exits(0);
        // Found, and ended.
        world.cutover(&["cancel", run]).exits(3);
    }
    let explained = world.ask(&["explain", "second#1"]);
    let id = explained["run"].as_str().unwrap();
    let view = world.api(&format!("/runs/{id}"));
    assert_eq!(view["repository"], "team/second");
    assert_eq!(world.api("/runs/team%2Fsecond%231")["id"], id);
}
