//! Supervisors after their first job.

use std::time::Duration;

use cutover_executor::StepOrder;
use cutover_model::run::{JobKey, Outcome};
use cutover_supervisor::{identity::Identity, record};

use crate::world::{World, is_alive, job, kill, order, run};

/// The same step in another job.
fn elsewhere(order: StepOrder, job: &str) -> StepOrder {
    let mut order = order;
    order.key.job = JobKey::single(job);
    order
}

fn keeper(world: &World, job: &str) -> Identity {
    let path = world.root.join(run().as_str()).join(job);
    record::read(&path.join("supervisor.json"))
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_supervisor_takes_the_next_job_and_knows_nothing_of_the_one_before() {
    let world = World::new();
    let script = "sleep 1000 & echo ::add-mask::swordfish; pwd > $WORLD/first";
    assert_eq!(world.run(0, script).await.0, Outcome::Succeeded);
    let first = keeper(&world, "build");
    world.executor.destroy(&run(), &job()).await.unwrap();
    let next = elsewhere(
        order(0, "echo swordfish; test $PWD != $(cat $WORLD/first)"),
        "test",
    );
    let key = next.key.clone();
    assert_eq!(world.run_order(next).await.0, Outcome::Succeeded);
    assert_eq!(keeper(&world, "test"), first);
    assert_eq!(world.log(&key), "swordfish\n");
    // The same job once more, as a retry has it.
    assert_eq!(world.run(1, "true").await.0, Outcome::Succeeded);
    assert_ne!(keeper(&world, "build"), first);
    let other = JobKey::single("test");
    world.executor.destroy(&run(), &other).await.unwrap();
}

#[tokio::test]
async fn one_that_was_killed_while_it_waited_is_no_loss() {
    let world = World::new();
    world.run(0, "true").await;
    let first = world.supervisor();
    world.executor.destroy(&run(), &job()).await.unwrap();
    kill(first);
    let next = elsewhere(order(0, "true"), "test");
    assert_eq!(world.run_order(next).await.0, Outcome::Succeeded);
    assert_ne!(keeper(&world, "test").pid, first);
    let other = JobKey::single("test");
    world.executor.destroy(&run(), &other).await.unwrap();
}

#[tokio::test]
async fn one_that_nobody_can_give_another_order_leaves() {
    let mut world = World::new();
    world.run(0, "true").await;
    let first = keeper(&world, "build");
    // Its pipes close with the executor that has started it; the job goes on all the same.
    world.restart();
    assert!(is_alive(first.pid));
    assert_eq!(world.run(1, "true").await.0, Outcome::Succeeded);
    assert_eq!(keeper(&world, "build"), first);
    world.executor.destroy(&run(), &job()).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(20), first.gone());
    gone.await.unwrap().unwrap();
}
