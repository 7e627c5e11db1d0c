//! Stories of numbers, messages and settings.

use cutover_model::Timestamp;
use cutover_store::{OutboxCounts, Store};

use crate::sample::notification;

pub(crate) async fn numbers_are_given_once(store: Store) {
    let takers: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.next_run_number("demo/hello").await.unwrap() })
        })
        .collect();
    let mut numbers = Vec::new();
    for taker in takers {
        numbers.push(taker.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    assert_eq!(store.next_run_number("demo/other").await.unwrap(), 1);
    assert_eq!(store.next_fence("production", "hello").await.unwrap(), 1);
    assert_eq!(store.next_fence("production", "hello").await.unwrap(), 2);
    assert_eq!(store.next_fence("staging", "hello").await.unwrap(), 1);
}

pub(crate) async fn a_message_is_kept_until_it_is_through(store: Store) {
    for n in [1, 2, 3, 2] {
        store.enqueue(&notification(n)).await.unwrap();
    }
    let due = async |now: i64| -> Vec<(u64, u64)> {
        let due = store.due(Timestamp(now), 10).await.unwrap();
        due.iter()
            .map(|due| (due.notification.body["run"].as_u64().unwrap(), due.attempts))
            .collect()
    };
    assert!(due(0).await.is_empty());
    assert_eq!(due(10).await, [(1, 0), (2, 0), (3, 0)]);
    assert_eq!(
        store.due(Timestamp(10), 1).await.unwrap()[0].notification,
        notification(1)
    );
    store
        .sent(&notification(1).id, Timestamp(10))
        .await
        .unwrap();
    store
        .failed(&notification(2).id, Some(Timestamp(50)), "refused")
        .await
        .unwrap();
    store
        .failed(&notification(3).id, None, "gone")
        .await
        .unwrap();
    assert!(due(10).await.is_empty());
    assert_eq!(store.next_due_at().await.unwrap(), Some(Timestamp(50)));
    assert_eq!(due(50).await, [(2, 1)]);
    // A late word of failure does not bring back what is through.
    store
        .failed(&notification(1).id, Some(Timestamp(1)), "late")
        .await
        .unwrap();
    store.enqueue(&notification(1)).await.unwrap();
    assert_eq!(due(99).await, [(2, 1)]);
    let counts = OutboxCounts {
        pending: 1,
        sent: 1,
        dead: 1,
    };
    assert_eq!(store.outbox_counts().await.unwrap(), counts);
    store
        .sent(&notification(2).id, Timestamp(60))
        .await
        .unwrap();
    assert_eq!(store.next_due_at().await.unwrap(), None);
}

pub(crate) async fn a_setting_holds_its_last_value(store: Store) {
    assert_eq!(store.setting("generation").await.unwrap(), None);
    store.set_setting("generation", "1").await.unwrap();
    store.set_setting("generation", "2").await.unwrap();
    assert_eq!(
        store.setting("generation").await.unwrap().as_deref(),
        Some("2")
    );
}
