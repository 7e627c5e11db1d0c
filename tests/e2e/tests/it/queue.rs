//! Whose turn it is: who waits for whom, what is frozen, what a rollback has pinned, what is tried once
//! more; and that a server that dies leaves its place to the next one.

use serde_json::{Value, json};

use crate::{
    repository::build,
    stage::{LIMIT, Stage, outcome, shares},
    world::World,
};

const QUICK: &str =
    "strategy: { canary: { steps: [{ weight: 50, for: 400ms }, 100], bake: 200ms } }";
const LONG: &str = "strategy: { canary: { steps: [{ weight: 50, for: 30s }, 100], bake: 0s } }";

/// These versions; the first serves.
fn stage<'a>(world: &'a World, production: &str, versions: &[&str]) -> Stage<'a> {
    let stage = Stage::open(world, &format!("{{ {production} }}"));
    for version in versions {
        stage.build(version, &json!({}));
    }
    stage.first(versions[0]);
    stage
}

/// Waits until a deployment says that it waits, and on this.
fn until_waits(stage: &Stage, id: &str, on: &str) -> Value {
    let waits = |view: &Value| view["line"].as_str().is_some_and(|line| line.contains(on));
    let view = stage
        .world
        .deployment(id, LIMIT, |view| waits(view) || outcome(view).is_some());
    assert!(waits(&view), "it does not wait on `{on}`: {view:#}");
    assert_eq!(shares(&view), [0.0; 0], "{view:#}");
    view
}

#[test]
fn three_wait_and_get_their_turn_in_order() {
    let world = World::new();
    let versions = ["1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"];
    let stage = stage(&world, QUICK, &versions);
    let load = stage.load(100);
    let first = stage.begin("2.0.0");
    stage.until_share(&first, 50.0);
    world.cutover(&["pause", &first]).exits(0);
    let waiting: Vec<String> = versions[2..].iter().map(|it| stage.begin(it)).collect();
    for id in &waiting {
        until_waits(&stage, id, "waits on");
    }
    // Who holds the place and who is next is told in order.
    let locks = world.api("/status")["locks"].to_string();
    let places: Vec<_> = waiting.iter().map(|id| locks.find(id.as_str())).collect();
    assert!(locks.contains(&first), "{locks}");
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{waiting:?}: {locks}"
    );
    world.cutover(&["resume", &first]).exits(0);
    let mut before = "1.0.0".to_owned();
    for id in std::iter::once(&first).chain(&waiting) {
        let view = stage.ends(id, "succeeded");
        assert_eq!(view["previous"], before.as_str(), "{view:#}");
        before = view["deployment"]["version"].as_str().unwrap().to_owned();
    }
    stage.none_failed(&load.stop(), "three that wait");
    stage.serves_only("5.0.0");
}

#[test]
fn one_that_waits_is_stopped_and_the_next_gets_its_turn() {
    let world = World::new();
    let stage = stage(&world, QUICK, &["1.0.0", "2.0.0", "3.0.0", "4.0.0"]);
    let first = stage.begin("2.0.0");
    stage.until_share(&first, 50.0);
    world.cutover(&["pause", &first]).exits(0);
    let (second, third) = (stage.begin("3.0.0"), stage.begin("4.0.0"));
    until_waits(&stage, &second, &first);
    until_waits(&stage, &third, "waits on");
    world.cutover(&["abort", &second]).exits(0);
    stage.ends(&second, "cancelled");
    world.cutover(&["resume", &first]).exits(0);
    stage.ends(&first, "succeeded");
    let view = stage.ends(&third, "succeeded");
    assert_eq!(view["previous"], "2.0.0", "{view:#}");
    stage.serves_only("4.0.0");
}

#[test]
fn a_newer_one_sends_the_one_before_it_back_in_mid_canary() {
    let world = World::new();
    let production = format!("{LONG}, on_superseded: replace");
    let stage = stage(&world, &production, &["1.0.0", "2.0.0", "3.0.0"]);
    let load = stage.load(100);
    let first = stage.begin("2.0.0");
    stage.until_share(&first, 50.0);
    let second = stage.begin("3.0.0");
    let ended = |view: &Value| outcome(view).is_some();
    let view = world.deployment(&first, LIMIT, ended);
    assert_ne!(outcome(&view), Some("succeeded"), "{view:#}");
    assert_eq!(shares(&view), [50.0, 0.0], "{view:#}");
    assert!(
        view["deployment"]["reason"].to_string().contains("3.0.0"),
        "{view:#}"
    );
    stage.until_share(&second, 50.0);
    world.cutover(&["promote", &second]).exits(0);
    let view = stage.ends(&second, "succeeded");
    assert_eq!(view["previous"], "1.0.0", "{view:#}");
    stage.none_failed(&load.stop(), "superseded");
    stage.serves_only("3.0.0");
    assert_eq!(stage.processes(), 1);
}

