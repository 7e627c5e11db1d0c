//! What is kept of a job that failed, and how it goes on from there.

use std::{collections::BTreeSet, fs, time::Duration};

use cutover_executor::{HandedKind, KeepLimits, Kept, LogLimits, Snapshots};
use cutover_model::{
    RunId, Timestamp,
    run::{Attempt, Outcome, StepPath},
};

use crate::world::{World, job, key, order, run};

/// Three steps, each of which adds a line to a file; the last one fails.
async fn half_done(world: &World) {
    for index in 0..3 {
        world.executor.border(&key(index), true).await;
        let script = match index {
            0 => "echo 0 >> file; echo \"::add-mask::s3cret\"; echo 'TOKEN=s3cret' >> $GITHUB_ENV",
            1 => "echo 1 >> file",
            _ => "echo 2 >> file; exit 1",
        };
        let (outcome, _) = world.run(index, script).await;
        assert_eq!(outcome == Outcome::Succeeded, index < 2);
    }
    world.executor.set_aside(&run(), &job()).await.unwrap();
}

#[tokio::test]
async fn a_job_goes_on_as_it_was_at_the_border_of_its_step() {
    let world = World::new();
    half_done(&world).await;
    let top = StepPath::top;
    for index in [1, 2] {
        let kept = world.executor.kept(&run(), &job(), &top(index)).unwrap();
        assert_eq!(kept, Kept::Border);
    }
    let again = |from: Option<StepPath>, attempt: u32| {
        let executor = world.executor.clone();
        async move {
            let place = executor
                .prepare_again(&run(), &job(), Attempt(attempt), from.as_ref())
                .await
                .unwrap();
            fs::read_to_string(place.workspace.join("file")).ok()
        }
    };
    assert_eq!(again(Some(top(2)), 2).await.as_deref(), Some("0\n1\n"));
    let mut next = order(2, "echo again >> file; echo $TOKEN s3cret");
    next.key.attempt = Attempt(2);
    let key = next.key.clone();
    assert_eq!(world.run_order(next).await.0, Outcome::Succeeded);
    assert_eq!(world.log(&key), "***\n", "masks hold still");
    // The same try is not wound back again.
    assert_eq!(
        again(Some(top(2)), 2).await.as_deref(),
        Some("0\n1\nagain\n")
    );
    let withheld = world
        .executor
        .withheld(&run(), &job(), &top(0), HandedKind::Env, "TOKEN");
    assert_eq!(withheld.unwrap().as_deref(), Some("s3cret"));
    world.executor.set_aside(&run(), &job()).await.unwrap();
    assert_eq!(again(Some(top(1)), 3).await.as_deref(), Some("0\n"));
    world.executor.set_aside(&run(), &job()).await.unwrap();
    assert_eq!(again(None, 4).await, None);
}

#[tokio::test]
async fn without_copies_there_is_what_the_job_left() {
    let mut world = World::new();
    world.executor = world.executor.clone().with_snapshots(Snapshots::Never);
    half_done(&world).await;
    let top = StepPath::top(2);
    let kept = world.executor.kept(&run(), &job(), &top).unwrap();
    assert_eq!(kept, Kept::AsLeft);
    let place = world
        .executor
        .prepare_again(&run(), &job(), Attempt(2), Some(&top))
        .await
        .unwrap();
    let file = fs::read_to_string(place.workspace.join("file")).unwrap();
    assert_eq!(file, "0\n1\n2\n");
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let world = World::new();
    half_done(&world).await;
    let executor = &world.executor;
    let forget = |limits, now| executor.forget_kept(limits, now);
    let kept = || executor.kept(&run(), &job(), &StepPath::top(1)).unwrap();
    assert_eq!(
        forget(KeepLimits::default(), Timestamp(0)).await.unwrap(),
        0
    );
    assert_eq!(kept(), Kept::Border);
    let aged = KeepLimits {
        age: Duration::from_hours(1),
        ..KeepLimits::default()
    };
    let late = Timestamp(i64::MAX / 2);
    assert_eq!(forget(aged, late).await.unwrap(), 1);
    assert_eq!(kept(), Kept::Nothing);
    assert!(world.log(&key(2)).is_empty(), "its log is there still");
    let private = world.root.join(run().as_str()).join("build/private");
    assert!(!private.exists(), "and what must not be seen is not");
    assert_eq!(forget(aged, late).await.unwrap(), 0);
}

#[tokio::test]
async fn a_job_that_has_gone_is_not_set_aside() {
    let world = World::new();
    world.run(0, "true").await;
    world.executor.destroy(&run(), &job()).await.unwrap();
    world.executor.set_aside(&run(), &job()).await.unwrap();
    let kept = world.executor.kept(&run(), &job(), &StepPath::top(0));
    assert_eq!(kept.unwrap(), Kept::Nothing);
    assert!(!world.root.join(".kept").exists());
}

#[tokio::test]
async fn logs_of_old_runs_go_and_those_of_the_newest_and_the_spared_stay() {
    let world = World::new();
    half_done(&world).await;
    let kept = run();
    let id = |n: u64| RunId::from_parts(1_000_000 + n, 0);
    let dir = |run: &RunId| world.root.join(run.as_str());
    let made = |n: u64| {
        let logs = dir(&id(n)).join("build/logs");
        fs::create_dir_all(&logs).unwrap();
        fs::write(logs.join("0.1.log"), "0123456789").unwrap();
    };
    (1..=14).for_each(made);
    let executor = &world.executor;
    let limits = LogLimits {
        runs: 100,
        bytes: 45,
    };
    assert!(!executor.has_old_logs(limits).await.unwrap());
    made(15);
    assert!(
        executor.has_old_logs(limits).await.unwrap(),
        "the sixteenth"
    );
    let spared = || BTreeSet::from([id(2)]);
    // From the first one something is kept to go on from.
    assert_eq!(executor.forget_logs(limits, spared()).await.unwrap(), 10);
    let left = |wanted: &[u64]| {
        let there = (1..=15).filter(|n| dir(&id(*n)).exists());
        assert_eq!(there.collect::<Vec<_>>(), wanted);
        assert!(dir(&kept).exists());
    };
    left(&[2, 12, 13, 14, 15]);
    let few = LogLimits {
        runs: 2,
        bytes: 1_000,
    };
    assert_eq!(executor.forget_logs(few, spared()).await.unwrap(), 2);
    left(&[2, 14, 15]);
    // One that is larger than all may be is there to be looked at, as long as it is the newest.
    let none = LogLimits { runs: 2, bytes: 1 };
    assert_eq!(executor.forget_logs(none, spared()).await.unwrap(), 1);
    left(&[2, 15]);
}
