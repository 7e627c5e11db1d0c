//! A server with a specimen to deploy: its `cutover.yml`, its versions, its deployments.

use std::{cell::Cell, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    load::{Connections, Load, Tally},
    repository::{Repository, build},
    wire,
    world::{Done, World},
};

/// How long a deployment may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

/// The binary of the specimen.
pub(crate) const SPECIMEN: &str = env!("CARGO_BIN_EXE_specimen");

/// What the service is called where it serves.
const NAME: &str = "specimen@production";

pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    repository: Repository<'a>,
    runs: Cell<u64>,
}

impl<'a> Stage<'a> {
    /// With one environment, `production`, that is so.
    pub(crate) fn open(world: &'a World, production: &str) -> Self {
        Self::open_with(world, production, &[])
    }

    /// With these texts of the service changed: from, to.
    pub(crate) fn open_with(world: &'a World, production: &str, other: &[(&str, &str)]) -> Self {
        world.serve();
        let repository = Repository::new(world, "specimen");
        let mut text = project(production);
        for (from, to) in other {
            assert!(text.contains(from), "`{from}` is not in: {text}");
            text = text.replace(from, to);
        }
        repository
            .write("cutover.yml", &text)
            .write("run", "#!/bin/sh\nexec \"$SPECIMEN\"\n");
        Self {
            world,
            repository,
            runs: Cell::new(0),
        }
    }

