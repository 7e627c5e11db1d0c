//! Who plays: deployments made by chance.

use std::collections::BTreeMap;

use cutover_model::{
    DeploymentId, Duration, ReleaseId, RunId, Timestamp,
    delivery::{Cause, DeploymentSpec, Digest, HealthCheck, Package, Release, Strategy, Weight},
    gate::ApprovalRule,
    project::TargetSpec,
    source::Revision,
};
use rand::{Rng as _, rngs::SmallRng};

/// The n-th deployment of a simulation.
pub(super) fn spec(chance: &mut SmallRng, number: usize) -> DeploymentSpec {
    let instances = chance.random_range(1..=4);
    DeploymentSpec {
        id: DeploymentId::derived(&["sim", &number.to_string()]),
        environment: "production".to_owned(),
        release: release(number),
        target: TargetSpec::Process { instances },
        strategy: strategy(chance),
        triggers: Vec::new(),
        judge: None,
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
        run: RunId::derived(&["sim"]),
        created_at: Timestamp(0),
    }
}

fn strategy(chance: &mut SmallRng) -> Strategy {
    let bake = length(chance);
    match chance.random_range(0..3) {
        0 => Strategy::Rolling {
            batch: chance.random_range(1..=3),
            bake,
        },
        1 => Strategy::BlueGreen { bake },
        _ => Strategy::Canary {
            steps: steps(chance),
            interval: length(chance),
            bake,
        },
    }
}

/// None to three growing steps, and everything.
fn steps(chance: &mut SmallRng) -> Vec<Weight> {
    let count = chance.random_range(0..4);
    let mut steps: Vec<Weight> = (0..count)
        .filter_map(|_| Weight::from_percent(chance.random_range(0..100)))
        .collect();
    steps.push(Weight::ALL);
    steps.sort_unstable();
    steps.dedup();
    steps
}

fn length(chance: &mut SmallRng) -> Duration {
    Duration::from_secs([0, 10, 300][chance.random_range(0..3)])
}
