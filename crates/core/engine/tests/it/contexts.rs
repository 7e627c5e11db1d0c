//! What contexts hold, key by key, as the hosted service documents them; and the variables of the same
//! facts.

use cutover_engine::Input;
use cutover_model::{
    plan::{Concurrency, Queue, StepBody, Template},
    run::{JobKey, Outcome},
    source::{GitRef, Trigger, TriggerKind, Trust},
};
use serde_json::{Value, json};

use crate::{
    resolving::{resolve, script},
    support::{
        World, action, bindings, exited, expression, failed, given, given_secrets, given_trigger,
        job, matrix, ok, plan, runner, step, trigger,
    },
};

/// What a script in the only step of a job would see.
fn seen(world: &World, address: &str) -> Value {
    let resolved = resolve(world, address).unwrap();
    serde_json::from_str(script(&resolved)).unwrap()
}

fn asked() -> Trigger {
    Trigger {
        kind: TriggerKind::PullRequest,
        git_ref: GitRef("refs/pull/7/merge".to_owned()),
        base_ref: Some("main".to_owned()),
        head_ref: Some("topic".to_owned()),
        payload: json!({
            "number": 7,
            "sender": { "id": 11, "login": "ada" },
            "repository": { "id": 22, "owner": { "id": 33 }, "private": false },
        }),
        ..trigger()
    }
}

#[test]
fn every_key_of_the_context_of_the_event() {
    let steps = vec![step("${{ toJSON(github) }}")];
    let world =
        given_trigger(plan(vec![job("build", &[], steps)]), asked()).when(1, runner("build"));
    let github = seen(&world, "build/0/1");
    let id = world.run.id().unwrap().to_string();
    for (name, value) in [
        ("action", "__run"),
        ("action_ref", ""),
        ("action_repository", ""),
        ("actor", "ada"),
        ("actor_id", "11"),
        ("api_url", "http://localhost:1/api"),
        ("base_ref", "main"),
        ("env", "/temp/_0/env"),
        ("event_name", "pull_request"),
        ("event_path", "/temp/_github_workflow/event.json"),
        ("graphql_url", "http://localhost:1/api/graphql"),
        ("head_ref", "topic"),
        ("job", "build"),
        ("job_workflow_sha", "abc123"),
        ("output", "/temp/_0/output"),
        ("path", "/temp/_0/path"),
        ("ref", "refs/pull/7/merge"),
        ("ref_name", "7/merge"),
        ("ref_type", "branch"),
        ("repository", "acme/hello"),
        ("repository_id", "22"),
        ("repository_owner", "acme"),
        ("repository_owner_id", "33"),
        ("repository_visibility", "public"),
        ("repositoryUrl", "git://acme/hello.git"),
        ("retention_days", "90"),
        ("run_attempt", "1"),
        ("run_id", &id),
        ("run_number", "7"),
        ("secret_source", "Actions"),
        ("server_url", "http://localhost:1"),
        ("sha", "abc123"),
        ("state", "/temp/_0/state"),
        ("step_summary", "/temp/_0/summary"),
        ("token", ""),
        ("triggering_actor", "ada"),
        ("workflow", "ci"),
        ("workflow_ref", "acme/hello/ci.yml@refs/pull/7/merge"),
        ("workflow_sha", "abc123"),
        ("workspace", "/work"),
    ] {
        assert_eq!(github[name], json!(value), "{name}");
    }
    assert_eq!(github["ref_protected"], json!(false));
    assert_eq!(github["event"]["number"], json!(7));
    assert_eq!(github.as_object().unwrap().len(), 42);
}

#[test]
fn the_variables_of_every_step() {
    let world = given_trigger(plan(vec![job("build", &[], vec![step("a")])]), asked())
        .when(1, runner("build"));
    let env = resolve(&world, "build/0/1").unwrap().env;
    // What the step hands on by, and where it works, is known to the executor.
    let expected = "\
        CI CUTOVER GITHUB_ACTION GITHUB_ACTIONS GITHUB_ACTION_REF GITHUB_ACTION_REPOSITORY GITHUB_ACTOR \
        GITHUB_ACTOR_ID GITHUB_API_URL GITHUB_BASE_REF GITHUB_EVENT_NAME GITHUB_EVENT_PATH \
        GITHUB_GRAPHQL_URL GITHUB_HEAD_REF GITHUB_JOB GITHUB_REF GITHUB_REF_NAME GITHUB_REF_PROTECTED \
        GITHUB_REF_TYPE GITHUB_REPOSITORY GITHUB_REPOSITORY_ID GITHUB_REPOSITORY_OWNER \
        GITHUB_REPOSITORY_OWNER_ID GITHUB_REPOSITORY_VISIBILITY GITHUB_RETENTION_DAYS \
        GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_SHA \
        GITHUB_TRIGGERING_ACTOR GITHUB_WORKFLOW GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA \
        GITHUB_WORKSPACE RUNNER_ARCH RUNNER_ENVIRONMENT RUNNER_NAME RUNNER_OS RUNNER_TEMP \
        RUNNER_TOOL_CACHE RUNNER_WORKSPACE";
    let names: Vec<&str> = env.keys().map(String::as_str).collect();
    assert_eq!(names.join(" "), expected);
    assert_eq!(env["GITHUB_REPOSITORY_ID"], "22");
    assert_eq!(env["GITHUB_HEAD_REF"], "topic");
    assert_eq!(env["RUNNER_WORKSPACE"], "/work");
}

