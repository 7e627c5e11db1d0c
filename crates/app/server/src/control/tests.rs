//! Coming back after an end at the worst moment, and what is begun anew from what was there.

mod begin;

use camino::Utf8Path;
use cutover_model::{
    DeploymentId, Duration as Length, ReleaseId,
    delivery::{
        Cause, Contents, DeploymentSpec, Digest, HealthCheck, Package, Release, Strategy, Weight,
    },
    event::{DeploymentEvent, Recorded},
    guard::{Guards, OnSuperseded, RollbackRule},
    run::Outcome,
    source::Revision,
};
use cutover_store::LeaseAsk;

use super::*;
use crate::view;

const OWNER: &str = "srv_test";

fn id(number: u64) -> DeploymentId {
    DeploymentId::from_parts(number, 7)
}

fn release(package: Digest) -> Release {
    Release {
        id: ReleaseId::derived(&["hello", "1.1.0"]),
        service: "hello".to_owned(),
        version: "1.1.0".to_owned(),
        package: Package::Bundle { digest: package },
        revision: Revision("a".repeat(40)),
        command: vec!["./hello".to_owned()],
        port: None,
        env: BTreeMap::new(),
        contents: Contents::default(),
        run: RunId::derived(&["run"]),
        created_at: Timestamp(0),
    }
}

fn spec(number: u64, environment: &str, release: &Release) -> DeploymentSpec {
    DeploymentSpec {
        id: id(number),
        environment: environment.to_owned(),
        release: release.clone(),
        target: TargetSpec::Process { instances: 1 },
        strategy: Strategy::BlueGreen {
            canary: Vec::new(),
            bake: Length::ZERO,
        },
        triggers: Vec::new(),
        judge: None,
        health: HealthCheck::default(),
        start_timeout: Length::from_secs(5),
        drain_timeout: Length::from_secs(5),
        stop_grace: Length::from_secs(5),
        env: BTreeMap::new(),
        listen: None,
        approval: None,
        cause: Cause::Person {
            by: "ada".to_owned(),
        },
        notify: Vec::new(),
        guards: Guards::default(),
        rollback: RollbackRule::default(),
        on_superseded: OnSuperseded::Queue,
        lift_hold: false,
        break_glass: None,
        traffic: None,
    }
}

async fn store(dir: &Utf8Path) -> Store {
    tokio::fs::create_dir_all(dir).await.unwrap();
    tokio::fs::write(dir.join("instance"), OWNER).await.unwrap();
    let store = Store::open(&format!("sqlite://{dir}/cutover.db")).await;
    store.unwrap()
}

/// Stores a deployment that began at this second and went so.
async fn keep(store: &Store, spec: &DeploymentSpec, second: i64, course: Vec<DeploymentEvent>) {
    let created = DeploymentEvent::DeploymentCreated {
        spec: Box::new(spec.clone()),
    };
    let at = Timestamp(second * 1_000);
    let mut deployment = Deployment::default();
    let mut events = Vec::new();
    for (version, event) in (1..).zip(std::iter::once(created).chain(course)) {
        cutover_rollout::evolve(&mut deployment, at, &event);
        events.push(Recorded { version, at, event });
    }
    let row = view::deployment_row(&deployment).unwrap();
    let appended = store.append_deployment(&spec.id, 0, &events, &row, &[]);
    appended.await.unwrap();
}

fn ended(outcome: Outcome) -> DeploymentEvent {
    DeploymentEvent::DeploymentFinished {
        outcome,
        reason: "so it was".to_owned(),
    }
}

