//! One of each noun, with every field filled.

use std::collections::BTreeMap;

use cutover_model::{
    DeploymentId, Duration, GateId, Position, ReleaseId, RunId, Timestamp,
    delivery::{
        Cause, Contents, DeploymentSpec, Digest, HealthCheck, Metric, Package, Release,
        RollbackTrigger, Step, Strategy, Weight,
    },
    gate::{ApprovalRule, CoverageRule, GateSpec, TestsRule},
    guard::{Guards, OnSuperseded, RollbackRule},
    plan::{
        ActionSource, Builtin, EnvironmentUse, Expression, JobSpec, MatrixSpec, Plan, RunDefaults,
        StepBody, StepSpec, Template,
    },
    project::{BuildSpec, Channel, Environment, NotifyRule, Project, Service, TargetSpec},
    run::{Annotation, Attempt, HandedOn, JobKey, Level, StepPath, StepReport},
    source::{GitRef, Revision, Trigger, TriggerKind, Trust},
};
use serde_json::json;

pub(crate) fn run_id() -> RunId {
    RunId::from_parts(1_700_000_000_000, 1)
}

pub(crate) fn gate_id() -> GateId {
    GateId::derived(&["golden"])
}

pub(crate) fn key() -> JobKey {
    JobKey::leg("test", 1)
}

pub(crate) fn path() -> StepPath {
    StepPath::top(2).child(0)
}

pub(crate) fn rule() -> ApprovalRule {
    ApprovalRule {
        required: 2,
        from: vec!["ada".to_owned(), "grace".to_owned()],
        expires: Duration::from_mins(90),
    }
}

fn template(text: &str) -> Template {
    Template {
        text: text.to_owned(),
        at: Position::new(3, 7),
    }
}

fn bindings(name: &str, text: &str) -> Vec<(String, Template)> {
    vec![(name.to_owned(), template(text))]
}

fn expression(text: &str) -> Expression {
    Expression {
        text: text.to_owned(),
        at: Position::new(4, 9),
    }
}

pub(crate) fn trigger() -> Trigger {
    Trigger {
        kind: TriggerKind::PullRequest,
        repository: "acme/hello".to_owned(),
        git_ref: GitRef("refs/pull/7/merge".to_owned()),
        revision: Revision("0123abcd".to_owned()),
        before: Some(Revision("4567cdef".to_owned())),
        actor: "ada".to_owned(),
        base_ref: Some("main".to_owned()),
        head_ref: Some("topic".to_owned()),
        changed_paths: Some(vec!["src/main.rs".to_owned()]),
        inputs: BTreeMap::from([("level".to_owned(), json!(3))]),
        payload: json!({ "number": 7, "action": "opened" }),
        trust: Trust::Untrusted("it comes from a fork".to_owned()),
    }
}

fn step(body: StepBody) -> StepSpec {
    StepSpec {
        id: Some("make".to_owned()),
        name: Some(template("Make ${{ matrix.os }}")),
        condition: Some(expression("always()")),
        env: bindings("A", "1"),
        timeout_minutes: Some(template("5")),
        continue_on_error: Some(template("true")),
        at: Position::new(8, 9),
        ..StepSpec::new(body)
    }
}

fn steps() -> Vec<StepSpec> {
    vec![
        step(StepBody::Run {
            script: template("make"),
            shell: Some(template("bash")),
            working_directory: Some(template("src")),
        }),
        step(StepBody::Builtin {
            action: Builtin::Deploy,
            with: bindings("environment", "staging"),
        }),
        step(StepBody::Composite {
            source: ActionSource::Workspace,
            path: "./actions/it".to_owned(),
            inputs: bindings("who", "${{ github.actor }}"),
            outputs: bindings("said", "${{ steps.make.outputs.said }}"),
            steps: vec![step(StepBody::Lacking {
                uses: "some/action@v1".to_owned(),
                message: "it is not built in".to_owned(),
            })],
        }),
    ]
}

pub(crate) fn plan() -> Plan {
    Plan {
        path: ".github/workflows/ci.yml".to_owned(),
        name: "ci".to_owned(),
        run_name: Some(template("by ${{ github.actor }}")),
        env: bindings("CARGO_TERM_COLOR", "always"),
        jobs: vec![JobSpec {
            name: Some(template("Test")),
            needs: vec!["build".to_owned()],
            condition: Some(expression("success()")),
            matrix: Some(MatrixSpec {
                values: json!({ "os": ["linux", "mac"], "include": [{ "os": "bsd" }] }),
                fail_fast: Some(template("false")),
                strategy: None,
                only: Vec::new(),
                max_parallel: Some(template("2")),
                at: Position::new(6, 5),
            }),
            runs_on: vec![template("${{ matrix.os }}")],
            environment: Some(EnvironmentUse {
                url: Some(template("http://localhost")),
                ..EnvironmentUse::new(template("staging"))
            }),
            env: bindings("B", "2"),
            outputs: bindings("out", "${{ steps.make.outputs.out }}"),
            defaults: RunDefaults {
                shell: Some(template("sh")),
                working_directory: Some(template("src")),
            },
            timeout_minutes: Some(template("10")),
            continue_on_error: Some(template("false")),
            at: Position::new(5, 3),
            ..JobSpec::new("test", steps())
        }],
        project: Some(project()),
        concurrency: None,
        permissions: None,
    }
}

