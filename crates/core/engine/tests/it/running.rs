//! Jobs and steps in their order.

use cutover_engine::Input;
use cutover_model::{
    plan::Template,
    run::{JobKey, Outcome, StepPath, StepReport},
};
use serde_json::json;

use crate::support::{
    bindings, exited, expression, failed, gave, given, job, ok, plan, reported, runner, step,
};

#[test]
fn a_job_starts_as_soon_as_its_own_needs_are_met() {
    given(plan(vec![
        job("slow", &[], vec![step("a")]),
        job("fast", &[], vec![step("b")]),
        job("after", &["fast"], vec![step("c")]),
        job("last", &["slow", "after"], vec![step("d")]),
    ]))
    .then("acquire runner for slow (linux); acquire runner for fast (linux)")
    .jobs(
        "slow waiting on a runner (linux); fast waiting on a runner (linux); \
         after waiting on fast; last waiting on slow, after",
    )
    .when(1, runner("fast"))
    .then("start fast/0/1")
    .when(2, runner("slow"))
    .then("start slow/0/1")
    .when(3, ok("fast/0/1"))
    .then("finish fast; acquire runner for after (linux)")
    .when(4, runner("after"))
    .when(5, ok("after/0/1"))
    .then("finish after")
    .when(6, ok("slow/0/1"))
    .then("finish slow; acquire runner for last (linux)")
    .when(7, runner("last"))
    .when(8, ok("last/0/1"))
    .then("finish last; notify run.succeeded: run #7 of ci succeeded after 8m");
}

#[test]
fn one_append_ends_a_step_and_starts_the_next() {
    let world = given(plan(vec![job("build", &[], vec![step("a"), step("b")])]))
        .when(1, runner("build"))
        .then("start build/0/1")
        .timers("timeout of build at 361")
        .when(2, ok("build/0/1"))
        .then("start build/1/1");
    let kinds: Vec<String> = world
        .log
        .iter()
        .map(|(_, event)| serde_json::to_value(event).unwrap()["kind"].to_string())
        .collect();
    assert_eq!(
        kinds.join(" ").replace('"', ""),
        "run_created run_started job_expanded job_waiting job_started step_started step_finished \
         step_started"
    );
}

#[test]
fn the_name_of_a_step_knows_how_the_job_stands() {
    let mut late = step("late ? always()");
    late.name = Some(Template::plain("after a ${{ job.status }}"));
    let world = given(plan(vec![job("build", &[], vec![step("a"), late])]))
        .when(1, runner("build"))
        .when(2, failed("build/0/1"));
    let last = serde_json::to_value(&world.log.last().unwrap().1).unwrap();
    assert!(last.to_string().contains("after a failure"), "{last}");
}

#[test]
fn after_a_failure_only_steps_that_ask_for_it_are_done() {
    given(plan(vec![job(
        "build",
        &[],
        vec![
            step("a"),
            step("b"),
            step("c ? failure()"),
            step("d ? always()"),
            step("e ? cancelled()"),
        ],
    )]))
    .when(1, runner("build"))
    .when(2, failed("build/0/1"))
    .then("start build/2/1")
    .when(3, ok("build/2/1"))
    .then("start build/3/1")
    .when(4, ok("build/3/1"))
    .then("finish build; notify run.failed: run #7 of ci failed after 4m")
    .steps(
        "build",
        "0 failed; 1 skipped; 2 succeeded; 3 succeeded; 4 skipped",
    )
    .because("build", "step `Run a` failed");
}

#[test]
fn a_step_that_may_fail_does_not_fail_its_job() {
    let mut may_fail = step("lint=a");
    may_fail.continue_on_error = Some(cutover_model::plan::Template::plain("${{ 1 == 1 }}"));
    given(plan(vec![job(
        "build",
        &[],
        vec![
            may_fail,
            step("b ? steps.lint.outcome == 'failure' && steps.lint.conclusion == 'success'"),
        ],
    )]))
    .when(1, runner("build"))
    .when(2, failed("build/0/1"))
    .then("start build/1/1")
    .when(3, ok("build/1/1"))
    .then("finish build; notify run.succeeded: run #7 of ci succeeded after 3m");
}

