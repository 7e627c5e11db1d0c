//! Several steps of a job at the same time, under one supervisor.

use std::fs;

use cutover_executor::StepEnd;
use cutover_model::run::{HandedOn, Level, Outcome};

use crate::world::{World, key, kill, order};

fn plain(text: &str) -> HandedOn {
    HandedOn::Plain(text.to_owned())
}

#[tokio::test]
async fn each_has_its_own_log_and_its_own_files() {
    let world = World::new();
    world.fifo("one");
    world.fifo("two");
    // Each waits for the other: only together do they end.
    let first = r#"echo first; echo A=1 >> "$GITHUB_ENV"; echo > $WORLD/one; read line < $WORLD/two
        echo OUT=first >> "$GITHUB_OUTPUT"; echo done"#;
    let second = r#"echo second; echo A=2 >> "$GITHUB_ENV"; read line < $WORLD/one; echo > $WORLD/two
        echo OUT=second >> "$GITHUB_OUTPUT""#;
    world.start(order(0, first)).await;
    world.start(order(1, second)).await;
    let (outcome, report) = world.end(&key(0)).await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(report.env["A"], plain("1"));
    assert_eq!(report.outputs["OUT"], plain("first"));
    let (_, report) = world.end(&key(1)).await;
    assert_eq!(report.env["A"], plain("2"));
    assert_eq!(report.outputs["OUT"], plain("second"));
    assert_eq!(world.log(&key(0)), "first\ndone\n");
    assert_eq!(world.log(&key(1)), "second\n");
}

#[tokio::test]
async fn a_cancel_ends_one_with_its_children_and_no_other() {
    let world = World::new();
    world.fifo("one");
    world.fifo("go");
    world
        .start(order(0, "sleep 1000 & echo > $WORLD/one; wait"))
        .await;
    world
        .start(order(1, "read line < $WORLD/go; echo well"))
        .await;
    world.line("one").await;
    world.executor.cancel(&key(0)).await.unwrap();
    assert_eq!(world.end(&key(0)).await.0, Outcome::Cancelled);
    fs::write(world.root.join("go"), "\n").unwrap();
    assert_eq!(world.end(&key(1)).await.0, Outcome::Succeeded);
    assert_eq!(world.log(&key(1)), "well\n");
}

#[tokio::test]
async fn what_one_wants_masked_the_others_mask_from_then_on() {
    let world = World::new();
    world.fifo("ready");
    world.fifo("go");
    let other = "echo > $WORLD/ready; read line < $WORLD/go; echo \"it is $line\"";
    world.start(order(1, other)).await;
    world.line("ready").await;
    world.run(0, "echo '::add-mask::opensesame'").await;
    fs::write(world.root.join("go"), "opensesame\n").unwrap();
    world.end(&key(1)).await;
    assert_eq!(world.log(&key(1)), "it is ***\n");
}

#[tokio::test]
async fn matchers_of_two_do_not_undo_each_other() {
    let world = World::new();
    world.fifo("ready");
    world.fifo("go");
    let file = |owner: &str, word: &str| {
        let pattern = format!("^{word} (.*)$");
        serde_json::json!({ "problemMatcher": [{ "owner": owner, "pattern": [
            { "regexp": pattern, "message": 1 }
        ] }] })
        .to_string()
    };
    fs::write(world.root.join("a.json"), file("a", "AA")).unwrap();
    fs::write(world.root.join("b.json"), file("b", "BB")).unwrap();
    let slow = "echo ::add-matcher::$WORLD/a.json; echo > $WORLD/ready; read line < $WORLD/go";
    world.start(order(0, slow)).await;
    world.line("ready").await;
    world.run(1, "echo ::add-matcher::$WORLD/b.json").await;
    fs::write(world.root.join("go"), "\n").unwrap();
    world.end(&key(0)).await;
    let (_, report) = world.run(2, "echo AA one; echo BB two").await;
    let found: Vec<&str> = report
        .annotations
        .iter()
        .filter(|annotation| annotation.level == Level::Error)
        .map(|annotation| annotation.message.as_str())
        .collect();
    assert_eq!(found, ["one", "two"]);
}

#[tokio::test]
async fn with_their_supervisor_all_are_lost_and_none_is_left_running() {
    let mut world = World::new();
    world.fifo("one");
    world.fifo("two");
    world.start(order(0, "echo > $WORLD/one; sleep 1000")).await;
    world.start(order(1, "echo > $WORLD/two; sleep 1000")).await;
    world.line("one").await;
    world.line("two").await;
    kill(world.supervisor());
    world.restart();
    for index in [0, 1] {
        let end = world.executor.wait(&key(index)).await.unwrap();
        assert!(matches!(end, StepEnd::Lost { .. }), "{end:?}");
    }
    // What they left is swept away before the next one starts.
    assert_eq!(world.run(2, "true").await.0, Outcome::Succeeded);
    let left = std::process::Command::new("pgrep")
        .args(["-f", "^sleep 1000$"])
        .output()
        .unwrap();
    for pid in String::from_utf8_lossy(&left.stdout).lines() {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mark = format!("WORLD={}", world.root);
        let ours = environment
            .split(|byte| *byte == 0)
            .any(|part| part == mark.as_bytes());
        assert!(!ours, "{pid} is left");
    }
}
