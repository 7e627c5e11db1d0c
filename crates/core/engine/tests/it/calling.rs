//! Jobs that call workflows: what they hand in, what comes back, and how they end.

use std::collections::BTreeMap;

use cutover_engine::{
    Claim, Input,
    resolve::{self, Body, Given, RunnerFacts, ServerFacts},
};
use cutover_model::{
    Secret,
    plan::{
        CallInput, CallInputKind, CallSecrets, CallSpec, Concurrency, JobSpec, Plan, Queue,
        Template,
    },
    run::{JobKey, Outcome},
};
use serde_json::json;

use crate::support::{
    World, bindings, cancel, exited, expression, failed, gave, given, job, matrix, ok, place, plan,
    runner, step,
};

const FILE: &str = ".github/workflows/inner.yml";

fn call(id: &str, needs: &[&str], jobs: Vec<JobSpec>) -> JobSpec {
    let mut caller = job(id, needs, Vec::new());
    caller.runs_on.clear();
    caller.call = Some(Box::new(CallSpec::new(FILE, jobs)));
    caller
}

fn callee(job: &mut JobSpec) -> &mut CallSpec {
    job.call.as_mut().unwrap()
}

fn input(name: &str, kind: CallInputKind, given: &str) -> CallInput {
    CallInput {
        name: name.to_owned(),
        kind,
        given: Some(Template::plain(given)),
        default: None,
    }
}

/// What the step at an address would run, and in which environment.
fn started(world: &World, address: &str) -> (String, BTreeMap<String, String>) {
    let secrets = BTreeMap::from([("TOKEN".to_owned(), Secret::new("s3cret"))]);
    let (job, step, _) = place(address);
    let given = Given {
        secrets: &secrets,
        withheld: &|_| None,
        hash_files: &|_| Ok(String::new()),
        runner: &RunnerFacts::default(),
        server: &ServerFacts::default(),
    };
    let resolved = resolve::step(&world.run, &job, &step, &given).unwrap();
    let Body::Script { script, .. } = resolved.body else {
        panic!("a script");
    };
    (script, resolved.env)
}

#[test]
fn called_jobs_run_behind_their_caller_and_hand_their_outputs_back() {
    let mut build = job("build", &[], vec![step("make=make ${{ inputs.what }}")]);
    build.outputs = bindings(&[("digest", "${{ steps.make.outputs.digest }}")]);
    let test = job(
        "test",
        &["build"],
        vec![step("echo ${{ needs.build.outputs.digest }}")],
    );
    let mut caller = call("package", &[], vec![build, test]);
    callee(&mut caller).inputs = vec![input(
        "what",
        CallInputKind::String,
        "all-${{ vars.REGION }}",
    )];
    callee(&mut caller).outputs = bindings(&[(
        "digest",
        "${{ jobs.build.outputs.digest }}-${{ jobs.test.result }}",
    )]);
    let mut after = job("after", &["package"], vec![step("a")]);
    after.env = bindings(&[("GOT", "${{ needs.package.outputs.digest }}")]);

    let world = given(plan(vec![caller, after]))
        .then("acquire runner for package.build (linux)")
        .jobs(
            "package running; package / build waiting on a runner (linux); \
             package / test waiting on build; after waiting on package",
        )
        .when(1, runner("package.build"));
    assert_eq!(started(&world, "package.build/0/1").0, "make all-eu");
    let world = world
        .when(2, gave("package.build/0/1", &[("digest", "sha256:1")]))
        .then("finish package.build; acquire runner for package.test (linux)")
        .when(3, runner("package.test"));
    assert_eq!(started(&world, "package.test/0/1").0, "echo sha256:1");
    let world = world
        .when(4, ok("package.test/0/1"))
        .then("finish package.test; acquire runner for after (linux)")
        .when(5, runner("after"));
    assert_eq!(started(&world, "after/0/1").1["GOT"], "sha256:1-success");
    world.when(6, ok("after/0/1")).jobs(
        "package succeeded; package / build succeeded; package / test succeeded; after succeeded",
    );
}

