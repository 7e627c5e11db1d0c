//! Random plans: few jobs, and every trait of a job that bears on another.

use std::collections::BTreeMap;

use cutover_model::{
    Duration, Position,
    delivery::Strategy,
    gate::ApprovalRule,
    guard::{Guards, OnSuperseded, RollbackRule},
    plan::{
        ActionSource, ActionUse, Builtin, Concurrency, EnvironmentUse, Expression, Hook, JobSpec,
        MatrixSpec, Plan, Queue, StepBody, StepSpec, Template,
    },
    project::{Environment, Project, TargetSpec},
    source::{GitRef, Revision, Trigger, TriggerKind, Trust},
};
use rand::{Rng as _, rngs::SmallRng, seq::SliceRandom as _};
use serde_json::json;

/// Those who may be asked.
pub(super) const PEOPLE: [&str; 3] = ["ada", "grace", "linus"];

pub(super) fn trigger(rng: &mut SmallRng) -> Trigger {
    Trigger {
        kind: TriggerKind::Push,
        repository: "acme/hello".to_owned(),
        git_ref: GitRef("refs/heads/main".to_owned()),
        revision: Revision("0123abcd".to_owned()),
        before: None,
        actor: "ada".to_owned(),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        inputs: BTreeMap::new(),
        payload: json!({}),
        trust: if rng.random_bool(0.2) {
            Trust::Untrusted("a fork".to_owned())
        } else {
            Trust::Trusted
        },
    }
}

pub(super) fn plan(rng: &mut SmallRng) -> Plan {
    let count = rng.random_range(1..=6);
    let mut jobs: Vec<JobSpec> = Vec::new();
    for index in 0..count {
        let needs = jobs
            .iter()
            .filter(|_| rng.random_bool(0.4))
            .map(|job| job.id.clone())
            .collect();
        jobs.push(job(rng, index, needs));
    }
    // A need may be written after the job that has it.
    jobs.shuffle(rng);
    Plan {
        name: "ci".to_owned(),
        jobs,
        concurrency: maybe(rng, 0.2, concurrency),
        project: Some(project(rng)),
        ..Plan::new("ci.yml")
    }
}

fn project(rng: &mut SmallRng) -> Project {
    let environment = |approvals| Environment {
        after: None,
        target: TargetSpec::Process { instances: 1 },
        listen: None,
        approvals,
        strategy: Strategy::BlueGreen {
            canary: Vec::new(),
            bake: Duration::ZERO,
        },
        rollback_triggers: Vec::new(),
        judge: None,
        env: BTreeMap::new(),
        guards: Guards::default(),
        rollback: RollbackRule::default(),
        on_superseded: OnSuperseded::default(),
        freeze: Vec::new(),
        traffic: None,
    };
    Project {
        environments: BTreeMap::from([
            ("staging".to_owned(), environment(None)),
            ("production".to_owned(), environment(Some(rule(rng)))),
        ]),
        ..Project::default()
    }
}

/// Who may answer, and how many must.
pub(super) fn rule(rng: &mut SmallRng) -> ApprovalRule {
    ApprovalRule {
        required: rng.random_range(1..=2),
        from: if rng.random_bool(0.5) {
            PEOPLE[..2].iter().map(|name| (*name).to_owned()).collect()
        } else {
            Vec::new()
        },
        expires: Duration::from_mins(rng.random_range(5..500)),
    }
}

fn job(rng: &mut SmallRng, index: usize, needs: Vec<String>) -> JobSpec {
    let mut conditions = vec![
        "always()",
        "failure()",
        "cancelled()",
        "success() || failure()",
        "!cancelled()",
        "github.actor == 'ada'",
    ];
    if rng.random_bool(0.1) {
        conditions.push("fromJSON('{')");
    }
    let count = rng.random_range(0..=4);
    let mut steps = steps(rng, count, 0);
    send_to_background(rng, &mut steps);
    JobSpec {
        concurrency: maybe(rng, 0.2, concurrency),
        cancel_timeout_minutes: maybe(rng, 0.2, minutes),
        needs,
        condition: maybe(rng, 0.3, |rng| expression(pick(rng, &conditions))),
        matrix: maybe(rng, 0.4, matrix),
        runs_on: vec![Template::plain("linux")],
        environment: maybe(rng, 0.3, |rng| {
            let name = pick(rng, &["staging", "production", "elsewhere"]);
            EnvironmentUse::new(Template::plain(name))
        }),
        outputs: vec![(
            "out".to_owned(),
            Template::plain("${{ steps.s0.outputs.out }}"),
        )],
        timeout_minutes: maybe(rng, 0.3, minutes),
        continue_on_error: maybe(rng, 0.2, |rng| {
            Template::plain(pick(rng, &["true", "${{ strategy.job-index == 0 }}"]))
        }),
        at: Position::new(1, 1),
        ..JobSpec::new(&format!("j{index}"), steps)
    }
}

