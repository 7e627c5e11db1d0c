//! `cutover.yml`, good and bad.

use cutover_dialect::project;
use cutover_model::{
    Duration,
    delivery::{Metric, Step, Strategy, Weight},
    project::{Channel, Project, TargetSpec},
};

use crate::{dedent, render, tree};

const EXAMPLE: &str = r#"
services:
  hello:
    build: { dockerfile: docker/Dockerfile }
    port: 8080
    env: { GREETING: hi, LIMIT: 5, ON: true }
    health: { path: /ready, interval: 2s, timeout: 1s, healthy: 2, unhealthy: 3 }
  worker:
    command: ./worker --fast
    drain_timeout: 5s
environments:
  staging:
    target: { docker: { instances: 2 } }
    strategy: rolling
  production:
    after: staging
    target: { docker: { instances: 2 } }
    listen: 127.0.0.1:8080
    approvals: { required: 1, from: [ops], expires: 7d }
    strategy:
      canary: { steps: [10, 50, 100], interval: 5m, bake: 10m }
    rollback_triggers:
      - { metric: TargetResponseTime, threshold: 5.0, duration: 300 }
      - metric: "HTTPCode_Target_5XX_Count"
        threshold: 10   # errors per minute
        duration: 60    # 1 minute
      - { metric: HealthyHostCount, threshold: 1, duration: 2m }
  preview:
gates:
  quality: { tests: { pass_rate: 99.5 }, coverage: { line: 80 } }
  tests: { tests: }
notify:
  - { on: [deployment.*, run.failed], to: webhook, url: "${{ secrets.HOOK }}" }
"#;

fn good(text: &str) -> Project {
    let (project, said) = project(&tree(&[("cutover.yml", text)]));
    assert_eq!(render(&said), "");
    project.unwrap()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let (project, said) = project(&tree(&[("cutover.yml", text)]));
    let said = render(&said).replace("cutover.yml:", "");
    let expected = dedent(expected);
    assert!(
        said.trim_end() == expected.trim_end(),
        "said:\n{said}\nexpected:\n{expected}"
    );
    assert_eq!(project.is_none(), !said.is_empty());
}

#[test]
fn the_example_is_understood() {
    let project = good(EXAMPLE);
    let hello = &project.services["hello"];
    assert_eq!(hello.build.dockerfile.as_deref(), Some("docker/Dockerfile"));
    assert_eq!(
        (hello.build.context.as_str(), hello.port),
        (".", Some(8080))
    );
    assert_eq!(hello.env["LIMIT"], "5");
    assert_eq!(hello.env["ON"], "true");
    assert_eq!(
        (hello.health.path.as_str(), hello.health.unhealthy),
        ("/ready", 3)
    );
    assert_eq!(hello.start_timeout, Duration::from_secs(60));
    let worker = &project.services["worker"];
    assert_eq!(worker.command, ["./worker", "--fast"]);
    assert_eq!(worker.drain_timeout, Duration::from_secs(5));
    assert_eq!(worker.stop_grace, Duration::from_secs(10));

    let production = &project.environments["production"];
    assert_eq!(production.after.as_deref(), Some("staging"));
    assert_eq!(production.target, TargetSpec::Docker { instances: 2 });
    assert_eq!(production.listen.as_deref(), Some("127.0.0.1:8080"));
    let approvals = production.approvals.as_ref().unwrap();
    assert_eq!(approvals.from, ["ops"]);
    assert_eq!(approvals.expires.to_string(), "7d");
    let percent = |value| Weight::from_percent(value).unwrap();
    assert_eq!(
        production.strategy,
        Strategy::Canary {
            steps: [10, 50, 100].map(|it| Step::of(percent(it))).to_vec(),
            interval: Duration::from_mins(5),
            scaled: false,
            bake: Duration::from_mins(10),
        }
    );
    let triggers: Vec<String> = production
        .rollback_triggers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        triggers,
        [
            "TargetResponseTime > 5 for 5m",
            "HTTPCode_Target_5XX_Count > 10 for 1m",
            "HealthyHostCount < 1 for 2m"
        ]
    );
    assert_eq!(
        production.rollback_triggers[2].metric,
        Metric::HealthyHostCount
    );
    let preview = &project.environments["preview"];
    assert_eq!(preview.target, TargetSpec::Process { instances: 1 });
    assert_eq!(
        preview.strategy,
        Strategy::Rolling {
            batch: 1,
            max_unavailable: 0,
            bake: Duration::ZERO
        }
    );

    let quality = &project.gates["quality"];
    assert_eq!(quality.tests.as_ref().unwrap().pass_rate, 9_950);
    let coverage = quality.coverage.as_ref().unwrap();
    assert_eq!((coverage.line, coverage.files.len()), (8_000, 3));
    let tests = project.gates["tests"].tests.as_ref().unwrap();
    assert_eq!((tests.pass_rate, tests.min_tests), (10_000, 1));
    assert_eq!(tests.junit, ["**/junit*.xml", "**/TEST-*.xml"]);
    assert_eq!(project.notify[0].to, Channel::Webhook);
    assert_eq!(project.notify[0].on, ["deployment.*", "run.failed"]);
}

