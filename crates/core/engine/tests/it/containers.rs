//! Containers of a leg: what is to be made, what later steps see of it, and steps that are containers.

use std::collections::BTreeMap;

use cutover_engine::resolve::Body;
use cutover_model::{
    plan::{
        JobSpec, StepBody, StepSpec, Template,
        container::{
            ContainerImage, ContainerSpec, ContainerStep, ContainerUse, Credentials, Services,
        },
    },
    run::{HandedOn, Outcome, StepReport},
};
use serde_json::json;

use crate::{
    resolving::resolve,
    support::{bindings, given, job, matrix, ok, plan, reported, runner, step},
};

fn spec(image: &str) -> ContainerSpec {
    ContainerSpec::new(Template::plain(image))
}

fn use_of(spec: ContainerSpec) -> ContainerUse {
    ContainerUse::Spec(Box::new(spec))
}

fn said(text: &str) -> StepReport {
    StepReport {
        outputs: BTreeMap::from([("containers".to_owned(), HandedOn::Plain(text.to_owned()))]),
        ..StepReport::default()
    }
}

#[test]
fn a_leg_says_which_containers_it_needs() {
    let database = ContainerSpec {
        env: bindings(&[("PASSWORD", "${{ secrets.TOKEN }}")]),
        ports: vec![Template::plain("${{ fromJSON('[5432, \"1:2\"]') }}")],
        options: Some(Template::plain("--health-cmd 'is ${{ github.actor }}'")),
        credentials: Some(Credentials::Pair {
            username: Template::plain("me"),
            password: Template::plain("${{ secrets.TOKEN }}"),
        }),
        ..spec("docker://postgres:${{ matrix.version }}")
    };
    let whole = "${{ fromJSON('{\"image\": \"redis\", \"ports\": [6379]}') }}";
    let services = vec![
        ("db".to_owned(), use_of(database)),
        (
            "cache".to_owned(),
            ContainerUse::Expression(Template::plain(whole)),
        ),
        ("none".to_owned(), use_of(spec("${{ matrix.nothing }}"))),
    ];
    let build = JobSpec {
        matrix: Some(matrix(json!({ "version": [16] }))),
        container: Some(ContainerUse::Expression(Template::plain("${{ 'node' }}"))),
        services: Some(Services::Named(services)),
        ..job("build", &[], vec![step("a")])
    };
    let world = given(plan(vec![build.with_set_up()])).when(1, runner("build#0"));
    let resolved = resolve(&world, "build#0/0/1").unwrap();
    assert_eq!(resolved.name, "Initialize containers");
    let Body::SetUpContainers(wanted) = resolved.body else {
        panic!("{:?}", resolved.body);
    };
    assert_eq!(wanted.container.unwrap().image, "node");
    let names: Vec<_> = wanted
        .services
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["db", "cache"]);
    let database = &wanted.services[0].1;
    assert_eq!(database.image, "postgres:16");
    assert_eq!(database.ports, ["5432", "1:2"]);
    assert_eq!(database.env["PASSWORD"], "s3cret");
    assert_eq!(database.options.health.command.as_deref(), Some("is ada"));
    let (name, password) = database.credentials.as_ref().unwrap();
    assert_eq!((name.as_str(), password.expose()), ("me", "s3cret"));
    assert_eq!(wanted.services[1].1.ports, ["6379"]);
    assert!(!format!("{wanted:?}", wanted = wanted.services).contains("s3cret"));
}

#[test]
fn a_flag_that_comes_from_an_expression_is_refused_before_anything_is_made() {
    let build = JobSpec {
        container: Some(use_of(ContainerSpec {
            options: Some(Template::plain("--${{ 'gpus' }} all")),
            ..spec("x")
        })),
        ..job("build", &[], vec![step("a")])
    };
    let world = given(plan(vec![build.with_set_up()])).when(1, runner("build"));
    let fault = resolve(&world, "build/0/1").unwrap_err();
    assert!(fault.to_string().contains("`--gpus`"), "{fault}");
}

#[test]
fn what_was_made_ready_is_seen_by_later_steps() {
    let build = JobSpec {
        container: Some(use_of(spec("x"))),
        ..job(
            "build",
            &[],
            vec![
                step("${{ job.container.id }} ${{ job.services.db.ports['5432'] }}"),
                step("a ? github.workspace == '/machine/work'"),
                step("b ? github.workspace == '/container/work'"),
            ],
        )
    };
    let made = "{\"network\":\"n\",\"container\":{\"id\":\"c1\",\"network\":\"n\",\"path\":\"/bin\"},\
                \"services\":{\"db\":{\"id\":\"d\",\"network\":\"n\",\"ports\":{\"5432\":\"32768\"}}}}";
    let world = given(plan(vec![build.with_set_up()]))
        .when(1, runner("build"))
        .when(2, reported("build/0/1", Outcome::Succeeded, said(made)));
    let Body::Script { script, .. } = resolve(&world, "build/1/1").unwrap().body else {
        panic!("a script");
    };
    assert_eq!(script, "c1 32768");
    // What is asked without a step has the names of the container, too.
    world.when(3, ok("build/1/1")).then("start build/3/1");
}

#[test]
fn a_step_that_is_a_container_has_inputs_and_arguments() {
    let image = ContainerImage::Reference {
        reference: "tiny".to_owned(),
    };
    let call = ContainerStep {
        args: vec![Template::plain("${{ inputs.who }}"), Template::plain("b c")],
        entrypoint: Some(Template::plain("/own")),
        env: bindings(&[("OF_ACTION", "for ${{ inputs.who }}"), ("MINE", "no")]),
        inputs: bindings(&[("who", "${{ github.actor }}"), ("Two Words", "2")]),
        ..ContainerStep::new("./greet", image)
    };
    let given_args = ContainerStep {
        inputs: bindings(&[("args", "-c 'a b'"), ("entryPoint", "/bin/sh")]),
        ..call.clone()
    };
    let of = |call: ContainerStep| StepSpec {
        env: bindings(&[("MINE", "yes")]),
        ..StepSpec::new(StepBody::Container(Box::new(call)))
    };
    let world = given(plan(vec![job(
        "build",
        &[],
        vec![of(call), of(given_args)],
    )]))
    .when(1, runner("build"));
    let resolved = resolve(&world, "build/0/1").unwrap();
    for (name, value) in [
        ("INPUT_WHO", "ada"),
        ("INPUT_TWO_WORDS", "2"),
        ("OF_ACTION", "for ada"),
        ("MINE", "yes"),
    ] {
        assert_eq!(
            resolved.env.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let Body::Container(call) = resolved.body else {
        panic!("{:?}", resolved.body);
    };
    assert_eq!(call.entrypoint.as_deref(), Some("/own"));
    assert_eq!(call.args, ["ada", "b c"]);
    let Body::Container(call) = resolve(&world, "build/1/1").unwrap().body else {
        panic!("a container");
    };
    assert_eq!(call.entrypoint.as_deref(), Some("/bin/sh"));
    assert_eq!(call.args, ["-c", "a b"]);
}
