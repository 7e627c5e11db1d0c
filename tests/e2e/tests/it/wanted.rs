//! TODO: what is promised and not there yet. Each of these fails until it is; then it moves to the file
//! beside which it belongs, and when the last has gone this file goes too.

use std::time::Duration;

use serde_json::json;

use crate::{
    stage::{LIMIT, Stage, shares},
    talk::{self, H2},
    wire::{self, Beside},
    world::World,
};

fn stage<'a>(world: &'a World, production: &str) -> Stage<'a> {
    let stage = Stage::open(world, production);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    stage
}

/// How long it may take until a request that was taken is under way.
const SHORT: Duration = Duration::from_secs(5);
const PRODUCTION: &str = "{ strategy: { blue_green: { bake: 0s } } }";

/// TODO(balancer): HTTP/2 to services, trailers both ways. To `in_flight.rs`.
#[test]
fn todo_grpc_calls_end_where_they_began_and_with_their_status() {
    let world = World::new();
    let stage = stage(&world, PRODUCTION);
    let address = stage.address();
    let calls = Beside::start(async move {
        let h2 = H2::connect(address).await?;
        h2.unary().await?;
        h2.bidi(30, 3_000).await?;
        h2.unary().await
    });
    world.until("a call in flight", SHORT, || {
        (stage.in_flight("1.0.0") >= 1).then_some(())
    });
    let load = stage.load(100);
    stage.deploy("2.0.0");
    assert_eq!(calls.end(), Ok(()));
    stage.none_failed(&load.stop(), "beside calls");
    stage.serves_only("2.0.0");
}

/// TODO(balancer): a close frame, and the end of a stream of events as an end and not as a break. To
/// `in_flight.rs`.
#[test]
fn todo_web_sockets_and_events_are_told_good_bye() {
    let world = World::new();
    let stage = stage(&world, PRODUCTION);
    let socket = Beside::start(talk::socket(stage.address(), LIMIT));
    let events = Beside::start(talk::events(stage.address(), LIMIT));
    world.until("both in flight", SHORT, || {
        (stage.in_flight("1.0.0") >= 2).then_some(())
    });
    stage.deploy("2.0.0");
    let (socket, events) = (socket.end().unwrap(), events.end().unwrap());
    assert!(socket.closed && events.closed, "{socket:?} {events:?}");
}

/// TODO(strategies): recreate, with requests held in the gap. To `switching.rs`.
#[test]
fn todo_recreate_with_a_gap_of_two_seconds_loses_nothing() {
    const RATE: u32 = 200;
    let world = World::new();
    let stage = Stage::open(&world, "{ strategy: recreate }");
    let slow = json!({ "on_term": "die", "start_delay_ms": 2_000 });
    stage
        .build("1.0.0", &json!({ "on_term": "die" }))
        .build("2.0.0", &slow);
    stage.first("1.0.0");
    let load = stage.load(RATE);
    stage.deploy("2.0.0");
    let tally = load.stop();
    stage.none_failed(&tally, "recreate with a gap");
    tally.kept_up(RATE, Duration::from_secs(2));
    assert_eq!(tally.versions(), 2, "{}", tally.tell());
    stage.serves_only("2.0.0");
    let (status, _) = wire::run(wire::fetch(stage.address(), "/".to_owned())).unwrap();
    assert_eq!(status, 200);
}

/// TODO(balancer): when the side that has all the traffic has nobody who is well, the side without a
/// share answers as long as it is there. To `candidates.rs`.
#[test]
fn todo_one_that_dies_with_all_the_traffic_is_answered_for_by_the_version_before_it() {
    let world = World::new();
    let stage = Stage::open(&world, "{ strategy: { blue_green: { bake: 20s } } }");
    stage
        .build("1.0.0", &json!({}))
        .build("2.0.0", &json!({ "crash_after_ms": 3_000 }));
    stage.first("1.0.0");
    let load = stage.load(100);
    let view = stage.ends(&stage.begin("2.0.0"), "rolled_back");
    assert_eq!(shares(&view), [100.0, 0.0], "{view:#}");
    stage.none_failed(&load.stop(), "beside one that dies with all the traffic");
    stage.serves_only("1.0.0");
}

/// TODO(balancer): the same for one that lives and is not well. To `triggers.rs`.
#[test]
fn todo_one_that_is_sick_with_all_the_traffic_is_answered_for_by_the_version_before_it() {
    let world = World::new();
    let production = "{ strategy: { blue_green: { bake: 20s } }, rollback_triggers: \
         [{ metric: HealthyHostCount, threshold: 1, duration: 2 }] }";
    let stage = Stage::open(&world, production);
    stage
        .build("1.0.0", &json!({}))
        .build("2.0.0", &json!({ "healthy_answers": 20 }));
    stage.first("1.0.0");
    let load = stage.load(100);
    let view = stage.ends(&stage.begin("2.0.0"), "rolled_back");
    assert_eq!(shares(&view), [100.0, 0.0], "{view:#}");
    stage.none_failed(&load.stop(), "beside one that is sick with all the traffic");
    stage.serves_only("1.0.0");
}
