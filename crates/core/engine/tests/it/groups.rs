//! Concurrency groups as a run sees them, and the rest of what is said of a job.

use cutover_engine::Input;
use cutover_model::{
    plan::{Concurrency, MatrixSpec, Plan, Queue, Template},
    run::{JobKey, Outcome},
};

use crate::support::{
    World, bindings, cancel, environment, failed, given, job, ok, plan, runner, step,
};

fn group(name: &str) -> Concurrency {
    Concurrency {
        group: Template::plain(name),
        cancel_in_progress: None,
        queue: Queue::Single,
    }
}

fn whole() -> Plan {
    let build = job("build", &[], vec![step("a")]);
    let clean = job("clean", &["build"], vec![step("b ? always()")]);
    Plan {
        concurrency: Some(group("${{ github.ref }}")),
        ..plan(vec![build, clean])
    }
}

fn taken(job: Option<&str>) -> Input {
    let job = job.map(|job| JobKey(job.to_owned()));
    Input::GroupTaken { job }
}

fn held(job: Option<&str>) -> Input {
    Input::GroupHeld {
        job: job.map(|job| JobKey(job.to_owned())),
        holder: "run #6".to_owned(),
    }
}

fn lost(job: Option<&str>) -> Input {
    Input::GroupLost {
        job: job.map(|job| JobKey(job.to_owned())),
        by: "run #8".to_owned(),
    }
}

#[track_caller]
fn waits(world: World, expected: &str) -> World {
    let waits: Vec<String> = world
        .run
        .waits()
        .map(|(name, on)| format!("{name}: {on}"))
        .collect();
    assert_eq!(waits.join("; "), expected);
    world
}

#[test]
fn a_run_begins_when_it_has_its_group_and_gives_it_back() {
    let world = given(whole())
        .then("acquire group refs/heads/main for the run")
        .owes("acquire group refs/heads/main for the run");
    // Nobody is known to hold it.
    let world = waits(world, "").when(1, held(None));
    waits(
        world,
        "the run: concurrency group refs/heads/main, held by run #6",
    )
    .when(2, held(None))
    .then("")
    .when(3, taken(None))
    .then("acquire runner for build (linux)")
    .owes("acquire group refs/heads/main for the run; acquire runner for build (linux)")
    .when(4, taken(None))
    .then("")
    .when(5, runner("build"))
    .when(6, ok("build/0/1"))
    .when(7, runner("clean"))
    .when(8, ok("clean/0/1"))
    .then(
        "finish clean; release group refs/heads/main of the run; \
             notify run.succeeded: run #7 of ci succeeded after 8m",
    );
}

#[test]
fn one_that_waits_is_superseded_by_the_next() {
    given(whole())
        .when(1, lost(None))
        .then(
            "release group refs/heads/main of the run; \
             notify run.cancelled: run #7 of ci superseded after 1m",
        )
        .jobs("build superseded; clean superseded")
        .because(
            "build",
            "superseded by run #8 in concurrency group `refs/heads/main`",
        );
}

#[test]
fn one_in_progress_is_cancelled_once_and_cleans_up() {
    given(whole())
        .when(1, taken(None))
        .when(2, runner("build"))
        .when(3, lost(None))
        .then("cancel build/0/1")
        .when(3, lost(None))
        .then("")
        .when(4, failed("build/0/1"))
        .then(
            "finish build; release group refs/heads/main of the run; \
             notify run.cancelled: run #7 of ci cancelled after 4m",
        )
        .because(
            "build",
            "cancelled by run #8: in concurrency group `refs/heads/main` the newer one goes on",
        );
}

#[test]
fn one_that_waits_can_be_cancelled() {
    given(whole())
        .when(1, cancel("ada"))
        .then(
            "release group refs/heads/main of the run; \
             notify run.cancelled: run #7 of ci cancelled after 1m",
        )
        .because("clean", "cancelled by ada");
}

#[test]
fn a_group_without_a_name_is_a_fault() {
    let plan = Plan {
        concurrency: Some(group("${{ vars.NONE }}")),
        ..whole()
    };
    given(plan)
        .then("notify run.faulted: run #7 of ci faulted after 0s")
        .because(
            "build",
            "ci.yml:0:0: the name of the concurrency group is empty",
        );
}

