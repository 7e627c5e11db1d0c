//! Runs that are done once more, in part.

use cutover_engine::{Input, Wish};
use cutover_model::{
    event::RetriedLeg,
    plan::{Concurrency, Queue, StepBody, StepSpec, Template},
    run::{Attempt, JobKey, Outcome, StepPath},
};
use serde_json::json;

use crate::support::{
    World, action, cancel, environment, exited, failed, gave, given, guarded, job, matrix, ok,
    place, plan, rule, runner, step,
};

fn leg(key: &str, from: Option<usize>) -> RetriedLeg {
    RetriedLeg {
        key: JobKey(key.to_owned()),
        from: from.map(StepPath::top),
    }
}

fn retry(legs: &[RetriedLeg]) -> Input {
    Input::Retry {
        by: "grace".to_owned(),
        legs: legs.to_vec(),
    }
}

/// What a wish comes to: `build from 1; test`.
#[track_caller]
fn wished(world: &World, wish: &Wish) -> String {
    let legs = match world.run.wished(wish) {
        Ok(legs) => legs,
        Err(refusal) => return refusal.to_string(),
    };
    let words: Vec<String> = legs
        .iter()
        .map(|leg| match &leg.from {
            Some(from) => format!("{} from {from}", leg.key),
            None => leg.key.to_string(),
        })
        .collect();
    words.join("; ")
}

fn from(step: &str, job: Option<&str>) -> Wish {
    Wish::From {
        step: step.to_owned(),
        job: job.map(str::to_owned),
    }
}

/// `lint` is well, `build` failed in its second step, `ship` behind it was skipped.
fn half_done() -> World {
    given(plan(vec![
        job("lint", &[], vec![step("x")]),
        job("build", &[], vec![step("get=a"), step("b"), step("c")]),
        job("ship", &["build"], vec![step("d")]),
    ]))
    .when(1, runner("lint"))
    .when(1, ok("lint/0/1"))
    .when(1, runner("build"))
    .when(2, gave("build/0/1", &[("v", "7")]))
    .when(3, failed("build/1/1"))
    .jobs("lint succeeded; build failed; ship skipped")
}

#[test]
fn what_failed_goes_on_at_its_step_and_what_is_behind_it_begins_anew() {
    let world = half_done();
    assert_eq!(wished(&world, &Wish::Failed), "build from 1");
    let world = world
        .when(10, retry(&[leg("build", Some(1))]))
        .then("acquire runner for build (linux)")
        .jobs("lint succeeded; build waiting on a runner (linux); ship waiting on build")
        .steps("build", "0 succeeded; 1 pending; 2 pending");
    assert_eq!(world.run.attempt(), Attempt(2));
    assert_eq!(world.run.wanted_by(), Some("grace"));
    world
        .when(11, runner("build"))
        // The second try of the step, so that the log of the first stays.
        .then("start build/1/2")
        .when(12, ok("build/1/2"))
        .then("start build/2/1")
        .when(13, ok("build/2/1"))
        .then("finish build; acquire runner for ship (linux)")
        .when(14, runner("ship"))
        .when(15, ok("ship/0/1"))
        .then("finish ship; notify run.succeeded: run #7 of ci succeeded after 5m (attempt 2)")
        .jobs("lint succeeded; build succeeded; ship succeeded");
}

#[test]
fn outputs_of_the_steps_before_are_there_still() {
    let mut build = job("build", &[], vec![step("get=a"), step("b")]);
    build.outputs = crate::support::bindings(&[("v", "${{ steps.get.outputs.v }}")]);
    let world = given(plan(vec![build]))
        .when(1, runner("build"))
        .when(2, gave("build/0/1", &[("v", "7")]))
        .when(3, failed("build/1/1"))
        .when(4, retry(&[leg("build", Some(1))]))
        .when(5, runner("build"))
        .when(6, ok("build/1/2"));
    let build = world.run.job(&JobKey::single("build")).unwrap();
    assert_eq!(build.outcome, Some(Outcome::Succeeded));
    assert_eq!(build.outputs, vec![("v", "7")]);
    assert_eq!(build.attempt, Some(Attempt(2)));
}

#[test]
fn a_leg_of_a_matrix_is_done_once_more_alone() {
    let mut test = job("test", &[], vec![step("t")]);
    test.matrix = Some(matrix(json!({ "n": [1, 2] })));
    given(plan(vec![test]))
        .when(1, runner("test#0"))
        .when(1, runner("test#1"))
        .when(2, ok("test#0/0/1"))
        .when(3, failed("test#1/0/1"))
        .when(4, retry(&[leg("test#1", None)]))
        .then("acquire runner for test#1 (linux)")
        .when(5, runner("test#1"))
        .then("start test#1/0/2")
        .when(6, ok("test#1/0/2"))
        .jobs("test (1) succeeded; test (2) succeeded");
}

