//! The triggers of a project, to the second: each takes a release back at the first instant at which its
//! value has been beyond the threshold for the whole duration; a burst that is one second shorter does
//! nothing.
//!
//! The balancer counts in seconds of the clock, so what is done here is done at moments of a second.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    load::Load,
    stage::{LIMIT, Stage, outcome},
    wire,
    world::World,
};

/// How long each trigger here must hold, in seconds.
const DURATION: i64 = 3;

/// Version 2.0.0 has all the traffic, is watched, and 1.0.0 is still there.
struct Watched<'a> {
    stage: Stage<'a>,
    load: Load,
    id: String,
}

impl<'a> Watched<'a> {
    fn open(world: &'a World, metric: &str, threshold: &str) -> Self {
        let production = format!(
            "{{ strategy: {{ blue_green: {{ bake: 40s }} }}, rollback_triggers: \
             [{{ metric: {metric}, threshold: {threshold}, duration: {DURATION} }}] }}"
        );
        let stage = Stage::open(world, &production);
        stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
        stage.first("1.0.0");
        let load = stage.load(100);
        let id = stage.begin("2.0.0");
        stage.until_share(&id, 100.0);
        Self { stage, load, id }
    }

    /// Instances of 2.0.0 are like this from so many milliseconds into the next second, and until so
    /// many after it began they are like that. Gives when that second began.
    fn burst(&self, from: u64, bad: &Value, until: u64, good: &Value) -> i64 {
        let begun = next_second();
        self.at(begun, from, bad);
        self.at(begun, until, good);
        begun
    }

    /// From so many milliseconds into the next second they stay like this.
    fn begin(&self, from: u64, bad: &Value) -> i64 {
        let begun = next_second();
        self.at(begun, from, bad);
        begun
    }

    fn at(&self, second: i64, offset: u64, changes: &Value) {
        sleep_until(second + i64::try_from(offset).unwrap());
        self.stage.set("2.0.0", changes);
    }

    /// It has not fired until so many seconds after this one.
    fn not_fired(&self, second: i64, after: i64) {
        sleep_until(second + after * 1_000);
        let view = self.stage.view(&self.id);
        assert_eq!(outcome(&view), None, "a burst that was too short: {view:#}");
        assert_eq!(view["shifts"].as_array().map(Vec::len), Some(1), "{view:#}");
    }

    /// It fires as soon as the duration is over that began with this second.
    fn fires(self, second: i64, metric: &str) -> crate::load::Tally {
        let view = self.stage.ends(&self.id, "rolled_back");
        let reason = view["deployment"]["reason"].to_string();
        assert!(reason.contains(metric), "{view:#}");
        let back = view["shifts"][1]["at"].as_i64().expect("a shift");
        let after = back - second;
        eprintln!("{metric}: traffic went back {after} ms after the first second began: {reason}");
        let wanted = DURATION * 1_000..DURATION * 1_000 + 950;
        assert!(wanted.contains(&after), "{after} ms: {view:#}");
        self.stage.serves_only("1.0.0");
        self.load.stop()
    }
}

fn next_second() -> i64 {
    (wire::millis(SystemTime::now()) / 1_000 + 1) * 1_000
}

/// The one thing here that no event can say: when a second of the clock begins.
fn sleep_until(at: i64) {
    let left = at - wire::millis(SystemTime::now());
    thread::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
}

#[test]
fn the_response_time() {
    let world = World::alone();
    let watched = Watched::open(&world, "TargetResponseTime", "0.1");
    let (slow, fast) = (json!({ "latency_ms": 250 }), json!({ "latency_ms": 0 }));
    // Two whole seconds; the last slow answer comes before the third begins.
    let second = watched.burst(0, &slow, 1_600, &fast);
    watched.not_fired(second, DURATION + 1);
    let second = watched.begin(0, &slow);
    watched
        .fires(second, "TargetResponseTime")
        .none_failed("slow, but well");
}

#[test]
fn the_healthy_hosts() {
    let world = World::alone();
    let watched = Watched::open(&world, "HealthyHostCount", "1");
    let (sick, well) = (json!({ "healthy": false }), json!({ "healthy": true }));
    let second = watched.burst(300, &sick, 2_300, &well);
    watched.not_fired(second, DURATION + 1);
    let second = watched.begin(300, &sick);
    watched.fires(second, "HealthyHostCount");
}

#[test]
fn the_count_of_5xx() {
    let world = World::alone();
    let watched = Watched::open(&world, "HTTPCode_Target_5XX_Count", "10");
    let address = watched.stage.address();
    let fail = |count: usize| {
        for _ in 0..count {
            let answer = wire::run(wire::fetch(address.clone(), "/fail".to_owned()));
            assert_eq!(answer.unwrap().0, 500);
        }
    };
    let second = next_second();
    sleep_until(second + 100);
    fail(10);
    // As many as the threshold are not more than it, and they are counted for a minute.
    watched.not_fired(second, DURATION + 1);
    let second = next_second();
    sleep_until(second + 100);
    fail(1);
    watched
        .fires(second, "HTTPCode_Target_5XX_Count")
        .none_failed("all others were well");
}

/// What was too much for a minute has been too much for 60 seconds and not for 61.
#[test]
fn a_minute_of_5xx_is_not_a_second_more() {
    let world = World::apart();
    let production = "{ strategy: { blue_green: { bake: 70s } }, rollback_triggers: \
         [{ metric: HTTPCode_Target_5XX_Count, threshold: 10, duration: 61 }] }";
    let stage = Stage::open(&world, production);
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 100.0);
    let second = next_second();
    sleep_until(second + 100);
    for _ in 0..11 {
        let answer = wire::run(wire::fetch(stage.address(), "/fail".to_owned()));
        assert_eq!(answer.unwrap().0, 500);
    }
    let ended = |view: &Value| outcome(view).is_some();
    let view = world.deployment(&id, LIMIT * 2, ended);
    assert_eq!(outcome(&view), Some("succeeded"), "{view:#}");
}
