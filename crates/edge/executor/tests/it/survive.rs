//! Deaths: ours, and that of a supervisor.

use std::fs;

use cutover_executor::{Begun, StepEnd};
use cutover_model::run::{Attempt, Outcome, StepReport};

use crate::world::{World, is_alive, job, key, kill, order, run};

#[tokio::test]
async fn a_step_runs_once_however_often_it_is_started() {
    let mut world = World::new();
    world.fifo("go");
    let script = "echo once; read line < $WORLD/go";
    assert_eq!(world.executor.begun(&key(0)).unwrap(), Begun::No);
    world.start(order(0, script)).await;
    world.start(order(0, script)).await;
    world.restart();
    assert_eq!(world.executor.begun(&key(0)).unwrap(), Begun::Yes);
    world.start(order(0, script)).await;
    fs::write(world.root.join("go"), "\n").unwrap();
    world.end(&key(0)).await;
    assert!(matches!(
        world.executor.begun(&key(0)).unwrap(),
        Begun::Ended(_)
    ));
    world.start(order(0, script)).await;
    assert_eq!(world.log(&key(0)), "once\n");
    let mut again = order(0, "echo again");
    again.key.attempt = Attempt::FIRST.next();
    world.run_order(again.clone()).await;
    assert_eq!(world.log(&again.key), "again\n");
}

#[tokio::test]
async fn starts_at_the_same_time_run_it_once() {
    let world = World::new();
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let executor = world.executor.clone();
        starts.spawn(async move { executor.start(&order(0, "echo once")).await });
    }
    while let Some(started) = starts.join_next().await {
        started.unwrap().unwrap();
    }
    assert_eq!(world.end(&key(0)).await.0, Outcome::Succeeded);
    assert_eq!(world.log(&key(0)), "once\n");
}

#[tokio::test]
async fn after_our_death_the_end_of_a_step_is_still_learnt() {
    let mut world = World::new();
    world.fifo("go");
    world.start(order(0, "read line < $WORLD/go; exit 5")).await;
    let executor = world.executor.clone();
    let waiting = tokio::spawn(async move { executor.wait(&key(0)).await });
    tokio::task::yield_now().await;
    waiting.abort();
    world.restart();
    fs::write(world.root.join("go"), "\n").unwrap();
    let (outcome, report) = world.end(&key(0)).await;
    assert_eq!((outcome, report.exit_code), (Outcome::Failed, Some(5)));
}

#[tokio::test]
async fn without_its_supervisor_a_step_is_lost_and_its_processes_are_found() {
    let world = World::new();
    world.fifo("up");
    let script = "(setsid sh -c 'echo $$ > $WORLD/up; exec sleep 1000' &) ; sleep 1000";
    world.start(order(0, script)).await;
    let hidden: u32 = world.line("up").await.parse().unwrap();
    let executor = world.executor.clone();
    let waiting = tokio::spawn(async move { executor.wait(&key(0)).await });
    kill(world.supervisor());
    let end = waiting.await.unwrap().unwrap();
    assert!(matches!(&end, StepEnd::Lost { reason } if reason.contains("supervisor died")));
    assert!(is_alive(hidden));
    // It was started, and it is not started again.
    world.start(order(0, script)).await;
    assert!(matches!(
        world.executor.wait(&key(0)).await,
        Ok(StepEnd::Lost { .. })
    ));
    // The next one gets a new supervisor, and a clean table.
    let (outcome, _) = world.run(1, "echo next").await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert!(!is_alive(hidden));
}

#[tokio::test]
async fn what_a_dead_supervisor_left_is_killed_when_the_job_is_destroyed() {
    let world = World::new();
    world.fifo("up");
    world
        .start(order(0, "echo $$ > $WORLD/up; exec sleep 1000"))
        .await;
    let left: u32 = world.line("up").await.parse().unwrap();
    kill(world.supervisor());
    world.executor.destroy(&run(), &job()).await.unwrap();
    assert!(!is_alive(left));
}

#[tokio::test]
async fn a_builtin_step_whose_server_died_is_lost() {
    let mut world = World::new();
    let mut builtin = world.executor.builtin_log(&key(0), &[]).await.unwrap();
    builtin.line("so far");
    world.restart();
    assert!(matches!(
        world.executor.wait(&key(0)).await,
        Ok(StepEnd::Lost { .. })
    ));
    builtin
        .finish(Outcome::Succeeded, StepReport::default())
        .unwrap();
    assert_eq!(world.end(&key(0)).await.0, Outcome::Succeeded);
}

#[tokio::test]
async fn what_was_never_started_is_not_waited_for() {
    let world = World::new();
    let end = world.executor.wait(&key(0)).await.unwrap();
    assert!(matches!(&end, StepEnd::Lost { reason } if reason == "it was never started"));
}
