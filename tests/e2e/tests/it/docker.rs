//! The core of it on containers: switches, what is under way across them, bad candidates, and an engine
//! that goes away in the middle of a deployment. On an engine of our own, with a bridge of its own:
//! whatever else runs here is not touched.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    stage::{LIMIT, SPECIMEN, Stage, shares},
    wire::{self, Beside},
    world::World,
};

const BLUE_GREEN: &str =
    "{ target: { docker: { instances: 2 } }, strategy: { blue_green: { bake: 0s } } }";
const CANARY: &str = "{ target: { docker: { instances: 2 } }, \
     strategy: { canary: { steps: [50, 100], interval: 3s, bake: 1s } } }";
/// How long an engine may take to come up.
const START: Duration = Duration::from_secs(30);

/// An engine that ends with the test; made before the world whose containers it has, and so gone after
/// it.
pub(crate) struct Engine {
    folder: TempDir,
    bridge: String,
    child: Option<Child>,
}

impl Engine {
    /// One that answers; `None`, loudly, when there can be none here.
    pub(crate) fn start() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let skip = |why: &str| {
            eprintln!("SKIPPED: what needs a docker engine, from outside, because {why}")
        };
        let missing = ["dockerd", "ip"].into_iter().find(|tool| !is_there(tool));
        if let Some(tool) = missing {
            skip(&format!("there is no `{tool}`"));
            return None;
        }
        // Others may have an engine at the same time, in this process and in others. Names of links
        // are short.
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let bridge = format!("cut{}-{number}", std::process::id());
        let place = std::process::id() * 4 + number % 4;
        let address = format!("10.{}.{}.1/24", 64 + place / 250 % 64, place % 250);
        let mut engine = Self {
            folder: tempfile::Builder::new().prefix("cut-").tempdir().unwrap(),
            bridge,
            child: None,
        };
        let bridge = &engine.bridge;
        let made = ip(&["link", "add", bridge, "type", "bridge"])
            && ip(&["addr", "add", &address, "dev", bridge])
            && ip(&["link", "set", bridge, "up"]);
        if !made {
            skip("no bridge can be made here");
            return None;
        }
        if let Err(why) = engine.up() {
            skip(&why);
            return None;
        }
        Some(engine)
    }

    /// A world whose server uses this engine.
    pub(crate) fn world(&self) -> World {
        let world = World::new();
        world.set("DOCKER_HOST", &self.host());
        world
    }

    /// Its address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Starts it, and waits until it says that it answers.
    fn up(&mut self) -> Result<(), String> {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let log = File::create(path("log")).unwrap();
        let child = Command::new("dockerd")
            .args(["--host", &format!("unix://{}", self.socket().display())])
            .args(["--data-root", &path("data"), "--exec-root", &path("run")])
            .args(["--pidfile", &path("pid"), "--bridge", &self.bridge])
            // The rules of the machine are not ours; ports are carried by the engine itself.
            .args(["--iptables=false", "--ip6tables=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = child.map_err(|error| format!("dockerd: {error}"))?;
        let child = self.child.insert(child);
        let begun = Instant::now();
        let log = self.folder.path().join("log");
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("API listen on") {
                return Ok(());
            }
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || begun.elapsed() > START {
                let last = said.lines().next_back().unwrap_or_default();
                return Err(format!("dockerd does not start: {last}"));
            }
            // It tells nobody but its log when it is ready.
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).ok();
            drop(child.wait());
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.down();
        ip(&["link", "del", &self.bridge]);
    }
}

pub(crate) fn is_there(tool: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .any(|folder| Path::new(folder).join(tool).is_file())
}

fn ip(arguments: &[&str]) -> bool {
    let done = Command::new("ip").args(arguments).output();
    done.is_ok_and(|done| done.status.success())
}

