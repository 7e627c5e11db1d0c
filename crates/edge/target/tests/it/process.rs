use std::{collections::BTreeMap, fs, sync::Arc, time::Duration as StdDuration};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::{
    Duration,
    delivery::{Digest, Package},
};
use cutover_target::{
    Bundles, Error, Exit, Instance, InstanceState, InstancesOrder, Place, ProcessTarget, Target,
};

use crate::support::{ask, generation, order, place, soon};

const BINARY: &str = env!("CARGO_BIN_EXE_cutover-target-test");
const GRACE: Duration = Duration::from_secs(5);

/// A data directory; what still runs in it when a test fails is ended with it.
struct World {
    kept: tempfile::TempDir,
    package: Package,
}

impl World {
    fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let source = kept.path().join("source/bin");
        fs::create_dir_all(&source).unwrap();
        fs::copy(BINARY, source.join("server")).unwrap();
        let mut world = Self {
            kept,
            package: Package::Bundle {
                digest: Digest(String::new()),
            },
        };
        let digest = world.bundles().pack(&world.path("source")).unwrap();
        world.package = Package::Bundle { digest };
        world
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.kept.path()).unwrap().join(name)
    }

    fn bundles(&self) -> Bundles {
        Bundles::new(self.path("bundles"))
    }

    /// A new one each time is what a restart of ours is.
    fn target(&self) -> Target {
        let supervisor = vec![BINARY.to_owned(), "supervise".to_owned()];
        let root = self.path("instances");
        Target::Process(Arc::new(
            ProcessTarget::open(&root, self.bundles(), supervisor).unwrap(),
        ))
    }

    fn order(&self, command: &[&str]) -> InstancesOrder {
        order(self.place(), self.package.clone(), command)
    }

    fn place(&self) -> Place {
        place(self.kept.path().to_str().unwrap())
    }

    fn seat(&self, index: u32) -> Utf8PathBuf {
        self.path("instances")
            .join(self.place().deployment.as_str())
            .join(index.to_string())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever has its place below our directory, by the marker that supervisors set.
        let marker = format!("CUTOVER_INSTANCE={}", self.path("instances"));
        for pid in cutover_supervisor::tree::snapshot().into_keys() {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let ours = environ
                .split(|byte| *byte == 0)
                .any(|pair| pair.starts_with(marker.as_bytes()));
            if ours {
                kill(pid);
            }
        }
    }
}

/// The kernel's `kill -9`.
fn kill(pid: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).ok();
}

