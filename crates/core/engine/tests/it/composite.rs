//! Actions made of steps.

use cutover_engine::TimerKey;
use cutover_model::{
    plan::{StepBody, StepSpec, Template},
    run::{HandedOn, Outcome, StepReport},
};

use crate::{
    resolving::resolve,
    support::{
        action, bindings, cancel, exited, failed, gave, given, job, ok, place, plan, reported,
        runner, step, woke,
    },
};

fn with(mut spec: StepSpec, given: &[(&str, &str)], gives: &[(&str, &str)]) -> StepSpec {
    if let StepBody::Composite {
        inputs, outputs, ..
    } = &mut spec.body
    {
        *inputs = bindings(given);
        *outputs = bindings(gives);
    }
    spec
}

#[test]
fn an_action_is_a_step_around_its_steps() {
    let inner = with(
        action("inner", vec![step("deep=b ? inputs.who == 'ada!'")]),
        &[("who", "${{ inputs.name }}!")],
        &[("said", "${{ steps.deep.outputs.text }}")],
    );
    let outer = with(
        action("outer", vec![step("first=a"), inner]),
        &[("name", "${{ github.actor }}")],
        &[(
            "all",
            "${{ steps.inner.outputs.said }}, ${{ steps.first.outputs.text }}",
        )],
    );
    given(plan(vec![job(
        "build",
        &[],
        vec![
            outer,
            step("c ? steps.outer.outputs.all == 'deep, flat' && !steps.first"),
        ],
    )]))
    .when(1, runner("build"))
    .then("start build/0.0/1")
    .owes("start build/0.0/1")
    // The action is not done at the edge: nobody can say that it has ended.
    .when(2, ok("build/0/1"))
    .then("")
    .when(2, gave("build/0.0/1", &[("text", "flat")]))
    .then("start build/0.1.0/1")
    .steps(
        "build",
        "0 running; 0.0 succeeded; 0.1 running; 0.1.0 running; 1 pending",
    )
    .when(3, gave("build/0.1.0/1", &[("text", "deep")]))
    .then("start build/1/1")
    .steps(
        "build",
        "0 succeeded; 0.0 succeeded; 0.1 succeeded; 0.1.0 succeeded; 1 running",
    );
}

#[test]
fn a_failure_inside_fails_the_action_and_its_own_steps_see_it() {
    given(plan(vec![job(
        "build",
        &[],
        vec![
            action("it", vec![step("a"), step("b"), step("c ? failure()")]),
            step("d"),
            step("e ? steps.it.outcome == 'failure' && always()"),
        ],
    )]))
    .when(1, runner("build"))
    .when(2, failed("build/0.0/1"))
    .then("start build/0.2/1")
    .when(3, ok("build/0.2/1"))
    .then("start build/2/1")
    .steps(
        "build",
        "0 failed; 0.0 failed; 0.1 skipped; 0.2 succeeded; 1 skipped; 2 running",
    );
}

#[test]
fn an_action_that_cleans_up_starts_with_a_clean_slate() {
    let mut clean = action("clean", vec![step("b"), step("c")]);
    clean.condition = step("x ? always()").condition;
    let world = || {
        given(plan(vec![job(
            "build",
            &[],
            vec![step("a"), clean.clone()],
        )]))
        .when(1, runner("build"))
    };
    world()
        .when(2, failed("build/0/1"))
        .then("start build/1.0/1")
        .when(3, ok("build/1.0/1"))
        .then("start build/1.1/1");
    world()
        .when(2, cancel("ada"))
        .when(3, exited("build/0/1", Outcome::Cancelled))
        .then("start build/1.0/1")
        .when(4, ok("build/1.0/1"))
        .then("start build/1.1/1")
        .when(5, cancel("ada"))
        .then("cancel build/1.1/1");
}

#[test]
fn cancel_reaches_into_an_action() {
    given(plan(vec![job(
        "build",
        &[],
        vec![action(
            "it",
            vec![step("a"), step("b"), step("c ? always()")],
        )],
    )]))
    .when(1, runner("build"))
    .when(2, cancel("ada"))
    .then("cancel build/0.0/1")
    .when(3, exited("build/0.0/1", Outcome::Cancelled))
    .then("start build/0.2/1")
    .when(4, ok("build/0.2/1"))
    .then("finish build; notify run.cancelled: run #7 of ci cancelled after 4m");
}

