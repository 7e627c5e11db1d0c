//! `kill -9` of the server while something goes on. Whatever it was comes to its end after a
//! restart, no step has run twice unseen, and those who send requests notice nothing.
//!
//! These take minutes: `scripts/checks/kill-nine` runs them.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    load::{Connections, Load},
    repository::{Repository, project, service},
    world::World,
};

const LIMIT: Duration = Duration::from_mins(1);
const RATE: u32 = 100;
const TIMES: u64 = 5;

const CANARY: &str = "production: { target: { process: { instances: 2 } }, \
     strategy: { canary: { steps: [10, 50, 100], interval: 1s, bake: 500ms } }, \
     rollback_triggers: [{ metric: HTTPCode_Target_5XX_Count, threshold: 5, duration: 60 }] }";

/// A server with version 1.0.0 of the service in production, and traffic on it.
struct Stage<'a> {
    world: &'a World,
    repository: Repository<'a>,
    load: Load,
    /// Runs so far.
    runs: u64,
    slowest_start: Duration,
}

impl<'a> Stage<'a> {
    fn open(world: &'a World) -> Self {
        world.serve();
        let repository = Repository::new(world, "hello");
        repository.hello(&project(world, &[CANARY]));
        repository.build(1, "1.0.0");
        world.cutover(&["deploy", "1.0.0", "production"]).exits(0);
        let url = world.service_url("hello@production");
        Self {
            world,
            repository,
            load: Load::start(&url, RATE, Connections::Kept),
            runs: 1,
            slowest_start: Duration::ZERO,
        }
    }

    /// Pushes, and returns the number of the run.
    fn ship(&mut self, message: &str) -> u64 {
        self.repository.ship(message);
        self.runs += 1;
        self.runs
    }

    fn kill_and_restart(&mut self) {
        self.world.kill();
        let begun = Instant::now();
        self.world.serve();
        self.slowest_start = self.slowest_start.max(begun.elapsed());
    }

    /// Waits until a step of the run works, and then so long that it is caught at another moment
    /// each time. That is the one thing here that no event can say.
    fn kill_in_step(&mut self, run: u64, name: &str, round: u64, apart: Duration) {
        self.world.until(name, LIMIT, || {
            let run = self.world.run(run)?;
            let is_running = |step: &&Value| step["name"] == name && step["state"] == "running";
            steps(&run).find(is_running).map(drop)
        });
        thread::sleep(apart * u32::try_from(round).unwrap());
        self.kill_and_restart();
    }

    fn succeeds(&self, run: u64) -> Value {
        let run = self.world.run_ended(run, LIMIT);
        assert_eq!(run["outcome"], "succeeded", "{run:#}");
        run
    }

    fn close(self, what: &str) {
        let tally = self.load.stop();
        eprintln!("{what}: the slowest restart took {:?}", self.slowest_start);
        tally.none_lost(what);
    }
}

fn steps(run: &Value) -> impl Iterator<Item = &Value> {
    let jobs = run["jobs"].as_array().into_iter().flatten();
    jobs.flat_map(|job| job["steps"].as_array().into_iter().flatten())
}

/// One job with these lines as steps.
fn workflow(steps: &str) -> String {
    format!(
        "name: work
on: {{ push: {{ branches: [main] }} }}
jobs:
  work:
    runs-on: ubuntu-latest
    steps:
{steps}"
    )
}

#[test]
#[ignore = "takes long; scripts/checks/kill-nine"]
fn in_a_step() {
    let world = World::alone();
    let mut stage = Stage::open(&world);
    for round in 0..TIMES {
        let seen = world.path(&format!("seen-{round}"));
        stage.repository.workflow(&workflow(&format!(
            "      - {{ name: before, run: echo before >> '{0}' }}
      - {{ name: long, run: 'echo begin >> \"{0}\"; sleep 3; echo end >> \"{0}\"' }}
      - {{ name: after, run: echo after >> '{0}' }}
",
            seen.display()
        )));
        let run = stage.ship("chore: a long step");
        stage.kill_in_step(run, "long", round, Duration::from_millis(650));
        let run = stage.succeeds(run);
        let text = fs::read_to_string(&seen).unwrap();
        assert_eq!(text, "before\nbegin\nend\nafter\n", "round {round}");
        assert!(steps(&run).all(|step| step["attempt"] == 1), "{run:#}");
    }
    stage.close("killed in a step");
}

