//! Who plays: deployments made by chance.

use std::collections::BTreeMap;

use cutover_model::{
    DeploymentId, Duration, ReleaseId, RunId, Timestamp,
    delivery::{
        Cause, Contents, DeploymentSpec, Digest, HealthCheck, JudgeSpec, Package, Release, Step,
        Strategy, Weight,
    },
    gate::ApprovalRule,
    guard::{Guards, Hook, HookAct, HookPoint, OnError, OnSuperseded, RollbackRule, Smoke},
    project::TargetSpec,
    source::Revision,
};
use rand::{Rng as _, rngs::SmallRng};

/// The name of the n-th deployment.
pub(super) fn id(number: usize) -> DeploymentId {
    DeploymentId::derived(&["sim", &number.to_string()])
}

/// The n-th deployment of a simulation.
pub(super) fn spec(chance: &mut SmallRng, number: usize) -> DeploymentSpec {
    let instances = chance.random_range(1..=4);
    DeploymentSpec {
        id: id(number),
        environment: "production".to_owned(),
        release: release(number),
        target: TargetSpec::Process { instances },
        strategy: strategy(chance),
        triggers: Vec::new(),
        judge: chance.random_bool(0.5).then(JudgeSpec::default),
        health: HealthCheck::default(),
        start_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(30),
        stop_grace: Duration::from_secs(10),
        env: BTreeMap::new(),
        listen: None,
        approval: chance.random_bool(0.25).then(|| ApprovalRule {
            required: chance.random_range(1..=2),
            from: vec!["ada".to_owned(), "bob".to_owned(), "eve".to_owned()],
            expires: Duration::from_mins(60),
        }),
        cause: Cause::Person {
            by: "ada".to_owned(),
        },
        notify: Vec::new(),
        guards: guards(chance),
        rollback: RollbackRule {
            hold: chance.random_bool(0.5),
            window: 5,
        },
        on_superseded: if chance.random_bool(0.3) {
            OnSuperseded::Replace
        } else {
            OnSuperseded::Queue
        },
        lift_hold: chance.random_bool(0.5),
        break_glass: None,
        traffic: None,
    }
}

pub(super) fn release(number: usize) -> Release {
    Release {
        id: ReleaseId::derived(&["sim", &number.to_string()]),
        service: "hello".to_owned(),
        version: format!("1.{number}.0"),
        package: Package::Bundle {
            digest: Digest(format!("sha256:{number:064}")),
        },
        revision: Revision(format!("{number:040}")),
        command: vec!["./hello".to_owned()],
        port: None,
        env: BTreeMap::new(),
        contents: Contents::default(),
        run: RunId::derived(&["sim"]),
        created_at: Timestamp(0),
    }
}

fn strategy(chance: &mut SmallRng) -> Strategy {
    let bake = length(chance);
    match chance.random_range(0..6) {
        0 => Strategy::Rolling {
            batch: chance.random_range(1..=3),
            max_unavailable: chance.random_range(0..=2),
            bake,
        },
        1 => Strategy::BlueGreen {
            canary: early_steps(chance),
            bake,
        },
        2 => Strategy::Linear {
            increment: Weight::from_percent(chance.random_range(20..=100)).unwrap_or(Weight::ALL),
            interval: length(chance),
            bake,
        },
        3 => Strategy::Recreate {
            hold: Duration::from_secs(10),
            bake,
        },
        _ => Strategy::Canary {
            steps: steps(chance),
            interval: length(chance),
            scaled: chance.random_bool(0.3),
            bake,
        },
    }
}

/// None to three growing steps, and everything.
fn steps(chance: &mut SmallRng) -> Vec<Step> {
    let mut steps = early_steps(chance);
    steps.push(Step::of(Weight::ALL));
    steps
}

/// None to three growing steps, each less than everything; some wait for a person.
fn early_steps(chance: &mut SmallRng) -> Vec<Step> {
    let count = chance.random_range(0..4);
    let mut weights: Vec<Weight> = (0..count)
        .filter_map(|_| Weight::from_percent(chance.random_range(1..100)))
        .collect();
    weights.sort_unstable();
    weights.dedup();
    weights
        .into_iter()
        .map(|weight| Step {
            pause: chance.random_bool(0.2),
            length: chance.random_bool(0.5).then(|| Duration::from_secs(20)),
            ..Step::of(weight)
        })
        .collect()
}

/// Hooks at any point, and mostly a smoke test.
fn guards(chance: &mut SmallRng) -> Guards {
    // Not too many, or nothing would ever succeed.
    let count = chance.random_range(0..6_usize).saturating_sub(3);
    let hooks = (0..count).map(|number| Hook {
        name: format!("hook {number}"),
        on: HookPoint::ALL[chance.random_range(0..HookPoint::ALL.len())],
        act: HookAct::Webhook {
            url: "http://localhost/".to_owned(),
        },
        timeout: Duration::from_secs(30),
        retries: chance.random_range(0..3),
        required: chance.random_bool(0.7),
        on_error: [OnError::Rollback, OnError::Pause, OnError::Continue][chance.random_range(0..3)],
    });
    Guards {
        hooks: hooks.collect(),
        smoke: chance.random_bool(0.5).then(|| Smoke {
            requests: Vec::new(),
            command: vec!["./smoke".to_owned()],
            timeout: Duration::from_secs(30),
            retries: 1,
            on_error: OnError::Rollback,
        }),
        progress_deadline: Duration::from_mins(10),
        pause_limit: Duration::from_mins(60),
    }
}

fn length(chance: &mut SmallRng) -> Duration {
    Duration::from_secs([0, 10, 300][chance.random_range(0..3)])
}
