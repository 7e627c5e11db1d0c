//! Which version answers whom, and what is told of it: cookies, headers, the preview, copies, limits,
//! the access log, the numbers of a deployment.

use std::{collections::BTreeSet, fs, net::TcpListener};

use serde_json::{Value, json};

use crate::{
    stage::{LIMIT, Stage},
    wire::{self, Got},
    world::World,
};

/// A canary that stays at its first step until somebody promotes it.
fn canary(percent: &str, traffic: &str) -> String {
    format!(
        "{{ strategy: {{ canary: {{ steps: [{{ weight: {percent}, for: 100ms, pause: true }}, 100], \
           bake: 0s }} }}, traffic: {{ {traffic} }} }}"
    )
}

/// 1.0.0 serves; 2.0.0 has this share of its traffic.
fn halfway<'a>(world: &'a World, percent: &str, traffic: &str) -> (Stage<'a>, String) {
    let stage = Stage::open(world, &canary(percent, traffic));
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let id = stage.begin("2.0.0");
    stage.until_share(&id, percent.parse().unwrap());
    (stage, id)
}

fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Got {
    wire::run(wire::get_with(address, path, headers)).unwrap()
}

fn version(got: &Got) -> String {
    assert_eq!(got.status, 200, "{got:?}");
    got.body["version"].as_str().unwrap().to_owned()
}

#[test]
fn whoever_has_met_a_version_stays_with_it() {
    let world = World::new();
    let (stage, id) = halfway(&world, "50", "sticky: { cookie: side, lifetime: 1h }");
    let address = stage.address();
    let mut met = BTreeSet::new();
    for _ in 0..8 {
        let first = get(&address, "/", &[]);
        let cookie = first.header("set-cookie").expect("a cookie");
        assert!(
            cookie.starts_with("side=") && cookie.contains("Max-Age=3600"),
            "{cookie}"
        );
        let cookie = cookie.split(';').next().unwrap();
        let own = version(&first);
        for _ in 0..6 {
            assert_eq!(version(&get(&address, "/", &[("cookie", cookie)])), own);
        }
        met.insert(own);
    }
    assert_eq!(met.len(), 2, "{met:?}");
    // Nobody stays with what is gone.
    world.cutover(&["abort", &id]).exits(0);
    stage.ends(&id, "cancelled");
    let again = get(&address, "/", &[("cookie", "side=nonsense")]);
    assert_eq!(version(&again), "1.0.0");
}

#[test]
fn a_header_and_a_cookie_lead_to_the_candidate() {
    let world = World::new();
    let matches = "match: [{ header: { name: X-Try, value: new } }, \
                   { cookie: { name: staff, value: yes please } }]";
    let (stage, id) = halfway(&world, "0.01", matches);
    let address = stage.address();
    for _ in 0..20 {
        assert_eq!(version(&get(&address, "/", &[("x-try", "new")])), "2.0.0");
        let cookie = ("cookie", "a=b; staff=yes please");
        assert_eq!(version(&get(&address, "/", &[cookie])), "2.0.0");
        assert_eq!(version(&get(&address, "/", &[("x-try", "old")])), "1.0.0");
    }
    world.cutover(&["promote", &id]).exits(0);
    stage.ends(&id, "succeeded");
    assert_eq!(version(&get(&address, "/", &[("x-try", "new")])), "2.0.0");
}

#[test]
fn a_step_may_lead_some_to_the_candidate() {
    let world = World::new();
    let steps = "[{ weight: 0.01, for: 100ms, pause: true, \
                 match: { header: { name: x-staff, value: yes it is } } }, 100]";
    let stage = Stage::open(
        &world,
        &format!("{{ strategy: {{ canary: {{ steps: {steps}, bake: 0s }} }} }}"),
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 0.01);
    let address = stage.address();
    for _ in 0..20 {
        assert_eq!(
            version(&get(&address, "/", &[("x-staff", "yes it is")])),
            "2.0.0"
        );
        assert_eq!(version(&get(&address, "/", &[])), "1.0.0");
    }
    world.cutover(&["promote", &id]).exits(0);
    stage.ends(&id, "succeeded");
}

/// A port that is free now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn the_candidate_answers_alone_at_its_preview() {
    let world = World::new();
    let preview = free_address();
    let (stage, id) = halfway(&world, "0.01", &format!("preview: \"{preview}\""));
    for _ in 0..20 {
        assert_eq!(version(&get(&preview, "/", &[])), "2.0.0");
        assert_eq!(version(&get(&stage.address(), "/", &[])), "1.0.0");
    }
    // What people try there is no evidence.
    for _ in 0..20 {
        assert_eq!(get(&preview, "/fail", &[]).status, 500);
    }
    world.cutover(&["promote", &id]).exits(0);
    let view = stage.ends(&id, "succeeded");
    assert_eq!(view["cost"]["candidate"]["errors_5xx"], 0, "{view:#}");
}

#[test]
fn the_candidate_gets_copies_and_nobody_sees_its_answers() {
    let world = World::new();
    let (stage, id) = halfway(&world, "0.01", "mirror: 100");
    stage.set("2.0.0", &json!({ "fail_percent": 100 }));
    let address = stage.address();
    let seen = |stage: &Stage| -> u64 {
        let at = stage.instances("2.0.0").remove(0);
        get(&at, "/seen", &[]).body["requests"].as_u64().unwrap()
    };
    let before = seen(&stage);
    for _ in 0..50 {
        assert_eq!(version(&get(&address, "/", &[])), "1.0.0");
    }
    let upload = wire::run(wire::upload(address, 1_000, 0)).unwrap();
    assert_eq!(upload["version"], "1.0.0", "what has a body is not copied");
    world.until("the copies", LIMIT, || {
        (seen(&stage) == before + 50).then_some(())
    });
    world.cutover(&["abort", &id]).exits(0);
    let view = stage.ends(&id, "cancelled");
    assert_eq!(view["cost"]["candidate"]["errors_5xx"], 0, "{view:#}");
}