async fn open(dir: &Utf8Path, recover: bool) -> Control {
    Control::open(Options {
        data_dir: dir.to_owned(),
        executable: "/nowhere".into(),
        numbers: None,
        runners: 1,
        secrets: BTreeMap::new(),
        vars: BTreeMap::new(),
        sources: Sources::Hosted,
        actions: cutover_forge::ActionStore::new(dir.join("actions"), dir.as_str(), Vec::new()),
        docker_host: None,
        address: None,
        base_env: BTreeMap::new(),
        recover,
        power_safe: true,
        supervisors: None,
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn one_that_began_long_ago_and_just_ended_is_recorded_and_gives_its_lock_back() {
    let kept = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(kept.path()).unwrap().join("data");
    let store = store(&dir).await;
    let release = release(Digest(format!("sha256:{:064x}", 1)));
    store.put_release(&release).await.unwrap();
    let old = spec(1, "production", &release);
    let all = DeploymentEvent::Shifted {
        weight: Weight::ALL,
        generation: 1,
    };
    let lock = DeploymentEvent::LockTaken {
        fence: 1,
        current: None,
        instances: None,
    };
    keep(&store, &old, 1, vec![lock, all, ended(Outcome::Succeeded)]).await;
    // Killed before the lock was given back; many others came and went while it was under way.
    let ask = LeaseAsk {
        environment: "production".to_owned(),
        service: "hello".to_owned(),
        deployment: old.id.clone(),
        owner: OWNER.to_owned(),
        urgent: false,
    };
    let (now, until) = (Timestamp(1_000), Timestamp(31_000));
    store.take_lease(&ask, now, until).await.unwrap();
    for number in 2..=30 {
        let other = spec(number, "staging", &release);
        let second = i64::try_from(number).unwrap();
        keep(&store, &other, second, vec![ended(Outcome::Failed)]).await;
    }
    drop(store);

    let control = open(&dir, true).await;
    let place = ("production".to_owned(), "hello".to_owned());
    let freed = control.locks().freed_by(&place, &old.id);
    let in_time = tokio::time::timeout(Duration::from_secs(20), freed).await;
    in_time.expect("it keeps the lock").unwrap();
    let current = control.store().current("production", "hello").await;
    assert_eq!(current.unwrap().unwrap().deployment, old.id);
    control.settle().await;
}

#[tokio::test]
async fn a_retry_does_not_break_the_glass_that_was_broken_before() {
    let kept = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(kept.path()).unwrap().join("data");
    let store = store(&dir).await;
    let content = Utf8Path::from_path(kept.path()).unwrap().join("content");
    tokio::fs::create_dir_all(&content).await.unwrap();
    tokio::fs::write(content.join("hello"), "").await.unwrap();
    let bundles = Bundles::new(dir.join("bundles"));
    let release = release(bundles.pack(&content).unwrap());
    store.put_release(&release).await.unwrap();
    let before = DeploymentSpec {
        break_glass: Some("the shop is down".to_owned()),
        ..spec(1, "production", &release)
    };
    keep(&store, &before, 1, vec![ended(Outcome::Failed)]).await;
    store
        .freeze(None, "the fair", "ada", Timestamp(0), None)
        .await
        .unwrap();
    drop(store);

    let control = open(&dir, false).await;
    let begun = control.retry_deployment(&before.id, "bob").await.unwrap();
    let retried = control.deployment(&begun.id).await.unwrap();
    let retried = retried.spec().unwrap();
    assert_eq!(
        (retried.break_glass.as_ref(), retried.lift_hold),
        (None, true)
    );
    control.settle().await;
}

#[tokio::test]
async fn to_go_back_twice_while_it_goes_back_is_to_go_back_once() {
    let kept = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(kept.path()).unwrap().join("data");
    let store = store(&dir).await;
    let content = Utf8Path::from_path(kept.path()).unwrap().join("content");
    tokio::fs::create_dir_all(&content).await.unwrap();
    let mut releases = Vec::new();
    for (number, version) in (1..).zip(["1.0.0", "1.1.0"]) {
        tokio::fs::write(content.join("hello"), version)
            .await
            .unwrap();
        let digest = Bundles::new(dir.join("bundles")).pack(&content).unwrap();
        let release = Release {
            id: ReleaseId::derived(&["hello", version]),
            version: version.to_owned(),
            ..release(digest)
        };
        store.put_release(&release).await.unwrap();
        let spec = spec(number, "production", &release);
        let second = i64::try_from(number).unwrap();
        keep(&store, &spec, second, vec![ended(Outcome::Succeeded)]).await;
        let at = Timestamp(second);
        let placed = store.set_current("production", "hello", &release.id, &spec.id, number, at);
        placed.await.unwrap();
        releases.push(release);
    }
    // Somebody else deploys there, so that a way back waits.
    let other = spec(3, "production", &releases[1]);
    keep(&store, &other, 3, Vec::new()).await;
    let ask = LeaseAsk {
        environment: "production".to_owned(),
        service: "hello".to_owned(),
        deployment: other.id.clone(),
        owner: OWNER.to_owned(),
        urgent: false,
    };
    let (now, until) = (Timestamp(1_000), Timestamp(31_000));
    store.take_lease(&ask, now, until).await.unwrap();
    drop(store);

    let control = open(&dir, false).await;
    let back = async || {
        let back = control.rollback(Some("hello"), "production", None, "ada");
        back.await.unwrap()
    };
    let (one, other) = tokio::join!(back(), back());
    assert_eq!(one.id, other.id, "one append is the first");
    assert_ne!(one.already, other.already);
    assert_eq!(back().await.id, one.id);
    control.settle().await;
}
