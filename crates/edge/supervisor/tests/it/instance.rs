//! The life of an instance.

use std::{collections::BTreeMap, fs, io::BufRead as _, process::Command, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_supervisor::{
    Error,
    identity::Stat,
    instance::{self, InstanceState, Order},
};

const LONG: Duration = Duration::from_mins(1);

/// A directory for one test; what still runs at its end is stopped.
struct World {
    root: Utf8PathBuf,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            root: Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap(),
            _directory: directory,
        }
    }

    fn place(&self) -> Utf8PathBuf {
        self.root.join("place")
    }

    /// An order for a script, with a pipe by which it can tell us how far it is.
    fn order(&self, script: &str) -> Order {
        Order {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            env: BTreeMap::from([("SECRET".to_owned(), "hunter2".to_owned())]),
            env_clear: false,
            directory: self.root.clone(),
            log: self.root.join("log"),
            log_limit_bytes: 0,
        }
    }

    async fn start(&self, script: &str) {
        instance::start(&self.place(), &supervisor(), &self.order(script))
            .await
            .unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root.join("log")).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Ok(InstanceState::Running { pid, child }) = instance::state(&self.place()) {
            for pid in [pid, child] {
                Command::new("kill")
                    .args(["-9", &pid.to_string()])
                    .status()
                    .unwrap();
            }
        }
    }
}

fn supervisor() -> Vec<String> {
    vec![env!("CARGO_BIN_EXE_cutover-supervisor-test").to_owned()]
}

/// Waits until somebody has written a line into this named pipe.
async fn line(path: &Utf8Path) -> String {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let file = std::io::BufReader::new(fs::File::open(path).unwrap());
        file.lines().next().unwrap().unwrap()
    })
    .await
    .unwrap()
}

fn fifo(path: &Utf8Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn is_alive(pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| !stat.zombie)
}

#[tokio::test]
async fn an_instance_runs_ends_and_leaves_its_exit_code_and_its_output() {
    let world = World::new();
    assert_eq!(
        instance::state(&world.place()).unwrap(),
        InstanceState::Absent
    );
    world
        .start("echo out; echo err >&2; echo $SECRET $PWD; exit 7")
        .await;
    let state = instance::exited(&world.place()).await.unwrap();
    assert!(
        matches!(state, InstanceState::Exited { code: Some(7), signal: None, at } if at > 0),
        "{state:?}"
    );
    assert_eq!(world.log(), format!("out\nerr\nhunter2 {}\n", world.root));
    for entry in fs::read_dir(world.place()).unwrap() {
        let content = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!content.contains("hunter2"));
    }
}

#[tokio::test]
async fn a_second_start_does_nothing_while_it_runs_and_after_it_has_ended() {
    let world = World::new();
    fifo(&world.root.join("go"));
    world.start("echo once; read line < go").await;
    let before = instance::state(&world.place()).unwrap();
    world.start("echo twice").await;
    assert_eq!(instance::state(&world.place()).unwrap(), before);
    fs::write(world.root.join("go"), "\n").unwrap();
    instance::exited(&world.place()).await.unwrap();
    world.start("echo thrice").await;
    assert_eq!(world.log(), "once\n");
    instance::forget(&world.place()).unwrap();
    world.start("echo again").await;
    instance::exited(&world.place()).await.unwrap();
    assert_eq!(world.log(), "once\nagain\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_at_the_same_time_run_it_once() {
    let world = World::new();
    let order = world.order("echo once; exec sleep 100");
    let place = world.place();
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (place, supervisor, order) = (place.clone(), supervisor(), order.clone());
        starts.spawn(async move { instance::start(&place, &supervisor, &order).await });
    }
    while let Some(start) = starts.join_next().await {
        start.unwrap().unwrap();
    }
    assert!(matches!(
        instance::state(&place).unwrap(),
        InstanceState::Running { .. }
    ));
    let state = instance::stop(&place, LONG).await.unwrap();
    assert!(
        matches!(
            state,
            InstanceState::Exited {
                signal: Some(15),
                ..
            }
        ),
        "{state:?}"
    );
    assert_eq!(world.log(), "once\n");
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_an_error_and_leaves_the_place_free() {
    let world = World::new();
    let mut order = world.order("");
    order.argv = vec!["/no/such/program".to_owned()];
    let error = instance::start(&world.place(), &supervisor(), &order)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Refused(why) if why.contains("`/no/such/program`")),
        "{error}"
    );
    assert_eq!(
        instance::state(&world.place()).unwrap(),
        InstanceState::Absent
    );
    world.start("exit 0").await;
    instance::exited(&world.place()).await.unwrap();
}

