//! What people say to deployments, by the place where these are: each verb twice, what it refuses, and
//! the code that it leaves with.

use serde_json::{Value, json};

use crate::{stage::Stage, world::World};

const STEPS: &str = "{ strategy: { canary: { steps: [10, 50, 100], interval: 60s, bake: 60s } } }";

#[test]
fn a_place_is_enough_and_what_is_said_twice_is_done_once() {
    let world = World::new();
    let stage = Stage::open(&world, STEPS);
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    world
        .cutover(&["pause", "production"])
        .exits(2)
        .says(&["neither a deployment nor a place"]);
    stage.first("1.0.0");
    world
        .cutover(&["pause", "production"])
        .exits(2)
        .says(&["nothing is under way"]);
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 10.0);
    let said = |arguments: &[&str]| world.ask(arguments);
    assert_eq!(said(&["pause", "production"])["already"], false);
    assert_eq!(said(&["pause", "specimen@production"])["already"], true);
    assert_eq!(said(&["resume", "production"])["already"], false);
    assert_eq!(said(&["resume", "production"])["already"], true);
    let step = ["promote", "production", "--step", "1"];
    assert_eq!(said(&step)["already"], false);
    let view = stage.until_share(&id, 50.0);
    assert_eq!(view["step"], 2, "{view:#}");
    assert_eq!(said(&step)["notice"], "step 1 is over already");
    world
        .cutover(&["promote", "production", "--step", "3", "--json"])
        .exits(3)
        .says(&["step 3 is still to come", "\"error\""]);
    assert_eq!(stage.view(&id)["step"], 2);
    assert_eq!(said(&["promote", "production", "--full"])["already"], false);
    let view = stage.ends(&id, "succeeded");
    assert_eq!(view["verbs"], json!([]), "{view:#}");
    stage.serves_only("2.0.0");
}

#[test]
fn a_hold_is_shown_refuses_with_its_code_and_is_lifted() {
    let world = World::new();
    let stage = Stage::open(&world, "{ strategy: rolling }");
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    stage.first("2.0.0");
    world.cutover(&["rollback", "production"]).exits(0);
    world.cutover(&["status"]).exits(0).says(&[
        "specimen@production is held",
        "cutover resume --environment",
    ]);
    let done = stage.try_deploy("2.0.0").exits(3);
    let view: Value = done.json();
    assert_eq!(view["refused"], true, "{view:#}");
    assert_eq!(view["verbs"], json!(["retry"]), "{view:#}");
    let reason = &view["hold"]["reason"];
    assert_eq!(reason, "a person went back to 1.0.0", "{view:#}");
    let lift = ["resume", "--environment", "production"];
    assert_eq!(world.ask(&lift)["already"], false);
    assert_eq!(world.ask(&lift)["already"], true);
    assert_eq!(world.ask(&["status"])["holds"], json!([]));
    stage.try_deploy("2.0.0").exits(0);
    stage.serves_only("2.0.0");
}

#[test]
fn a_freeze_said_twice_is_one_and_the_broken_glass_is_told() {
    let world = World::new();
    let stage = Stage::open(&world, "{ strategy: rolling }");
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let freeze = [
        "freeze",
        "production",
        "--reason",
        "the fair",
        "--for",
        "1h",
    ];
    assert_eq!(world.ask(&freeze)["already"], false);
    assert_eq!(world.ask(&freeze)["already"], true);
    let frozen = &world.ask(&["status"])["freezes"];
    assert_eq!(frozen.as_array().map(Vec::len), Some(1), "{frozen:#}");
    let why = [
        "deploy",
        "2.0.0",
        "production",
        "--break-glass",
        "incident 17",
    ];
    world.cutover(&why).exits(0);
    let newest = world.ask(&["history", "production"]);
    let id = newest["deployments"][0]["id"].as_str().expect("its id");
    world
        .cutover(&["history", id])
        .exits(0)
        .says(&["the glass was broken: incident 17"]);
    world.cutover(&["unfreeze", "production"]).exits(0);
    assert_eq!(world.ask(&["status"])["freezes"], json!([]));
}