#[test]
fn the_place_of_a_server_that_died_is_taken_by_the_next_one() {
    let world = World::new();
    let stage = stage(&world, LONG, &["1.0.0", "2.0.0", "3.0.0"]);
    let load = stage.load(100);
    let first = stage.begin("2.0.0");
    stage.until_share(&first, 50.0);
    let second = stage.begin("3.0.0");
    until_waits(&stage, &second, &first);
    world.kill();
    world.serve();
    // The one goes on and keeps its place, the other goes on waiting.
    until_waits(&stage, &second, &first);
    for id in [&first, &second] {
        stage.until_share(id, 50.0);
        world.cutover(&["promote", id]).exits(0);
        stage.ends(id, "succeeded");
    }
    stage.none_failed(&load.stop(), "a server that died in its turn");
    stage.serves_only("3.0.0");
    assert_eq!(stage.processes(), 1);
}

#[test]
fn what_is_frozen_waits_says_why_and_goes_on_when_it_thaws() {
    let world = World::new();
    let stage = stage(&world, QUICK, &["1.0.0", "2.0.0"]);
    world
        .cutover(&[
            "freeze",
            "production",
            "--reason",
            "the fair",
            "--for",
            "3d",
        ])
        .exits(0);
    world
        .cutover(&["freeze", "--list"])
        .exits(0)
        .says(&["production", "the fair"]);
    let id = stage.begin("2.0.0");
    until_waits(&stage, &id, "the fair");
    world.cutover(&["status"]).exits(0).says(&["the fair"]);
    // A server that dies in winter wakes up in winter.
    world.kill();
    world.serve();
    until_waits(&stage, &id, "the fair");
    world.cutover(&["unfreeze", "production"]).exits(0);
    stage.ends(&id, "succeeded");
    stage.serves_only("2.0.0");
}

#[test]
fn the_way_back_is_never_frozen_and_glass_can_be_broken() {
    let world = World::new();
    let stage = stage(&world, QUICK, &["1.0.0", "2.0.0", "3.0.0"]);
    stage.deploy("2.0.0");
    world
        .cutover(&["freeze", "--all", "--reason", "incident 17"])
        .exits(0);
    world.cutover(&["rollback", "production"]).exits(0);
    stage.serves_only("1.0.0");
    let why = "stops the leak";
    let glass = [
        "deploy",
        "3.0.0",
        "production",
        "--lift-hold",
        "--break-glass",
        why,
    ];
    world.cutover(&glass).exits(0);
    stage.serves_only("3.0.0");
    let rows = world.ask(&["history", "production", "--limit", "1"]);
    let id = rows["deployments"][0]["id"].as_str().unwrap();
    world.cutover(&["history", id]).exits(0).says(&[why]);
}

/// A workflow that builds this version and deploys it.
fn ship(version: &str) -> String {
    build(version) + "      - { uses: cutover/deploy@v1, with: { environment: production } }\n"
}

#[test]
fn a_rollback_pins_the_service_until_a_person_lifts_that() {
    let world = World::new();
    let production = "strategy: { canary: { steps: [50, 100], interval: 20s, bake: 0s } }";
    let stage = stage(&world, production, &["1.0.0"]);
    stage.build("2.0.0", &json!({ "crash_after_ms": 1_500 }));
    let load = stage.load(100);
    let bad = stage.begin("2.0.0");
    stage.ends(&bad, "rolled_back");
    stage.none_failed(&load.stop(), "taken back");
    let plan = ["plan", "deploy", "2.0.0", "--to", "production"];
    world
        .cutover(&plan)
        .exits(0)
        .says(&["is held", "2.0.0 was taken back"]);
    // A run may not deploy over it …
    let settings = json!({}).to_string();
    stage.write("specimen.json", &settings);
    let run = stage.ship(&ship("3.0.0"));
    assert_ne!(run["outcome"], "succeeded", "{run:#}");
    assert!(run.to_string().contains("hold"), "{run:#}");
    stage.serves_only("1.0.0");
    // … until a person says so.
    world
        .cutover(&["resume", "--environment", "production"])
        .exits(0);
    let id = stage.begin("3.0.0");
    stage.until_share(&id, 50.0);
    world.cutover(&["promote", &id]).exits(0);
    stage.ends(&id, "succeeded");
    stage.serves_only("3.0.0");
}

#[test]
fn what_failed_is_tried_once_more() {
    let world = World::new();
    let stage = Stage::open_with(
        &world,
        &format!("{{ {QUICK} }}"),
        &[("start_timeout: 15s", "start_timeout: 2s")],
    );
    let switch = world.path("ready");
    stage.write(
        "run",
        &format!(
            "#!/bin/sh\n[ \"$CUTOVER_VERSION\" = 1.0.0 ] || [ -e '{}' ] || exit 3\nexec \"$SPECIMEN\"\n",
            switch.display()
        ),
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let load = stage.load(50);
    stage.try_deploy("2.0.0").exits(1);
    let rows = world.ask(&["history", "production", "--outcome", "failed"]);
    let failed = rows["deployments"][0]["id"].as_str().unwrap();
    std::fs::write(switch, "").unwrap();
    world.cutover(&["retry", failed]).exits(0);
    stage.none_failed(&load.stop(), "tried once more");
    stage.serves_only("2.0.0");
    let rows = world.ask(&["history", "production", "--limit", "1"]);
    let cause = rows["deployments"][0]["cause"].to_string();
    assert!(cause.contains(failed), "{rows:#}");
    // What has succeeded is not tried again.
    let done = rows["deployments"][0]["id"].as_str().unwrap();
    world.cutover(&["retry", done]).exits(3);
}