/// A stage whose specimens are images made of nothing but the specimen and what it is linked to.
fn stage<'a>(world: &'a World, production: &str) -> Stage<'a> {
    let changes = [
        (
            "build: { context: . }",
            "build: { context: ., dockerfile: Dockerfile }\n    port: 9000",
        ),
        ("    command: [./run]\n", ""),
        (
            "env: { SPECIMEN:",
            "env: { CUTOVER_ANYWHERE: \"1\", SPECIMEN:",
        ),
        ("start_timeout: 15s", "start_timeout: 10s"),
    ];
    let stage = Stage::open_with(world, production, &changes);
    let mut dockerfile = "FROM scratch\n".to_owned();
    for library in libraries() {
        let name = library.file_name().unwrap().to_str().unwrap();
        let folder = library.parent().unwrap().display();
        fs::copy(&library, stage.path().join(name)).unwrap();
        writeln!(dockerfile, "COPY {name} {folder}/").unwrap();
    }
    fs::copy(SPECIMEN, stage.path().join("specimen")).unwrap();
    dockerfile += "COPY specimen specimen.json /\nCMD [\"/specimen\"]\n";
    stage.write("Dockerfile", &dockerfile);
    stage
}

/// What the specimen is linked to.
fn libraries() -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(SPECIMEN).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}

#[test]
fn versions_change_places_and_nothing_under_way_is_cut() {
    let Some(engine) = Engine::start() else {
        return;
    };
    let world = engine.world();
    let stage = stage(&world, BLUE_GREEN);
    let dies = json!({ "on_term": "die" });
    stage.build("1.0.0", &dies).build("2.0.0", &dies);
    stage.first("1.0.0");
    let load = stage.load(100);
    let address = stage.address();
    let long = Beside::start(wire::fetch(address.clone(), "/slow?ms=3000".to_owned()));
    let stream = Beside::start(wire::stream(address.clone(), 1 << 20, 3_000));
    let upload = Beside::start(wire::upload(address, 10 << 20, 2_000));
    world.until("requests in flight", LIMIT, || {
        (stage.in_flight("1.0.0") >= 3).then_some(())
    });
    for version in ["2.0.0", "1.0.0", "2.0.0"] {
        stage.deploy(version);
    }
    assert_eq!(long.end().expect("the long request").0, 200);
    assert_eq!(stream.end(), Ok(1 << 20));
    assert!(upload.end().is_ok());
    stage.none_failed(&load.stop(), "three switches of containers");
    stage.serves_only("2.0.0");
}

#[test]
fn a_bad_image_says_why_and_a_broken_canary_comes_back() {
    let Some(engine) = Engine::start() else {
        return;
    };
    let world = engine.world();
    let stage = stage(&world, &CANARY.replace("3s", "20s"));
    stage.build("1.0.0", &json!({}));
    stage.build(
        "2.0.0",
        &json!({ "crash_after_ms": 0, "says": ["no database at db:5432"] }),
    );
    stage.build("3.0.0", &json!({ "fail_percent": 100 }));
    stage.first("1.0.0");
    let load = stage.load(100);
    let words = ["are not healthy", "no database at db:5432"];
    world
        .cutover(&["deploy", "2.0.0", "production"])
        .exits(1)
        .says(&words);
    stage.ends(&stage.begin("3.0.0"), "rolled_back");
    let tally = load.stop();
    stage.none_lost(&tally, "bad images");
    assert!(!tally.failed.contains_key("1.0.0"), "{}", tally.tell());
    stage.serves_only("1.0.0");
}

#[test]
fn an_engine_that_restarts_in_the_middle_of_a_canary_ends_nothing_for_good() {
    let Some(mut engine) = Engine::start() else {
        return;
    };
    let world = engine.world();
    let stage = stage(&world, CANARY);
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 50.0);
    engine.down();
    engine.up().expect("the engine again");
    let ended = |view: &Value| view["deployment"]["outcome"].is_string();
    let view = world.deployment(&id, LIMIT, ended);
    let last = shares(&view).last().copied().unwrap_or_default();
    let version = if last > 0.0 { "2.0.0" } else { "1.0.0" };
    eprintln!("the engine restarted: {}", view["line"]);
    let both_well = || (stage.sides().first()?["healthy"] == 2).then_some(());
    world.until("two healthy instances", LIMIT, both_well);
    stage.serves_only(version);
    // Nothing is held by what went wrong: the next one goes through, and loses nothing.
    let load = stage.load(100);
    let next = if version == "2.0.0" { "1.0.0" } else { "2.0.0" };
    stage.deploy(next);
    stage.none_failed(&load.stop(), "after the engine's restart");
    stage.serves_only(next);
}
