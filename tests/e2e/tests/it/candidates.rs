//! Bad versions, each in its own way. One that never becomes healthy gets no traffic, and the reason is
//! told in the words of the service; one that becomes bad later is taken back. In both cases nobody
//! who sends requests notices more than the bad version's own answers.

use serde_json::{Value, json};

use crate::{
    stage::{Stage, shares},
    world::World,
};

const PLAIN: &str = "{ strategy: { blue_green: { bake: 0s } } }";

/// Deploys a good version, then this one, which never becomes healthy; what is said must hold each of
/// the words. Gives what was found out.
fn never_healthy(settings: &Value, words: &[&str]) -> String {
    let world = World::new();
    let changes = [
        ("start_timeout: 15s", "start_timeout: 2s"),
        ("healthy: 1,", "healthy: 2,"),
    ];
    let stage = Stage::open_with(&world, PLAIN, &changes);
    stage.build("1.0.0", &json!({})).build("2.0.0", settings);
    stage.first("1.0.0");
    let load = stage.load(50);
    let done = world.cutover(&["deploy", "2.0.0", "production"]);
    let done = done.exits(1).says(words);
    let rows = world.ask(&["history", "production"]);
    let row = &rows["deployments"][0];
    assert_eq!(row["outcome"], "failed", "{row:#}");
    // The reason is one line; all that was found out is kept beside it.
    let view = stage.view(row["id"].as_str().unwrap());
    let detail: Vec<&str> = view["detail"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let detail = detail.join("\n");
    for word in words {
        assert!(detail.contains(word), "`{word}` is not in: {detail}");
    }
    assert_eq!(shares(&view), [0.0; 0], "it had traffic: {view:#}");
    let tally = load.stop();
    stage.none_failed(&tally, "beside one that never becomes healthy");
    assert_eq!(tally.versions(), 1, "{}", tally.tell());
    stage.serves_only("1.0.0");
    assert_eq!(stage.processes(), 1);
    eprintln!("{}", done.said());
    detail
}

#[test]
fn one_that_never_listens() {
    let says = json!({ "listen": "never", "says": ["waits for the database at db:5432"] });
    let words = [
        "did not become healthy",
        "it listens on no port",
        "log: waits for the database",
    ];
    never_healthy(&says, &words);
}

#[test]
fn one_that_listens_on_another_port() {
    let words = ["GET /health", "it listens on", "(`PORT`)"];
    let detail = never_healthy(&json!({ "listen": "other" }), &words);
    // What the service says of its port and what the kernel says of it are the same.
    let (_, said) = detail
        .split_once("2.0.0 listens on 127.0.0.1:")
        .expect(&detail);
    let port = said.lines().next().unwrap();
    assert!(
        detail.contains(&format!("it listens on {port}, not on ")),
        "{detail}"
    );
}

#[test]
fn one_that_crashes_at_once() {
    let settings =
        json!({ "crash_after_ms": 0, "exit_code": 7, "says": ["no database at db:5432"] });
    let words = ["no database at db:5432", "it has ended", "code 7"];
    never_healthy(&settings, &words);
}

#[test]
fn one_that_says_that_it_is_not_well() {
    let words = [
        "GET /health answered 503",
        "body: ",
        "the pool of connections is empty",
        "log: ",
    ];
    never_healthy(&json!({ "healthy": false }), &words);
}

#[test]
fn one_that_is_healthy_once() {
    let words = [
        "GET /health answered 503",
        "the pool of connections is empty",
    ];
    never_healthy(&json!({ "healthy_answers": 1 }), &words);
}

/// A canary of a version that becomes bad with traffic on it: it is taken back, for this reason.
/// Gives how many answers of the bad version were bad.
fn taken_back(settings: &Value, trigger: &str, reason: &str) -> u64 {
    let world = World::new();
    let production = format!(
        "{{ strategy: {{ canary: {{ steps: [50, 100], interval: 20s, bake: 20s }} }}{trigger} }}"
    );
    let stage = Stage::open(&world, &production);
    stage.build("1.0.0", &json!({})).build("2.0.0", settings);
    stage.first("1.0.0");
    let load = stage.load(100);
    let view = stage.ends(&stage.begin("2.0.0"), "rolled_back");
    let tally = load.stop();
    stage.none_lost(
        &tally,
        &format!("beside one that is taken back: {}", view["line"]),
    );
    assert!(
        view["deployment"]["reason"].to_string().contains(reason),
        "{view:#}"
    );
    assert!(!tally.failed.contains_key("1.0.0"), "{}", tally.tell());
    stage.serves_only("1.0.0");
    assert_eq!(stage.processes(), 1);
    tally.failed()
}

#[test]
fn one_that_is_well_on_its_health_path_only() {
    let failed = taken_back(&json!({ "fail_percent": 100 }), "", "judge");
    assert!((1..400).contains(&failed), "{failed} requests failed");
}

#[test]
fn one_that_is_slow() {
    let trigger =
        ", rollback_triggers: [{ metric: TargetResponseTime, threshold: 0.2, duration: 2 }]";
    let slow = json!({ "latency_ms": 400, "latency_spread": 0.2 });
    assert_eq!(taken_back(&slow, trigger, "TargetResponseTime"), 0);
}

#[test]
fn one_that_stops_being_healthy() {
    let trigger = ", rollback_triggers: [{ metric: HealthyHostCount, threshold: 1, duration: 2 }]";
    assert_eq!(
        taken_back(
            &json!({ "healthy_answers": 20 }),
            trigger,
            "HealthyHostCount"
        ),
        0
    );
}

#[test]
fn one_that_dies_under_traffic() {
    let settings = json!({ "crash_after_ms": 3_000, "says": ["leaks memory"] });
    assert_eq!(taken_back(&settings, "", "ended with exit code 7"), 0);
}

/// A version that becomes bad when it has all the traffic, while the one before it still runs: that one
/// answers in its place until it is taken back.
fn answered_for(settings: &Value, trigger: &str, reason: &str) {
    let world = World::new();
    let production = format!("{{ strategy: {{ blue_green: {{ bake: 20s }} }}{trigger} }}");
    let stage = Stage::open(&world, &production);
    stage.build("1.0.0", &json!({})).build("2.0.0", settings);
    stage.first("1.0.0");
    let load = stage.load(100);
    let view = stage.ends(&stage.begin("2.0.0"), "rolled_back");
    let tally = load.stop();
    assert_eq!(shares(&view), [100.0, 0.0], "{view:#}");
    assert!(
        view["deployment"]["reason"].to_string().contains(reason),
        "{view:#}"
    );
    stage.none_failed(&tally, "beside one that is bad with all the traffic");
    let diverted = view["traffic"]["diverted"].as_u64();
    assert!(diverted > Some(0), "nobody answered in its place: {view:#}");
    stage.serves_only("1.0.0");
}

#[test]
fn one_that_dies_with_all_the_traffic_is_answered_for() {
    let settings = json!({ "crash_after_ms": 3_000 });
    answered_for(&settings, "", "ended with exit code 7");
}

#[test]
fn one_that_is_sick_with_all_the_traffic_is_answered_for() {
    let trigger = ", rollback_triggers: [{ metric: HealthyHostCount, threshold: 1, duration: 2 }]";
    let settings = json!({ "healthy_answers": 20 });
    answered_for(&settings, trigger, "HealthyHostCount");
}
