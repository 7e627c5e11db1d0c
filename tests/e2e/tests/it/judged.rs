//! What the judge says is done, and what others measure is looked at.

use std::fs;

use serde_json::{Value, json};

use crate::{
    stage::{LIMIT, Stage, outcome, shares},
    world::World,
};

/// The lines of a deployment's log that are of this kind.
fn lines(view: &Value, kind: &str) -> Vec<String> {
    let moments = view["timeline"].as_array().into_iter().flatten();
    moments
        .filter(|moment| moment["kind"] == kind)
        .filter_map(|moment| moment["line"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_step_that_has_seen_too_little_waits_for_a_person_with_the_bound_in_the_log() {
    let world = World::new();
    let stage = Stage::open(
        &world,
        "{ strategy: { canary: { steps: [10, 100], interval: 2s, bake: 2s } }, \
           judge: { p_max: 0.0001, on_insufficient: pause } }",
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let load = stage.load(50);
    let id = stage.begin("2.0.0");
    let is_held = |view: &Value| !view["paused_by"].is_null() || outcome(view).is_some();
    let view = world.deployment(&id, LIMIT, is_held);
    assert_eq!(outcome(&view), None, "{view:#}");
    let said = lines(&view, "step_judged");
    assert_eq!(said.len(), 1, "{view:#}");
    assert!(
        said[0].contains("pause") && said[0].contains("so at most"),
        "{said:?}"
    );
    world.cutover(&["abort", &id]).exits(0);
    let view = stage.ends(&id, "cancelled");
    stage.none_failed(&load.stop(), "held by the judge");
    assert_eq!(shares(&view), [10.0, 0.0], "{view:#}");
}

#[test]
fn what_is_good_enough_goes_on_by_the_word_of_the_judge() {
    let world = World::new();
    let stage = Stage::open(
        &world,
        "{ strategy: { canary: { steps: [50, 100], interval: 3s, bake: 2s } }, \
           judge: { p_max: 0.5, on_insufficient: rollback } }",
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let load = stage.load(100);
    let view = stage.ends(&stage.begin("2.0.0"), "succeeded");
    stage.none_failed(&load.stop(), "judged at each step");
    let said = lines(&view, "step_judged");
    assert_eq!(said.len(), 2, "{view:#}");
    assert!(said.iter().all(|line| line.contains("promote")), "{said:?}");
    assert_eq!(shares(&view), [50.0, 100.0], "{view:#}");
}

#[test]
fn a_number_of_somebody_else_takes_a_release_back() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("depth");
    fs::write(&file, "3\n").unwrap();
    let stage = Stage::open(
        &world,
        &format!(
            "{{ strategy: {{ blue_green: {{ bake: 40s }} }}, rollback_triggers: \
             [{{ metric: External, threshold: 100, duration: 2, \
                 source: {{ name: queue depth, command: [cat, {}], interval: 1s, timeout: 2s }} }}] }}",
            file.display()
        ),
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let load = stage.load(50);
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 100.0);
    fs::write(&file, "250\n").unwrap();
    let view = stage.ends(&id, "rolled_back");
    stage.none_failed(&load.stop(), "taken back by a number");
    let reason = view["deployment"]["reason"].to_string();
    assert!(reason.contains("queue depth > 100 for 2s"), "{reason}");
    stage.serves_only("1.0.0");
}