#[test]
fn an_action_has_its_time() {
    let mut slow = action("it", vec![step("a"), step("b ? always()")]);
    slow.timeout_minutes = Some(Template::plain("5"));
    let (job_key, path, attempt) = place("build/0/1");
    given(plan(vec![job(
        "build",
        &[],
        vec![slow, step("c ? failure()")],
    )]))
    .when(1, runner("build"))
    .timers("timeout of build at 361; timeout of build/0/1 at 6")
    .when(
        6,
        woke(TimerKey::StepTimeout {
            job: job_key,
            step: path,
            attempt,
        }),
    )
    .then("cancel build/0.0/1")
    .when(7, exited("build/0.0/1", Outcome::Cancelled))
    .then("start build/1/1")
    .steps(
        "build",
        "0 timed_out; 0.0 cancelled; 0.1 skipped; 1 running",
    );
}

#[test]
fn what_an_action_sets_stays_set_behind_it_and_the_last_path_comes_first() {
    let report = |value: &str, path: &str| StepReport {
        env: [("MODE".to_owned(), HandedOn::Plain(value.to_owned()))].into(),
        path: vec![path.to_owned(), format!("{path}/more")],
        ..StepReport::default()
    };
    let world = given(plan(vec![job(
        "build",
        &[],
        vec![
            step("a"),
            action("it", vec![step("b"), step("c")]),
            step("d ? env.MODE == 'inner'"),
        ],
    )]))
    .when(1, runner("build"))
    .when(
        2,
        reported("build/0/1", Outcome::Succeeded, report("outer", "/a")),
    )
    .when(
        3,
        reported("build/1.0/1", Outcome::Succeeded, report("inner", "/b")),
    )
    .when(4, ok("build/1.1/1"))
    .then("start build/2/1");
    for address in ["build/1.1/1", "build/2/1"] {
        let resolved = resolve(&world, address).unwrap();
        assert_eq!(resolved.env["MODE"], "inner");
        assert_eq!(resolved.path_prepend, ["/b/more", "/b", "/a/more", "/a"]);
    }
}

#[test]
fn a_step_without_a_name_is_called_after_what_it_does() {
    for (path, expected) in [
        ("", "step `Run ./` failed"),
        ("actions/it", "step `Run ./actions/it` failed"),
    ] {
        let mut it = action("it", vec![step("a")]);
        if let StepBody::Composite { path: own, .. } = &mut it.body {
            path.clone_into(own);
        }
        given(plan(vec![job("build", &[], vec![it])]))
            .when(1, runner("build"))
            .when(2, failed("build/0.0/1"))
            .because("build", expected);
    }
    given(plan(vec![job(
        "build",
        &[],
        vec![step("\n\n  first\nsecond")],
    )]))
    .when(1, runner("build"))
    .when(2, failed("build/0/1"))
    .because("build", "step `Run first` failed");
}

#[test]
fn a_skipped_action_shows_none_of_its_steps() {
    let mut never = action("it", vec![step("a")]);
    never.condition = step("x ? false").condition;
    given(plan(vec![job("build", &[], vec![never, step("b")])]))
        .when(1, runner("build"))
        .then("start build/1/1")
        .steps("build", "0 skipped; 1 running");
}

#[test]
fn conditions_and_outputs_see_where_the_job_and_the_action_are() {
    let outer = with(
        action(
            "outer",
            vec![
                step("a ? github.action_path == '/machine/work/actions/it'"),
                step("b ? github.action_path == '/actions/it'"),
            ],
        ),
        &[],
        &[("at", "${{ github.action_path }} ${{ runner.temp }}")],
    );
    given(plan(vec![job(
        "build",
        &[],
        vec![
            step("a ? runner.temp == '/machine/temp' && runner.tool_cache == '/machine/tools'"),
            step("b ? github.workspace != '/machine/work' || github.server_url == ''"),
            step("c ? github.event_path == '/machine/temp/_github_workflow/event.json'"),
            outer,
            step("d ? steps.outer.outputs.at == '/machine/work/actions/it /machine/temp'"),
            step("e ? github.action_path"),
        ],
    )]))
    .when(1, runner("build"))
    .then("start build/0/1")
    .when(2, ok("build/0/1"))
    .then("start build/2/1")
    .when(3, ok("build/2/1"))
    .then("start build/3.0/1")
    .when(4, ok("build/3.0/1"))
    .then("start build/4/1")
    .when(5, ok("build/4/1"))
    .then("finish build; notify run.succeeded: run #7 of ci succeeded after 5m");
}
