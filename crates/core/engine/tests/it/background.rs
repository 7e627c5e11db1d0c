//! Steps in the background: who waits, when what they left is seen, and how they end a job.

use cutover_engine::TimerKey;
use cutover_model::{
    plan::{StepBody, StepSpec, Template},
    run::{HandedOn, Outcome, StepReport},
};

use crate::support::{
    World, action, cancel, exited, failed, gave, given, job, ok, place, plan, reported, runner,
    step, woke,
};

fn background(text: &str) -> StepSpec {
    StepSpec {
        background: true,
        ..step(text)
    }
}

fn wait(ids: &[&str]) -> StepSpec {
    StepSpec::new(StepBody::Wait {
        steps: ids.iter().map(|id| (*id).to_owned()).collect(),
    })
}

fn wait_all() -> StepSpec {
    StepSpec::new(StepBody::WaitAll)
}

fn ends(id: &str) -> StepSpec {
    StepSpec::new(StepBody::CancelStep {
        step: id.to_owned(),
    })
}

fn build(steps: Vec<StepSpec>) -> World {
    given(plan(vec![job("build", &[], steps)])).when(1, runner("build"))
}

fn env(value: &str) -> StepReport {
    StepReport {
        env: [("A".to_owned(), HandedOn::Plain(value.to_owned()))].into(),
        ..StepReport::default()
    }
}

#[test]
fn the_next_step_does_not_wait_and_the_job_does() {
    build(vec![background("a=a"), step("b")])
        .then("start build/0/1; start build/1/1")
        .owes("start build/0/1; start build/1/1")
        .when(2, ok("build/1/1"))
        .then("")
        .jobs("build running")
        .when(3, ok("build/0/1"))
        .then("finish build; notify run.succeeded: run #7 of ci succeeded after 3m");
}

#[test]
fn what_it_left_is_seen_from_the_wait_on() {
    build(vec![
        background("a=a"),
        step("b ? steps.a.outcome == '' && env.A == ''"),
        wait(&["a"]),
        step("c ? steps.a.outcome == 'success' && env.A == 'x'"),
    ])
    .when(2, reported("build/0/1", Outcome::Succeeded, env("x")))
    .then("")
    .steps("build", "0 succeeded; 1 running; 2 pending; 3 pending")
    .when(3, ok("build/1/1"))
    .then("start build/3/1")
    .steps("build", "0 succeeded; 1 succeeded; 2 succeeded; 3 running");
}

#[test]
fn of_two_that_say_a_variable_the_one_that_is_waited_for_last_wins() {
    build(vec![
        background("a=a"),
        step("b=b"),
        wait(&["a"]),
        step("c ? env.A == 'late'"),
    ])
    .when(2, reported("build/0/1", Outcome::Succeeded, env("late")))
    .when(3, reported("build/1/1", Outcome::Succeeded, env("early")))
    .then("start build/3/1");
}

#[test]
fn a_failure_is_one_at_the_wait_and_not_before() {
    build(vec![
        background("a=a"),
        step("b"),
        step("c"),
        wait(&["a"]),
        step("d"),
        step("e ? failure()"),
    ])
    .when(2, failed("build/0/1"))
    .when(3, ok("build/1/1"))
    .then("start build/2/1")
    .when(4, ok("build/2/1"))
    .then("start build/5/1")
    .steps(
        "build",
        "0 failed; 1 succeeded; 2 succeeded; 3 failed; 4 skipped; 5 running",
    )
    .when(5, ok("build/5/1"))
    .because("build", "step `Run a` failed");
}

#[test]
fn one_that_nobody_waits_for_fails_its_job_at_the_end() {
    build(vec![background("a=a"), step("b")])
        .when(2, failed("build/0/1"))
        .when(3, ok("build/1/1"))
        .then("finish build; notify run.failed: run #7 of ci failed after 3m")
        .because("build", "step `Run a` failed");
}

#[test]
fn one_that_has_had_its_time_fails_at_the_wait_and_its_job_has_failed() {
    let mut slow = background("a=a");
    slow.timeout_minutes = Some(Template::plain("3"));
    let (leg, path, attempt) = place("build/0/1");
    let timer = TimerKey::StepTimeout {
        job: leg,
        step: path,
        attempt,
    };
    build(vec![slow, step("b"), wait(&["a"]), step("c ? failure()")])
        .timers("timeout of build at 361; timeout of build/0/1 at 4")
        .when(2, ok("build/1/1"))
        .then("")
        .when(4, woke(timer))
        .then("cancel build/0/1")
        .when(5, exited("build/0/1", Outcome::Cancelled))
        .then("start build/3/1")
        .steps("build", "0 timed_out; 1 succeeded; 2 failed; 3 running")
        .when(6, ok("build/3/1"))
        .jobs("build failed");
}

#[test]
fn what_may_fail_fails_nobody() {
    let mut may = background("a=a");
    may.continue_on_error = Some(Template::plain("true"));
    build(vec![
        may,
        wait_all(),
        step("b ? steps.a.outcome == 'failure'"),
    ])
    .when(2, failed("build/0/1"))
    .then("start build/2/1")
    .when(3, ok("build/2/1"))
    .jobs("build succeeded");
}

#[test]
fn a_wait_that_may_fail_lets_the_steps_go_on_and_not_the_job() {
    let mut may = wait(&["a"]);
    may.continue_on_error = Some(Template::plain("true"));
    build(vec![background("a=a"), may, step("b")])
        .when(2, failed("build/0/1"))
        .then("start build/2/1")
        .when(3, ok("build/2/1"))
        .jobs("build failed");
}

