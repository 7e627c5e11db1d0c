//! The specimen by itself: what it is asked to be, it is. What it finds out about the balancer is worth
//! no more than this.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::json;

use crate::{
    stage::SPECIMEN,
    talk::{self, H2},
    wire,
    world::World,
};

struct Running(Child, String);

impl Running {
    fn start(world: &World, settings: &serde_json::Value) -> Self {
        std::fs::write(world.path("specimen.json"), settings.to_string()).unwrap();
        let mut command = world.program(SPECIMEN);
        command.env("PORT", "0").env("CUTOVER_VERSION", "1.0.0");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = said.next().expect("a line").expect("UTF-8");
        let (_, address) = line.split_once(" listens on ").expect(&line);
        Self(child, address.to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn it_speaks_all_that_the_tests_ask_for() {
    let world = World::new();
    let specimen = Running::start(&world, &json!({}));
    let address = specimen.1.clone();
    wire::run(async {
        let short = Duration::from_millis(700);
        assert_eq!(
            wire::stream(address.clone(), 1 << 20, 50).await,
            Ok(1 << 20)
        );
        assert!(wire::upload(address.clone(), 1 << 20, 50).await.is_ok());
        let (status, body) = wire::fetch(address.clone(), "/slow?ms=10".to_owned())
            .await
            .unwrap();
        assert_eq!((status, body["version"].as_str()), (200, Some("1.0.0")));
        let talked = talk::socket(address.clone(), short).await.unwrap();
        assert!(talked.ticks > 3 && talked.echoes > 3, "{talked:?}");
        let heard = talk::events(address.clone(), short).await.unwrap();
        assert!(heard.ticks > 3, "{heard:?}");
        let h2 = H2::connect(address.clone()).await.unwrap();
        assert_eq!(h2.streams(100, 200).await, Ok(100));
        assert_eq!(h2.unary().await, Ok(()));
        assert_eq!(h2.bidi(10, 100).await, Ok(()));
    });
}

#[test]
fn it_is_as_bad_as_it_was_told() {
    let world = World::new();
    let specimen = Running::start(&world, &json!({ "healthy_answers": 1 }));
    let address = specimen.1.clone();
    let ask = |path: &str| {
        wire::run(wire::fetch(address.clone(), path.to_owned()))
            .unwrap()
            .0
    };
    assert_eq!((ask("/health"), ask("/health"), ask("/")), (200, 503, 200));
    wire::set(
        &address,
        &json!({ "fail_percent": 20, "latency_ms": 5, "latency_spread": 0.6 }),
    );
    let failed = (0..50).filter(|_| ask("/") == 500).count();
    assert_eq!(failed, 10);
}
