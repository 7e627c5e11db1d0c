//! Canaries: the broken one comes back by itself, the one that is no worse goes through; what people
//! say in the middle of one is done, and nothing is left behind.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    stage::{LIMIT, Stage, outcome, shares},
    world::{World, finish_child},
};

#[test]
fn a_broken_one_is_taken_back() {
    let world = World::new();
    let stage = Stage::open(
        &world,
        "{ target: { process: { instances: 2 } }, \
           strategy: { canary: { steps: [10, 50, 100], interval: 40s } } }",
    );
    stage.build("1.0.0", &json!({ "fail_percent": 1 }));
    stage.build("2.0.0", &json!({ "fail_percent": 20 }));
    stage.first("1.0.0");
    let load = stage.load(200);
    let view = stage.ends(&stage.begin("2.0.0"), "rolled_back");
    let tally = load.stop();
    stage.none_lost(&tally, &format!("a broken canary: {}", view["line"]));
    assert_eq!(shares(&view), [10.0, 0.0], "{view:#}");
    let bad = tally.failed.get("2.0.0").copied().unwrap_or_default();
    assert!((3..60).contains(&bad), "{bad} answers of it were bad");
    stage.serves_only("1.0.0");
}

#[test]
fn one_that_fails_no_more_than_the_version_before_it_goes_through() {
    let world = World::new();
    // A machine that stalls for a moment is not what is tried here: the judge's own tests have slow sides.
    let stage = Stage::open(
        &world,
        "{ strategy: { canary: { steps: [10, 50, 100], interval: 3s, bake: 2s } }, \
           judge: { split: { errors: 60 } } }",
    );
    let same = json!({ "fail_percent": 1, "latency_ms": 3, "latency_spread": 0.6 });
    stage.build("1.0.0", &same).build("2.0.0", &same);
    stage.first("1.0.0");
    let load = stage.load(300);
    let view = stage.ends(&stage.begin("2.0.0"), "succeeded");
    let tally = load.stop();
    stage.none_lost(&tally, "1 % of errors on both sides");
    assert_eq!(shares(&view), [10.0, 50.0, 100.0], "{view:#}");
    assert!(tally.failed.len() == 2, "{}", tally.tell());
    stage.serves_only("2.0.0");
}

const STEPS: &str = "{ strategy: { canary: { steps: [10, 50, 100], interval: 1s, bake: 30s } } }";

#[test]
fn one_is_stopped_at_every_step() {
    let world = World::new();
    let stage = Stage::open(&world, STEPS);
    stage.build("1.0.0", &json!({}));
    stage.build("2.0.0", &json!({ "start_delay_ms": 500, "on_term": "die" }));
    stage.first("1.0.0");
    let load = stage.load(100);
    for step in [None, Some(10.0), Some(50.0), Some(100.0)] {
        let id = stage.begin("2.0.0");
        if let Some(percent) = step {
            stage.until_share(&id, percent);
        } else {
            world.deployment(&id, LIMIT, |_| stage.processes() == 2);
        }
        world.cutover(&["abort", &id]).exits(0);
        let view = stage.ends(&id, "cancelled");
        let last = shares(&view).last().copied().unwrap_or_default();
        assert!(last.abs() < 0.001, "{step:?}: {view:#}");
        stage.serves_only("1.0.0");
        assert_eq!(stage.processes(), 1, "{step:?}");
    }
    stage.none_failed(&load.stop(), "stopped at every step");
}

#[test]
fn one_that_is_stopped_while_it_starts_leaves_no_lock_and_no_process() {
    let world = World::new();
    let stage = Stage::open(&world, STEPS.replace("30s", "0s").as_str());
    stage.build("1.0.0", &json!({}));
    stage.build(
        "2.0.0",
        &json!({ "start_delay_ms": 600_000, "on_term": "ignore" }),
    );
    stage.build("3.0.0", &json!({}));
    stage.first("1.0.0");
    let load = stage.load(100);
    let id = stage.begin("2.0.0");
    world.deployment(&id, LIMIT, |_| stage.processes() == 2);
    world.cutover(&["abort", &id]).exits(0);
    stage.ends(&id, "cancelled");
    assert_eq!(stage.processes(), 1);
    let begun = Instant::now();
    stage.deploy("3.0.0");
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(15),
        "it waited for a lock: {took:?}"
    );
    stage.none_failed(&load.stop(), "stopped while it starts");
    stage.serves_only("3.0.0");
    assert_eq!(stage.processes(), 1);
}

#[test]
fn a_later_one_waits_says_for_whom_and_gets_its_turn() {
    let world = World::new();
    let stage = Stage::open(&world, STEPS.replace("bake: 30s", "bake: 500ms").as_str());
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        stage.build(version, &json!({}));
    }
    stage.first("1.0.0");
    let load = stage.load(100);
    let first = stage.begin("2.0.0");
    stage.until_share(&first, 10.0);
    let second = stage.begin("3.0.0");
    let waits = |view: &Value| view["line"].to_string().contains(&first);
    let view = world.deployment(&second, LIMIT, |view| {
        waits(view) || outcome(view).is_some()
    });
    assert!(waits(&view) && shares(&view).is_empty(), "{view:#}");
    let first = stage.ends(&first, "succeeded");
    let second = stage.ends(&second, "succeeded");
    assert_eq!(second["previous"], "2.0.0", "{second:#}");
    let finished = first["deployment"]["finished_at"].as_i64();
    let shifted = second["shifts"][0]["at"].as_i64();
    assert!(finished <= shifted, "{first:#} {second:#}");
    stage.none_failed(&load.stop(), "one after the other");
    stage.serves_only("3.0.0");
}

#[test]
fn two_at_once_go_one_after_the_other() {
    let world = World::new();
    let stage = Stage::open(&world, "{ strategy: { blue_green: { bake: 300ms } } }");
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        stage.build(version, &json!({}));
    }
    stage.first("1.0.0");
    let load = stage.load(100);
    let children = ["2.0.0", "3.0.0"].map(|version| {
        let mut command = world.command(&["deploy", version, "production", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("cutover deploy")
    });
    let rows = children.map(|child| {
        let done = finish_child(child, "cutover deploy").exits(0);
        done.json()["deployment"].clone()
    });
    let last = rows
        .iter()
        .max_by_key(|row| row["finished_at"].as_i64())
        .unwrap();
    stage.none_failed(&load.stop(), "two at once");
    stage.serves_only(last["version"].as_str().unwrap());
    assert_eq!(stage.processes(), 1);
}

#[test]
fn one_is_held_and_let_go_two_hundred_times() {
    let world = World::new();
    let stage = Stage::open(
        &world,
        "{ strategy: { canary: { steps: [50, 100], interval: 2s, bake: 0s } } }",
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let load = stage.load(200);
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 50.0);
    let begun = Instant::now();
    for _ in 0..200 {
        stage.order("pause", &id);
        stage.order("resume", &id);
    }
    eprintln!("200 times held and let go in {:?}", begun.elapsed());
    let view = stage.ends(&id, "succeeded");
    assert_eq!(shares(&view), [50.0, 100.0], "{view:#}");
    stage.none_failed(&load.stop(), "held and let go");
    stage.serves_only("2.0.0");
}