#[test]
fn a_job_that_may_fail_does_not_fail_its_run() {
    let mut may_fail = job("flaky", &[], vec![step("a")]);
    may_fail.continue_on_error = Some(cutover_model::plan::Template::plain("true"));
    given(plan(vec![
        may_fail,
        job("after", &["flaky"], vec![step("b")]),
    ]))
    .when(1, runner("flaky"))
    .when(2, failed("flaky/0/1"))
    .then("finish flaky; acquire runner for after (linux)")
    .jobs("flaky failed; after waiting on a runner (linux)");
}

#[test]
fn what_stands_behind_a_failure_is_skipped_also_further_back() {
    let mut cleans = job("clean", &["build"], vec![step("c")]);
    cleans.condition = Some(expression("always()"));
    given(plan(vec![
        job("build", &[], vec![step("a")]),
        job("test", &["build"], vec![step("b")]),
        cleans,
        // Its own need succeeded, but one further back did not.
        job("report", &["clean"], vec![step("d")]),
    ]))
    .when(1, runner("build"))
    .when(2, failed("build/0/1"))
    .then("finish build; acquire runner for clean (linux)")
    .jobs("build failed; test skipped; clean waiting on a runner (linux); report waiting on clean")
    .because("test", "`build` failed")
    .when(3, runner("clean"))
    .when(4, ok("clean/0/1"))
    .then("finish clean; notify run.failed: run #7 of ci failed after 4m")
    .because("report", "a job further back did not succeed");
}

#[test]
fn a_skipped_need_is_neither_success_nor_failure() {
    let mut never = job("never", &[], vec![step("a")]);
    never.condition = Some(expression("github.ref == 'refs/heads/other'"));
    let mut on_failure = job("on-failure", &["never"], vec![step("b")]);
    on_failure.condition = Some(expression("failure()"));
    let mut anyway = job("anyway", &["never"], vec![step("c")]);
    anyway.condition = Some(expression("!failure() && needs.never.result == 'skipped'"));
    given(plan(vec![
        never,
        job("default", &["never"], vec![step("d")]),
        on_failure,
        anyway,
    ]))
    .then("acquire runner for anyway (linux)")
    .jobs("never skipped; default skipped; on-failure skipped; anyway waiting on a runner (linux)");
}

#[test]
fn outputs_reach_the_jobs_behind() {
    let mut build = job("build", &[], vec![step("make=a")]);
    build.outputs = crate::support::bindings(&[("version", "v${{ steps.make.outputs.number }}")]);
    let mut deploy = job("deploy", &["build"], vec![step("b")]);
    deploy.condition = Some(expression("needs.build.outputs.version == 'v4'"));
    given(plan(vec![build, deploy]))
        .when(1, runner("build"))
        .when(2, gave("build/0/1", &[("number", "4")]))
        .then("finish build; acquire runner for deploy (linux)");
}

#[test]
fn ends_are_told_apart() {
    for (outcome, of_the_run, topic) in [
        (Outcome::Failed, Outcome::Failed, "run.failed"),
        (Outcome::TimedOut, Outcome::Failed, "run.failed"),
        (Outcome::Faulted, Outcome::Faulted, "run.faulted"),
        (Outcome::Cancelled, Outcome::Cancelled, "run.cancelled"),
    ] {
        given(plan(vec![job("build", &[], vec![step("a")])]))
            .when(1, runner("build"))
            .when(2, exited("build/0/1", outcome))
            .then(&format!(
                "finish build; notify {topic}: run #7 of ci {of_the_run} after 2m"
            ));
    }
}

#[test]
fn a_reason_of_the_edge_reaches_the_job() {
    let report = StepReport {
        exit_code: Some(3),
        reasons: vec!["exit code 3".to_owned()],
        ..StepReport::default()
    };
    given(plan(vec![job("build", &[], vec![step("a")])]))
        .when(1, runner("build"))
        .when(2, reported("build/0/1", Outcome::Failed, report))
        .because("build", "step `Run a` failed: exit code 3");
}

#[test]
fn a_plan_without_jobs_ends_at_once() {
    given(plan(Vec::new())).then("notify run.succeeded: run #7 of ci succeeded after 0s");
}

