//! Who is asked on the way: commands of the server's machine, webhooks, smoke tests. A yes lets it go
//! on, a no takes it back, a silence is not taken for a yes; and requests go on being answered.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::{
    stage::{LIMIT, Stage, outcome, shares},
    webhook::Webhook,
    world::World,
};

const CANARY: &str = "canary: { steps: [{ weight: 50, for: 300ms }, 100], bake: 300ms }";

/// A program of the server's machine.
fn program(world: &World, text: &str) -> PathBuf {
    let path = world.path("hook");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A canary with this hook besides; 1.0.0 serves.
fn stage<'a>(world: &'a World, hook: &str) -> Stage<'a> {
    let stage = Stage::open(
        world,
        &format!("{{ strategy: {{ {CANARY} }}, hooks: [{hook}] }}"),
    );
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    stage
}

/// Deploys 2.0.0, which must be taken back with this in its reason, after these shares.
fn is_refused(stage: &Stage, wanted: &[f64], reason: &str) -> Value {
    let load = stage.load(100);
    let id = stage.begin("2.0.0");
    let ended = |view: &Value| outcome(view).is_some();
    let view = stage.world.deployment(&id, LIMIT, ended);
    assert_ne!(outcome(&view), Some("succeeded"), "{view:#}");
    assert_eq!(shares(&view), wanted, "{view:#}");
    assert!(
        view["deployment"]["reason"].to_string().contains(reason),
        "`{reason}` is not the reason: {view:#}"
    );
    stage.none_failed(&load.stop(), reason);
    stage.serves_only("1.0.0");
    assert_eq!(stage.processes(), 1);
    view
}

#[test]
fn a_command_says_yes_and_knows_what_it_is_asked_about() {
    let world = World::new();
    let seen = world.path("seen");
    let words = "$CUTOVER_POINT $CUTOVER_SERVICE $CUTOVER_ENVIRONMENT $CUTOVER_PREVIOUS_VERSION \
                 $CUTOVER_VERSION $CUTOVER_WEIGHT $COLOUR";
    let hook = program(&world, &format!("echo {words} >> '{}'", seen.display()));
    let hooks: Vec<String> = ["before_start", "after_step", "before_promotion"]
        .iter()
        .map(|on| {
            format!(
                "{{ on: {on}, command: [{}], env: {{ COLOUR: red }} }}",
                hook.display()
            )
        })
        .collect();
    let stage = stage(&world, &hooks.join(", "));
    fs::remove_file(&seen).ok();
    let load = stage.load(100);
    let view = stage.deploy("2.0.0");
    assert_eq!(shares(&view), [50.0, 100.0], "{view:#}");
    stage.none_failed(&load.stop(), "a hook that says yes");
    let seen = fs::read_to_string(&seen).unwrap();
    let points: Vec<&str> = seen
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(points.first(), Some(&"before_start"), "{seen}");
    assert_eq!(
        points
            .iter()
            .filter(|on| **on == "before_promotion")
            .count(),
        1,
        "{seen}"
    );
    assert!(points.contains(&"after_step"), "{seen}");
    for line in seen.lines() {
        assert!(line.contains("specimen production 1.0.0 2.0.0"), "{line}");
        assert!(line.ends_with("red"), "{line}");
    }
}

#[test]
fn a_command_says_no_and_its_last_words_are_the_reason() {
    let world = World::new();
    let hook = program(
        &world,
        "[ \"$CUTOVER_VERSION\" = 1.0.0 ] && exit\necho looking\necho 'the books do not balance'\nexit 4",
    );
    let hook = format!(
        "{{ on: before_promotion, name: books, command: [{}] }}",
        hook.display()
    );
    let stage = stage(&world, &hook);
    let view = is_refused(&stage, &[50.0, 0.0], "the books do not balance");
    assert_eq!(outcome(&view), Some("rolled_back"), "{view:#}");
    assert!(
        view["deployment"]["reason"].to_string().contains("books"),
        "{view:#}"
    );
}

#[test]
fn a_command_is_asked_again_later() {
    let world = World::new();
    let seen = world.path("seen");
    let seen_path = seen.display();
    let text = format!(
        "echo \"$CUTOVER_VERSION\" >> '{seen_path}'\n[ $(grep -c 2.0.0 '{seen_path}') = 1 ] && {{ echo soon; exit 75; }}\nexit 0"
    );
    let hook = program(&world, &text);
    let stage = stage(
        &world,
        &format!("{{ on: before_promotion, command: [{}] }}", hook.display()),
    );
    let view = stage.deploy("2.0.0");
    assert_eq!(shares(&view), [50.0, 100.0], "{view:#}");
    let seen = fs::read_to_string(seen).unwrap();
    assert_eq!(seen.matches("2.0.0").count(), 2, "{seen}");
}

#[test]
fn a_command_that_does_not_answer_is_ended_and_is_no_yes() {
    let world = World::new();
    let hook = program(
        &world,
        "[ \"$CUTOVER_VERSION\" = 1.0.0 ] && exit\nexec sleep 7001",
    );
    let hook = format!(
        "{{ on: before_promotion, command: [{}], timeout: 2s, retries: 1 }}",
        hook.display()
    );
    let stage = stage(&world, &hook);
    is_refused(&stage, &[50.0, 0.0], "no answer within");
    let left = world.processes();
    assert!(
        !left
            .iter()
            .any(|(_, command)| command.contains("sleep 7001")),
        "{left:#?}"
    );
}

