//! Each strategy as its file says it: which shares, in which order, what waits for a person; and that
//! those who send requests notice nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    stage::{LIMIT, Stage, outcome, shares},
    world::World,
};

/// Deploys a second version, which must go these shares, under traffic.
fn goes(production: &str, wanted: &[f64]) {
    let world = World::new();
    let stage = two(&world, production);
    let load = stage.load(100);
    let view = stage.deploy("2.0.0");
    assert_eq!(shares(&view), wanted, "{view:#}");
    stage.none_failed(&load.stop(), production);
    stage.serves_only("2.0.0");
    assert_eq!(stage.processes(), 2, "{production}");
}

/// Two versions that are gone at once on SIGTERM; the first serves.
fn two<'a>(world: &'a World, production: &str) -> Stage<'a> {
    let stage = Stage::open(world, production);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    stage
}

fn with_two(strategy: &str) -> String {
    format!("{{ target: {{ process: {{ instances: 2 }} }}, strategy: {strategy} }}")
}

#[test]
fn linear_takes_equal_steps() {
    let linear = "{ linear: { increment: 30, interval: 700ms, bake: 300ms } }";
    goes(&with_two(linear), &[30.0, 60.0, 90.0, 100.0]);
}

#[test]
fn a_canary_of_five_steps_has_a_word() {
    let canary = "{ canary: { steps: 1/5/25/50/100, interval: 600ms, bake: 300ms } }";
    goes(&with_two(canary), &[1.0, 5.0, 25.0, 50.0, 100.0]);
}

#[test]
fn a_canary_of_three_steps_has_a_word() {
    let canary = "{ canary: { steps: 10/50/100, interval: 600ms, bake: 300ms } }";
    goes(&with_two(canary), &[10.0, 50.0, 100.0]);
}

#[test]
fn a_canary_may_have_only_as_many_instances_as_it_needs() {
    let canary =
        "{ canary: { steps: [50, 100], interval: 700ms, bake: 300ms, instances: scaled } }";
    goes(&with_two(canary), &[50.0, 100.0]);
}

#[test]
fn blue_green_has_a_canary_first() {
    let canary = "[{ weight: 0.5, for: 600ms }, { weight: 25, for: 600ms }]";
    let blue_green = format!("{{ blue_green: {{ canary: {canary}, bake: 500ms }} }}");
    goes(&with_two(&blue_green), &[0.5, 25.0, 100.0]);
}

#[test]
fn rolling_may_have_fewer_and_more() {
    let rolling = "{ rolling: { surge: 0, max_unavailable: 1, bake: 300ms } }";
    let world = World::new();
    let stage = two(&world, &with_two(rolling));
    let load = stage.load(100);
    let view = stage.deploy("2.0.0");
    assert!(shares(&view).is_sorted(), "{view:#}");
    stage.none_failed(&load.stop(), "rolling without one more");
    stage.serves_only("2.0.0");
    assert_eq!(stage.processes(), 2);
}

#[test]
fn recreate_with_a_gap_of_two_seconds_loses_nothing() {
    const RATE: u32 = 200;
    let world = World::new();
    let stage = Stage::open(&world, "{ strategy: recreate }");
    let slow = json!({ "on_term": "die", "start_delay_ms": 2_000 });
    stage
        .build("1.0.0", &json!({ "on_term": "die" }))
        .build("2.0.0", &slow);
    stage.first("1.0.0");
    let load = stage.load(RATE);
    let view = stage.deploy("2.0.0");
    let tally = load.stop();
    stage.none_failed(&tally, "recreate with a gap");
    tally.kept_up(RATE, Duration::from_secs(2));
    assert_eq!(tally.versions(), 2, "{}", tally.tell());
    assert_eq!(shares(&view), [100.0], "{view:#}");
    stage.serves_only("2.0.0");
    assert_eq!(stage.processes(), 1);
}

