//! What comes late, twice, out of order or not at all.

use cutover_engine::Input;
use cutover_model::run::{Attempt, Outcome};

use crate::support::{cancel, exited, failed, given, job, ok, place, plan, runner, step};

fn lost(address: &str, retry_safe: bool) -> Input {
    let (job, step, attempt) = place(address);
    Input::StepLost {
        job,
        step,
        attempt,
        retry_safe,
        reason: "its process is gone and left no record".to_owned(),
    }
}

#[test]
fn what_is_known_already_changes_nothing() {
    let world = given(plan(vec![job("build", &[], vec![step("a"), step("b")])]))
        .when(0, ok("build/0/1"))
        .then("")
        .when(1, runner("build"))
        .when(1, runner("build"))
        .then("")
        .when(2, ok("build/1/1"))
        .then("")
        .when(2, ok("build/0/2"))
        .then("")
        .when(3, ok("build/0/1"))
        .then("start build/1/1")
        .when(3, failed("build/0/1"))
        .then("")
        .when(3, lost("build/0/1", true))
        .then("")
        .when(4, ok("build/1/1"))
        .when(5, failed("build/1/1"))
        .then("")
        .when(5, runner("build"))
        .then("");
    assert_eq!(world.log.len() as u64, world.run.version());
}

#[test]
fn a_lost_step_that_may_start_again_is_a_new_attempt() {
    given(plan(vec![job("build", &[], vec![step("a")])]))
        .when(1, runner("build"))
        .when(2, lost("build/0/1", true))
        .then("start build/0/2")
        .when(3, ok("build/0/1"))
        .then("")
        .when(4, ok("build/0/2"))
        .then("finish build; notify run.succeeded: run #7 of ci succeeded after 4m");
}

#[test]
fn a_lost_step_that_may_not_is_a_fault() {
    given(plan(vec![job("build", &[], vec![step("a")])]))
        .when(1, runner("build"))
        .when(2, lost("build/0/1", false))
        .then("finish build; notify run.faulted: run #7 of ci faulted after 2m")
        .because(
            "build",
            "step `Run a` faulted: its process is gone and left no record",
        );
}

#[test]
fn a_step_lost_while_it_was_ended_does_not_start_again() {
    given(plan(vec![job("build", &[], vec![step("a")])]))
        .when(1, runner("build"))
        .when(2, cancel("ada"))
        .when(3, lost("build/0/1", true))
        .then("finish build; notify run.cancelled: run #7 of ci cancelled after 3m");
}

#[test]
fn after_a_restart_all_that_runs_is_owed_again() {
    let world = given(plan(vec![
        job("build", &[], vec![step("a")]),
        job("other", &[], vec![step("b")]),
    ]))
    .owes("acquire runner for build (linux); acquire runner for other (linux)")
    .when(1, runner("build"))
    .owes("start build/0/1; acquire runner for other (linux)")
    .when(2, ok("build/0/1"))
    .owes("finish build; acquire runner for other (linux)")
    .when(3, runner("other"))
    .when(4, exited("other/0/1", Outcome::Failed));
    let owed = "finish build; finish other; notify run.failed: run #7 of ci failed after 4m";
    let world = world.owes(owed);
    assert_eq!(world.run.jobs().next().unwrap().attempt, Some(Attempt(1)));
}