    /// Files beside those that each specimen has.
    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        self.repository.write(name, text);
        self
    }

    /// Where its sources are.
    pub(crate) fn path(&self) -> &Path {
        Path::new(self.repository.path())
    }

    /// Builds a version that is so.
    #[track_caller]
    pub(crate) fn build(&self, version: &str, settings: &Value) -> &Self {
        self.write("specimen.json", &settings.to_string());
        let run = self.ship(&build(version));
        assert_eq!(run["outcome"], "succeeded", "{run:#}");
        self
    }

    /// Pushes all with this workflow, and waits until its run has ended.
    #[track_caller]
    pub(crate) fn ship(&self, workflow: &str) -> Value {
        self.repository.workflow(workflow).ship("a change");
        self.runs.set(self.runs.get() + 1);
        self.world.run_ended(self.runs.get(), LIMIT)
    }

    /// Deploys the first version: nobody has to watch for as long as the environment says.
    #[track_caller]
    pub(crate) fn first(&self, version: &str) {
        let arguments = ["deploy", version, "production", "--strategy", "rolling"];
        self.world.cutover(&arguments).exits(0);
    }

    /// Deploys a version; it must succeed.
    #[track_caller]
    pub(crate) fn deploy(&self, version: &str) -> Value {
        let done = self.try_deploy(version).exits(0);
        let id = done.json()["deployment"]["id"].clone();
        self.view(id.as_str().expect("its id"))
    }

    /// Deploys a version, and says what came of it.
    #[track_caller]
    pub(crate) fn try_deploy(&self, version: &str) -> Done {
        self.world
            .cutover(&["deploy", version, "production", "--json"])
    }

    /// Asks for a deployment, and does not wait for its end.
    #[track_caller]
    pub(crate) fn begin(&self, version: &str) -> String {
        let answer = self
            .world
            .ask(&["deploy", version, "production", "--detach"]);
        answer["deployment"].as_str().expect("its id").to_owned()
    }

    /// A deployment as it stands.
    #[track_caller]
    pub(crate) fn view(&self, id: &str) -> Value {
        self.world.api(&format!("/deployments/{id}"))
    }

    /// Waits until the candidate has so much of the traffic.
    #[track_caller]
    pub(crate) fn until_share(&self, id: &str, percent: f64) -> Value {
        let has = |view: &Value| {
            shares(view)
                .last()
                .is_some_and(|last| (last - percent).abs() < 0.001)
        };
        let view = self
            .world
            .deployment(id, LIMIT, |view| has(view) || outcome(view).is_some());
        assert!(has(&view), "{percent} % was never reached: {view:#}");
        view
    }

    /// Waits until a deployment has ended as it should.
    #[track_caller]
    pub(crate) fn ends(&self, id: &str, wanted: &str) -> Value {
        let view = self
            .world
            .deployment(id, LIMIT, |view| outcome(view).is_some());
        assert_eq!(outcome(&view), Some(wanted), "{view:#}");
        view
    }

    /// `abort`, `pause` or `resume`; it must be taken.
    #[track_caller]
    pub(crate) fn order(&self, verb: &str, id: &str) {
        let path = format!("/deployments/{id}/{verb}");
        let status = wire::order(&self.world.address(), &self.world.token(), &path);
        assert!(
            (200..300).contains(&status),
            "{verb}: {status}: {:#}",
            self.view(id)
        );
    }

    /// Requests that instances of a version work on.
    pub(crate) fn in_flight(&self, version: &str) -> u64 {
        let sides = self.sides();
        let of_it = sides.iter().filter(|side| side["name"] == version);
        let instances = of_it.flat_map(|side| side["instances"].as_array().into_iter().flatten());
        instances.filter_map(|it| it["in_flight"].as_u64()).sum()
    }

    pub(crate) fn url(&self) -> String {
        self.world.service_url(NAME)
    }

    /// Where the balancer answers: `host:port`.
    pub(crate) fn address(&self) -> String {
        wire::address(&self.url())
    }

    pub(crate) fn load(&self, rate: u32) -> Load {
        Load::start(&self.url(), rate, Connections::Kept)
    }

    /// What was sent, and beside it what was deployed when.
    #[track_caller]
    pub(crate) fn none_failed(&self, tally: &Tally, what: &str) {
        self.tell(tally);
        tally.none_failed(what);
    }

    /// The same for a load that met a bad version: nothing was lost.
    #[track_caller]
    pub(crate) fn none_lost(&self, tally: &Tally, what: &str) {
        self.tell(tally);
        tally.none_lost(what);
    }

    /// The deployments by the clock by which failures are told.
    fn tell(&self, tally: &Tally) {
        if tally.lost == 0 && tally.failed() == 0 {
            return;
        }
        let rows = self.world.api("/deployments?limit=30");
        for row in rows["deployments"].as_array().into_iter().flatten() {
            let view = self.view(row["id"].as_str().unwrap_or_default());
            eprintln!(
                "  {} {} begins; shifts {}; {} {} {}",
                row["created_at"],
                row["version"],
                view["shifts"],
                row["finished_at"],
                row["outcome"],
                row["reason"]
            );
        }
    }

    /// The sides that have instances.
    pub(crate) fn sides(&self) -> Vec<Value> {
        let status = self.world.api("/status");
        let services = status["services"].as_array().expect("services");
        let service = services.iter().find(|service| service["name"] == NAME);
        let sides = service.and_then(|service| service["sides"].as_array());
        let sides = sides.into_iter().flatten().cloned();
        sides
            .filter(|side| side["instances"] != Value::Array(Vec::new()))
            .collect()
    }

    /// Where the instances of a version listen.
    #[track_caller]
    pub(crate) fn instances(&self, version: &str) -> Vec<String> {
        let sides = self.sides();
        let side = sides.iter().find(|side| side["name"] == version);
        let side = side.unwrap_or_else(|| panic!("`{version}` has no instances: {sides:#?}"));
        let instances = side["instances"].as_array().expect("instances").iter();
        let address = |it: &Value| it["address"].as_str().expect("an address").to_owned();
        instances.map(address).collect()
    }

    /// Changes all instances of a version while they run.
    #[track_caller]
    pub(crate) fn set(&self, version: &str, changes: &Value) {
        for address in self.instances(version) {
            wire::set(&address, changes);
        }
    }

    /// Only this version is there, and it has all of the traffic.
    #[track_caller]
    pub(crate) fn serves_only(&self, version: &str) {
        let sides = self.sides();
        let names: Vec<&Value> = sides.iter().map(|side| &side["name"]).collect();
        assert_eq!(names, [version], "{sides:#?}");
        assert_eq!(sides[0]["percent"], 100.0, "{sides:#?}");
        let (status, body) = wire::run(wire::fetch(self.address(), "/".to_owned())).unwrap();
        assert_eq!((status, body["version"].as_str()), (200, Some(version)));
    }

    /// Processes of specimens.
    pub(crate) fn processes(&self) -> usize {
        let all = self.world.processes();
        all.iter()
            .filter(|(_, command)| command.trim() == SPECIMEN)
            .count()
    }
}

/// The candidate's shares, one after the other.
pub(crate) fn shares(view: &Value) -> Vec<f64> {
    let shifts = view["shifts"].as_array().into_iter().flatten();
    shifts
        .filter_map(|shift| shift["percent"].as_f64())
        .collect()
}

/// How a deployment has ended, if it has.
pub(crate) fn outcome(view: &Value) -> Option<&str> {
    view["deployment"]["outcome"].as_str()
}

fn project(production: &str) -> String {
    format!(
        "services:
  specimen:
    build: {{ context: . }}
    command: [./run]
    env: {{ SPECIMEN: \"{SPECIMEN}\" }}
    health: {{ path: /health, interval: 100ms, timeout: 1s, healthy: 1, unhealthy: 2 }}
    start_timeout: 15s
    drain_timeout: 5s
    stop_grace: 3s
environments:
  production: {production}
"
    )
}
