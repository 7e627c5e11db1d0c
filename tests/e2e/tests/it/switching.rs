//! Versions change places under load, and no request notices.

use std::time::{Duration, Instant};

use crate::{
    load::Load,
    repository::{Repository, project},
    world::World,
};

/// Deploys two versions in turn while requests come in.
fn switch(environment: &str, switches: usize, rate: u32, keep_alive: bool, what: &str) {
    let world = World::alone();
    world.serve();
    let repository = Repository::new(&world, "hello");
    repository.hello(&project(&world, &[environment]));
    for (number, version) in [(1, "1.0.0"), (2, "2.0.0")] {
        repository.build(number, version);
    }
    world.cutover(&["deploy", "1.0.0", "production"]).exits(0);
    let load = Load::start(
        &world,
        &world.service_url("hello@production"),
        rate,
        keep_alive,
    );
    let begun = Instant::now();
    for round in 0..switches {
        let version = ["2.0.0", "1.0.0"][round % 2];
        let done = world.cutover(&["deploy", version, "production", "--json"]);
        assert_eq!(done.code, Some(0), "switch {round}: {}", done.said());
        assert_eq!(done.json()["deployment"]["version"], version);
    }
    let took = begun.elapsed();
    let tally = load.stop();
    let what = format!(
        "{what}: {switches} in {:.1} s at {rate}/s",
        took.as_secs_f64()
    );
    tally.none_lost(&what);
    assert_eq!(tally.failed(), 0, "{what}");
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
    "production: { target: { process: { instances: 2 } }, strategy: { blue_green: { bake: 0s } } }";
const ROLLING: &str =
    "production: { target: { process: { instances: 4 } }, strategy: { rolling: { batch: 1 } } }";

#[test]
fn twenty_blue_green_switches_under_load_lose_nothing() {
    switch(BLUE_GREEN, 20, 500, true, "blue-green, keep-alive");
}

#[test]
fn blue_green_switches_lose_nothing_with_a_new_connection_for_each_request() {
    let bake = BLUE_GREEN.replace("0s", "500ms");
    switch(&bake, 10, 500, false, "blue-green, new connections");
}

#[test]
fn rolling_over_four_instances_loses_nothing() {
    switch(ROLLING, 4, 500, true, "rolling over 4");
}