#[test]
#[ignore = "takes long; scripts/checks/kill-nine"]
fn in_a_gate() {
    let world = World::alone();
    let mut stage = Stage::open(&world);
    let gates =
        "gates:\n  quality: { tests: { pass_rate: 100, min_tests: 5, junit: r/junit.xml } }\n";
    stage
        .repository
        .write("cutover.yml", &(project(&world, &[CANARY]) + gates));
    // So many cases that the gate takes a while to read them.
    stage.repository.workflow(&workflow(
        "      - name: report
        run: |
          mkdir -p r
          awk 'BEGIN { print \"<testsuite name=\\\"a\\\">\"; for (i = 0; i < 200000; i++)
            print \"<testcase classname=\\\"a\\\" name=\\\"\" i \"\\\"/>\"; print \"</testsuite>\" }' > r/junit.xml
      - name: gate
        uses: cutover/gate@v1
        with: { gate: quality }
",
    ));
    for round in 0..TIMES {
        let run = stage.ship("chore: a gate");
        stage.kill_in_step(run, "gate", round, Duration::from_millis(120));
        stage.succeeds(run);
    }
    stage.close("killed in a gate");
}

#[test]
#[ignore = "takes long; scripts/checks/kill-nine"]
fn in_a_build() {
    let world = World::alone();
    let mut stage = Stage::open(&world);
    for round in 0..TIMES {
        let version = format!("2.{round}.0");
        stage.repository.workflow(&workflow(&format!(
            "      - uses: actions/checkout@v4
      - {{ name: weight, run: 'for i in 1 2 3 4; do head -c 15000000 /dev/urandom > weight$i; done' }}
      - {{ name: build, uses: cutover/build@v1, with: {{ version: {version} }} }}
"
        )));
        let run = stage.ship("chore: a heavy build");
        stage.kill_in_step(run, "build", round, Duration::from_millis(250));
        stage.succeeds(run);
        world.cutover(&["deploy", &version, "production"]).exits(0);
    }
    stage.close("killed in a build");
}

/// Follows a deployment through a restart to its end.
fn ended(world: &World, id: &str) -> Value {
    let has_ended = |view: &Value| !view["deployment"]["outcome"].is_null();
    world.deployment(id, LIMIT, has_ended)
}

fn begin(world: &World, version: &str) -> String {
    let answer = world.ask(&["deploy", version, "production", "--detach", "--lift-hold"]);
    answer["deployment"].as_str().expect("its id").to_owned()
}

/// Only this version answers.
fn serves_only(world: &World, version: &str) {
    let url = world.service_url("hello@production");
    for _ in 0..20 {
        let (status, body) = crate::server::get(&url, "/version").unwrap();
        assert_eq!((status, body.contains(version)), (200, true), "{body}");
    }
    let status = world.api("/status");
    let sides = status["services"][0]["sides"].as_array().unwrap();
    // The counts of a side that is gone stay for a while.
    let has_instances = |side: &&Value| side["instances"] != Value::Array(Vec::new());
    let serving: Vec<&Value> = sides.iter().filter(has_instances).collect();
    assert_eq!(serving.len(), 1, "{status:#}");
    assert_eq!(serving[0]["percent"], 100.0, "{status:#}");
}

#[test]
#[ignore = "takes long; scripts/checks/kill-nine"]
fn in_a_canary_step() {
    let world = World::alone();
    let mut stage = Stage::open(&world);
    stage.repository.build(2, "2.0.0");
    for round in 0..TIMES {
        let version = ["2.0.0", "1.0.0"][usize::try_from(round).unwrap() % 2];
        let id = begin(&world, version);
        world.deployment(&id, LIMIT, |view| {
            view["shifts"] != Value::Array(Vec::new()) || !view["deployment"]["outcome"].is_null()
        });
        thread::sleep(Duration::from_millis(550 * round));
        stage.kill_and_restart();
        let view = ended(&world, &id);
        assert_eq!(view["deployment"]["outcome"], "succeeded", "{view:#}");
        let shares: Vec<f64> = view["shifts"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|shift| shift["percent"].as_f64())
            .collect();
        assert!(shares.is_sorted(), "traffic went back: {shares:?}");
        serves_only(&world, version);
    }
    stage.close("killed in a canary step");
}

