//! `kill -9` of the server or of the balancer at any moment of a canary. The moments are drawn from a
//! seed that is printed; `CUTOVER_SEED` sets it.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    stage::{LIMIT, Stage, shares},
    wire,
    world::World,
};

const CANARY: &str = "{ target: { process: { instances: 2 } }, \
     strategy: { canary: { steps: [10, 50, 100], interval: 1s, bake: 500ms } } }";
const RATE: u32 = 200;
const ROUNDS: usize = 3;
/// From the first instance to the last shift.
const LENGTH: u64 = 3_500;

/// Moments of a canary, in milliseconds after it was asked for.
fn moments(what: &str) -> Vec<Duration> {
    let said = std::env::var("CUTOVER_SEED").ok();
    let seed = said.and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
    eprintln!("{what}: CUTOVER_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut moment = || Duration::from_millis(random.random_range(0..LENGTH));
    (0..ROUNDS).map(|_| moment()).collect()
}

fn stage(world: &World) -> Stage<'_> {
    let stage = Stage::open(world, CANARY);
    stage.build("1.0.0", &json!({})).build("2.0.0", &json!({}));
    stage.first("1.0.0");
    stage
}

#[test]
fn the_server() {
    let world = World::new();
    let stage = stage(&world);
    let load = stage.load(RATE);
    for (round, moment) in moments("the server is killed").into_iter().enumerate() {
        let version = ["2.0.0", "1.0.0"][round % 2];
        let id = stage.begin(version);
        // Any moment, as it was drawn.
        thread::sleep(moment);
        world.kill();
        world.serve();
        let view = stage.ends(&id, "succeeded");
        let shares = shares(&view);
        assert!(
            shares.is_sorted(),
            "killed after {moment:?}, traffic went back: {view:#}"
        );
        stage.serves_only(version);
        assert_eq!(stage.processes(), 2, "killed after {moment:?}");
    }
    // The balancer is another process: it went on.
    stage.none_failed(&load.stop(), "the server was killed");
}

/// How long a balancer may be away after its death.
const AWAY: Duration = Duration::from_secs(3);

#[test]
fn the_balancer() {
    let world = World::new();
    let stage = stage(&world);
    let address = stage.address();
    let load = stage.load(RATE);
    let mut killed_at = Vec::new();
    for (round, moment) in moments("the balancer is killed").into_iter().enumerate() {
        let version = ["2.0.0", "1.0.0"][round % 2];
        let id = stage.begin(version);
        thread::sleep(moment);
        let (balancer, _) = world
            .processes()
            .into_iter()
            .find(|(_, command)| command.contains(" balancer"))
            .expect("the balancer");
        killed_at.push(SystemTime::now());
        kill(balancer);
        let view = stage.ends(&id, "succeeded");
        assert!(
            shares(&view).is_sorted(),
            "killed after {moment:?}: {view:#}"
        );
        // At the same port.
        world.until("the balancer", LIMIT, || {
            let answer = wire::run(wire::fetch(address.clone(), "/".to_owned()));
            matches!(answer, Ok((200, _))).then_some(())
        });
        stage.serves_only(version);
        assert_eq!(stage.processes(), 2, "killed after {moment:?}");
    }
    let tally = load.stop();
    eprintln!("the balancer was killed: {}", tally.tell());
    assert_eq!(tally.failed(), 0, "{}", tally.tell());
    // Nobody can answer while nobody listens. Before and after that all is well.
    for failure in &tally.failures {
        let is_near = killed_at.iter().any(|killed| {
            let begun = *killed - Duration::from_secs(1);
            (begun..*killed + AWAY).contains(&failure.at)
        });
        assert!(is_near, "{failure:?} is not near {killed_at:?}");
    }
    let away = killed_at.iter().enumerate().map(|(round, killed)| {
        let next = killed_at.get(round + 1).copied();
        // What was sent just before the next death was not answered because of that one.
        let next = next.map(|next| next - Duration::from_millis(500));
        let until = next.unwrap_or(*killed + AWAY).min(*killed + AWAY);
        let near = tally.failures.iter().map(|failure| failure.at);
        let last = near.filter(|at| (*killed..until).contains(at)).max();
        last.and_then(|last| last.duration_since(*killed).ok())
    });
    let away: Vec<_> = away.collect();
    eprintln!("for so long nobody answered: {away:?}");
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).expect("SIGKILL");
}
