//! What a step is started with: its environment, its texts, and who sees secrets.

use std::collections::BTreeMap;

use cutover_engine::{
    Fault,
    resolve::{self, Body, Given, Kind, ResolvedStep, RunnerFacts, ServerFacts, Withheld},
};
use cutover_model::{
    Position, Secret,
    plan::{ActionSource, ActionTree, Builtin, StepBody, Template},
    run::{HandedOn, Outcome, StepReport},
    source::{Trigger, Trust},
};

use crate::support::{
    World, action, bindings, gave, given, given_trigger, job, matrix, ok, place, plan, program,
    reported, runner, step, trigger,
};

pub(crate) fn resolve(world: &World, address: &str) -> Result<ResolvedStep, Fault> {
    let secrets = BTreeMap::from([
        ("TOKEN".to_owned(), Secret::new("s3cret")),
        ("GITHUB_TOKEN".to_owned(), Secret::new("t0ken")),
    ]);
    let (job, step, _) = place(address);
    let given = Given {
        secrets: &secrets,
        withheld: &|asked: Withheld<'_>| {
            let kind = match asked.kind {
                Kind::Output => "output",
                Kind::Env => "env",
                Kind::State => "state",
            };
            Some(format!("{kind} {} of {}", asked.name, asked.step))
        },
        hash_files: &|patterns| Ok(patterns.join("+")),
        runner: &RunnerFacts {
            name: "here".to_owned(),
            os: "Linux".to_owned(),
            arch: "X64".to_owned(),
            temp: "/temp".to_owned(),
            tool_cache: "/tools".to_owned(),
            workspace: "/work".to_owned(),
            actions: "/actions".to_owned(),
            exchange: format!("/temp/_{step}"),
        },
        server: &ServerFacts {
            url: "http://localhost:1".to_owned(),
        },
    };
    resolve::step(&world.run, &job, &step, &given)
}

pub(crate) fn script(resolved: &ResolvedStep) -> &str {
    match &resolved.body {
        Body::Script { script, .. } => script,
        Body::Builtin { .. }
        | Body::Node { .. }
        | Body::Container(_)
        | Body::SetUpContainers(_) => panic!("a script"),
    }
}