#[test]
fn a_called_job_that_fails_fails_its_caller_and_what_comes_after() {
    let caller = call("package", &[], vec![job("build", &[], vec![step("a")])]);
    let after = job("after", &["package"], vec![step("b")]);
    given(plan(vec![caller, after]))
        .when(1, runner("package.build"))
        .when(2, failed("package.build/0/1"))
        .jobs("package failed; package / build failed; after skipped")
        .because("package", "`build` failed")
        .because("after", "`package` failed");
}

#[test]
fn each_leg_of_a_caller_is_a_frame_of_its_own() {
    let mut caller = call(
        "deploy",
        &[],
        vec![job(
            "go",
            &[],
            vec![step("go ${{ inputs.to }} ${{ matrix.to }}")],
        )],
    );
    caller.matrix = Some(matrix(json!({ "to": ["a", "b", "c"] })));
    caller.matrix.as_mut().unwrap().max_parallel = Some(Template::plain("2"));
    callee(&mut caller).inputs = vec![input("to", CallInputKind::String, "${{ matrix.to }}")];
    let world = given(plan(vec![caller]))
        .then("acquire runner for deploy#0.go (linux); acquire runner for deploy#1.go (linux)")
        .when(1, runner("deploy#0.go"))
        .when(1, runner("deploy#1.go"));
    assert_eq!(started(&world, "deploy#1.go/0/1").0, "go b ");
    world
        .when(2, ok("deploy#1.go/0/1"))
        .then("finish deploy#1.go; acquire runner for deploy#2.go (linux)")
        // The first that fails ends the others, down to what they have called.
        .when(3, failed("deploy#0.go/0/1"))
        .then(
            "finish deploy#0.go; finish deploy#2.go; \
             notify run.failed: run #7 of ci failed after 3m",
        )
        .jobs(
            "deploy (a) failed; deploy (b) succeeded; deploy (c) cancelled; deploy (a) / go failed; \
             deploy (b) / go succeeded; deploy (c) / go cancelled",
        );
}

#[test]
fn workflows_call_workflows() {
    let inner = call(
        "mid",
        &[],
        vec![job("leaf", &[], vec![step("echo ${{ inputs.x }}")])],
    );
    let mut outer = call("top", &[], vec![inner]);
    callee(&mut outer).inputs = vec![input("x", CallInputKind::Number, "42")];
    let mid = &mut callee(&mut outer).jobs[0];
    callee(mid).inputs = vec![input("x", CallInputKind::Number, "${{ inputs.x }}")];
    callee(mid).outputs = bindings(&[("r", "${{ jobs.leaf.result }}")]);
    callee(&mut outer).outputs = bindings(&[("r", "${{ jobs.mid.outputs.r }}")]);
    let mut after = job(
        "after",
        &["top"],
        vec![step("echo ${{ needs.top.outputs.r }}")],
    );
    after.runs_on = vec![Template::plain("linux")];
    let world = given(plan(vec![outer, after]))
        .then("acquire runner for top.mid.leaf (linux)")
        .when(1, runner("top.mid.leaf"));
    assert_eq!(started(&world, "top.mid.leaf/0/1").0, "echo 42");
    let world = world
        .when(2, ok("top.mid.leaf/0/1"))
        .jobs("top succeeded; top / mid succeeded; top / mid / leaf succeeded; after waiting on a runner (linux)")
        .when(3, runner("after"));
    assert_eq!(started(&world, "after/0/1").0, "echo success");
}

#[test]
fn the_frame_has_its_own_env_secrets_and_file() {
    let mut inner = job(
        "go",
        &[],
        vec![step(
            "${{ secrets.KEY }}|${{ secrets.TOKEN }}|${{ env.OUTER }}${{ env.INNER }}|${{ job.workflow_file_path }}|${{ github.job }}",
        )],
    );
    inner.env = bindings(&[("LATE", "${{ secrets.KEY }}")]);
    let mut caller = call("deploy", &[], vec![inner]);
    callee(&mut caller).env = bindings(&[("INNER", "in")]);
    callee(&mut caller).secrets = CallSecrets::Named {
        values: bindings(&[("KEY", "k-${{ secrets.TOKEN }}")]),
    };
    let mut whole = plan(vec![caller]);
    whole.env = bindings(&[("OUTER", "out")]);
    let world = given(whole.clone()).when(1, runner("deploy.go"));
    let (script, env) = started(&world, "deploy.go/0/1");
    assert_eq!(
        script,
        format!("k-s3cret||in|{FILE}|go"),
        "named secrets alone, and the env of the called file alone"
    );
    assert_eq!(env["LATE"], "k-s3cret");
    callee(&mut whole.jobs[0]).secrets = CallSecrets::Inherit;
    let world = given(whole).when(1, runner("deploy.go"));
    assert_eq!(
        started(&world, "deploy.go/0/1").0,
        format!("|s3cret|in|{FILE}|go")
    );
}

