//! Steps that are made ready before they are started.

use cutover_executor::Begun;
use cutover_model::run::Outcome;

use crate::world::{World, key, kill, order};

#[tokio::test]
async fn a_step_that_was_foreseen_begins_when_it_is_started() {
    let world = World::new();
    // The first step of a job has nobody to tell.
    world.executor.foresee(order(0, "echo zero")).await;
    assert!(world.executor.take_foreseen(&key(0)).is_none());
    world.run(0, "true").await;
    let next = order(1, "echo one >> $WORLD/done; cat $GITHUB_ENV; echo hunter2");
    world.executor.foresee(next.clone()).await;
    // Twice is once.
    world.executor.foresee(next).await;
    let foreseen = world.executor.take_foreseen(&key(1)).unwrap();
    assert!(world.executor.take_foreseen(&key(1)).is_none());
    // Another step, on a stream of its own, takes longer than to make ready.
    world.run(5, "sleep 0.1").await;
    assert!(!world.root.join("done").exists());
    assert_eq!(world.executor.begun(&key(1)).unwrap(), Begun::No);
    let started = world.executor.start_foreseen(&key(1), foreseen.ready).await;
    assert!(started.unwrap());
    assert_eq!(world.end(&key(1)).await.0, Outcome::Succeeded);
    assert_eq!(world.log(&key(1)), "***\n");
    let done = std::fs::read_to_string(world.root.join("done")).unwrap();
    assert_eq!(done, "one\n");
}

#[tokio::test]
async fn what_was_foreseen_and_given_up_can_be_started_as_any_other() {
    let mut world = World::new();
    world.run(0, "true").await;
    world.executor.foresee(order(1, "echo wrong")).await;
    assert!(world.executor.take_foreseen(&key(1)).is_some());
    // Who had it made ready is gone; the next one knows nothing of it.
    world.restart();
    world.run(2, "true").await;
    assert_eq!(world.run(1, "echo right").await.0, Outcome::Succeeded);
    assert_eq!(world.log(&key(1)), "right\n");
}

#[tokio::test]
async fn one_whose_supervisor_has_died_is_not_started() {
    let world = World::new();
    world.run(0, "true").await;
    world.executor.foresee(order(1, "echo one")).await;
    let foreseen = world.executor.take_foreseen(&key(1)).unwrap();
    kill(world.supervisor());
    let started = world.executor.start_foreseen(&key(1), foreseen.ready).await;
    assert!(!started.unwrap());
    assert_eq!(world.run_order(foreseen.order).await.0, Outcome::Succeeded);
}

#[tokio::test]
async fn what_cannot_be_made_ready_is_told_at_the_start() {
    let world = World::new();
    world.run(0, "true").await;
    let mut nowhere = order(1, "true");
    nowhere.working_directory = Some("nowhere".to_owned());
    world.executor.foresee(nowhere).await;
    let foreseen = world.executor.take_foreseen(&key(1)).unwrap();
    let started = world.executor.start_foreseen(&key(1), foreseen.ready).await;
    assert!(started.unwrap());
    let (outcome, report) = world.end(&key(1)).await;
    assert_eq!(outcome, Outcome::Failed);
    assert!(report.reasons[0].contains("does not exist"), "{report:?}");
}
