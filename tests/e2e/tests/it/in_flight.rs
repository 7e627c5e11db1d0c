//! What is under way when versions change places is not cut: long requests, streams and uploads end
//! well on the side where they began; web sockets and events go on until the drain has had enough.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    stage::{LIMIT, Stage},
    talk::{self, H2, Talk},
    wire::{self, Beside},
    world::World,
};

const PRODUCTION: &str = "{ strategy: { blue_green: { bake: 0s } } }";

/// Two versions that are gone at once on SIGTERM; the first serves.
fn stage<'a>(world: &'a World, drain: &str) -> Stage<'a> {
    let drain = format!("drain_timeout: {drain}");
    let stage = Stage::open_with(world, PRODUCTION, &[("drain_timeout: 5s", &drain)]);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    stage
}

fn until_in_flight(stage: &Stage, count: u64) {
    stage.world.until("requests in flight", LIMIT, || {
        (stage.in_flight("1.0.0") >= count).then_some(())
    });
}

/// A long request, a stream and an upload that last for the whole of a deployment.
fn ends_where_it_began(strategy: &str, rate: u32) {
    let world = World::new();
    let changes = [("drain_timeout: 5s", "drain_timeout: 20s")];
    let production = format!("{{ strategy: {strategy} }}");
    let stage = Stage::open_with(&world, &production, &changes);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    let address = stage.address();
    let long = Beside::start(wire::fetch(address.clone(), "/slow?ms=10000".to_owned()));
    let stream = Beside::start(wire::stream(address.clone(), 1 << 20, 6_000));
    let upload = Beside::start(wire::upload(address, 10 << 20, 6_000));
    until_in_flight(&stage, 3);
    let load = stage.load(rate);
    stage.deploy("2.0.0");
    let (status, said) = long.end().expect("the long request");
    assert_eq!((status, said["version"].as_str()), (200, Some("1.0.0")));
    assert_eq!(stream.end(), Ok(1 << 20));
    assert_eq!(upload.end().expect("the upload")["version"], "1.0.0");
    stage.none_failed(&load.stop(), strategy);
    stage.serves_only("2.0.0");
}

#[test]
fn ten_seconds_a_megabyte_down_and_ten_up_across_blue_green() {
    ends_where_it_began("{ blue_green: { bake: 0s } }", 100);
}

#[test]
fn ten_seconds_a_megabyte_down_and_ten_up_across_rolling() {
    ends_where_it_began("rolling", 100);
}

#[test]
fn ten_seconds_a_megabyte_down_and_ten_up_across_a_canary() {
    let canary = "{ canary: { steps: [50, 100], interval: 500ms, bake: 300ms } }";
    ends_where_it_began(canary, 100);
}

#[test]
fn ten_seconds_a_megabyte_down_and_ten_up_across_linear() {
    let linear = "{ linear: { increment: 50, interval: 500ms, bake: 300ms } }";
    ends_where_it_began(linear, 100);
}

/// What comes meanwhile waits until the long request has ended and the new version is there.
#[test]
fn ten_seconds_a_megabyte_down_and_ten_up_before_recreate() {
    ends_where_it_began("{ recreate: { hold: 30s } }", 20);
}

/// What is kept of a drain to part in, in milliseconds.
const PARTING: i64 = 2_000;

/// It went on until the drain's limit after the shift, and not much longer.
fn lasted(view: &Value, talk: &Talk, drain: Duration, what: &str) {
    let shifted = view["shifts"][0]["at"].as_i64().expect("a shift");
    let lasted = wire::millis(talk.ended) - shifted;
    let drain = i64::try_from(drain.as_millis()).unwrap();
    eprintln!("{what}: {lasted} ms after the shift; {talk:?}");
    let wanted = drain - PARTING - 100..drain + 4_000;
    assert!(
        wanted.contains(&lasted),
        "{what} ended {lasted} ms after the shift"
    );
    let ticks = i64::try_from(talk.ticks).unwrap();
    assert!(ticks * 100 >= drain - PARTING - 500, "{what}: {talk:?}");
}

#[test]
fn web_sockets_and_events_go_on_until_the_drain_has_had_enough() {
    let world = World::new();
    let stage = stage(&world, "5s");
    let socket = Beside::start(talk::socket(stage.address(), LIMIT));
    let events = Beside::start(talk::events(stage.address(), LIMIT));
    until_in_flight(&stage, 2);
    let load = stage.load(50);
    let view = stage.deploy("2.0.0");
    let drain = Duration::from_secs(5);
    let talked = socket.end().expect("the web socket");
    lasted(&view, &talked, drain, "a web socket");
    assert!(talked.echoes + 2 >= talked.ticks, "{talked:?}");
    let heard = events.end().expect("the events");
    lasted(&view, &heard, drain, "events");
    assert!(
        talked.closed && heard.closed,
        "no good-bye: {talked:?} {heard:?}"
    );
    stage.none_failed(&load.stop(), "requests beside web sockets and events");
    stage.serves_only("2.0.0");
}

#[test]
fn a_hundred_streams_of_one_connection_end_where_they_began() {
    let world = World::new();
    let stage = stage(&world, "5s");
    let address = stage.address();
    let streams = Beside::start(async move {
        let h2 = H2::connect(address).await?;
        let across = h2.streams(100, 3_000).await?;
        // The same connection goes on, on the other side.
        Ok::<_, String>((across, h2.streams(100, 10).await?))
    });
    until_in_flight(&stage, 100);
    let load = stage.load(100);
    stage.deploy("2.0.0");
    assert_eq!(streams.end(), Ok((100, 100)));
    stage.none_failed(&load.stop(), "beside a hundred streams");
    stage.serves_only("2.0.0");
}

#[test]
fn grpc_calls_end_where_they_began_and_with_their_status() {
    let world = World::new();
    let production = "{ strategy: { blue_green: { bake: 0s } }, traffic: { protocol: h2 } }";
    let stage = Stage::open(&world, production);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    let address = stage.address();
    let calls = Beside::start(async move {
        let h2 = H2::connect(address).await?;
        h2.unary().await?;
        h2.bidi(30, 3_000).await?;
        h2.unary().await
    });
    until_in_flight(&stage, 1);
    let load = stage.load(100);
    stage.deploy("2.0.0");
    assert_eq!(calls.end(), Ok(()));
    stage.none_failed(&load.stop(), "beside calls");
    stage.serves_only("2.0.0");
}