async fn ask_env(instance: &Instance) -> BTreeMap<String, String> {
    let text = ask(instance.address, "?").await;
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

async fn observed(target: &Target, place: &Place) -> Vec<InstanceState> {
    target.observe(place).await.unwrap()
}

/// The first instance, when it is as wanted.
async fn until(
    target: &Target,
    place: &Place,
    so: impl Fn(&InstanceState) -> bool,
) -> InstanceState {
    soon(async {
        loop {
            if let Some(state) = observed(target, place).await.into_iter().find(&so) {
                return state;
            }
            tokio::time::sleep(StdDuration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn starts_what_is_missing_and_leaves_what_runs() {
    let world = World::new();
    let target = world.target();
    let mut order = world.order(&["bin/server", "serve"]);
    let one = target.ensure(&order).await.unwrap();
    let env = ask_env(&one[0]).await;
    assert_eq!(
        env["PORT"],
        one[0].address.port().to_string(),
        "nobody else sets it"
    );
    assert_eq!(env["COLOUR"], "blue");
    assert_eq!(
        env["SIZE"], "large",
        "the environment goes over the release"
    );
    assert_eq!(env["CUTOVER_VERSION"], "1.4.0");
    assert_eq!(env["CUTOVER_ENVIRONMENT"], "staging");
    assert_eq!(env["directory"], world.seat(0).join("app").as_str());
    assert_eq!(env["HOME"], env["directory"]);
    assert!(
        !env.contains_key("CARGO_MANIFEST_DIR"),
        "it inherits nothing of us"
    );

    order.count = 3;
    let three = target.ensure(&order).await.unwrap();
    assert_eq!(three[0], one[0]);
    assert_eq!(
        three.iter().map(|found| found.index).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert!(three[2].id.ends_with("-2"), "{}", three[2].id);
    assert_eq!(ask_env(&three[0]).await["pid"], env["pid"]);
    order.count = 1;
    target.ensure(&order).await.unwrap();
    let states = observed(&target, &order.place).await;
    assert_eq!(states.len(), 3, "never fewer");
    ask_env(&three[1]).await;
    ask_env(&three[2]).await;

    let stop = |keep, ask| target.stop(&order.place, keep, GRACE, generation(ask));
    stop(1, 2).await.unwrap();
    stop(1, 2).await.unwrap();
    let states = observed(&target, &order.place).await;
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].instance, one[0]);
    assert_eq!(
        ask_env(&one[0]).await["pid"],
        env["pid"],
        "the lowest stays"
    );

    order.count = 2;
    assert!(
        matches!(target.ensure(&order).await, Err(Error::Stale { .. })),
        "of before the stop"
    );
    order.generation = generation(3);
    let two = target.ensure(&order).await.unwrap();
    assert_eq!(
        two[1], three[1],
        "a stopped one comes back, at its port when that is free"
    );
    ask_env(&two[1]).await;
    let late = stop(0, 2).await;
    assert!(matches!(late, Err(Error::Stale { .. })), "{late:?}");

    target.remove(&order.place).await.unwrap();
    target.remove(&order.place).await.unwrap();
    assert!(observed(&target, &order.place).await.is_empty());
    assert!(!world.seat(0).exists());
    let log = fs::read_to_string(target.log_path(&order.place, 1)).unwrap();
    assert_eq!(log.lines().count(), 2, "both runs are in it: {log}");
    assert!(
        matches!(target.ensure(&order).await, Err(Error::Stale { .. })),
        "removed is removed"
    );
}

#[tokio::test]
async fn a_successor_finds_everything() {
    let world = World::new();
    let mut order = world.order(&["bin/server", "serve"]);
    order.count = 2;
    let first = world.target().ensure(&order).await.unwrap();
    let pid = ask_env(&first[0]).await["pid"].clone();
    let successor = world.target();
    assert_eq!(successor.ensure(&order).await.unwrap(), first);
    assert_eq!(ask_env(&first[0]).await["pid"], pid);

    let mut other = world.order(&["bin/server", "serve"]);
    other.place = place("another deployment");
    let elsewhere = successor.ensure(&other).await.unwrap();
    assert!(
        !first
            .iter()
            .any(|found| found.address == elsewhere[0].address)
    );
    successor.remove(&other.place).await.unwrap();
    successor.remove(&order.place).await.unwrap();
}

#[tokio::test]
async fn our_death_between_the_record_and_the_start_is_made_good() {
    let world = World::new();
    let order = world.order(&["bin/server", "serve"]);
    // What we leave behind when we die there: a promised port, and not even the bundle.
    fs::create_dir_all(world.seat(0)).unwrap();
    let record = r#"{"port":29876,"run":1,"wanted":"running"}"#;
    fs::write(world.seat(0).join("record.json"), record).unwrap();
    let target = world.target();
    let state = &observed(&target, &order.place).await[0];
    assert!(!state.alive && state.exit.is_none(), "{state:?}");
    let instances = target.ensure(&order).await.unwrap();
    assert_eq!(instances[0].address.port(), 29876);
    ask_env(&instances[0]).await;
    target.remove(&order.place).await.unwrap();
}

#[tokio::test]
async fn our_death_within_a_stop_is_made_good() {
    let world = World::new();
    let mut order = world.order(&["bin/server", "serve"]);
    let first = world.target().ensure(&order).await.unwrap();
    let before = ask_env(&first[0]).await["pid"].clone();
    // What we leave behind when we die there: the wish is written, the process runs.
    let path = world.seat(0).join("record.json");
    let record = fs::read_to_string(&path).unwrap();
    assert!(record.contains("running"), "{record}");
    fs::write(&path, record.replace("running", "stopped")).unwrap();
    let target = world.target();
    assert!(observed(&target, &order.place).await.is_empty());
    order.generation = generation(2);
    let again = target.ensure(&order).await.unwrap();
    assert_ne!(ask_env(&again[0]).await["pid"], before);
    assert!(
        !Utf8Path::new("/proc").join(&before).exists(),
        "never two of one index"
    );

    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("running", "stopped"),
    )
    .unwrap();
    let target = world.target();
    target
        .stop(&order.place, 0, GRACE, generation(3))
        .await
        .unwrap();
    let connected = tokio::net::TcpStream::connect(again[0].address).await;
    assert!(
        connected.is_err(),
        "a repeated stop ends what the first one left"
    );
    target.remove(&order.place).await.unwrap();
}

#[tokio::test]
async fn a_death_of_its_own_is_reported_and_not_repaired() {
    let world = World::new();
    let target = world.target();
    let order = world.order(&["bin/server", "die", "7"]);
    let first = target.ensure(&order).await.unwrap();
    let state = until(&target, &order.place, |state| state.exit.is_some()).await;
    assert_eq!(state.exit, Some(Exit::Code(7)));
    assert!(!state.alive);
    assert_eq!(state.log_tail, ["no database"]);
    assert_eq!(target.ensure(&order).await.unwrap(), first);
    let log = fs::read_to_string(target.log_path(&order.place, 0)).unwrap();
    assert_eq!(log, "no database\n", "it was not started again");

    let revived = target.revive(&order).await.unwrap();
    assert_eq!(revived, first, "at the same port");
    let twice = ["no database", "no database"];
    let state = until(&target, &order.place, |state| state.log_tail == twice).await;
    assert_eq!(state.instance, first[0]);
    target.remove(&order.place).await.unwrap();
}

#[tokio::test]
async fn the_port_that_really_listens_is_found() {
    let world = World::new();
    let target = world.target();
    let mut order = world.order(&["sh", "-c", "bin/server serve elsewhere & wait"]);
    order.env.insert("OTHER_PORT".to_owned(), "0".to_owned());
    let instance = target.ensure(&order).await.unwrap().remove(0);
    let state = until(&target, &order.place, |state| {
        !state.listening_ports.is_empty() && !state.log_tail.is_empty()
    })
    .await;
    assert!(state.alive);
    assert_ne!(state.listening_ports, [instance.address.port()]);
    assert_eq!(state.log_tail, ["listening on 0"]);
    target.remove(&order.place).await.unwrap();
}

#[tokio::test]
async fn what_the_machine_took_down_comes_back() {
    let world = World::new();
    let target = world.target();
    let order = world.order(&["bin/server", "serve"]);
    let first = target.ensure(&order).await.unwrap();
    let before = ask_env(&first[0]).await["pid"].clone();
    // The supervisor goes without a word, as it does when the machine does.
    let supervisor = cutover_supervisor::identity::Stat::read(before.parse().unwrap()).unwrap();
    kill(supervisor.parent);
    let state = until(&target, &order.place, |state| !state.alive).await;
    assert_eq!(state.exit, Some(Exit::Lost));
    let again = target.ensure(&order).await.unwrap();
    assert_eq!(again, first, "at the same port");
    assert_ne!(
        ask_env(&again[0]).await["pid"],
        before,
        "what was left of it is gone"
    );
    target.remove(&order.place).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let world = World::new();
    let target = world.target();
    let mut order = world.order(&[]);
    let error = target.ensure(&order).await.unwrap_err();
    assert!(matches!(&error, Error::NoCommand { .. }), "{error}");
    order.release.command = vec!["bin/absent".to_owned()];
    let error = target.ensure(&order).await.unwrap_err();
    assert!(matches!(&error, Error::NoProgram { .. }), "{error}");
    order.release.command = vec!["no-such-program-anywhere".to_owned()];
    let error = target.ensure(&order).await.unwrap_err();
    assert!(
        error.to_string().contains("no-such-program-anywhere"),
        "{error}"
    );
    order.release.command = vec!["bin/server".to_owned(), "serve".to_owned()];
    let instances = target.ensure(&order).await.unwrap();
    ask_env(&instances[0]).await;
    target.remove(&order.place).await.unwrap();

    let digest = Digest(format!("sha256:{}", "0".repeat(64)));
    order.place = place("no package");
    order.release.package = Package::Bundle {
        digest: digest.clone(),
    };
    let error = target.ensure(&order).await.unwrap_err();
    assert!(matches!(&error, Error::PackageGone { .. }), "{error}");
    order.release.package = Package::Image { digest };
    let error = target.ensure(&order).await.unwrap_err();
    assert!(
        error.to_string().contains("api@1.4.0 is an image"),
        "{error}"
    );
}