fn project() -> Project {
    let service = Service {
        build: BuildSpec {
            context: ".".to_owned(),
            dockerfile: Some("Dockerfile".to_owned()),
        },
        command: vec!["./hello".to_owned()],
        port: Some(8080),
        env: BTreeMap::from([("MODE".to_owned(), "quiet".to_owned())]),
        health: HealthCheck::default(),
        start_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(30),
        stop_grace: Duration::from_secs(10),
        config: Vec::new(),
        secrets: Vec::new(),
        flags: None,
        migrations: None,
        traffic: None,
    };
    let environment = Environment {
        after: Some("staging".to_owned()),
        target: TargetSpec::Docker { instances: 2 },
        listen: Some("127.0.0.1:8080".to_owned()),
        approvals: Some(rule()),
        strategy: Strategy::BlueGreen {
            canary: Vec::new(),
            bake: Duration::from_mins(5),
        },
        rollback_triggers: vec![rollback_trigger()],
        judge: None,
        env: BTreeMap::from([("MODE".to_owned(), "loud".to_owned())]),
        guards: Guards::default(),
        rollback: RollbackRule::default(),
        on_superseded: OnSuperseded::default(),
        freeze: Vec::new(),
        traffic: None,
    };
    let gate = GateSpec {
        tests: Some(TestsRule {
            pass_rate: 10_000,
            junit: vec!["junit.xml".to_owned()],
            min_tests: 1,
        }),
        coverage: Some(CoverageRule {
            line: 8_000,
            files: vec!["lcov.info".to_owned()],
        }),
    };
    Project {
        environment_vars: BTreeMap::new(),
        services: BTreeMap::from([("hello".to_owned(), service)]),
        environments: BTreeMap::from([("production".to_owned(), environment)]),
        gates: BTreeMap::from([("quality".to_owned(), gate)]),
        notify: vec![notify_rule()],
    }
}

fn notify_rule() -> NotifyRule {
    NotifyRule {
        on: vec!["run.failed".to_owned()],
        to: Channel::Webhook,
        url: "http://localhost/hook".to_owned(),
    }
}

fn rollback_trigger() -> RollbackTrigger {
    RollbackTrigger::bare(Metric::Target5xxCount, 10_000, Duration::from_secs(60))
}

pub(crate) fn report() -> StepReport {
    StepReport {
        exit_code: Some(3),
        signal: Some(15),
        outputs: BTreeMap::from([
            ("key".to_owned(), HandedOn::Withheld),
            ("out".to_owned(), HandedOn::Plain("x".to_owned())),
        ]),
        env: BTreeMap::from([("MODE".to_owned(), HandedOn::Plain("quiet".to_owned()))]),
        path: vec!["/opt/bin".to_owned()],
        state: BTreeMap::from([("pid".to_owned(), HandedOn::Plain("7".to_owned()))]),
        summary: Some("# Done".to_owned()),
        annotations: vec![Annotation {
            title: Some("lint".to_owned()),
            file: Some("src/main.rs".to_owned()),
            at: Some(Position::new(1, 2)),
            ..Annotation::new(Level::Warning, "unused".to_owned())
        }],
        reasons: vec!["exit code 3".to_owned()],
        log_bytes: 42,
        subjects: Vec::new(),
    }
}

pub(crate) fn release() -> Release {
    Release {
        id: ReleaseId::derived(&["golden"]),
        service: "hello".to_owned(),
        version: "1.4.0".to_owned(),
        package: Package::Bundle {
            digest: Digest(format!("sha256:{}", "ab".repeat(32))),
        },
        revision: Revision("0123abcd".to_owned()),
        command: vec!["./hello".to_owned()],
        port: Some(8080),
        env: BTreeMap::from([("MODE".to_owned(), "quiet".to_owned())]),
        contents: Contents::default(),
        run: run_id(),
        created_at: Timestamp(1_700_000_000_000),
    }
}

pub(crate) fn deployment() -> DeploymentSpec {
    DeploymentSpec {
        id: DeploymentId::derived(&["golden"]),
        environment: "production".to_owned(),
        release: release(),
        target: TargetSpec::Process { instances: 2 },
        strategy: Strategy::Canary {
            steps: vec![
                Step::of(Weight::from_percent(10).unwrap()),
                Step::of(Weight::ALL),
            ],
            interval: Duration::from_mins(5),
            scaled: false,
            bake: Duration::from_mins(10),
        },
        triggers: vec![rollback_trigger()],
        judge: None,
        health: HealthCheck::default(),
        start_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(30),
        stop_grace: Duration::from_secs(10),
        env: BTreeMap::from([("MODE".to_owned(), "loud".to_owned())]),
        listen: Some("127.0.0.1:8080".to_owned()),
        approval: Some(rule()),
        cause: Cause::Step {
            run: run_id(),
            job: key(),
            step: path(),
            attempt: Attempt::FIRST,
        },
        notify: vec![notify_rule()],
        guards: Guards::default(),
        rollback: RollbackRule::default(),
        on_superseded: OnSuperseded::default(),
        lift_hold: false,
        break_glass: None,
        traffic: None,
    }
}
