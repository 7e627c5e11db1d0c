//! Clients that take their time, hundreds of them: with their headers, with their body, with reading.
//! The others do not notice.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    stage::{LIMIT, Stage},
    wire,
    world::World,
};

/// So many of each kind.
const CLIENTS: usize = 150;
/// Between two bytes of a client.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the others are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What the clients of one kind send at once, and then byte by byte.
const KINDS: &[(&str, &str, &str)] = &[
    ("slow headers", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "a"),
    (
        "slow body",
        "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        "b",
    ),
    (
        "slow reading",
        "GET /stream?bytes=50000000&ms=0 HTTP/1.1\r\nHost: x\r\n\r\n",
        "",
    ),
];

/// Many clients on one thread, until they are told to stop.
struct Slow {
    stop: Arc<AtomicBool>,
    alive: Arc<AtomicUsize>,
    thread: thread::JoinHandle<()>,
}

impl Slow {
    fn start(address: &str, begin: &'static str, more: &'static str) -> Self {
        let (stop, alive) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, living, address) =
            (Arc::clone(&stop), Arc::clone(&alive), address.to_owned());
        let thread = thread::spawn(move || {
            let mut clients: Vec<TcpStream> = (0..CLIENTS)
                .map(|_| {
                    let mut stream = TcpStream::connect(&address).expect("a connection");
                    stream.write_all(begin.as_bytes()).expect("the beginning");
                    stream.set_nonblocking(true).expect("a socket");
                    living.fetch_add(1, Ordering::SeqCst);
                    stream
                })
                .collect();
            while !stopped.load(Ordering::SeqCst) {
                clients.retain_mut(|client| goes_on(client, more));
                living.store(clients.len(), Ordering::SeqCst);
                // The pace of these clients is what is tested.
                thread::sleep(PAUSE);
            }
        });
        Self {
            stop,
            alive,
            thread,
        }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the slow clients");
    }
}

/// One more byte; `false` when the other end has had enough.
fn goes_on(client: &mut TcpStream, more: &str) -> bool {
    let mut one = [0; 1];
    let read = client.read(&mut one);
    let is_open = match read {
        Ok(count) => count > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    };
    is_open && client.write_all(more.as_bytes()).is_ok()
}

/// Those who read slowly are sent as much as fits into all the buffers between, at once: hundreds of
/// megabytes. That is work, not waiting; it is over when answers are as fast as before.
fn until_calm(stage: &Stage, alone: Duration) -> Duration {
    let begun = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 20 {
        let asked = Instant::now();
        wire::run(wire::fetch(stage.address(), "/".to_owned())).expect("an answer");
        let is_fast = asked.elapsed() < alone * 2 + Duration::from_millis(20);
        in_a_row = if is_fast { in_a_row + 1 } else { 0 };
        assert!(begun.elapsed() < LIMIT, "it does not get calm");
    }
    begun.elapsed()
}

#[test]
fn slow_clients_do_not_slow_the_others() {
    let world = World::alone();
    let stage = Stage::open(&world, "{ strategy: { blue_green: { bake: 0s } } }");
    stage.build("1.0.0", &json!({}));
    stage.first("1.0.0");
    let address = stage.address();
    let measure = |what: &str| {
        let load = stage.load(200);
        // So long it is measured.
        thread::sleep(LOOK);
        let tally = load.stop();
        stage.none_failed(&tally, what);
        tally.p99()
    };
    let alone = measure("nobody else");
    for (kind, begin, more) in KINDS {
        let slow = Slow::start(&address, begin, more);
        let begun = Instant::now();
        while slow.alive.load(Ordering::SeqCst) < CLIENTS {
            assert!(begun.elapsed() < LIMIT, "the slow clients do not get in");
            thread::yield_now();
        }
        let calm = until_calm(&stage, alone);
        let beside = measure(kind);
        let left = slow.alive.load(Ordering::SeqCst);
        slow.stop();
        eprintln!(
            "{kind}: p99 {beside:?} beside {CLIENTS} of them ({left} left), {alone:?} alone; calm after {calm:?}"
        );
        // Far above the noise of a busy machine, far below what waiting for one of them would take.
        let limit = alone * 3 + Duration::from_millis(150);
        assert!(beside < limit, "{kind}: p99 {beside:?}, {alone:?} alone");
    }
}
