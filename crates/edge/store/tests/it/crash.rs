//! Killed in the middle: whatever was acknowledged is there afterwards, and nothing by half.
//!
//! The child is this very test binary, told by an environment variable to append until it dies.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use cutover_store::Store;

use crate::sample::{events, run_id, run_row, url};

/// Holds the address of the store for the child.
const ADDRESS: &str = "CUTOVER_STORE_CRASH";
/// How often the child is killed.
const ROUNDS: u64 = 8;
/// Events of one append.
const BATCH: u64 = 3;

#[tokio::test]
async fn what_was_acknowledged_survives_the_kill() {
    let directory = tempfile::tempdir().unwrap();
    let address = url(&directory, "store.db");
    let mut before = 0;
    for round in 1..=ROUNDS {
        let acknowledged = append_until_killed(&address, round * 5);
        let store = Store::open(&address).await.unwrap();
        let found = store.read_run(&run_id(1)).await.unwrap();
        let count = found.len() as u64;
        assert!(count >= acknowledged, "{count} of {acknowledged} are there");
        assert!(count > before, "round {round} went on");
        assert_eq!(found, events(1..=count));
        assert_eq!(
            count % BATCH,
            0,
            "an append is there as a whole or not at all"
        );
        let row = store.run(&run_id(1)).await.unwrap().unwrap();
        assert_eq!(
            row.name,
            count.to_string(),
            "the row belongs to the newest event"
        );
        assert_eq!(
            store.newest_position().await.unwrap(),
            i64::try_from(count).unwrap()
        );
        store.close().await;
        before = count;
    }
}

/// Starts the child, kills it after so many acknowledgements, and gives the last that it sent.
fn append_until_killed(address: &str, after: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "crash::child",
            "--exact",
            "--ignored",
            "--nocapture",
            "--quiet",
        ])
        .env(ADDRESS, address)
        .stdout(Stdio::piped())
        .spawn()
        .map(Killed)
        .unwrap();
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let versions = lines.map_while(Result::ok).filter_map(|line| {
        line.trim()
            .strip_prefix("stored ")
            .and_then(|version| version.parse::<u64>().ok())
    });
    let mut last = 0;
    for (seen, version) in (1..).zip(versions) {
        last = version;
        if seen == after {
            child.0.kill().unwrap();
        }
    }
    assert!(last > 0, "the child never appended");
    last
}

/// A child that does not outlive the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn child() {
    let Some(address) = env::var_os(ADDRESS) else {
        return;
    };
    let store = Store::open(address.to_str().unwrap()).await.unwrap();
    let mut version = store.read_run(&run_id(1)).await.unwrap().len() as u64;
    loop {
        let batch = events(version + 1..=version + BATCH);
        version += BATCH;
        let mut row = run_row(1);
        row.name = version.to_string();
        store
            .append_run(&run_id(1), version - BATCH, &batch, &row, &[])
            .await
            .unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nstored {version}").unwrap();
        out.flush().unwrap();
    }
}