#[test]
fn what_the_other_contexts_hold() {
    let all = step(
        "{\"runner\": ${{ toJSON(runner) }}, \"job\": ${{ toJSON(job) }}, \
         \"strategy\": ${{ toJSON(strategy) }}, \"matrix\": ${{ toJSON(matrix) }}}",
    );
    let alone = given(plan(vec![job("build", &[], vec![all.clone()])])).when(1, runner("build"));
    let found = seen(&alone, "build/0/1");
    assert_eq!(
        found["runner"],
        json!({
            "name": "here", "os": "Linux", "arch": "X64", "environment": "self-hosted",
            "temp": "/temp", "tool_cache": "/tools", "workspace": "/work",
        })
    );
    assert_eq!(
        found["job"],
        json!({
            "status": "success",
            "workflow_ref": "acme/hello/ci.yml@refs/heads/main", "workflow_sha": "abc123",
            "workflow_repository": "acme/hello", "workflow_file_path": "ci.yml",
        })
    );
    assert_eq!(
        found["strategy"],
        json!({ "fail-fast": true, "job-index": 0, "job-total": 1, "max-parallel": 1 })
    );
    assert_eq!(found["matrix"], Value::Null);

    let mut wide = job("build", &[], vec![all]);
    wide.matrix = Some(matrix(json!({ "os": ["linux", "mac", "bsd"] })));
    let strategy = wide.matrix.as_mut().unwrap();
    strategy.fail_fast = Some(Template::plain("${{ github.actor == 'eve' }}"));
    let unlimited = given(plan(vec![wide.clone()])).when(1, runner("build#1"));
    assert_eq!(
        seen(&unlimited, "build#1/0/1")["strategy"],
        json!({ "fail-fast": false, "job-index": 1, "job-total": 3, "max-parallel": 3 })
    );
    let strategy = wide.matrix.as_mut().unwrap();
    strategy.max_parallel = Some(Template::plain("${{ fromJSON('2') }}"));
    let limited = given(plan(vec![wide])).when(1, runner("build#1"));
    let found = seen(&limited, "build#1/0/1");
    assert_eq!(found["strategy"]["max-parallel"], json!(2));
    assert_eq!(found["matrix"], json!({ "os": "mac" }));
}

#[test]
fn a_debugging_run_says_so() {
    let show = step("[${{ runner.debug }}]");
    let mut world = given(plan(vec![job("build", &[], vec![show])]));
    assert_eq!(script(&resolve(&world, "build/0/1").unwrap()), "[]");
    let create = match world.log.remove(0).1 {
        cutover_model::event::RunEvent::RunCreated {
            run, plan, trigger, ..
        } => Input::Create {
            run,
            number: 1,
            plan,
            trigger,
            vars: [("ACTIONS_STEP_DEBUG".to_owned(), "true".to_owned())].into(),
            secrets: [].into(),
        },
        other => panic!("{other:?}"),
    };
    world.run = cutover_engine::Run::default();
    world.tell(0, create);
    let resolved = resolve(&world, "build/0/1").unwrap();
    assert_eq!(script(&resolved), "[1]");
    assert_eq!(resolved.env["RUNNER_DEBUG"], "1");
}

#[test]
fn steps_are_called_by_their_ids_or_by_what_they_do() {
    let say = || step("${{ github.action }}");
    let inside = action("it", vec![say(), say()]);
    let steps = vec![say(), step("own=${{ github.action }}"), say(), inside];
    let world = given(plan(vec![job("build", &[], steps)])).when(1, runner("build"));
    let name = |address| {
        let resolved = resolve(&world, address).unwrap();
        assert_eq!(resolved.env["GITHUB_ACTION"], script(&resolved));
        script(&resolved).to_owned()
    };
    assert_eq!(name("build/0/1"), "__run");
    assert_eq!(name("build/1/1"), "own");
    assert_eq!(name("build/2/1"), "__run_2");
    assert_eq!(name("build/3.1/1"), "__run_2");
}