#[test]
fn recreate_of_what_does_not_start_brings_the_old_one_back() {
    let world = World::new();
    let changes = [("start_timeout: 15s", "start_timeout: 2s")];
    let stage = Stage::open_with(&world, "{ strategy: recreate }", &changes);
    stage
        .build("1.0.0", &json!({}))
        .build("2.0.0", &json!({ "healthy": false }));
    stage.first("1.0.0");
    let load = stage.load(50);
    stage.try_deploy("2.0.0").exits(1);
    let tally = load.stop();
    // Requests waited for the new one, and were answered by the old one that was started again.
    stage.none_failed(&tally, "recreate in vain");
    assert_eq!(tally.versions(), 1, "{}", tally.tell());
    stage.serves_only("1.0.0");
    assert_eq!(stage.processes(), 1);
}

const STOPS: &str = "{ strategy: { canary: \
     { steps: [{ weight: 20, for: 300ms, pause: true }, { weight: 60, for: 300ms, pause: true }, 100], \
       bake: 300ms } } }";

/// Waits until a deployment says that it is held.
fn held(stage: &Stage, id: &str, percent: f64) -> Value {
    stage.until_share(id, percent);
    let is_held = |view: &Value| view["deployment"]["state"] == "paused";
    let view = stage
        .world
        .deployment(id, LIMIT, |view| is_held(view) || outcome(view).is_some());
    assert!(is_held(&view), "{view:#}");
    view
}

#[test]
fn a_step_that_waits_for_a_person_is_promoted_and_resumed() {
    let world = World::new();
    let stage = two(&world, STOPS);
    let load = stage.load(100);
    let id = stage.begin("2.0.0");
    held(&stage, &id, 20.0);
    let status = world.cutover(&["status"]).exits(0).said();
    assert!(status.contains("paused"), "{status}");
    world.cutover(&["promote", &id]).exits(0);
    held(&stage, &id, 60.0);
    world.cutover(&["resume", &id]).exits(0);
    let view = stage.ends(&id, "succeeded");
    assert_eq!(shares(&view), [20.0, 60.0, 100.0], "{view:#}");
    // It has ended: there is nothing more to promote, and it is said that nothing was done.
    world
        .cutover(&["promote", &id])
        .exits(0)
        .says(&["nothing to do"]);
    stage.none_failed(&load.stop(), "promoted and resumed");
    stage.serves_only("2.0.0");
}

#[test]
fn all_that_is_left_is_promoted_at_once() {
    let world = World::new();
    let stage = two(&world, STOPS);
    let load = stage.load(100);
    let id = stage.begin("2.0.0");
    held(&stage, &id, 20.0);
    world.cutover(&["promote", &id, "--full"]).exits(0);
    let view = stage.ends(&id, "succeeded");
    assert_eq!(shares(&view), [20.0, 100.0], "{view:#}");
    stage.none_failed(&load.stop(), "promoted at once");
    stage.serves_only("2.0.0");
}

/// A person stops it when the candidate has so much.
fn is_stopped(strategy: &str, percent: f64) {
    let world = World::new();
    let stage = two(&world, &with_two(strategy));
    let load = stage.load(50);
    let id = stage.begin("2.0.0");
    stage.until_share(&id, percent);
    world.cutover(&["abort", &id]).exits(0);
    let view = stage.ends(&id, "cancelled");
    assert_eq!(shares(&view).last(), Some(&0.0), "{view:#}");
    stage.none_failed(&load.stop(), strategy);
    stage.serves_only("1.0.0");
    assert_eq!(stage.processes(), 2, "{strategy}");
}

#[test]
fn linear_is_stopped_in_the_middle() {
    is_stopped("{ linear: { increment: 40, interval: 30s } }", 40.0);
}

#[test]
fn blue_green_is_stopped_in_its_canary() {
    let canary = "[{ weight: 10, for: 30s }]";
    let strategy = format!("{{ blue_green: {{ canary: {canary}, bake: 30s }} }}");
    is_stopped(&strategy, 10.0);
}

#[test]
fn blue_green_is_stopped_after_the_switch() {
    is_stopped("{ blue_green: { bake: 30s } }", 100.0);
}

#[test]
fn rolling_is_stopped_at_its_end() {
    is_stopped("{ rolling: { bake: 30s } }", 100.0);
}

#[test]
fn recreate_is_stopped_at_its_end() {
    is_stopped("{ recreate: { bake: 30s } }", 100.0);
}