#[test]
fn strategies_have_short_and_long_forms() {
    let strategy = |text: &str| {
        let project = good(&format!("environments: {{ e: {{ strategy: {text} }} }}\n"));
        project.environments["e"].strategy.clone()
    };
    assert_eq!(strategy("canary"), strategy("{ canary: }"));
    assert_eq!(
        strategy("{ canary: { interval: 5m } }"),
        strategy("{ canary: { steps: [10, 50, 100], bake: 10m } }")
    );
    assert_eq!(
        strategy("blue_green"),
        Strategy::BlueGreen {
            canary: Vec::new(),
            bake: Duration::from_mins(5)
        }
    );
    assert_eq!(
        strategy("{ rolling: { batch: 2, bake: 30s } }"),
        Strategy::Rolling {
            batch: 2,
            max_unavailable: 0,
            bake: Duration::from_secs(30)
        }
    );
    let Strategy::Canary { steps, .. } = strategy("{ canary: { steps: [0.25, 12.5, 100] } }")
    else {
        panic!("no canary");
    };
    let points: Vec<u16> = steps
        .iter()
        .map(|step| step.weight.basis_points())
        .collect();
    assert_eq!(points, [25, 1_250, 10_000]);
}

#[test]
fn every_slip_is_told_with_its_place() {
    check(
        "
        servces: {}
        services:
          api: { port: 8080 }
          web: { command: 'a | b', port: 99999, helth: {} }
          job: { command: [], health: { path: ready, interval: 0s, timeout: 5, healthy: 0 } }
          -x: { command: x }
          pic: { build: { dockerfile: ../Dockerfile, dockerfle: x } }
        environments:
          a: { after: b, target: ecs, strategy: linear }
          b: { after: a, target: { kubernetes: {} }, strategy: { canary: { steps: [10, 5, 100] } } }
          c: { after: stagin, target: { docker: { instances: 0 } }, listen: '8080' }
          d: { target: { docker: {}, process: {} }, strategy: canry, env: { A: '${{ x }}', B: [] } }
          e: { strategy: { canary: { steps: [10, 50] } }, approvals: { required: 3, from: [x, y, x] } }
          f: { strategy: { canary: { steps: [0.001, 100] } }, rollback_triggers: { a: b } }
          g:
            rollback_triggers:
              - { metric: TargetResponseTme, threshold: high, duration: 5 minutes }
              - { metric: HealthyHostCount, threshold: -1, duration: -1, widow: 1 }
              - { metric: HealthyHostCount }
        gates:
          x: { tests: { pass_rate: 101, min_tests: 1.5 }, coverage: { diff: 90 }, findings: {} }
          y: {}
        notify:
          - { on: [deployment.*], to: slack, url: https://example.com }
          - { on: everything, to: webook, url: example.com }
          - { on: run.failed, to: webhook, url: '${{ vars.X }}' }
        ",
        "
            1:1 1010 unknown key `servces` in `cutover.yml` | did you mean `services`?
            3:3 1011 service `api` needs a `dockerfile` or a `command` | write `build: { dockerfile: Dockerfile }` for an image, or `command: [./program]` for a process
            4:19 1013 `command` is started without a shell, and `a | b` is written for one | write a list of arguments: `command: [./program, --flag]`
            4:34 1013 `port` must be a whole number from 1 to 65535
            4:41 1010 unknown key `helth` in a service | did you mean `health`?
            5:19 1013 `command` must begin with a program
            5:39 1013 `path` must begin with `/` and have no blanks, and is `ready`
            5:56 1013 `interval` must be more than `0s`
            5:69 1013 `timeout`: `5` is not a length of time; write for example `500ms`, `30s`, `5m`, `1h30m` or `7d`
            5:81 1013 `healthy` must be a whole number from 1 to 100
            6:3 1020 `-x` cannot name a service | names have letters, digits, `-` and `_`, begin with a letter or a digit, and have at most 63 characters
            7:31 1013 `dockerfile` must be a path inside of the sources, and is `../Dockerfile`
            7:46 1010 unknown key `dockerfle` in `build` | did you mean `dockerfile`?
            9:15 1102 environments follow each other: a → b → a
            9:26 1014 `target` `ecs` is not there yet | use `process` or `docker`
            10:28 1014 `kubernetes` in `target` is not there yet | use `process` or `docker`
            10:80 1013 `steps` must grow, and 5 % follows 10 %
            11:15 1101 `after` names `stagin`, which is no environment | known here: `a`, `b`, `c`, `d`, `e`, `f`, `g`
            11:54 1013 `instances` must be a whole number from 1 to 1000
            11:69 1013 `listen` must be `host:port`, and is `8080` | for example `127.0.0.1:8080`
            12:16 1015 `target` must name exactly one kind
            12:55 1013 `strategy` cannot be `canry` | did you mean `canary`?
            12:72 1013 `A` in `env` cannot hold an expression
            12:87 1012 `B` in `env` must be a text, and is a list
            13:37 1013 the last of `steps` must be 100 | for example `[10, 50, 100]`
            13:62 1013 3 approvals are required, and only 2 may give one
            14:38 1013 a step must be from 0 to 100 percent with at most two decimals
            14:74 1012 `rollback_triggers` must be a list, and is a mapping
            17:19 1013 unknown metric `TargetResponseTme` | did you mean `TargetResponseTime`?
            17:49 1012 `threshold` must be a number, and is a text
            17:65 1013 `duration`: `5 minutes` is not a length of time; write for example `500ms`, `30s`, `5m`, `1h30m` or `7d`
            18:48 1013 `threshold` must be 0 or more, with at most three decimals
            18:62 1013 `duration` must be 0 or more, with at most three decimals
            18:66 1010 unknown key `widow` in a rollback trigger | did you mean `window`?
            19:9 1011 a rollback trigger needs `threshold`
            19:9 1011 a rollback trigger needs `duration`
            21:28 1013 `pass_rate` must be from 0 to 100 percent with at most two decimals
            21:44 1013 `min_tests` must be a whole number from 0 to 4294967295
            21:61 1011 `coverage` needs `line`
            21:63 1014 `diff` in `coverage` is not there yet | remove it, and ask for `line`
            21:75 1014 `findings` in a gate is not there yet | remove it, and let a `run` step fail on findings
            22:3 1011 gate `y` asks for nothing | add `tests` or `coverage`
            24:31 1014 channel `slack` is not there yet | use `to: webhook`
            25:11 1013 `everything` is not a topic | topics look like `run.failed`, `deployment.*` or `*`
            25:27 1013 `to` cannot be `webook` | did you mean `webhook`?
            25:40 1013 `url` must begin with `https://` or `http://`
            26:46 1030 Unrecognized named-value: 'vars'. Located at position 1 within expression: vars.X
            ",
    );
}

#[test]
fn one_file_and_not_two() {
    let both = tree(&[("cutover.yml", "gates: {}"), ("cutover.yaml", "gates: {}")]);
    let (none, said) = project(&both);
    assert_eq!(none, None);
    assert_eq!(
        render(&said),
        "cutover.yml:1:1 1103 `cutover.yml` and `cutover.yaml` are both there | remove one of them\n"
    );
    let (other, said) = project(&tree(&[("cutover.yaml", "gates: {}")]));
    assert_eq!((other, said), (Some(Project::default()), Vec::new()));
    assert_eq!(project(&tree(&[])), (None, Vec::new()));
    assert_eq!(good(""), Project::default());
    check(
        "- a\n",
        "1:1 1012 `cutover.yml` must be a mapping, and is a list",
    );
    check(
        "gates: {}\ngates: {}\n",
        "2:1 1003 key `gates` is there twice; the first is in line 1 | remove one of them",
    );
}