#[test]
fn later_layers_of_the_environment_win() {
    let mut show = step("echo ${{ env.A }} ${{ env.D }}");
    show.env = bindings(&[("D", "step ${{ env.C }}")]);
    let mut build = job("build", &[], vec![step("a"), show]);
    build.env = bindings(&[("B", "job"), ("C", "job"), ("D", "job")]);
    let mut plan = plan(vec![build]);
    plan.env = bindings(&[("A", "workflow ${{ vars.REGION }}"), ("B", "workflow")]);
    let report = StepReport {
        env: BTreeMap::from([
            ("C".to_owned(), HandedOn::Plain("file".to_owned())),
            ("D".to_owned(), HandedOn::Plain("file".to_owned())),
        ]),
        path: vec!["/one".to_owned(), "/two".to_owned()],
        ..StepReport::default()
    };
    let world = given(plan)
        .when(1, runner("build"))
        .when(2, reported("build/0/1", Outcome::Succeeded, report));
    let resolved = resolve(&world, "build/1/1").unwrap();
    assert_eq!(script(&resolved), "echo workflow eu step file");
    assert_eq!(resolved.path_prepend, ["/two", "/one"]);
    let seen = |name: &str| resolved.env.get(name).map(String::as_str);
    for (name, value) in [
        ("A", "workflow eu"),
        ("B", "job"),
        ("C", "file"),
        ("D", "step file"),
        ("CI", "true"),
        ("CUTOVER", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_ACTOR", "ada"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_JOB", "build"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_REPOSITORY", "acme/hello"),
        ("GITHUB_RUN_NUMBER", "7"),
        ("GITHUB_SHA", "abc123"),
        ("GITHUB_WORKSPACE", "/work"),
        ("RUNNER_OS", "Linux"),
        ("RUNNER_TEMP", "/temp"),
        ("RUNNER_TOOL_CACHE", "/tools"),
    ] {
        assert_eq!(seen(name), Some(value), "{name}");
    }
}

#[test]
fn the_facts_cannot_be_changed_and_ci_can() {
    let mut odd = step("a");
    odd.env = bindings(&[("GITHUB_SHA", "mine"), ("CI", "no")]);
    let world = given(plan(vec![job("build", &[], vec![odd])])).when(1, runner("build"));
    let resolved = resolve(&world, "build/0/1").unwrap();
    assert_eq!(resolved.env["GITHUB_SHA"], "abc123");
    assert_eq!(resolved.env["CI"], "no");
}

#[test]
fn secrets_pass_through_and_stay_nowhere() {
    let mut uses = step("echo ${{ secrets.token }} ${{ hashFiles('a', 'b') }}");
    uses.name = Some(Template::plain("use ${{ secrets.TOKEN }}"));
    let world = given(plan(vec![job("build", &[], vec![uses])])).when(1, runner("build"));
    let resolved = resolve(&world, "build/0/1").unwrap();
    assert_eq!(script(&resolved), "echo s3cret a+b");
    assert_eq!(resolved.name, "use ");
    assert!(!format!("{resolved:?}").contains("s3cret"));
    assert!(!format!("{:?}{:?}", world.run, world.log).contains("s3cret"));
}

#[test]
fn an_untrusted_run_sees_no_secret() {
    let untrusted = Trigger {
        trust: Trust::Untrusted("a fork".to_owned()),
        ..trigger()
    };
    let steps = vec![step("echo [${{ secrets.TOKEN }}]")];
    let world =
        given_trigger(plan(vec![job("build", &[], steps)]), untrusted).when(1, runner("build"));
    assert_eq!(script(&resolve(&world, "build/0/1").unwrap()), "echo []");
    assert_eq!(world.run.taints().len(), 1);
    assert!(!world.run.may_see_secrets());
}

#[test]
fn what_is_withheld_is_asked_for_at_the_edge_only() {
    let mut it = action("it", vec![step("make=b")]);
    if let StepBody::Composite { outputs, .. } = &mut it.body {
        *outputs = bindings(&[("key", "<${{ steps.make.outputs.key }}>")]);
    }
    let mut build = job(
        "build",
        &[],
        vec![
            it,
            step("echo ${{ steps.it.outputs.key }} ${{ env.SEEN }} ? steps.it.outputs.key != ''"),
        ],
    );
    build.outputs = bindings(&[("key", "${{ steps.it.outputs.key }}"), ("plain", "x")]);
    let report = StepReport {
        outputs: BTreeMap::from([("key".to_owned(), HandedOn::Withheld)]),
        env: BTreeMap::from([("SEEN".to_owned(), HandedOn::Withheld)]),
        ..StepReport::default()
    };
    let world = given(plan(vec![build]))
        .when(1, runner("build"))
        .when(2, reported("build/0.0/1", Outcome::Succeeded, report))
        .then("start build/1/1");
    let job = world.run.jobs().next().unwrap();
    let outputs = &job.steps[0].report.unwrap().outputs;
    assert_eq!(outputs["key"], HandedOn::Withheld);
    let resolved = resolve(&world, "build/1/1").unwrap();
    assert_eq!(
        script(&resolved),
        "echo <output key of 0.0> env SEEN of 0.0"
    );
    let world = world.when(3, crate::support::ok("build/1/1"));
    let job = world.run.jobs().next().unwrap();
    assert_eq!(job.outputs, [("plain", "x")]);
}

#[test]
fn defaults_end_where_an_action_begins() {
    let mut build = job("build", &[], vec![step("a"), action("it", vec![step("b")])]);
    build.defaults.shell = Some(Template::plain("sh"));
    build.defaults.working_directory = Some(Template::plain("${{ github.job }}"));
    let world = given(plan(vec![build])).when(1, runner("build"));
    let place = |address| match resolve(&world, address).unwrap().body {
        Body::Script {
            shell,
            working_directory,
            ..
        } => (shell, working_directory),
        Body::Builtin { .. }
        | Body::Node { .. }
        | Body::Container(_)
        | Body::SetUpContainers(_) => panic!("a script"),
    };
    assert_eq!(
        place("build/0/1"),
        (Some("sh".to_owned()), Some("build".to_owned()))
    );
    assert_eq!(place("build/1.0/1"), (None, None));
    let resolved = resolve(&world, "build/1.0/1").unwrap();
    assert_eq!(resolved.env["GITHUB_ACTION_PATH"], "/work/actions/it");
}

#[test]
fn a_built_in_action_gets_its_inputs() {
    let mut deploy = step("");
    deploy.body = StepBody::Builtin {
        action: Builtin::Deploy,
        with: bindings(&[("environment", " ${{ github.ref_name }}\n")]),
    };
    let world = given(plan(vec![job("build", &[], vec![deploy])])).when(1, runner("build"));
    let resolved = resolve(&world, "build/0/1").unwrap();
    assert_eq!(
        resolved.body,
        Body::Builtin {
            action: Builtin::Deploy,
            with: BTreeMap::from([("environment".to_owned(), "main".to_owned())]),
        }
    );
}

#[test]
fn a_fault_says_where() {
    let mut odd = step("");
    odd.body = StepBody::Run {
        script: Template {
            text: "echo ${{ fromJSON('{') }}".to_owned(),
            at: Position::new(12, 9),
        },
        shell: None,
        working_directory: None,
    };
    let world = given(plan(vec![job("build", &[], vec![odd])])).when(1, runner("build"));
    let fault = resolve(&world, "build/0/1").unwrap_err().to_string();
    assert!(fault.starts_with("ci.yml:12:9: "), "{fault}");
}

#[test]
fn a_condition_that_cannot_be_evaluated_faults_its_step() {
    let world = given(plan(vec![job(
        "build",
        &[],
        vec![step("a ? fromJSON('{')"), step("b ? always()")],
    )]))
    .when(1, runner("build"))
    .then("start build/1/1")
    .steps("build", "0 faulted; 1 running");
    let job = world.run.jobs().next().unwrap();
    let reason = &job.steps[0].report.unwrap().reasons[0];
    assert!(reason.starts_with("ci.yml:7:13: "), "{reason}");
}

#[test]
fn what_only_the_edge_knows_is_made_there() {
    let mut it = action(
        "it",
        vec![step(
            "echo ${{ inputs.key }} ${{ inputs.token }} ? inputs.key",
        )],
    );
    if let StepBody::Composite {
        inputs, outputs, ..
    } = &mut it.body
    {
        *inputs = bindings(&[
            ("key", "${{ hashFiles('a') }}"),
            ("token", "${{ secrets.TOKEN }}"),
        ]);
        *outputs = bindings(&[("both", "${{ inputs.key }}-${{ inputs.token }}")]);
    }
    let mut build = job(
        "build",
        &[],
        vec![it, step("echo ${{ steps.it.outputs.both }}")],
    );
    build.outputs = bindings(&[("token", "${{ secrets.TOKEN }}")]);
    let world = given(plan(vec![build]))
        .when(1, runner("build"))
        .then("start build/0.0/1");
    let resolved = resolve(&world, "build/0.0/1").unwrap();
    assert_eq!(script(&resolved), "echo a s3cret");
    let world = world.when(2, crate::support::ok("build/0.0/1"));
    let resolved = resolve(&world, "build/1/1").unwrap();
    assert_eq!(script(&resolved), "echo a-s3cret");
    let world = world.when(3, crate::support::ok("build/1/1"));
    assert_eq!(world.run.jobs().next().unwrap().outputs, []);
}

#[test]
fn the_leg_that_ends_last_says_what_the_job_hands_on_unless_it_has_nothing_to_say() {
    let mut many = job("many", &[], vec![step("s=it")]);
    many.matrix = Some(matrix(serde_json::json!({ "n": [1, 2, 3] })));
    many.outputs = bindings(&[("out", "${{ steps.s.outputs.out }}")]);
    let after = job(
        "after",
        &["many"],
        vec![step("use ${{ needs.many.outputs.out }}")],
    );
    let world = given(plan(vec![many, after]))
        .when(1, runner("many#0"))
        .when(1, runner("many#1"))
        .when(1, runner("many#2"))
        .when(2, gave("many#2/0/1", &[("out", "third")]))
        .when(3, gave("many#0/0/1", &[("out", "first")]))
        .when(4, ok("many#1/0/1"))
        .when(5, runner("after"));
    assert_eq!(script(&resolve(&world, "after/0/1").unwrap()), "use first");
}

#[test]
fn a_program_finds_its_inputs_its_place_and_what_it_saved() {
    let tree = ActionTree {
        repository: "some/tools".to_owned(),
        git_ref: "v1".to_owned(),
        commit: "c".to_owned(),
        tree: "t".to_owned(),
    };
    let mut inner = program("js", Some(""), Some(""));
    if let StepBody::Action(action) = &mut inner.body {
        action.source = ActionSource::Foreign(tree.clone());
    }
    let mut outer = action("outer", vec![inner, step("echo ${{ github.action_path }}")]);
    if let StepBody::Composite { source, path, .. } = &mut outer.body {
        *source = ActionSource::Foreign(tree);
        *path = String::new();
    }
    let saved = |value: HandedOn| StepReport {
        state: BTreeMap::from([("at".to_owned(), value)]),
        ..StepReport::default()
    };
    let plain = saved(HandedOn::Plain("noon".to_owned()));
    let world = given(plan(vec![job("build", &[], vec![outer])]))
        .when(1, runner("build"))
        .when(2, reported("build/pre.0.0/1", Outcome::Succeeded, plain));
    let main = resolve(&world, "build/0.0/1").unwrap();
    let Body::Node { version, file, .. } = &main.body else {
        panic!("{:?}", main.body);
    };
    assert_eq!(
        (*version, file.as_str()),
        (20, "/actions/some/tools/v1/js/main.js")
    );
    assert_eq!(main.sources.len(), 1);
    for (name, value) in [
        ("INPUT_WHO_IS", "ada"),
        ("STATE_at", "noon"),
        ("GITHUB_ACTION", "js"),
        ("GITHUB_ACTION_PATH", "/actions/some/tools/v1/js"),
        ("GITHUB_ACTION_REPOSITORY", "some/tools"),
        ("GITHUB_ACTION_REF", "v1"),
    ] {
        assert_eq!(
            main.env.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let world = world
        .when(
            3,
            reported("build/0.0/1", Outcome::Succeeded, saved(HandedOn::Withheld)),
        )
        .then("start build/0.1/1");
    let beside = resolve(&world, "build/0.1/1").unwrap();
    assert_eq!(script(&beside), "echo /actions/some/tools/v1");
    assert_eq!(beside.env["GITHUB_ACTION_PATH"], "/actions/some/tools/v1");
    assert!(!beside.env.contains_key("INPUT_WHO_IS"));
    let world = world
        .when(4, ok("build/0.1/1"))
        .then("start build/post.0.0/1");
    let post = resolve(&world, "build/post.0.0/1").unwrap();
    assert_eq!(post.env["STATE_at"], "state at of 0.0");
    assert_eq!(post.name, "Post Run some/js@v1");
    assert!(matches!(&post.body, Body::Node { file, .. } if file.ends_with("/js/post.js")));
}