#[test]
fn who_asks_too_often_is_told_so_and_others_are_not() {
    let world = World::new();
    let rate = "limits: { rate: { requests: 5, per: 10m, burst: 5, by_header: x-key } }";
    let (stage, _) = halfway(&world, "50", rate);
    let address = stage.address();
    let ask = |key: &str| get(&address, "/", &[("x-key", key)]);
    let answers: Vec<u16> = (0..8).map(|_| ask("greedy").status).collect();
    assert_eq!(answers, [200, 200, 200, 200, 200, 429, 429, 429]);
    let refused = ask("greedy");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(ask("modest").status, 200);
}

#[test]
fn rules_and_limits_refuse_and_count() {
    let world = World::new();
    let traffic = "limits: { body_bytes: 1000 }, \
                   rules: [{ name: admin, path: \"/admin*\", action: deny }, { name: usual, group: common }]";
    let (stage, _) = halfway(&world, "50", traffic);
    let address = stage.address();
    assert_eq!(get(&address, "/admin/users", &[]).status, 403);
    assert_eq!(get(&address, "/a/..%2f..%2fetc/passwd", &[]).status, 403);
    assert_eq!(get(&address, "/", &[]).status, 200);
    let too_large = wire::run(wire::upload(address.clone(), 10_000, 0));
    assert!(too_large.is_err(), "{too_large:?}");
    assert!(wire::run(wire::upload(address, 900, 0)).is_ok());
}

#[test]
fn what_is_taken_back_leaves_none_of_its_rules() {
    let world = World::new();
    let plain = "{ strategy: { canary: { steps: [50, 100], interval: 10m, bake: 0s } } }";
    let stage = Stage::open(&world, plain);
    stage.build("1.0.0", &json!({}));
    stage.first("1.0.0");
    let file = stage.path().join("cutover.yml");
    let text = fs::read_to_string(file).unwrap();
    let rules =
        "bake: 0s } }, traffic: { rules: [{ name: admin, path: \"/admin*\", action: deny }] }";
    stage.write("cutover.yml", &text.replace("bake: 0s } }", rules));
    stage.build("2.0.0", &json!({}));
    let address = stage.address();
    let asked = || get(&address, "/admin/users", &[]).status;
    assert_ne!(asked(), 403);
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 50.0);
    assert_eq!(asked(), 403);
    world.cutover(&["abort", &id]).exits(0);
    stage.ends(&id, "cancelled");
    assert_ne!(
        asked(),
        403,
        "the rules of what was taken back are in force"
    );
}

#[test]
fn each_request_is_a_line_with_its_version_and_trace() {
    let world = World::new();
    let file = world.path("access.log");
    let log = format!("access_log: {{ file: \"{}\" }}", file.display());
    let (stage, _) = halfway(&world, "50", &log);
    let address = stage.address();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    for _ in 0..10 {
        get(
            &address,
            "/version?token=secret&page=2",
            &[("traceparent", &parent)],
        );
    }
    get(&address, "/fail", &[]);
    let lines = world.until("the lines", LIMIT, || {
        let text = fs::read_to_string(&file).ok()?;
        let lines: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        (lines.len() >= 11).then_some(lines)
    });
    assert!(!fs::read_to_string(&file).unwrap().contains("secret"));
    let own = lines.iter().filter(|line| line["trace_id"] == trace);
    let sides: BTreeSet<&str> = own
        .map(|line| {
            assert_eq!(
                (&line["status"], &line["path"]),
                (&json!(200), &json!("/version"))
            );
            line["side"].as_str().unwrap()
        })
        .collect();
    assert_eq!(sides.into_iter().collect::<Vec<_>>(), ["1.0.0", "2.0.0"]);
    let failed = lines.iter().find(|line| line["path"] == "/fail").unwrap();
    assert_eq!(failed["status"], 500, "{failed:#}");
    assert_eq!(
        failed["trace_id"].as_str().map(str::len),
        Some(32),
        "{failed:#}"
    );
}

#[test]
fn the_numbers_of_a_deployment_are_those_of_its_traffic() {
    let world = World::new();
    let production =
        "{ strategy: { canary: { steps: [{ weight: 50, for: 5s }, 100], bake: 0s } } }";
    let stage = Stage::open(&world, production);
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let load = stage.load(100);
    let view = stage.deploy("2.0.0");
    let tally = load.stop();
    stage.none_failed(&tally, "the numbers of a deployment");
    let id = view["deployment"]["id"].as_str().unwrap();
    let told = world.ask(&["history", id]);
    let cost = &told["cost"];
    let (new, old) = (&cost["candidate"], &cost["current"]);
    let count = |side: &Value| side["requests"].as_u64().unwrap();
    // Whole seconds of the step, at a hundred requests a second, by halves. What the old one answered in
    // the second in which it began is counted with it.
    assert!(count(new) >= 150 && count(old) >= 150, "{told:#}");
    assert!(
        count(new) <= tally.good["2.0.0"] && count(old) <= tally.good["1.0.0"],
        "{told:#}"
    );
    assert!(
        count(new).abs_diff(count(old)) <= 120,
        "by halves: {told:#}"
    );
    assert_eq!(
        (&new["errors_5xx"], &old["errors_5xx"]),
        (&json!(0), &json!(0))
    );
    let text = world.cutover(&["history", id]).exits(0).said();
    assert!(text.contains("2.0.0"), "{text}");
}