#[test]
fn ten_go_at_once_and_the_next_takes_the_first_place() {
    let mut steps: Vec<StepSpec> = (0..12).map(|_| background("a")).collect();
    steps.push(step("b"));
    let world = build(steps)
        .steps(
            "build",
            "0 running; 1 running; 2 running; 3 running; 4 running; 5 running; 6 running; \
             7 running; 8 running; 9 running; 10 waiting on other steps in the background; \
             11 waiting on other steps in the background; 12 running",
        )
        .when(2, ok("build/4/1"))
        .then("start build/10/1")
        .when(3, ok("build/12/1"))
        .then("")
        .when(4, failed("build/0/1"))
        .then("start build/11/1");
    world.when(5, cancel("ada")).then(
        "cancel build/1/1; cancel build/2/1; cancel build/3/1; cancel build/5/1; \
             cancel build/6/1; cancel build/7/1; cancel build/8/1; cancel build/9/1; \
             cancel build/10/1; cancel build/11/1",
    );
}

#[test]
fn one_that_is_ended_fails_nobody() {
    build(vec![background("a=serve"), step("b"), ends("a"), step("c")])
        .when(2, ok("build/1/1"))
        .then("cancel build/0/1")
        .owes("start build/0/1; cancel build/0/1")
        .when(3, exited("build/0/1", Outcome::Failed))
        .then("start build/3/1")
        .steps("build", "0 cancelled; 1 succeeded; 2 succeeded; 3 running")
        .when(4, ok("build/3/1"))
        .jobs("build succeeded");
}

#[test]
fn one_that_failed_before_it_was_ended_fails_its_job_in_the_end() {
    build(vec![background("a=serve"), step("b"), ends("a"), step("c")])
        .when(2, failed("build/0/1"))
        .when(3, ok("build/1/1"))
        .then("start build/3/1")
        .when(4, ok("build/3/1"))
        .jobs("build failed");
}

#[test]
fn after_a_failure_what_goes_in_the_background_is_still_ended() {
    build(vec![background("a=serve"), step("b"), ends("a"), step("c")])
        .when(2, failed("build/1/1"))
        .then("cancel build/0/1")
        .when(3, exited("build/0/1", Outcome::Cancelled))
        .steps("build", "0 cancelled; 1 failed; 2 succeeded; 3 skipped")
        .because("build", "step `Run b` failed");
}

#[test]
fn one_that_waits_for_a_place_ends_without_having_begun() {
    let mut steps: Vec<StepSpec> = (0..10).map(|_| background("a")).collect();
    steps.extend([background("late=a"), ends("late"), step("b")]);
    build(steps).then(
        "start build/0/1; start build/1/1; start build/2/1; start build/3/1; start build/4/1; \
         start build/5/1; start build/6/1; start build/7/1; start build/8/1; start build/9/1; \
         start build/12/1",
    );
}

#[test]
fn a_skipped_one_is_waited_for_in_vain() {
    build(vec![
        background("a=a ? failure()"),
        wait(&["a"]),
        step("b ? steps.a.outcome == 'skipped'"),
    ])
    .then("start build/2/1");
}

#[test]
fn what_it_sees_is_what_was_there_when_it_began() {
    // The condition of the second is asked again when the run is cancelled; the output that came
    // meanwhile does not count for the one that had begun.
    let mut inside = action("act", vec![step("x"), step("y ? env.A == ''")]);
    inside.background = true;
    build(vec![inside, step("b"), wait_all()])
        .then("start build/0.0/1; start build/1/1")
        .when(2, ok("build/0.0/1"))
        .then("start build/0.1/1")
        .when(3, reported("build/1/1", Outcome::Succeeded, env("x")))
        .when(4, ok("build/0.1/1"))
        .then("finish build; notify run.succeeded: run #7 of ci succeeded after 4m");
}

#[test]
fn an_action_in_the_background_is_ended_as_a_whole() {
    let mut inside = action("act", vec![step("x"), step("y ? always()")]);
    inside.background = true;
    build(vec![inside, step("b"), ends("act")])
        .when(2, ok("build/1/1"))
        .then("cancel build/0.0/1")
        .when(3, exited("build/0.0/1", Outcome::Cancelled))
        .then("finish build; notify run.succeeded: run #7 of ci succeeded after 3m")
        .steps(
            "build",
            "0 cancelled; 0.0 cancelled; 0.1 skipped; 1 succeeded; 2 succeeded",
        );
}

#[test]
fn a_cancelled_run_ends_it_whatever_its_condition_says() {
    build(vec![background("a=a ? always()"), step("b ? always()")])
        .when(2, cancel("ada"))
        .then("cancel build/0/1")
        .when(3, exited("build/0/1", Outcome::Cancelled))
        .when(4, ok("build/1/1"))
        .jobs("build cancelled");
}

#[test]
fn outputs_of_a_job_see_all_of_it() {
    let mut build = job("build", &[], vec![background("a=a")]);
    build.outputs = crate::support::bindings(&[("v", "${{ steps.a.outputs.v }}")]);
    let after = job(
        "after",
        &["build"],
        vec![step("b ? needs.build.outputs.v == '1'")],
    );
    given(plan(vec![build, after]))
        .when(1, runner("build"))
        .when(2, gave("build/0/1", &[("v", "1")]))
        .when(3, runner("after"))
        .then("start after/0/1");
}