#[test]
fn an_input_of_the_wrong_kind_is_a_fault_where_it_is_written() {
    let mut caller = call("deploy", &[], vec![job("go", &[], vec![step("a")])]);
    callee(&mut caller).inputs = vec![input("dry", CallInputKind::Boolean, "${{ vars.REGION }}")];
    given(plan(vec![caller])).jobs("deploy faulted").because(
        "deploy",
        "ci.yml:0:0: input `dry` is `\"eu\"`, and must be `true` or `false`; for a text write \
         `${{ … == 'true' }}`",
    );
}

#[test]
fn cancelling_reaches_called_jobs_and_spares_those_that_ask_for_it() {
    let mut cleanup = job("cleanup", &["go"], vec![step("rm")]);
    cleanup.condition = Some(expression("always()"));
    let next = job("next", &["go"], vec![step("b")]);
    let caller = call(
        "deploy",
        &[],
        vec![job("go", &[], vec![step("a")]), cleanup, next],
    );
    given(plan(vec![caller]))
        .when(1, runner("deploy.go"))
        .when(2, cancel("ada"))
        .then("cancel deploy.go/0/1")
        .when(3, exited("deploy.go/0/1", Outcome::Cancelled))
        .then("finish deploy.go; acquire runner for deploy.cleanup (linux)")
        .jobs(
            "deploy running; deploy / go cancelled; deploy / cleanup waiting on a runner (linux); \
             deploy / next cancelled",
        )
        .owes("acquire runner for deploy.cleanup (linux); finish deploy.go")
        .when(4, runner("deploy.cleanup"))
        .when(5, ok("deploy.cleanup/0/1"))
        .jobs("deploy cancelled; deploy / go cancelled; deploy / cleanup succeeded; deploy / next cancelled")
        .because("deploy", "cancelled by ada");
}

#[test]
fn a_workflow_of_which_every_job_is_skipped_is_skipped() {
    let mut inner = job("go", &[], vec![step("a")]);
    inner.condition = Some(expression("inputs.on"));
    let mut caller = call("deploy", &[], vec![inner]);
    callee(&mut caller).inputs = vec![CallInput {
        given: None,
        ..input("on", CallInputKind::Boolean, "")
    }];
    given(plan(vec![caller])).jobs("deploy skipped; deploy / go skipped");
}

fn group(name: &str) -> Concurrency {
    Concurrency {
        group: Template::plain(name),
        cancel_in_progress: None,
        queue: Queue::Single,
    }
}

/// A matrix of two calls whose file has a group by what it is handed; the caller may have its own.
fn in_groups(own: Option<&str>) -> Plan {
    let mut caller = call("ship", &[], vec![job("go", &[], vec![step("go")])]);
    caller.matrix = Some(matrix(json!({ "to": ["a", "b"] })));
    caller.concurrency = own.map(group);
    callee(&mut caller).inputs = vec![input("to", CallInputKind::String, "${{ matrix.to }}")];
    callee(&mut caller).concurrency = Some(group("to-${{ inputs.to }}"));
    plan(vec![caller])
}

fn taken(job: &str) -> Input {
    let job = Some(JobKey(job.to_owned()));
    Input::GroupTaken { job }
}

fn lost(job: &str) -> Input {
    Input::GroupLost {
        job: Some(JobKey(job.to_owned())),
        by: "run #8".to_owned(),
    }
}

