//! Questions to people: before a leg starts, and in the middle of a step.

use cutover_engine::{Input, TimerKey};
use cutover_model::{GateId, gate::ApprovalRule, plan::Plan};

use crate::support::{
    World, cancel, environment, given, guarded, job, ok, place, plan, rule, runner, step, woke,
};

fn deploying(rule: ApprovalRule) -> Plan {
    let mut deploy = job("deploy", &[], vec![step("a")]);
    deploy.environment = Some(environment("${{ 'production' }}"));
    Plan {
        project: Some(guarded("production", rule)),
        ..plan(vec![deploy])
    }
}

fn yes(gate: &GateId, by: &str) -> Input {
    Input::Approve {
        gate: gate.clone(),
        by: by.to_owned(),
        comment: None,
    }
}

fn no(gate: &GateId, by: &str) -> Input {
    Input::Reject {
        gate: gate.clone(),
        by: by.to_owned(),
        comment: Some("not today".to_owned()),
    }
}

fn asked(world: World, subject: &str) -> (World, GateId) {
    let gate = world.gate();
    let world = world.then(&format!(
        "notify approval.requested: run #7 of ci waits for an approval of {subject} ({gate})"
    ));
    (world, gate)
}

const SUBJECT: &str = "production ← run #7 of ci at abc123";

#[test]
fn a_leg_asks_before_it_asks_for_a_runner() {
    let (world, gate) = asked(given(deploying(rule(2, &[]))), SUBJECT);
    world
        .timers(&format!("expiry of {gate} at 60"))
        .jobs(&format!(
            "deploy waiting on an approval of {SUBJECT} ({gate})"
        ))
        .when(1, yes(&gate, "ada"))
        .then("")
        .refuses(2, yes(&gate, "ada"), "`ada` has already approved")
        .when(3, yes(&gate, "grace"))
        .then("acquire runner for deploy (linux)")
        .refuses(
            4,
            yes(&gate, "linus"),
            &format!("`{gate}` has already been approved"),
        )
        .when(60, woke(TimerKey::ApprovalExpiry { gate }))
        .then("")
        .jobs("deploy waiting on a runner (linux)");
}

#[test]
fn only_those_asked_may_answer() {
    let (world, gate) = asked(given(deploying(rule(1, &["ada"]))), SUBJECT);
    let words = "`eve` is not among those asked: ada";
    world
        .refuses(1, yes(&gate, "eve"), words)
        .refuses(1, no(&gate, "eve"), words)
        .when(2, yes(&gate, "ada"))
        .then("acquire runner for deploy (linux)");
}

#[test]
fn a_no_ends_the_leg_and_says_who_and_why() {
    let (world, gate) = asked(given(deploying(rule(1, &[]))), SUBJECT);
    world
        .when(1, no(&gate, "ada"))
        .then("notify run.failed: run #7 of ci failed after 1m")
        .because("deploy", "rejected by ada: not today")
        .refuses(
            2,
            yes(&gate, "ada"),
            &format!("`{gate}` has been settled: rejected by ada: not today"),
        );
}

#[test]
fn who_said_yes_may_think_better_of_it() {
    let (world, gate) = asked(given(deploying(rule(2, &[]))), SUBJECT);
    world
        .when(1, yes(&gate, "ada"))
        .when(2, no(&gate, "ada"))
        .because("deploy", "rejected by ada: not today");
}

#[test]
fn a_question_lapses() {
    let (world, gate) = asked(given(deploying(rule(1, &[]))), SUBJECT);
    world
        .refuses(60, yes(&gate, "ada"), &format!("`{gate}` has lapsed"))
        .when(60, woke(TimerKey::ApprovalExpiry { gate }))
        .then("notify run.failed: run #7 of ci failed after 1h")
        .because("deploy", "nobody approved within 1h: the question lapsed");
}

#[test]
fn a_cancelled_question_needs_no_answer() {
    let (world, gate) = asked(given(deploying(rule(1, &[]))), SUBJECT);
    world
        .when(1, cancel("ada"))
        .then("notify run.cancelled: run #7 of ci cancelled after 1m")
        .refuses(
            2,
            yes(&gate, "ada"),
            &format!("nobody waits for `{gate}` any more: what asked for it has ended"),
        );
}

fn needs_approval(address: &str, rule: ApprovalRule) -> Input {
    let (job, step, attempt) = place(address);
    Input::ApprovalNeeded {
        job,
        step,
        attempt,
        subject: "hello 2.0.0".to_owned(),
        rule,
    }
}

#[test]
fn a_step_that_asks_starts_again_when_it_is_answered() {
    let world = given(plan(vec![job("release", &[], vec![step("a"), step("b")])]))
        .when(1, runner("release"))
        .timers("timeout of release at 361")
        .when(2, needs_approval("release/0/1", rule(1, &[])));
    let (world, gate) = asked(world, "hello 2.0.0");
    let world = world
        .steps(
            "release",
            &format!("0 waiting on an approval of hello 2.0.0 ({gate}); 1 pending"),
        )
        // Its process has ended: late news of it mean nothing.
        .when(3, ok("release/0/1"))
        .then("")
        // While people are asked no time runs.
        .when(
            400,
            woke(TimerKey::JobTimeout {
                job: place("release/0/1").0,
            }),
        )
        .then("")
        .when(32, yes(&gate, "ada"))
        .then("start release/0/2")
        .timers("timeout of release at 391")
        .when(
            361,
            woke(TimerKey::JobTimeout {
                job: place("release/0/1").0,
            }),
        )
        .then("");
    let (job, path, _) = place("release/0/2");
    assert_eq!(world.run.approved(&job, Some(&path)).count(), 1);
    world
        .when(362, ok("release/0/2"))
        .then("start release/1/1")
        .when(391, woke(TimerKey::JobTimeout { job }))
        .then("cancel release/1/1");
}

#[test]
fn a_step_that_is_refused_fails() {
    let world = given(plan(vec![job(
        "release",
        &[],
        vec![step("a"), step("b ? always()")],
    )]))
    .when(1, runner("release"))
    .when(2, needs_approval("release/0/1", rule(1, &[])));
    let (world, gate) = asked(world, "hello 2.0.0");
    world
        .when(3, no(&gate, "ada"))
        .then("start release/1/1")
        .when(4, ok("release/1/1"))
        .because("release", "step `Run a` failed: rejected by ada: not today");
}

#[test]
fn cancel_ends_a_step_that_waits_for_people() {
    given(plan(vec![job("release", &[], vec![step("a")])]))
        .when(1, runner("release"))
        .when(2, needs_approval("release/0/1", rule(1, &[])))
        .when(3, cancel("ada"))
        .then("finish release; notify run.cancelled: run #7 of ci cancelled after 3m");
}

#[test]
fn after_a_restart_an_open_question_is_owed() {
    let (world, gate) = asked(given(deploying(rule(1, &[]))), SUBJECT);
    world.owes(&format!(
        "notify approval.requested: run #7 of ci waits for an approval of {SUBJECT} ({gate})"
    ));
}

#[test]
fn what_is_being_ended_asks_nobody() {
    given(plan(vec![job("release", &[], vec![step("a")])]))
        .when(1, runner("release"))
        .when(2, cancel("ada"))
        .when(3, needs_approval("release/0/1", rule(1, &[])))
        .then("finish release; notify run.cancelled: run #7 of ci cancelled after 3m");
}
