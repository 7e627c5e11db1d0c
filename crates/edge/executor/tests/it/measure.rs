//! Numbers for `docs/benchmarks.md`: `cargo test --release -p cutover-executor -- --ignored measure`.

use std::{fs, process::Command, time::Instant};

use cutover_model::{Secret, run::Outcome};

use crate::world::{World, key, order};

#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
fn now() -> Instant {
    Instant::now()
}

fn memory(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    value.unwrap().trim().to_owned()
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measure_a_step_that_says_hello() {
    const COUNT: usize = 100;
    let world = World::new();
    world.run(0, "true").await;
    let begin = now();
    for index in 1..=COUNT {
        world.run(index, "echo hello").await;
    }
    let step = begin.elapsed() / u32::try_from(COUNT).unwrap();
    let begin = now();
    for _ in 0..COUNT {
        Command::new("bash")
            .args(["-c", "echo hello"])
            .output()
            .unwrap();
    }
    let bare = begin.elapsed() / u32::try_from(COUNT).unwrap();
    println!("step {step:?}, bare bash {bare:?}");
    println!("supervisor {}", memory(world.supervisor(), "VmRSS:"));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measure_a_gigabyte_with_ten_masks() {
    let world = World::new();
    for (index, masks) in [(0, 0), (1, 10)] {
        let mut order = order(
            index,
            "yes 'the quick brown fox jumps over the lazy dog, again and again' \
             | head -c 1000000000",
        );
        order.masks = (0..masks)
            .map(|number| Secret::new(format!("s3cr3t-{number}-{}", "kTf9Qz".repeat(4))))
            .collect();
        let begin = now();
        let (outcome, report) = world.run_order(order).await;
        let took = begin.elapsed();
        assert_eq!(
            (outcome, report.log_bytes),
            (Outcome::Succeeded, 1_000_000_000)
        );
        println!("{masks} masks: 1 GB in {took:?}");
        println!("supervisor peak {}", memory(world.supervisor(), "VmHWM:"));
        fs::remove_file(world.executor.log_path(&key(index))).unwrap();
    }
}