#[test]
fn the_token_is_the_secret_of_that_name() {
    let mut it = action("it", vec![step("in ${{ inputs.token }}")]);
    if let StepBody::Composite { inputs, .. } = &mut it.body {
        *inputs = bindings(&[("token", "${{ github.token }}")]);
    }
    let mut build = job(
        "build",
        &[],
        vec![
            step("${{ github.token }} ${{ secrets.GITHUB_TOKEN }}"),
            it,
            step("has ? github.token != ''"),
        ],
    );
    build.env = bindings(&[("ALL", "${{ toJSON(github) }}")]);
    build.outputs = bindings(&[
        ("token", "${{ github['token'] }}"),
        ("sha", "${{ github.sha }}"),
    ]);
    let given = |trust: Trust, secrets: &[&str]| {
        let trigger = Trigger { trust, ..trigger() };
        given_secrets(plan(vec![build.clone()]), trigger, secrets).when(1, runner("build"))
    };
    let world = given(Trust::Trusted, &["GITHUB_TOKEN"]);
    let first = resolve(&world, "build/0/1").unwrap();
    assert_eq!(script(&first), "t0ken t0ken");
    assert!(first.env["ALL"].contains("t0ken"));
    let world = world.when(2, ok("build/0/1"));
    assert_eq!(script(&resolve(&world, "build/1.0/1").unwrap()), "in t0ken");
    let world = world.when(3, ok("build/1.0/1")).then("start build/2/1");
    let world = world.when(4, ok("build/2/1"));
    // An output that holds a secret is not handed on.
    assert_eq!(
        world.run.jobs().next().unwrap().outputs,
        [("sha", "abc123")]
    );
    assert!(!format!("{:?}{:?}", world.run, world.log).contains("t0ken"));

    for world in [
        given(Trust::Trusted, &[]),
        given(Trust::Untrusted("a fork".to_owned()), &["GITHUB_TOKEN"]),
    ] {
        let first = resolve(&world, "build/0/1").unwrap();
        assert_eq!(script(&first).split(' ').next(), Some(""));
        world
            .when(2, ok("build/0/1"))
            .when(3, ok("build/1.0/1"))
            .steps(
                "build",
                "0 succeeded; 1 succeeded; 1.0 succeeded; 2 skipped",
            );
    }
}

/// A job after one that ended so, with this condition: whether it is done.
fn is_done(before: Input, condition: &str) -> bool {
    let mut first = job("first", &[], vec![step("make=a")]);
    first.outputs = bindings(&[("flag", "${{ steps.make.outputs.flag }}")]);
    let mut then = job("then", &["first"], vec![step("b")]);
    then.condition = Some(expression(condition));
    let dispatch = Trigger {
        kind: TriggerKind::WorkflowDispatch,
        inputs: [("deploy".to_owned(), json!(true))].into(),
        ..trigger()
    };
    let world = given_trigger(plan(vec![first, then]), dispatch)
        .when(1, runner("first"))
        .when(2, before);
    let then = world.run.jobs().find(|job| job.name == "then").unwrap();
    !then.state.is_finished()
}

#[test]
fn the_condition_of_a_job_sees_what_github_lets_it_see() {
    let gave = || crate::support::gave("first/0/1", &[("flag", "on")]);
    for (condition, expected) in [
        ("needs.first.outputs.flag == 'on'", true),
        ("needs.first.outputs.flag == 'off'", false),
        ("needs.first.result == 'success'", true),
        ("inputs.deploy", true),
        ("inputs.deploy == false", false),
        ("vars.REGION == 'eu'", true),
        ("vars.NONE", false),
        (
            "github.ref == 'refs/heads/main' && github.event_name == 'workflow_dispatch'",
            true,
        ),
        ("github.event.ref == 'refs/heads/main'", true),
        ("github.actor != 'ada'", false),
        ("failure()", false),
        ("cancelled()", false),
        ("always()", true),
        ("success('first')", true),
        ("failure('first')", false),
    ] {
        assert_eq!(is_done(gave(), condition), expected, "{condition}");
    }
    for (condition, expected) in [
        ("needs.first.result == 'failure'", false),
        ("always() && needs.first.result == 'failure'", true),
        ("failure()", true),
        ("failure('first')", true),
        ("success('first')", false),
        ("!cancelled()", true),
    ] {
        let failed = failed("first/0/1");
        assert_eq!(is_done(failed, condition), expected, "{condition}");
    }
    let late = || exited("first/0/1", Outcome::TimedOut);
    assert!(is_done(
        late(),
        "failure() && needs.first.result == 'failure'"
    ));
}

