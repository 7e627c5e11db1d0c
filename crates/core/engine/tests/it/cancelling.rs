//! Ending before the time: by a person, by a timeout, by a sibling.

use cutover_engine::TimerKey;
use cutover_model::{
    plan::Template,
    run::{JobKey, Outcome, StepPath},
};

use crate::support::{cancel, exited, expression, given, job, ok, place, plan, runner, step, woke};

fn job_timer(leg: &str) -> cutover_engine::Input {
    woke(TimerKey::JobTimeout {
        job: JobKey(leg.to_owned()),
    })
}

fn grace_timer(leg: &str) -> cutover_engine::Input {
    woke(TimerKey::StopGrace {
        job: JobKey(leg.to_owned()),
    })
}

#[test]
fn cancel_ends_what_runs_and_lets_clean_up() {
    given(plan(vec![
        job(
            "build",
            &[],
            vec![
                step("a"),
                step("b"),
                step("c ? always()"),
                step("d ? cancelled()"),
            ],
        ),
        job("deploy", &["build"], vec![step("e")]),
    ]))
    .when(1, runner("build"))
    .when(2, cancel("ada"))
    .then("cancel build/0/1")
    .timers("end of grace for build at 7")
    .owes("start build/0/1; cancel build/0/1")
    .when(3, exited("build/0/1", Outcome::Failed))
    .then("start build/2/1")
    .when(4, ok("build/2/1"))
    .then("start build/3/1")
    .when(5, ok("build/3/1"))
    .then("finish build; notify run.cancelled: run #7 of ci cancelled after 5m")
    .steps("build", "0 cancelled; 1 skipped; 2 succeeded; 3 succeeded")
    .jobs("build cancelled; deploy cancelled")
    .because("deploy", "cancelled by ada");
}

#[test]
fn a_second_cancel_skips_even_what_cleans_up() {
    given(plan(vec![job(
        "build",
        &[],
        vec![step("a"), step("b ? always()"), step("c ? always()")],
    )]))
    .when(1, runner("build"))
    .when(2, cancel("ada"))
    .when(3, exited("build/0/1", Outcome::Cancelled))
    .then("start build/1/1")
    .when(4, cancel("ada"))
    .then("cancel build/1/1")
    .when(5, cancel("ada"))
    .then("")
    .when(6, exited("build/1/1", Outcome::Cancelled))
    .then("finish build; notify run.cancelled: run #7 of ci cancelled after 6m")
    .steps("build", "0 cancelled; 1 cancelled; 2 skipped")
    .refuses(
        7,
        cancel("ada"),
        "`run_00000000010000000000000001` has already ended: cancelled",
    );
}

#[test]
fn a_step_that_cleans_up_goes_on_when_it_is_cancelled() {
    given(plan(vec![job(
        "build",
        &[],
        vec![step("a ? always()"), step("b")],
    )]))
    .when(1, runner("build"))
    .when(2, cancel("ada"))
    .then("")
    .when(3, ok("build/0/1"))
    .then("finish build; notify run.cancelled: run #7 of ci cancelled after 3m");
}

#[test]
fn a_job_that_cleans_up_runs_after_a_cancel_and_not_after_two() {
    let world = || {
        let mut clean = job("clean", &["build"], vec![step("b")]);
        clean.condition = Some(expression("always()"));
        given(plan(vec![job("build", &[], vec![step("a")]), clean]))
            .when(1, runner("build"))
            .when(2, cancel("ada"))
            .when(3, exited("build/0/1", Outcome::Cancelled))
            .then("finish build; acquire runner for clean (linux)")
            .when(4, runner("clean"))
            .then("start clean/0/1")
    };
    world()
        .when(5, ok("clean/0/1"))
        .then("finish clean; notify run.cancelled: run #7 of ci cancelled after 5m")
        .jobs("build cancelled; clean succeeded");
    world().when(5, cancel("ada")).then("cancel clean/0/1");
}

#[test]
fn what_waits_for_a_runner_is_cancelled_at_once() {
    given(plan(vec![job("build", &[], vec![step("a")])]))
        .when(1, cancel("ada"))
        .then("finish build; notify run.cancelled: run #7 of ci cancelled after 1m")
        .when(2, runner("build"))
        .then("");
}

#[test]
fn a_job_has_its_time_and_then_time_to_clean_up() {
    let mut build = job(
        "build",
        &[],
        vec![step("a"), step("b ? always()"), step("c ? always()")],
    );
    build.timeout_minutes = Some(Template::plain("${{ vars.NONE || 10 }}"));
    given(plan(vec![build]))
        .when(1, runner("build"))
        .timers("timeout of build at 11")
        .when(11, job_timer("build"))
        .then("cancel build/0/1")
        .timers("end of grace for build at 16")
        .when(12, exited("build/0/1", Outcome::Cancelled))
        .then("start build/1/1")
        .when(16, grace_timer("build"))
        .then("cancel build/1/1")
        .when(17, exited("build/1/1", Outcome::Cancelled))
        .then("finish build; notify run.failed: run #7 of ci timed_out after 17m")
        .because("build", "took longer than 10m");
}

