//! Numbers for the benchmarks page. Run alone, in release:
//! `cargo test --release -p cutover-store --test it -- --ignored --nocapture measure`.

use std::time::Duration;

use cutover_store::Store;
use tokio::time::Instant;

use crate::sample::{events, run_id, run_row, url};

const APPENDS: u64 = 2_000;
const LONG: u64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn appends_and_reads() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Instant::now();
    let store = Store::open(&url(&directory, "store.db")).await.unwrap();
    eprintln!("create and open: {:?}", opened.elapsed());

    one_by_one(&store).await;
    from_many_tasks(&store).await;
    a_long_stream(&store).await;
    store.close().await;

    let opened = Instant::now();
    let store = Store::open(&url(&directory, "store.db")).await.unwrap();
    eprintln!("open again: {:?}", opened.elapsed());
    let size = directory.path().join("store.db").metadata().unwrap().len();
    eprintln!("size: {} KiB", size / 1024);
    store.close().await;
}

async fn one_by_one(store: &Store) {
    let mut times: Vec<Duration> = Vec::new();
    let all = Instant::now();
    for version in 1..=APPENDS {
        let event = events(version..=version);
        let began = Instant::now();
        store
            .append_run(&run_id(1), version - 1, &event, &run_row(1), &[])
            .await
            .unwrap();
        times.push(began.elapsed());
    }
    let rate = u128::from(APPENDS) * 1_000 / all.elapsed().as_millis().max(1);
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100];
    eprintln!(
        "one event an append: p50 {:?}, p99 {:?}, {rate} appends/s",
        at(50),
        at(99)
    );
}

async fn from_many_tasks(store: &Store) {
    let all = Instant::now();
    let tasks: Vec<_> = (2..=9)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                for version in 1..=APPENDS / 8 {
                    let event = events(version..=version);
                    let row = run_row(n);
                    store
                        .append_run(&row.id, version - 1, &event, &row, &[])
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = u128::from(APPENDS) * 1_000 / all.elapsed().as_millis().max(1);
    eprintln!("from 8 tasks: {rate} appends/s");
}

async fn a_long_stream(store: &Store) {
    let row = run_row(10);
    for start in (0..LONG).step_by(1_000) {
        let batch = events(start + 1..=start + 1_000);
        store
            .append_run(&row.id, start, &batch, &row, &[])
            .await
            .unwrap();
    }
    let began = Instant::now();
    let read = store.read_run(&row.id).await.unwrap();
    assert_eq!(read.len() as u64, LONG);
    eprintln!("{LONG} events read: {:?}", began.elapsed());
    let began = Instant::now();
    let next = events(LONG + 1..=LONG + 1);
    store
        .append_run(&row.id, LONG, &next, &row, &[])
        .await
        .unwrap();
    eprintln!("one append after them: {:?}", began.elapsed());
}
