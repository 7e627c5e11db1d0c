//! What actions do before the first step of a job and after the last one.

use cutover_engine::{Input, TimerKey};
use cutover_model::run::{Attempt, JobKey, Outcome};

use crate::support::{
    action, cancel, exited, failed, given, job, ok, plan, program, runner, step, woke,
};

#[test]
fn before_comes_in_order_and_after_the_other_way_round() {
    let steps = vec![
        program("a", None, Some("")),
        action("around", vec![program("b", Some(""), Some("")), step("c")]),
        program("d", Some(""), None),
    ];
    given(plan(vec![job("build", &[], steps)]))
        .when(1, runner("build"))
        .then("start build/pre.1.0/1")
        .owes("start build/pre.1.0/1")
        .when(2, ok("build/pre.1.0/1"))
        .then("start build/pre.2/1")
        .when(3, ok("build/pre.2/1"))
        .then("start build/0/1")
        .when(4, ok("build/0/1"))
        .then("start build/1.0/1")
        .when(5, ok("build/1.0/1"))
        .then("start build/1.1/1")
        .when(6, ok("build/1.1/1"))
        .then("start build/2/1")
        // What had a part before the steps was there first, and goes last.
        .when(7, ok("build/2/1"))
        .then("start build/post.0/1")
        .owes("start build/post.0/1")
        .when(8, ok("build/post.0/1"))
        .then("start build/post.1.0/1")
        .steps(
            "build",
            "pre.1.0 succeeded; pre.2 succeeded; 0 succeeded; 1 succeeded; 1.0 succeeded; \
             1.1 succeeded; 2 succeeded; post.0 succeeded; post.1.0 running",
        )
        .when(9, ok("build/post.1.0/1"))
        .then("finish build; notify run.succeeded: run #7 of ci succeeded after 9m");
}

#[test]
fn what_began_is_cleaned_up_after_whatever_happened_between() {
    let steps = vec![
        program("a", None, Some("")),
        program("b", None, Some("success()")),
        step("c"),
        program("d", None, Some("")),
        program("e", Some(""), Some("failure()")),
    ];
    given(plan(vec![job("build", &[], steps)]))
        .when(1, runner("build"))
        .when(2, ok("build/pre.4/1"))
        .when(3, ok("build/0/1"))
        .when(4, ok("build/1/1"))
        .then("start build/2/1")
        // `d` never began. `e` is passed over, but it has begun before the steps.
        .when(5, failed("build/2/1"))
        .then("start build/post.0/1")
        .steps(
            "build",
            "pre.4 succeeded; 0 succeeded; 1 succeeded; 2 failed; 3 skipped; 4 skipped; \
             post.1 skipped; post.0 running",
        )
        .when(6, ok("build/post.0/1"))
        .then("start build/post.4/1")
        .when(7, ok("build/post.4/1"))
        .because("build", "step `Run c` failed");
}

#[test]
fn a_part_that_fails_fails_the_job_and_the_others_are_still_done() {
    let steps = vec![program("a", None, Some("")), program("b", None, Some(""))];
    given(plan(vec![job("build", &[], steps.clone())]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"))
        .when(3, ok("build/1/1"))
        .when(4, failed("build/post.1/1"))
        .then("start build/post.0/1")
        .when(5, ok("build/post.0/1"))
        .because("build", "step `Post Run some/b@v1` failed");
    let mut forgiving = steps;
    forgiving[1].continue_on_error = Some(cutover_model::plan::Template::plain("true"));
    given(plan(vec![job("build", &[], forgiving)]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"))
        .when(3, ok("build/1/1"))
        .when(4, failed("build/post.1/1"))
        .when(5, ok("build/post.0/1"))
        .jobs("build succeeded");
}

#[test]
fn one_that_fails_before_the_steps_leaves_only_what_cleans_up() {
    let steps = vec![
        program("a", Some(""), Some("")),
        step("b"),
        step("c ? failure()"),
    ];
    given(plan(vec![job("build", &[], steps)]))
        .when(1, runner("build"))
        .when(2, failed("build/pre.0/1"))
        .then("start build/2/1")
        .when(3, ok("build/2/1"))
        .then("start build/post.0/1")
        .when(4, ok("build/post.0/1"))
        .jobs("build failed");
}

#[test]
fn a_cancelled_job_still_cleans_up_unless_it_is_forced() {
    let steps = || vec![program("a", None, Some("")), step("b")];
    given(plan(vec![job("build", &[], steps())]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"))
        .when(3, cancel("ada"))
        .then("cancel build/1/1")
        .when(4, exited("build/1/1", Outcome::Cancelled))
        .then("start build/post.0/1")
        // It was started for just this: nobody tells it to end.
        .owes("start build/post.0/1")
        .when(5, ok("build/post.0/1"))
        .jobs("build cancelled");
    let stop = TimerKey::StopGrace {
        job: JobKey("build".to_owned()),
    };
    given(plan(vec![job("build", &[], steps())]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"))
        .when(3, cancel("ada"))
        .when(4, exited("build/1/1", Outcome::Cancelled))
        .when(9, woke(stop))
        .then("cancel build/post.0/1")
        .when(10, exited("build/post.0/1", Outcome::Cancelled))
        .jobs("build cancelled");
}

#[test]
fn one_that_nobody_knows_the_end_of_is_a_fault_and_not_done_again() {
    let lost = Input::StepLost {
        job: JobKey("build".to_owned()),
        step: "post.0".parse().unwrap(),
        attempt: Attempt::FIRST,
        retry_safe: false,
        reason: "it is gone".to_owned(),
    };
    given(plan(vec![job(
        "build",
        &[],
        vec![program("a", None, Some(""))],
    )]))
    .when(1, runner("build"))
    .when(2, ok("build/0/1"))
    .when(3, lost)
    .jobs("build faulted");
}