/// Some steps go in the background, and some wait for them or end them.
fn send_to_background(rng: &mut SmallRng, steps: &mut Vec<StepSpec>) {
    if !rng.random_bool(0.4) {
        return;
    }
    for step in steps.iter_mut() {
        step.background = rng.random_bool(0.5);
    }
    if rng.random_bool(0.1) {
        // More than go at once.
        let many = StepSpec {
            background: true,
            ..step(rng, 90, 2)
        };
        steps.splice(0..0, std::iter::repeat_n(many, 12));
    }
    for _ in 0..rng.random_range(0..=2) {
        let place = rng.random_range(0..=steps.len());
        let id = pick(rng, &["s0", "s1", "s2", "s90"]).to_owned();
        let body = match rng.random_range(0..3) {
            0 => StepBody::Wait { steps: vec![id] },
            1 => StepBody::WaitAll,
            _ => StepBody::CancelStep { step: id },
        };
        steps.insert(place, StepSpec::new(body));
    }
}

fn concurrency(rng: &mut SmallRng) -> Concurrency {
    Concurrency {
        group: Template::plain(pick(rng, &["one", "two", "${{ github.ref }}", ""])),
        cancel_in_progress: maybe(rng, 0.3, |_| Template::plain("true")),
        queue: Queue::Single,
    }
}

fn matrix(rng: &mut SmallRng) -> MatrixSpec {
    let values = match rng.random_range(0..4) {
        0 => json!({ "n": [1, 2, 3] }),
        1 => json!({ "n": [1, 2], "os": ["a", "b"], "exclude": [{ "n": 1, "os": "b" }] }),
        2 => json!({ "include": [{ "n": 1 }, { "n": 2 }] }),
        _ => json!("${{ fromJSON('{\"n\":[1,2]}') }}"),
    };
    MatrixSpec {
        fail_fast: maybe(rng, 0.5, |rng| {
            Template::plain(pick(rng, &["true", "false"]))
        }),
        max_parallel: maybe(rng, 0.5, |rng| Template::plain(pick(rng, &["1", "2"]))),
        at: Position::new(1, 1),
        ..MatrixSpec::new(values)
    }
}

fn steps(rng: &mut SmallRng, count: usize, depth: usize) -> Vec<StepSpec> {
    (0..count).map(|index| step(rng, index, depth)).collect()
}

fn step(rng: &mut SmallRng, index: usize, depth: usize) -> StepSpec {
    let mut conditions = vec![
        "hashFiles('lock') != ''",
        "always()",
        "failure()",
        "cancelled()",
        "steps.s0.outcome == 'success'",
        "always() && steps.s0.outputs.out == 'x'",
        "runner.os == 'Linux'",
    ];
    if rng.random_bool(0.05) {
        conditions.push("fromJSON('{')");
    }
    let body = match rng.random_range(0..20) {
        0..=3 => StepBody::Builtin {
            action: Builtin::Release,
            with: Vec::new(),
        },
        4..=7 if depth < 2 => {
            let inside = rng.random_range(0..=3);
            StepBody::Composite {
                source: ActionSource::Workspace,
                path: "./it".to_owned(),
                inputs: vec![("who".to_owned(), Template::plain("${{ github.actor }}"))],
                outputs: vec![(
                    "out".to_owned(),
                    Template::plain("${{ steps.s0.outputs.out }}"),
                )],
                steps: steps(rng, inside, depth + 1),
            }
        }
        9..=11 => StepBody::Action(Box::new(action(rng, &conditions))),
        8 if rng.random_bool(0.2) => StepBody::Lacking {
            uses: "some/action@v1".to_owned(),
            message: "it is not built in".to_owned(),
        },
        _ => StepBody::Run {
            script: Template::plain("true"),
            shell: None,
            working_directory: None,
        },
    };
    StepSpec {
        id: Some(format!("s{index}")),
        condition: maybe(rng, 0.4, |rng| expression(pick(rng, &conditions))),
        timeout_minutes: maybe(rng, 0.2, minutes),
        continue_on_error: maybe(rng, 0.15, |_| Template::plain("true")),
        at: Position::new(1, 1),
        ..StepSpec::new(body)
    }
}

/// A JavaScript action, perhaps with something to do before and after all steps.
fn action(rng: &mut SmallRng, conditions: &[&str]) -> ActionUse {
    let mut hook = |chance: f64| {
        maybe(rng, chance, |rng| Hook {
            file: "hook.js".to_owned(),
            condition: maybe(rng, 0.3, |rng| expression(pick(rng, conditions))),
        })
    };
    ActionUse {
        uses: "some/action@v1".to_owned(),
        source: ActionSource::Own,
        path: "it".to_owned(),
        node: 20,
        main: "main.js".to_owned(),
        pre: hook(0.3),
        post: hook(0.6),
        inputs: vec![("who".to_owned(), Template::plain("${{ github.actor }}"))],
    }
}

fn minutes(rng: &mut SmallRng) -> Template {
    Template::plain(rng.random_range(1..60).to_string())
}

fn expression(text: &str) -> Expression {
    Expression {
        text: text.to_owned(),
        at: Position::new(1, 1),
    }
}

fn maybe<T>(rng: &mut SmallRng, chance: f64, make: impl FnOnce(&mut SmallRng) -> T) -> Option<T> {
    rng.random_bool(chance).then(|| make(rng))
}

/// One of these; there must be one.
pub(super) fn pick<'a>(rng: &mut SmallRng, words: &[&'a str]) -> &'a str {
    words[rng.random_range(0..words.len())]
}