#[test]
fn a_job_that_had_its_time_counts_as_cancelled() {
    let steps = vec![
        step("a"),
        step("b ? failure()"),
        step("c ? cancelled()"),
        step("d ? always() && job.status == 'cancelled'"),
    ];
    let mut build = job("build", &[], steps);
    build.timeout_minutes = Some(Template::plain("10"));
    build.steps[3].name = Some(Template::plain("is ${{ job.status }}"));
    let behind = |id: &str, condition: &str| {
        let mut job = job(id, &["build"], vec![step("a")]);
        job.condition = Some(expression(condition));
        job
    };
    let jobs = vec![
        build,
        job("then", &["build"], vec![step("a")]),
        behind("failed", "failure() || failure('build')"),
        behind("called-off", "cancelled()"),
        behind("not", "!cancelled() && needs.build.result == 'cancelled'"),
        behind("always", "always()"),
    ];
    let world = given(plan(jobs))
        .when(1, runner("build"))
        .when(11, job_timer("build"))
        .then("cancel build/0/1")
        .when(12, exited("build/0/1", Outcome::Cancelled))
        .then("start build/2/1")
        .when(13, ok("build/2/1"))
        .then("start build/3/1")
        .when(14, ok("build/3/1"))
        .then("finish build; acquire runner for not (linux); acquire runner for always (linux)")
        .steps("build", "0 cancelled; 1 skipped; 2 succeeded; 3 succeeded")
        .because("build", "took longer than 10m");
    let build = world.run.jobs().find(|job| job.name == "build").unwrap();
    assert_eq!(build.steps[3].name, "is cancelled");
}

#[test]
fn a_step_has_its_time() {
    let mut slow = step("a");
    slow.timeout_minutes = Some(Template::plain("3"));
    let (leg, path, attempt) = place("build/0/1");
    let timer = TimerKey::StepTimeout {
        job: leg,
        step: path,
        attempt,
    };
    given(plan(vec![job(
        "build",
        &[],
        vec![slow, step("b"), step("c ? failure()")],
    )]))
    .when(1, runner("build"))
    .timers("timeout of build at 361; timeout of build/0/1 at 4")
    .when(4, woke(timer.clone()))
    .then("cancel build/0/1")
    .when(5, woke(timer))
    .then("")
    .owes("start build/0/1; cancel build/0/1")
    // Whatever its process made of the signal.
    .when(6, ok("build/0/1"))
    .then("start build/2/1")
    .steps("build", "0 timed_out; 1 skipped; 2 running")
    // It was not the time of the job.
    .when(7, ok("build/2/1"))
    .then("finish build; notify run.failed: run #7 of ci failed after 7m")
    .because("build", "step `Run a` timed_out: took longer than 3m");
}

#[test]
fn a_time_may_have_a_fraction_and_come_from_an_expression() {
    for (written, expected) in [
        (
            "2.5",
            "timeout of build at 361; timeout of build/0/1 at 3m30s",
        ),
        (
            ".5",
            "timeout of build at 361; timeout of build/0/1 at 1m30s",
        ),
        (
            "${{ vars.NONE || 2 }}",
            "timeout of build at 361; timeout of build/0/1 at 3",
        ),
        (
            "${{ fromJSON('0.5') }}",
            "timeout of build at 361; timeout of build/0/1 at 1m30s",
        ),
        // None at all, as on GitHub.
        ("0", "timeout of build at 361"),
        ("${{ 0 }}", "timeout of build at 361"),
        ("-1", "timeout of build at 361"),
    ] {
        let mut slow = step("a");
        slow.timeout_minutes = Some(Template::plain(written));
        given(plan(vec![job("build", &[], vec![slow])]))
            .when(1, runner("build"))
            .timers(expected);
    }
}

#[test]
fn a_time_that_is_none_faults_the_step() {
    let mut odd = step("a");
    odd.timeout_minutes = Some(Template::plain("${{ 'soon' }}"));
    given(plan(vec![job("build", &[], vec![odd])]))
        .when(1, runner("build"))
        .then("finish build; notify run.faulted: run #7 of ci faulted after 1m")
        .because(
            "build",
            "step `Run a` faulted: ci.yml:0:0: `soon` is not a number of minutes above zero",
        );
}

#[test]
fn a_job_whose_time_is_none_does_not_start() {
    let mut build = job("build", &[], vec![step("a")]);
    build.timeout_minutes = Some(Template::plain("0"));
    given(plan(vec![build]))
        .then("notify run.faulted: run #7 of ci faulted after 0s")
        .because(
            "build",
            "ci.yml:0:0: `0` is not a number of minutes above zero",
        );
}

#[test]
fn the_digest_of_files_that_comes_after_the_end_says_nothing() {
    given(plan(vec![job(
        "build",
        &[],
        vec![step("a ? hashFiles('lock') != ''")],
    )]))
    .when(1, runner("build"))
    .then("hash files for build/0 (lock)")
    .when(2, cancel("ada"))
    .jobs("build cancelled")
    .when(
        3,
        cutover_engine::Input::FilesHashed {
            job: JobKey::single("build"),
            step: StepPath::top(0),
            patterns: vec!["lock".to_owned()],
            digest: Ok("abc".to_owned()),
        },
    )
    .then("")
    .jobs("build cancelled");
}
