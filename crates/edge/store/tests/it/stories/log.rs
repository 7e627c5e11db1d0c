//! Stories of the log.

use std::future::Future;

use cutover_model::run::Outcome;
use cutover_store::{ApprovalChange, Error, Store};

use crate::sample::{
    deployment_event, deployment_row, event, events, finished, question, run_id, run_row,
};

pub(crate) async fn statements_are_understood(store: Store) {
    store.check_statements().await.unwrap();
}

pub(crate) async fn events_come_back_as_they_went_in(store: Store) {
    let all = events(1..=5);
    store
        .append_run(&run_id(1), 0, &all[..2], &run_row(1), &[])
        .await
        .unwrap();
    store
        .append_run(&run_id(1), 2, &all[2..], &run_row(1), &[])
        .await
        .unwrap();
    assert_eq!(store.read_run(&run_id(1)).await.unwrap(), all);
    assert_eq!(store.read_run_after(&run_id(1), 3).await.unwrap(), all[3..]);
    assert_eq!(store.read_run(&run_id(2)).await.unwrap(), []);

    let shift = deployment_event(1);
    let row = deployment_row(1);
    store
        .append_deployment(&row.id, 0, std::slice::from_ref(&shift), &row, &[])
        .await
        .unwrap();
    assert_eq!(store.read_deployment(&row.id).await.unwrap(), [shift]);
    assert_eq!(store.read_deployment_after(&row.id, 1).await.unwrap(), []);
}

pub(crate) async fn an_append_at_another_version_is_a_conflict_and_leaves_nothing(store: Store) {
    store
        .append_run(&run_id(1), 0, &events(1..=2), &run_row(1), &[])
        .await
        .unwrap();
    let late = finished(run_row(1), Outcome::Failed);
    let opened = [ApprovalChange::Opened(question(1, &run_id(1)))];
    let error = store
        .append_run(&run_id(1), 1, &events(2..=2), &late, &opened)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Conflict {
                expected: 1,
                found: 2,
                ..
            }
        ),
        "{error:?}"
    );
    let ahead = store
        .append_run(&run_id(2), 1, &events(2..=2), &run_row(2), &[])
        .await;
    assert!(
        matches!(
            ahead,
            Err(Error::Conflict {
                expected: 1,
                found: 0,
                ..
            })
        ),
        "{ahead:?}"
    );

    for (run, expected, stands) in [(1, 1, 2), (1, 3, 2), (2, 1, 0)] {
        let events = events(expected + 1..=expected + 2);
        let error = store
            .append_run_events(&run_id(run), expected, &events)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Conflict { found, .. } if found == stands),
            "{error:?}"
        );
    }

    assert_eq!(store.read_run(&run_id(1)).await.unwrap(), events(1..=2));
    assert_eq!(store.run(&run_id(1)).await.unwrap(), Some(run_row(1)));
    assert_eq!(store.run(&run_id(2)).await.unwrap(), None);
    assert_eq!(store.open_approvals().await.unwrap(), []);
    assert_eq!(store.newest_position().await.unwrap(), 2);
}

pub(crate) async fn versions_with_a_gap_are_refused(store: Store) {
    let gap = [event(1), event(3)];
    let error = store
        .append_run(&run_id(1), 0, &gap, &run_row(1), &[])
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::OutOfOrder {
                expected: 2,
                found: 3,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(store.read_run(&run_id(1)).await.unwrap(), []);
}

pub(crate) async fn of_two_who_append_at_once_one_wins(store: Store) {
    for version in 1..=20 {
        let append = async |row: u64| {
            store
                .append_run(
                    &run_id(1),
                    version - 1,
                    &[event(version)],
                    &run_row(row),
                    &[],
                )
                .await
        };
        let events = [event(version)];
        let (one, two) = match version % 3 {
            0 => tokio::join!(append(1), append(1)),
            1 => {
                let (id, before) = (run_id(1), version - 1);
                tokio::join!(append(1), store.append_run_events(&id, before, &events))
            }
            _ => {
                let (id, before) = (run_id(1), version - 1);
                tokio::join!(
                    store.append_run_events(&id, before, &events),
                    store.append_run_events(&id, before, &events)
                )
            }
        };
        let conflict = match (one, two) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
            other => panic!("not one winner: {other:?}"),
        };
        assert!(matches!(conflict, Error::Conflict { .. }), "{conflict:?}");
    }
    assert_eq!(store.read_run(&run_id(1)).await.unwrap(), events(1..=20));
}

/// A reader that follows the positions must never find something before what it has seen.
pub(crate) async fn whoever_follows_the_log_misses_nothing(store: Store) {
    const WRITERS: u64 = 6;
    const EACH: u64 = 25;
    let mut news = store.subscribe();
    let writers = (1..=WRITERS).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            for version in 1..=EACH {
                let event = [event(version)];
                // Where nothing follows for the row, there is a shorter way.
                let appended = if version > 1 && n % 2 == 0 {
                    store
                        .append_run_events(&run_id(n), version - 1, &event)
                        .await
                } else {
                    let (id, row) = (run_id(n), run_row(n));
                    store.append_run(&id, version - 1, &event, &row, &[]).await
                };
                appended.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut seen = 0;
    while seen < i64::try_from(WRITERS * EACH).unwrap() {
        news.wait_for(|newest| *newest > seen).await.unwrap();
        for tailed in store.tail(seen, 7).await.unwrap() {
            assert_eq!(tailed.position, seen + 1);
            assert_eq!(tailed.kind, "job_skipped");
            assert_eq!(tailed.body["job"], format!("job-{}", tailed.version));
            seen = tailed.position;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.tail(seen, 7).await.unwrap(), []);
    assert_eq!(store.newest_position().await.unwrap(), seen);
}

async fn give_up_after(polls: u64, append: impl Future<Output = Result<(), Error>>) {
    let mut append = Box::pin(append);
    for _ in 0..polls {
        tokio::select! {
            biased;
            result = &mut append => { result.unwrap(); return }
            () = tokio::task::yield_now() => {}
        }
    }
}

/// To drop the future after so many polls stands for a request that was cancelled there.
pub(crate) async fn an_append_that_is_given_up_midway_leaves_nothing(store: Store) {
    for polls in 0..40 {
        let found = settled(&store, 2 * polls).await;
        assert_eq!(store.read_run(&run_id(1)).await.unwrap(), events(1..=found));
        let (id, row, next) = (run_id(1), run_row(1), [event(found + 1)]);
        give_up_after(polls, store.append_run(&id, found, &next, &row, &[])).await;
        let found = settled(&store, 2 * polls + 1).await;
        let next = [event(found + 1)];
        give_up_after(polls, store.append_run_events(&id, found, &next)).await;
    }
    let found = settled(&store, 80).await;
    let next = [event(found + 1)];
    store
        .append_run(&run_id(1), found, &next, &run_row(1), &[])
        .await
        .unwrap();
}

/// How many events run 1 has, when nothing is on its way any more: an append to another run waits for
/// what was dropped after its commit had been sent.
async fn settled(store: &Store, turn: u64) -> u64 {
    store
        .append_run(&run_id(2), turn, &[event(turn + 1)], &run_row(2), &[])
        .await
        .unwrap();
    store.read_run(&run_id(1)).await.unwrap().len() as u64
}