#[test]
fn one_that_need_not_be_asked_is_only_written_down() {
    let world = World::new();
    let hook = program(&world, "echo 'not nice'; exit 1");
    let hook = format!(
        "{{ on: after_start, command: [{}], required: false }}",
        hook.display()
    );
    let stage = stage(&world, &hook);
    let view = stage.deploy("2.0.0");
    assert_eq!(shares(&view), [50.0, 100.0], "{view:#}");
    assert!(
        view["timeline"].to_string().contains("not nice"),
        "{view:#}"
    );
}

#[test]
fn a_webhook_says_yes() {
    let world = World::new();
    let webhook = Webhook::open(|_| Some((200, "fine".to_owned())));
    let stage = stage(
        &world,
        &format!("{{ on: after_step, webhook: \"{}\" }}", webhook.url()),
    );
    let first = webhook.next(LIMIT);
    assert_eq!(first.1["version"], "1.0.0", "{first:?}");
    let load = stage.load(100);
    let view = stage.deploy("2.0.0");
    stage.none_failed(&load.stop(), "a webhook that says yes");
    assert_eq!(shares(&view), [50.0, 100.0], "{view:#}");
    let (key, body) = webhook.next(LIMIT);
    assert!(!key.is_empty(), "{body:#}");
    assert_eq!(body["version"], "2.0.0", "{body:#}");
    assert_eq!(body["previous_version"], "1.0.0", "{body:#}");
    assert_eq!(body["point"], "after_step", "{body:#}");
}

#[test]
fn a_webhook_says_no() {
    let world = World::new();
    let webhook = Webhook::open(|count| {
        let no = r#"{"verdict": "rollback", "reason": "the fraud team is asleep"}"#;
        Some((200, if count == 0 { "{}" } else { no }.to_owned()))
    });
    let stage = stage(
        &world,
        &format!("{{ on: before_promotion, webhook: \"{}\" }}", webhook.url()),
    );
    is_refused(&stage, &[50.0, 0.0], "the fraud team is asleep");
}

#[test]
fn a_webhook_holds_it_for_a_person() {
    let world = World::new();
    let webhook = Webhook::open(|count| {
        let wait = r#"{"verdict": "pause", "reason": "look at the graphs"}"#;
        Some((200, if count == 0 { "{}" } else { wait }.to_owned()))
    });
    let stage = stage(
        &world,
        &format!("{{ on: before_promotion, webhook: \"{}\" }}", webhook.url()),
    );
    let id = stage.begin("2.0.0");
    let held = |view: &Value| view["deployment"]["state"] == "paused";
    let view = world.deployment(&id, LIMIT, |view| held(view) || outcome(view).is_some());
    assert!(held(&view) && shares(&view) == [50.0], "{view:#}");
    assert!(view.to_string().contains("look at the graphs"), "{view:#}");
    world.cutover(&["resume", &id]).exits(0);
    stage.ends(&id, "succeeded");
    stage.serves_only("2.0.0");
}

#[test]
fn a_webhook_that_does_not_answer_is_asked_again_under_one_key_and_is_no_yes() {
    let world = World::new();
    let webhook = Webhook::open(|count| (count == 0).then(|| (200, String::new())));
    let hook = format!(
        "{{ on: before_promotion, webhook: \"{}\", timeout: 2s, retries: 1 }}",
        webhook.url()
    );
    let stage = stage(&world, &hook);
    is_refused(&stage, &[50.0, 0.0], "no answer within");
    webhook.next(LIMIT);
    let (first, again) = (webhook.next(LIMIT), webhook.next(LIMIT));
    assert_eq!(first.1["version"], "2.0.0");
    assert_eq!(first.0, again.0, "one question, one key");
    assert!(webhook.has_no_more());
}

/// With a smoke test; 1.0.0 serves.
fn with_smoke<'a>(world: &'a World, smoke: &str) -> Stage<'a> {
    let stage = Stage::open(
        world,
        &format!("{{ strategy: {{ {CANARY} }}, smoke: {smoke} }}"),
    );
    stage.build("1.0.0", &json!({}));
    stage.build("2.0.0", &json!({ "fail_percent": 100 }));
    stage.first("1.0.0");
    stage
}

#[test]
fn a_smoke_test_refuses_before_any_traffic() {
    let world = World::new();
    let stage = with_smoke(&world, "[{ path: /health }, { path: /version }]");
    let view = is_refused(&stage, &[], "/version");
    assert!(
        view["deployment"]["reason"].to_string().contains("500"),
        "{view:#}"
    );
}

#[test]
fn a_smoke_test_looks_at_the_body() {
    let world = World::new();
    let smoke = "[{ path: /version, expect: { status: [200, 500], json: { /version: 1.0.0 } } }]";
    let stage = with_smoke(&world, smoke);
    is_refused(&stage, &[], "/version");
}

#[test]
fn what_waits_too_long_for_an_answer_goes_back() {
    let world = World::new();
    let webhook = Webhook::open(|count| {
        let status = if count == 0 { 200 } else { 500 };
        Some((status, String::new()))
    });
    let production = format!(
        "{{ strategy: {{ {CANARY} }}, progress_deadline: 2s, \
           hooks: [{{ on: before_promotion, webhook: \"{}\", timeout: 1s, retries: 100 }}] }}",
        webhook.url()
    );
    let stage = Stage::open(&world, &production);
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let view = is_refused(&stage, &[50.0, 0.0], "2s");
    let took = Duration::from_millis(view["duration_ms"].as_u64().unwrap());
    assert!(took < Duration::from_secs(12), "{took:?}: {view:#}");
}
