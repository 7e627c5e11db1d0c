//! Versions change places under load, and no request notices; also when the old ones are gone at the
//! moment in which they are told to end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    load::{Connections, Load},
    stage::Stage,
    world::World,
};

/// Deploys two versions in turn while requests come in.
fn switch(production: &str, switches: usize, rate: u32, connections: Connections, what: &str) {
    let world = World::alone();
    let stage = Stage::open(&world, production);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    let load = Load::start(&stage.url(), rate, connections);
    let begun = Instant::now();
    for round in 0..switches {
        let version = ["2.0.0", "1.0.0"][round % 2];
        let view = stage.deploy(version);
        assert_eq!(view["deployment"]["version"], version, "switch {round}");
    }
    let took = begun.elapsed();
    let tally = load.stop();
    let what = format!(
        "{what}: {switches} in {:.1} s at {rate}/s",
        took.as_secs_f64()
    );
    stage.none_failed(&tally, &what);
    assert!(tally.versions() >= 2, "{what}: only one version was seen");
    tally.kept_up(rate, took.saturating_sub(Duration::from_secs(2)));
    let rows = world.ask(&["history", "production", "--limit", "100"]);
    let rows = rows["deployments"].as_array().unwrap();
    assert_eq!(rows.len(), switches + 1);
    assert!(
        rows.iter().all(|row| row["outcome"] == "succeeded"),
        "{rows:#?}"
    );
}

const BLUE_GREEN: &str =
    "{ target: { process: { instances: 2 } }, strategy: { blue_green: { bake: 0s } } }";
const ROLLING: &str =
    "{ target: { process: { instances: 4 } }, strategy: { rolling: { batch: 1 } } }";

#[test]
fn twenty_blue_green_switches_under_load_lose_nothing() {
    switch(
        BLUE_GREEN,
        20,
        500,
        Connections::Kept,
        "blue-green, keep-alive",
    );
}

#[test]
fn twenty_blue_green_switches_lose_nothing_with_a_new_connection_for_each_request() {
    switch(
        BLUE_GREEN,
        20,
        500,
        Connections::New,
        "blue-green, new connections",
    );
}

#[test]
fn rolling_over_four_instances_loses_nothing() {
    switch(ROLLING, 4, 500, Connections::Kept, "rolling over 4");
}