#[test]
fn what_failed_before_and_stays_so_ends_no_leg_of_now() {
    let mut test = job("test", &[], vec![step("t")]);
    test.matrix = Some(matrix(json!({ "n": [1, 2] })));
    given(plan(vec![test]))
        .when(1, runner("test#0"))
        .when(1, runner("test#1"))
        .when(2, failed("test#0/0/1"))
        .when(3, exited("test#1/0/1", Outcome::Cancelled))
        .jobs("test (1) failed; test (2) cancelled")
        .when(4, retry(&[leg("test#1", None)]))
        .when(5, runner("test#1"))
        .then("start test#1/0/2")
        .when(6, ok("test#1/0/2"))
        .jobs("test (1) failed; test (2) succeeded")
        .owes(
            "finish test#0; finish test#1; notify run.failed: run #7 of ci failed after 2m (attempt 2)",
        );
}

#[test]
fn an_action_is_done_whole() {
    let inside = vec![step("a"), step("b")];
    let world = given(plan(vec![job(
        "build",
        &[],
        vec![step("x"), action("it", inside)],
    )]))
    .when(1, runner("build"))
    .when(2, ok("build/0/1"))
    .when(3, ok("build/1.0/1"))
    .when(4, failed("build/1.1/1"));
    assert_eq!(wished(&world, &Wish::Failed), "build from 1");
    assert_eq!(
        wished(&world, &from("1.1", None)),
        "step 1.1 is inside of an action, which is done whole; take 1"
    );
    world
        .when(5, retry(&[leg("build", Some(1))]))
        .when(6, runner("build"))
        .then("start build/1.0/2")
        .when(7, ok("build/1.0/2"))
        .then("start build/1.1/2");
}

#[test]
fn a_wish_names_steps_by_place_id_and_name() {
    let world = half_done();
    assert_eq!(wished(&world, &from("1", None)), "build from 1");
    assert_eq!(wished(&world, &from("Run b", None)), "build from 1");
    assert_eq!(wished(&world, &from("get", None)), "build");
    assert_eq!(wished(&world, &from("0", Some("lint"))), "lint");
    assert_eq!(wished(&world, &Wish::Job("lint".to_owned())), "lint");
    assert_eq!(
        wished(&world, &from("get", Some("lint"))),
        "`lint` has no step `get`; say its place from 0, its id or its name"
    );
    assert_eq!(
        wished(&world, &Wish::Job("none".to_owned())),
        "there is no job `none` in it; there is `lint`, `build`, `ship`"
    );
    let done = given(plan(vec![job("a", &[], vec![step("x")])]))
        .when(1, runner("a"))
        .when(2, ok("a/0/1"));
    assert_eq!(
        wished(&done, &Wish::Failed),
        "nothing failed in it; name a job to have it done once more all the same"
    );
}

#[test]
fn what_cannot_be_gone_on_from_is_refused_with_a_way_out() {
    half_done()
        .refuses(
            5,
            retry(&[leg("build", Some(2))]),
            "step 1 of `build`, `Run b`, comes before step 2 and failed; take it instead",
        )
        .refuses(5, retry(&[leg("ship", Some(1))]), "`ship` never had a step")
        .refuses(5, retry(&[leg("lint", Some(9))]), "`lint` has no step 9")
        .refuses(
            5,
            retry(&[leg("x", None)]),
            "there is no job `x` in this run",
        )
        .when(5, retry(&[leg("build", Some(1))]))
        .refuses(
            6,
            retry(&[leg("build", Some(1))]),
            "`run_00000000010000000000000001` has not ended yet",
        );
}

#[test]
fn a_job_that_failed_before_it_had_legs_is_expanded_again() {
    let mut test = job("test", &["build"], vec![step("t")]);
    test.matrix = Some(matrix(json!("${{ fromJSON(needs.build.outputs.all) }}")));
    let mut build = job("build", &[], vec![step("make=m")]);
    build.outputs = crate::support::bindings(&[("all", "${{ steps.make.outputs.all }}")]);
    let world = given(plan(vec![build, test]))
        .when(1, runner("build"))
        .when(2, gave("build/0/1", &[("all", "no JSON")]))
        .jobs("build succeeded; test faulted");
    assert_eq!(wished(&world, &Wish::Failed), "test");
    world
        .when(3, retry(&[leg("build", None)]))
        .jobs("build waiting on a runner (linux); test waiting on build")
        .when(4, runner("build"))
        .then("start build/0/2")
        .when(5, gave("build/0/2", &[("all", "{\"n\": [1, 2]}")]))
        .then("finish build; acquire runner for test#0 (linux); acquire runner for test#1 (linux)");
}

