//! Supervisors after their first job.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::StepOrder;
use cutover_model::{
    RunId,
    run::{JobKey, Outcome},
};
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

fn place(world: &World, job: &str) -> Utf8PathBuf {
    world.root.join(run().as_str()).join(job)
}

/// Which directory it is, whatever it is called.
fn number(path: &Utf8Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// A job whose one step hands values on and says that it has made something; it is over then.
async fn first(world: &World, meddle: impl FnOnce(&Utf8Path)) -> u64 {
    let script = "
        echo A=lobster >> $GITHUB_ENV; echo a=lobster >> $GITHUB_OUTPUT; echo lobster >> $GITHUB_STEP_SUMMARY
        echo nonsense > $GITHUB_ARTIFACTS_LIST; echo /lobster >> $GITHUB_PATH";
    assert_eq!(world.run(0, script).await.0, Outcome::Succeeded);
    let place = place(world, "build");
    let was = number(&place.join("temp"));
    meddle(&place);
    world.executor.hand_down(&run(), &job()).await.unwrap();
    assert!(!place.join("temp").exists() && !place.join("workspace").exists());
    was
}

/// What the first step of the next job finds, and which directory its temporary one is.
async fn second(world: &World, index: usize) -> (String, u64) {
    let look = r#"ls -A; cat "$GITHUB_ENV" "$GITHUB_OUTPUT" "$GITHUB_STEP_SUMMARY" "$GITHUB_PATH"
        cat "$GITHUB_ARTIFACTS_LIST"; echo; cd "${GITHUB_ENV%/*}"; ls -A; ls -A ..; grep -r lob[s]ter .."#;
    let order = elsewhere(order(index, &format!("{look} || true")), "test");
    let key = order.key.clone();
    assert_eq!(world.run_order(order).await.0, Outcome::Succeeded);
    let was = number(&place(world, "test").join("temp"));
    world.executor.destroy(&run(), &key.job).await.unwrap();
    (world.log(&key), was)
}

#[tokio::test]
async fn the_next_job_of_a_run_gets_directories_of_the_one_before_as_if_they_were_new() {
    let world = World::new();
    let left = first(&world, |_| ()).await;
    let (handed_down, was) = second(&world, 0).await;
    assert_eq!(was, left);
    let (new, _) = second(&World::new(), 0).await;
    assert_eq!(handed_down, new);
    assert!(
        new.contains("subjects") && !new.contains("lobster"),
        "{new}"
    );
}

#[tokio::test]
async fn what_nobody_took_is_removed_and_no_other_run_gets_any_of_it() {
    let world = World::new();
    let left = first(&world, |_| ()).await;
    let unused = place(&world, "build").join("left");
    assert_eq!(number(&unused), left);
    let mut other = elsewhere(order(1, "true"), "other");
    other.key.run = RunId::derived(&["another run"]);
    let key = other.key.clone();
    world.run_order(other).await;
    assert_eq!(number(&unused), left);
    world.executor.destroy(&key.run, &key.job).await.unwrap();
    world.executor.forget_handed_down(&run()).unwrap();
    assert!(!unused.exists());
}

#[tokio::test]
async fn what_a_job_has_changed_of_its_directories_is_not_handed_down() {
    type Meddle = fn(&Utf8Path);
    let meddles: [(&str, Meddle); 9] = [
        ("a file in the workspace", |job| {
            fs::write(job.join("workspace/file"), "").unwrap();
        }),
        ("a file in the temporary directory", |job| {
            fs::write(job.join("temp/file"), "").unwrap();
        }),
        ("a directory there", |job| {
            fs::create_dir(job.join("temp/folder")).unwrap();
        }),
        ("rights", |job| {
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(job.join("workspace"), open).unwrap();
        }),
        ("an event that is a link", |job| {
            fs::create_dir(job.join("temp/_github_workflow")).unwrap();
            symlink("/etc/passwd", job.join("temp/_github_workflow/event.json")).unwrap();
        }),
        ("a file that cannot be written", |job| {
            let closed = fs::Permissions::from_mode(0o400);
            fs::set_permissions(exchange(job).join("env"), closed).unwrap();
        }),
        ("a second name", |job| {
            fs::hard_link(exchange(job).join("env"), job.join("second")).unwrap();
        }),
        ("a file too many", |job| {
            fs::write(exchange(job).join("more"), "").unwrap();
        }),
        ("a secret that was added", |job| {
            fs::create_dir(job.join("private")).unwrap();
            fs::write(job.join("private/masks.json"), "[]").unwrap();
        }),
    ];
    for (what, meddle) in meddles {
        let world = World::new();
        first(&world, meddle).await;
        assert!(!place(&world, "build").join("left").exists(), "{what}");
        assert!(!place(&world, "build").join("private").exists(), "{what}");
    }
}

/// The files by which its step handed values on.
fn exchange(job: &Utf8Path) -> Utf8PathBuf {
    let mut entries = job.join("temp").read_dir_utf8().unwrap();
    let found = entries.find(|entry| entry.as_ref().unwrap().path().join("env").exists());
    found.unwrap().unwrap().into_path()
}