#[test]
fn a_run_begins_once_and_only_with_jobs_that_are_there() {
    let create = |jobs| cutover_engine::Input::Create {
        run: cutover_model::RunId::from_parts(2, 2),
        number: 8,
        plan: Box::new(plan(jobs)),
        trigger: Box::new(crate::support::trigger()),
        vars: std::collections::BTreeMap::default(),
        secrets: std::collections::BTreeSet::new(),
    };
    let again = create(Vec::new());
    let id = cutover_model::RunId::from_parts(1, 1);
    given(plan(Vec::new())).refuses(1, again, &format!("`{id}` has already begun"));
    let refusal = cutover_engine::decide(
        &cutover_engine::Run::default(),
        cutover_model::Timestamp(0),
        create(vec![job("a", &["b"], Vec::new())]),
    );
    assert_eq!(
        refusal.unwrap_err().to_string(),
        "job `a` needs `b`, which the plan does not have"
    );
}

#[test]
fn runner_facts_decide_conditions() {
    given(plan(vec![job(
        "build",
        &[],
        vec![
            step("a ? runner.os == 'Windows'"),
            step("b ? runner.os == 'Linux'"),
        ],
    )]))
    .when(1, runner("build"))
    .then("start build/1/1");
}

#[test]
fn a_matrix_that_is_not_one_faults_its_job() {
    let mut build = job("build", &[], vec![step("a")]);
    build.matrix = Some(crate::support::matrix(json!({ "os": "linux" })));
    given(plan(vec![build]))
        .then("notify run.faulted: run #7 of ci faulted after 0s")
        .because(
            "build",
            "ci.yml:9:9: matrix axis `os` is a text, not a list",
        );
}

#[test]
fn a_lacking_action_faults_when_its_turn_comes_and_not_before() {
    let mut lacking = step("a");
    lacking.body = cutover_model::plan::StepBody::Lacking {
        uses: "actions/setup-node@v2".to_owned(),
        message: "action `actions/setup-node@v2` is not built in".to_owned(),
    };
    let mut never = lacking.clone();
    never.condition = Some(expression("false"));
    given(plan(vec![job(
        "build",
        &[],
        vec![never, step("b"), lacking],
    )]))
    .when(1, runner("build"))
    .then("start build/1/1")
    .when(2, ok("build/1/1"))
    .then("finish build; notify run.faulted: run #7 of ci faulted after 2m")
    .steps("build", "0 skipped; 1 succeeded; 2 faulted")
    .because(
        "build",
        "step `Run actions/setup-node@v2` faulted: ci.yml:1:1: action `actions/setup-node@v2` \
             is not built in",
    );
}

#[test]
fn a_condition_that_hangs_on_files_asks_for_them_once_and_then_decides() {
    let asked = |digest: Result<&str, &str>| Input::FilesHashed {
        job: JobKey::single("build"),
        step: StepPath(vec![1]),
        patterns: vec!["**/Cargo.lock".to_owned()],
        digest: digest.map(str::to_owned).map_err(str::to_owned),
    };
    let begun = || {
        given(plan(vec![job(
            "build",
            &[],
            vec![
                step("a"),
                step("b ? hashFiles('**/Cargo.lock') != ''"),
                step("c"),
            ],
        )]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"))
        .then("hash files for build/1 (**/Cargo.lock)")
        .owes("hash files for build/1 (**/Cargo.lock)")
    };
    begun()
        .when(3, asked(Ok("9f86")))
        .then("start build/1/1")
        .when(4, asked(Ok("")))
        .then("");
    begun()
        .when(3, asked(Ok("")))
        .then("start build/2/1")
        .steps("build", "0 succeeded; 1 skipped; 2 running");
    begun()
        .when(3, asked(Err("`x`: no permission")))
        .steps("build", "0 succeeded; 1 faulted; 2 skipped");
}

#[test]
fn a_condition_knows_which_secrets_there_are_and_never_what_they_are() {
    let mut spec = job(
        "build",
        &[],
        vec![step("a ? env.THERE != ''"), step("b ? env.AWAY != ''")],
    );
    spec.env = bindings(&[
        ("THERE", "${{ secrets.token }}"),
        ("AWAY", "${{ secrets.NOT_THERE }}"),
    ]);
    given(plan(vec![spec]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"))
        .steps("build", "0 succeeded; 1 skipped");
}