#[test]
fn the_group_of_a_called_file_is_known_with_its_inputs() {
    given(in_groups(None))
        .then("acquire group to-a for ship#0.; acquire group to-b for ship#1.")
        .jobs(
            "ship (a) waiting on concurrency group to-a; ship (b) waiting on concurrency group to-b; \
             ship (a) / go pending; ship (b) / go pending",
        )
        .when(1, taken("ship#1."))
        .then("acquire runner for ship#1.go (linux)")
        // Superseded while it waits, with all that it calls.
        .when(2, lost("ship#0."))
        .then("release group to-a of ship#0.")
        .because("ship#0", "superseded by run #8 in concurrency group `to-a`")
        .when(3, runner("ship#1.go"))
        // The newest goes on instead.
        .when(4, lost("ship#1."))
        .then("cancel ship#1.go/0/1")
        .when(5, failed("ship#1.go/0/1"))
        .jobs(
            "ship (a) superseded; ship (b) cancelled; ship (a) / go superseded; \
             ship (b) / go cancelled",
        );
}

#[test]
fn a_call_has_its_own_group_beside_that_of_its_file() {
    let world = given(in_groups(Some("own-${{ matrix.to }}")))
        .then("acquire group own-a for ship#0; acquire group own-b for ship#1")
        .when(1, taken("ship#0"))
        .then("acquire group to-a for ship#0.");
    let claims = |world: &World| -> Vec<_> {
        let claims = world.run.claims().into_iter();
        let text = |claim: Claim| format!("{} {}", claim.group, claim.waits_since.is_some());
        claims.map(text).collect()
    };
    assert_eq!(claims(&world), ["own-a false", "to-a true", "own-b true"]);
    let world = world
        // What is heard of the one group is not about the other.
        .when(2, taken("ship#0"))
        .then("")
        .when(2, taken("ship#0."))
        .then("acquire runner for ship#0.go (linux)");
    assert_eq!(claims(&world), ["own-a false", "to-a false", "own-b true"]);
    world
        .when(3, runner("ship#0.go"))
        .when(4, ok("ship#0.go/0/1"))
        .then("finish ship#0.go; release group to-a of ship#0.; release group own-a of ship#0")
        .when(5, taken("ship#1"))
        // The own one is lost while that of the file is waited for: what holds it is cancelled.
        .when(6, lost("ship#1"))
        .then(
            "release group to-b of ship#1.; release group own-b of ship#1; \
               notify run.cancelled: run #7 of ci cancelled after 6m",
        )
        .because(
            "ship#1",
            "cancelled by run #8: in concurrency group `own-b` the newer one goes on",
        );
}

#[test]
fn nothing_waits_for_what_calls_it() {
    given(in_groups(Some("to-${{ matrix.to }}")))
        .when(1, taken("ship#0"))
        .then("release group to-a of ship#0")
        .because(
            "ship#0",
            "what calls it holds concurrency group `to-a` until it ends: they would wait for each \
             other",
        );
    let mut inner = job("go", &[], vec![step("go")]);
    inner.concurrency = Some(group("TO-a"));
    let mut caller = call("ship", &[], vec![inner]);
    callee(&mut caller).concurrency = Some(group("to-a"));
    given(plan(vec![caller]))
        .when(1, taken("ship."))
        .jobs("ship cancelled; ship / go cancelled")
        .because(
            "ship.go",
            "what calls it holds concurrency group `TO-a` until it ends: they would wait for each \
             other",
        );
}

#[test]
fn a_file_from_elsewhere_is_of_its_own_commit() {
    let shas =
        step("echo ${{ job.workflow_sha }} ${{ github.job_workflow_sha }} ${{ github.sha }}");
    let own = job("own", &[], vec![shas.clone()]);
    let inner = call("inner", &[], vec![job("go", &[], vec![shas.clone()])]);
    let mut outer = call("outer", &[], vec![inner, job("go", &[], vec![shas])]);
    let there = "acme/shared/.github/workflows/x.yml@v1";
    callee(&mut outer).path = there.to_owned();
    callee(&mut outer).commit = Some("c0ffee".to_owned());
    let world = given(plan(vec![own, outer]))
        .when(1, runner("own"))
        .when(2, runner("outer.go"))
        .when(3, runner("outer.inner.go"));
    assert_eq!(started(&world, "own/0/1").0, "echo abc123 abc123 abc123");
    assert_eq!(
        started(&world, "outer.go/0/1").0,
        "echo c0ffee c0ffee abc123"
    );
    // What that one calls may be of another place again.
    let inner = started(&world, "outer.inner.go/0/1").0;
    assert_eq!(inner, "echo abc123 abc123 abc123");
}