#[test]
fn a_job_that_was_superseded_has_not_failed() {
    let of = |condition: &str| {
        let mut first = job("first", &[], vec![step("a")]);
        first.concurrency = Some(Concurrency {
            group: Template::plain("g"),
            cancel_in_progress: None,
            queue: Queue::Single,
        });
        let mut then = job("then", &["first"], vec![step("b")]);
        then.condition = Some(expression(condition));
        let lost = Input::GroupLost {
            job: Some(JobKey("first".to_owned())),
            by: "run #8".to_owned(),
        };
        let world = given(plan(vec![first, then])).when(1, lost);
        let then = world.run.jobs().find(|job| job.name == "then").unwrap();
        !then.state.is_finished()
    };
    assert!(!of("failure()"));
    assert!(!of("success()"));
    assert!(of("always() && needs.first.result == 'cancelled'"));
}

#[test]
fn a_name_is_one_line_whatever_its_values_hold() {
    let mut show = step("echo '${{ toJSON(matrix) }}'");
    show.env = bindings(&[]);
    let mut build = job("build", &[], vec![show]);
    build.matrix = Some(matrix(json!({ "n": [1] })));
    let world = given(plan(vec![build])).when(1, runner("build#0"));
    let job = world.run.jobs().next().unwrap();
    assert_eq!(job.steps[0].name, "Run echo '{");
}

#[test]
fn all_of_env_may_come_from_one_expression() {
    let all = |text: &str| vec![(String::new(), Template::plain(text))];
    let of_step = |text: &str| {
        let mut show = step("${{ env.A }} ${{ env.B }} ${{ env.C }}");
        show.env = all(text);
        let mut build = job("build", &[], vec![show]);
        build.matrix = Some(matrix(json!({ "env": [{ "A": 1, "B": "two" }] })));
        build.env = all("${{ matrix.env }}");
        let world = given(plan(vec![build])).when(1, runner("build#0"));
        resolve(&world, "build#0/0/1").map(|resolved| script(&resolved).to_owned())
    };
    let found = of_step("${{ fromJSON('{\"B\":true,\"C\":null}') }}").unwrap();
    assert_eq!(found, "1 true ");
    assert_eq!(of_step("${{ matrix.nothing }}").unwrap(), "1 two ");
    for (text, words) in [
        ("${{ github.sha }}", "`env` must come to a mapping of texts"),
        (
            "${{ fromJSON('{\"B\":[1]}') }}",
            "`env` must come to a mapping of texts",
        ),
        (
            "${{ fromJSON('{\"B=\":1}') }}",
            "`B=` cannot name a variable",
        ),
    ] {
        let fault = of_step(text).unwrap_err().to_string();
        assert!(fault.contains(words), "{fault}");
    }
}

#[test]
fn a_run_is_called_by_its_run_name() {
    let title = |run_name: Option<&str>| {
        let mut plan = plan(vec![job("build", &[], vec![step("a")])]);
        plan.run_name = run_name.map(Template::plain);
        let deploy = Trigger {
            kind: TriggerKind::WorkflowDispatch,
            inputs: [("to".to_owned(), json!("prod"))].into(),
            ..trigger()
        };
        given_trigger(plan, deploy).run.title().to_owned()
    };
    let written = "Deploy ${{ inputs.to }} (${{ vars.REGION }}) by @${{ github.actor }}";
    assert_eq!(title(Some(written)), "Deploy prod (eu) by @ada");
    assert_eq!(title(Some("${{ toJSON(inputs) }}")), "{");
    assert_eq!(title(Some(" ${{ inputs.none }} ")), "ci");
    assert_eq!(title(Some("${{ fromJSON('{') }}")), "${{ fromJSON('{') }}");
    assert_eq!(title(None), "ci");
}

#[test]
fn outputs_that_may_hold_a_secret_are_named_and_not_handed_on() {
    let mut build = job("build", &[], vec![step("a")]);
    build.outputs = bindings(&[
        ("open", "${{ github.sha }}"),
        ("closed", "<${{ secrets.TOKEN }}>"),
        ("empty", ""),
    ]);
    let world = given(plan(vec![build]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"));
    let job = world.run.jobs().next().unwrap();
    assert_eq!(job.outputs, [("empty", ""), ("open", "abc123")]);
    assert_eq!(job.withheld, ["closed"]);
}