#[test]
#[ignore = "takes long; scripts/checks/kill-nine"]
fn in_a_rollback() {
    let world = World::alone();
    let mut stage = Stage::open(&world);
    stage
        .repository
        .write("service.json", &service("broken", 50))
        .workflow(&crate::repository::build("2.0.0"));
    let run = stage.ship("fix: a cache");
    stage.succeeds(run);
    for round in 0..TIMES {
        let id = begin(&world, "2.0.0");
        // The candidate has had traffic, and has it no longer.
        world.deployment(&id, LIMIT, |view| {
            let shifts = view["shifts"].as_array().map_or(0, Vec::len);
            let last = view["shifts"][shifts.saturating_sub(1)]["percent"].as_f64();
            (shifts > 1 && last == Some(0.0)) || !view["deployment"]["outcome"].is_null()
        });
        thread::sleep(Duration::from_millis(20 * round));
        stage.kill_and_restart();
        let view = ended(&world, &id);
        assert_eq!(view["deployment"]["outcome"], "rolled_back", "{view:#}");
        serves_only(&world, "1.0.0");
    }
    stage.close("killed in a rollback");
}

#[test]
#[ignore = "takes long; scripts/checks/kill-nine"]
fn in_a_rollback_by_hand() {
    let world = World::alone();
    let mut stage = Stage::open(&world);
    stage.repository.build(2, "2.0.0");
    for round in 0..TIMES {
        world
            .cutover(&[
                "deploy",
                "2.0.0",
                "production",
                "--strategy",
                "rolling",
                "--lift-hold",
            ])
            .exits(0);
        // By name: what is current is recorded a moment after the deployment has ended, see
        // `operating::a_rollback_at_once_takes_back_what_was_deployed`.
        let answer = world.ask(&["rollback", "production", "--to", "1.0.0", "--detach"]);
        let id = answer["deployment"].as_str().unwrap();
        thread::sleep(Duration::from_millis(60 * round));
        stage.kill_and_restart();
        let view = ended(&world, id);
        assert_eq!(view["deployment"]["outcome"], "succeeded", "{view:#}");
        serves_only(&world, "1.0.0");
    }
    stage.close("killed in a rollback by hand");
}

/// From the push to production, killed all along.
#[test]
#[ignore = "takes long; scripts/checks/kill-nine"]
fn anywhere() {
    let world = World::alone();
    let mut stage = Stage::open(&world);
    let seen = world.path("seen");
    stage.repository.workflow(&format!(
        "name: all
on: {{ push: {{ branches: [main] }} }}
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: echo one >> '{0}'; sleep 1; echo two >> '{0}'
      - run: sleep 0.5; echo three >> '{0}'
  ship:
    needs: test
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: cutover/build@v1
        with: {{ version: 3.0.0 }}
      - run: echo four >> '{0}'
      - uses: cutover/deploy@v1
        with: {{ environment: production }}
",
        seen.display()
    ));
    let run = stage.ship("feat: everything");
    let mut kills: u64 = 0;
    loop {
        // Another moment each time, and in the end each phase was met.
        thread::sleep(Duration::from_millis(150 + kills * 137 % 900));
        let ended = world.run(run).is_some_and(|run| !run["outcome"].is_null());
        if ended || kills == 40 {
            break;
        }
        stage.kill_and_restart();
        kills += 1;
    }
    eprintln!("killed {kills} times");
    let run = stage.succeeds(run);
    assert_eq!(
        fs::read_to_string(&seen).unwrap(),
        "one\ntwo\nthree\nfour\n",
        "{run:#}"
    );
    serves_only(&world, "3.0.0");
    stage.close("killed anywhere");
}