#[test]
fn newest_and_queue_do_not_go_together() {
    let mut build = job("build", &[], vec![step("a")]);
    build.concurrency = Some(Concurrency {
        cancel_in_progress: Some(Template::plain("${{ github.ref == 'refs/heads/main' }}")),
        queue: Queue::Max,
        ..group("g")
    });
    given(plan(vec![build])).jobs("build faulted").because(
        "build",
        "ci.yml:0:0: `queue: max` and `cancel-in-progress: true` do not go together",
    );
}

#[test]
fn a_leg_asks_for_its_group_before_a_runner() {
    let mut build = job("build", &[], vec![step("a")]);
    build.matrix = Some(MatrixSpec::new(serde_json::json!({ "n": [1, 2] })));
    build.concurrency = Some(group("g-${{ matrix.n }}"));
    let world = given(plan(vec![build]))
        .then("acquire group g-1 for build#0; acquire group g-2 for build#1")
        .when(1, taken(Some("build#0")))
        .then("acquire runner for build#0 (linux)")
        .when(2, held(Some("build#1")));
    waits(
        world,
        "build (1): a runner (linux); build (2): concurrency group g-2, held by run #6",
    )
    .when(3, lost(Some("build#1")))
    .then("release group g-2 of build#1")
    .jobs("build (1) waiting on a runner (linux); build (2) superseded")
    .when(4, runner("build#0"))
    .when(5, lost(Some("build#0")))
    .then("cancel build#0/0/1")
    .when(6, failed("build#0/0/1"))
    .then("finish build#0; notify run.cancelled: run #7 of ci cancelled after 6m");
}

#[test]
fn a_leg_does_not_wait_for_its_own_run() {
    let mut build = job("build", &[], vec![step("a")]);
    build.concurrency = Some(group("REFS/heads/main"));
    let plan = Plan {
        concurrency: Some(group("${{ github.ref }}")),
        ..plan(vec![build])
    };
    given(plan)
        .when(1, taken(None))
        .jobs("build cancelled")
        .because(
            "build",
            "its run holds concurrency group `REFS/heads/main` until it ends: they would wait for \
             each other",
        );
}

#[test]
fn how_long_a_job_may_clean_up_is_said() {
    let mut build = job("build", &[], vec![step("a ? always()")]);
    build.cancel_timeout_minutes = Some(Template::plain("${{ 1 + 1 == 2 }}"));
    given(plan(vec![build.clone()])).jobs("build faulted");
    build.cancel_timeout_minutes = Some(Template::plain("${{ fromJSON('2') }}"));
    given(plan(vec![build]))
        .when(1, runner("build"))
        .when(2, cancel("ada"))
        .timers("end of grace for build at 4");
}

#[test]
fn all_of_a_strategy_may_come_from_one_expression() {
    let strategy = |text: &str| {
        let mut build = job("build", &[], vec![step("a")]);
        build.matrix = Some(MatrixSpec {
            strategy: Some(Template::plain(text)),
            ..MatrixSpec::new(serde_json::Value::Null)
        });
        given(plan(vec![build]))
    };
    strategy(r#"${{ fromJSON('{"matrix":{"n":[1,2]},"max-parallel":1}') }}"#)
        .then("acquire runner for build#0 (linux)");
    strategy("${{ fromJSON('{\"fail-fast\":false}') }}").then("acquire runner for build (linux)");
    // What it comes to is data, whatever it looks like.
    strategy(r#"${{ fromJSON('{"matrix":{"n":["$\u007b{ github.actor }\u007d"]}}') }}"#)
        .jobs("build (${{ github.actor }}) waiting on a runner (linux)");
    strategy("${{ fromJSON('[1]') }}")
        .because("build", "ci.yml:0:0: `strategy` must come to a map");
    strategy("${{ fromJSON('{\"matric\":{}}') }}")
        .because("build", "ci.yml:0:0: `strategy` cannot have `matric: {}`");
}

#[test]
fn where_to_look_is_known_in_the_end() {
    let mut build = job("build", &[], vec![step("go=a")]);
    build.environment = Some(environment("staging"));
    build.environment.as_mut().unwrap().url =
        Some(Template::plain("https://${{ steps.go.outputs.host }}"));
    build.outputs = bindings(&[]);
    let world = given(plan(vec![build])).when(1, runner("build")).when(
        2,
        crate::support::gave("build/0/1", &[("host", "x.example")]),
    );
    let url = world.run.jobs().next().unwrap().environment_url;
    assert_eq!(url, Some("https://x.example"));
    assert_eq!(world.run.state().outcome(), Some(Outcome::Succeeded));
}