#[test]
fn who_cancelled_the_first_try_did_not_cancel_the_second() {
    given(plan(vec![job("build", &[], vec![step("a")])]))
        .when(1, runner("build"))
        .when(2, cancel("ada"))
        .when(3, exited("build/0/1", Outcome::Cancelled))
        .jobs("build cancelled")
        .when(4, retry(&[leg("build", None)]))
        .when(5, runner("build"))
        .then("start build/0/2")
        .when(6, ok("build/0/2"))
        .then("finish build; notify run.succeeded: run #7 of ci succeeded after 2m (attempt 2)");
}

#[test]
fn a_leg_that_begins_anew_asks_people_anew_and_one_that_goes_on_does_not() {
    let approve = |world: &World| Input::Approve {
        gate: world.gate(),
        by: "grace".to_owned(),
        comment: None,
    };
    let mut ship = job("ship", &[], vec![step("a"), step("b")]);
    ship.environment = Some(environment("production"));
    let mut wanted = plan(vec![ship]);
    wanted.project = Some(guarded("production", rule(1, &[])));
    let world = given(wanted);
    let first = world.gate();
    let yes = approve(&world);
    let world = world
        .when(1, yes)
        .when(2, runner("ship"))
        .when(3, ok("ship/0/1"))
        .when(4, failed("ship/1/1"))
        .when(5, retry(&[leg("ship", Some(1))]))
        .then("acquire runner for ship (linux)")
        .when(6, runner("ship"))
        .when(7, failed("ship/1/2"))
        .when(8, retry(&[leg("ship", None)]));
    assert_ne!(world.gate(), first);
    let yes = approve(&world);
    world
        .when(9, yes)
        .then("acquire runner for ship (linux)")
        .when(10, runner("ship"))
        .then("start ship/0/2");
}

#[test]
fn a_person_has_a_step_that_failed_done_once_more_at_once() {
    let again = |address: &str| {
        let (job, step, attempt) = place(address);
        Input::StepAgain {
            job,
            step,
            attempt,
            by: "ada".to_owned(),
        }
    };
    given(plan(vec![job("build", &[], vec![step("a"), step("b")])]))
        .when(1, runner("build"))
        .when(2, again("build/0/1"))
        .then("start build/0/2")
        // It was said before, and says nothing new.
        .when(2, again("build/0/1"))
        .then("")
        .when(3, ok("build/0/2"))
        .then("start build/1/1")
        .when(4, cancel("ada"))
        .when(5, again("build/1/1"))
        .jobs("build cancelled");
}

#[test]
fn what_went_on_in_the_background_is_seen_after_the_next_wait() {
    let mut background = step("make=a");
    background.background = true;
    let wait = StepSpec::new(StepBody::WaitAll);
    let build = job(
        "build",
        &[],
        vec![
            background,
            step("b"),
            wait,
            step("c ? steps.make.outputs.v == '7'"),
        ],
    );
    given(plan(vec![build]))
        .when(1, runner("build"))
        .when(2, gave("build/0/1", &[("v", "7")]))
        .when(3, failed("build/1/1"))
        .jobs("build failed")
        .when(4, retry(&[leg("build", Some(1))]))
        .when(5, runner("build"))
        .then("start build/1/2")
        .when(6, ok("build/1/2"))
        .then("start build/3/1")
        .when(7, ok("build/3/1"))
        .jobs("build succeeded");
}

#[test]
fn a_group_is_asked_for_again() {
    let mut wanted = plan(vec![job("build", &[], vec![step("a")])]);
    wanted.concurrency = Some(Concurrency {
        group: Template::plain("deploy"),
        cancel_in_progress: None,
        queue: Queue::Single,
    });
    let taken = || Input::GroupTaken { job: None };
    given(wanted)
        .when(1, taken())
        .when(1, runner("build"))
        .when(2, failed("build/0/1"))
        .when(3, retry(&[leg("build", None)]))
        .jobs("build pending")
        .when(4, taken())
        .then("acquire runner for build (linux)");
}
