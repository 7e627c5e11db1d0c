//! The end of a step that somebody wants to end.

use cutover_model::run::Outcome;

use crate::world::{World, is_alive, job, key, order, run};

#[tokio::test]
async fn a_step_is_asked_first() {
    let world = World::new();
    world.fifo("up");
    let script = "trap 'echo bye; exit 0' INT; sleep 1000 & echo x > $WORLD/up; wait";
    world.start(order(0, script)).await;
    world.line("up").await;
    world.executor.cancel(&key(0)).await.unwrap();
    let (outcome, report) = world.end(&key(0)).await;
    assert_eq!((outcome, report.exit_code), (Outcome::Cancelled, Some(0)));
    assert_eq!(world.log(&key(0)), "bye\n");
}

#[tokio::test]
async fn what_ignores_everything_is_killed_with_its_children_in_any_session() {
    let world = World::new();
    world.fifo("up");
    let script = "trap '' INT TERM
        (setsid sh -c 'echo $$ > $WORLD/up; exec sleep 1000' &)
        sleep 1000; sleep 1000";
    world.start(order(0, script)).await;
    let hidden: u32 = world.line("up").await.parse().unwrap();
    world.executor.cancel(&key(0)).await.unwrap();
    let (outcome, report) = world.end(&key(0)).await;
    assert_eq!((outcome, report.signal), (Outcome::Cancelled, Some(9)));
    // It was us, and that is no riddle.
    assert_eq!(report.reasons, ["killed, as it had not ended by itself"]);
    assert!(!is_alive(hidden));
}

#[tokio::test]
async fn sigterm_comes_between() {
    let world = World::new();
    world.fifo("up");
    let script = "trap '' INT; trap 'echo term; exit 4' TERM
        sleep 1000 & echo x > $WORLD/up; while :; do wait; done";
    world.start(order(0, script)).await;
    world.line("up").await;
    world.executor.cancel(&key(0)).await.unwrap();
    let (outcome, report) = world.end(&key(0)).await;
    assert_eq!((outcome, report.exit_code), (Outcome::Cancelled, Some(4)));
    assert_eq!(world.log(&key(0)), "term\n");
}

#[tokio::test]
async fn a_step_that_has_ended_is_not_cancelled_after_the_fact() {
    let world = World::new();
    world.run(0, "true").await;
    world.executor.cancel(&key(0)).await.unwrap();
    assert_eq!(world.end(&key(0)).await.0, Outcome::Succeeded);
}

#[tokio::test]
async fn what_earlier_steps_left_running_outlives_a_cancelled_step_and_ends_with_the_job() {
    let world = World::new();
    world.fifo("up");
    world
        .run(
            0,
            "setsid sh -c 'echo $$ > $WORLD/left; exec sleep 1000' & sleep 0.1",
        )
        .await;
    let left = std::fs::read_to_string(world.root.join("left")).unwrap();
    let left: u32 = left.trim().parse().unwrap();
    world
        .start(order(1, "echo x > $WORLD/up; sleep 1000"))
        .await;
    world.line("up").await;
    world.executor.cancel(&key(1)).await.unwrap();
    assert_eq!(world.end(&key(1)).await.0, Outcome::Cancelled);
    assert!(is_alive(left));
    world.executor.destroy(&run(), &job()).await.unwrap();
    assert!(!is_alive(left));
    let place = world.root.join(run().as_str()).join("build");
    // Nobody keeps it any more.
    assert!(!place.join("supervisor.json").exists() && !place.join("socket").exists());
    assert!(!place.join("workspace").exists() && place.join("logs").exists());
    world.executor.destroy(&run(), &job()).await.unwrap();
}

#[tokio::test]
async fn a_job_that_is_destroyed_leaves_a_record_of_its_running_step() {
    let world = World::new();
    world.fifo("up");
    world
        .start(order(0, "echo x > $WORLD/up; sleep 1000"))
        .await;
    world.line("up").await;
    world.executor.destroy(&run(), &job()).await.unwrap();
    assert_eq!(world.end(&key(0)).await.0, Outcome::Cancelled);
}