#[tokio::test]
async fn stop_asks_first_and_the_exit_code_is_the_answer() {
    let world = World::new();
    let ready = world.root.join("ready");
    fifo(&ready);
    world
        .start("trap 'echo bye; exit 3' TERM; sleep 1000 & echo up > ready; wait")
        .await;
    assert_eq!(line(&ready).await, "up");
    let state = instance::stop(&world.place(), LONG).await.unwrap();
    assert!(
        matches!(state, InstanceState::Exited { code: Some(3), .. }),
        "{state:?}"
    );
    assert_eq!(world.log(), "bye\n");
    assert_eq!(instance::stop(&world.place(), LONG).await.unwrap(), state);
}

#[tokio::test]
async fn what_ignores_the_question_is_killed_with_all_it_started_in_any_session() {
    let world = World::new();
    let ready = world.root.join("ready");
    fifo(&ready);
    world
        .start(
            "trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ > ready; exec sleep 1000' &) ; \
             sleep 1000",
        )
        .await;
    let hidden: u32 = line(&ready).await.parse().unwrap();
    assert!(is_alive(hidden));
    let state = instance::stop(&world.place(), Duration::from_millis(50))
        .await
        .unwrap();
    assert!(
        matches!(
            state,
            InstanceState::Exited {
                signal: Some(9),
                ..
            }
        ),
        "{state:?}"
    );
    assert!(!is_alive(hidden));
}

#[tokio::test]
async fn what_it_leaves_behind_at_its_own_end_is_killed_too() {
    let world = World::new();
    let ready = world.root.join("ready");
    fifo(&ready);
    fifo(&world.root.join("go"));
    world
        .start("setsid sh -c 'echo $$ > ready; exec sleep 1000' & read line < go; exit 0")
        .await;
    let hidden: u32 = line(&ready).await.parse().unwrap();
    fs::write(world.root.join("go"), "\n").unwrap();
    let state = instance::exited(&world.place()).await.unwrap();
    assert!(
        matches!(state, InstanceState::Exited { code: Some(0), .. }),
        "{state:?}"
    );
    assert!(!is_alive(hidden));
}

#[tokio::test]
async fn without_its_supervisor_it_is_lost_and_stop_still_finds_all_of_it() {
    let world = World::new();
    let ready = world.root.join("ready");
    fifo(&ready);
    world
        .start("(setsid sh -c 'echo $$ > ready; exec sleep 1000' &) ; exec sleep 1000")
        .await;
    let hidden: u32 = line(&ready).await.parse().unwrap();
    let InstanceState::Running { pid, child } = instance::state(&world.place()).unwrap() else {
        panic!("it should run");
    };
    assert!(
        Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        instance::exited(&world.place()).await.unwrap(),
        InstanceState::Lost
    );
    assert!(is_alive(hidden) && is_alive(child));
    assert_eq!(
        instance::stop(&world.place(), LONG).await.unwrap(),
        InstanceState::Lost
    );
    assert!(!is_alive(hidden) && !is_alive(child));
    // A place is good for one start: nothing happens until the records are thrown away.
    world.start("exit 0").await;
    assert_eq!(
        instance::state(&world.place()).unwrap(),
        InstanceState::Lost
    );
}

#[tokio::test]
async fn the_record_of_one_that_lives_is_kept() {
    let world = World::new();
    world.start("exec sleep 1000").await;
    assert!(matches!(
        instance::forget(&world.place()),
        Err(Error::Alive(_))
    ));
    instance::stop(&world.place(), LONG).await.unwrap();
}
