//! A balancer that takes the place of another one under traffic: its sockets are handed over, and
//! nobody who sends requests notices.

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    load::{Connections, Load},
    stage::{LIMIT, Stage},
    wire::{self, Beside},
    world::World,
};

const RATE: u32 = 500;
const HANDED_OVER: usize = 3;

/// Processes of balancers.
fn balancers(world: &World) -> usize {
    let all = world.processes();
    all.iter()
        .filter(|(_, command)| command.contains("balancer --state-dir"))
        .count()
}

/// Starts one that takes the place of the one that runs.
fn take_over(world: &World) -> Child {
    let state = world.data_dir().join("balancer");
    let arguments = [
        "balancer",
        "--state-dir",
        state.to_str().unwrap(),
        "--take-over",
    ];
    let mut command = world.command(&arguments);
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().expect("a balancer")
}

fn handed_over(connections: Connections, what: &str) {
    let world = World::alone();
    let stage = Stage::open(
        &world,
        "{ target: { process: { instances: 2 } }, strategy: { blue_green: { bake: 0s } } }",
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let address = stage.address();
    let load = Load::start(&stage.url(), RATE, connections);
    let begun = Instant::now();
    for round in 0..HANDED_OVER {
        // Something is under way that takes longer than the hand-over.
        let long = Beside::start(wire::fetch(address.clone(), "/slow?ms=1500".to_owned()));
        let mut child = take_over(&world);
        world.until("one balancer", LIMIT, || {
            (balancers(&world) == 1).then_some(())
        });
        assert!(
            child.try_wait().unwrap().is_none(),
            "round {round}: the successor has ended"
        );
        assert_eq!(long.end().expect("the long request").0, 200);
        assert_eq!(stage.address(), address);
        // It is the one that is told from now on.
        stage.deploy(["2.0.0", "1.0.0"][round % 2]);
    }
    let took = begun.elapsed();
    let tally = load.stop();
    stage.none_failed(&tally, what);
    tally.kept_up(RATE, took.saturating_sub(Duration::from_secs(1)));
    stage.serves_only("2.0.0");
    assert_eq!(balancers(&world), 1);
}

#[test]
fn a_balancer_is_succeeded_under_load_on_kept_connections() {
    handed_over(Connections::Kept, "hand-over, keep-alive");
}

#[test]
fn a_balancer_is_succeeded_under_load_on_new_connections() {
    handed_over(Connections::New, "hand-over, new connections");
}
