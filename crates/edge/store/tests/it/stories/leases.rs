//! Stories of places that are held, of turns, of freezes, and of samples.

use cutover_model::{Timestamp, run::Outcome};
use cutover_store::{Lease, LeaseAnswer, LeaseAsk, Store};

use crate::sample::{deployment_event, deployment_id, deployment_row};

fn ask(n: u64) -> LeaseAsk {
    LeaseAsk {
        environment: "production".to_owned(),
        service: "hello".to_owned(),
        deployment: deployment_id(n),
        owner: "one".to_owned(),
        urgent: false,
    }
}

async fn take(store: &Store, ask: &LeaseAsk, now: i64) -> LeaseAnswer {
    store
        .take_lease(ask, Timestamp(now), Timestamp(now + 30))
        .await
        .unwrap()
}

async fn taken(store: &Store, ask: &LeaseAsk, now: i64) -> Lease {
    match take(store, ask, now).await {
        LeaseAnswer::Taken(lease) => lease,
        other => panic!("not taken: {other:?}"),
    }
}

async fn queue(store: &Store) -> Vec<u64> {
    let queue = store.lock_queue().await.unwrap();
    let number = |id: &_| (1..9).find(|n| deployment_id(*n) == *id).unwrap();
    queue.iter().map(|one| number(&one.deployment)).collect()
}

pub(crate) async fn a_place_has_one_holder_and_the_rest_have_turns(store: Store) {
    let first = taken(&store, &ask(1), 0).await;
    assert_eq!((first.fence, first.until), (1, Timestamp(30)));
    for n in [2, 3, 2] {
        let answer = take(&store, &ask(n), 1).await;
        assert_eq!(answer, LeaseAnswer::Held(first.clone()));
    }
    let urgent = LeaseAsk {
        urgent: true,
        ..ask(4)
    };
    take(&store, &urgent, 2).await;
    assert_eq!(queue(&store).await, [4, 2, 3]);
    assert_eq!(taken(&store, &ask(1), 5).await.fence, 1, "it is renewed");

    let (environment, service) = ("production", "hello");
    let release = async |n| {
        store
            .release_lease(environment, service, &deployment_id(n))
            .await
            .unwrap();
    };
    // Who does not hold it gives nothing back, and leaves the queue.
    release(3).await;
    assert_eq!(queue(&store).await, [4, 2]);
    assert!(store.lease(environment, service).await.unwrap().is_some());
    release(1).await;
    let answer = take(&store, &ask(2), 6).await;
    assert_eq!(answer, LeaseAnswer::Next(deployment_id(4)));
    assert_eq!(taken(&store, &urgent, 7).await.fence, 2);
    release(4).await;
    // One that a freeze keeps lets others pass, and keeps its turn.
    store.wait_frozen(&ask(2), Timestamp(8)).await.unwrap();
    assert_eq!(taken(&store, &ask(5), 8).await.fence, 3);
    take(&store, &ask(6), 9).await;
    assert_eq!(queue(&store).await, [2, 6]);
    take(&store, &ask(2), 9).await;
    release(5).await;
    let answer = take(&store, &ask(6), 10).await;
    assert_eq!(answer, LeaseAnswer::Next(deployment_id(2)));
}

pub(crate) async fn a_lease_that_ran_out_goes_to_the_next_with_a_higher_fence(store: Store) {
    let first = taken(&store, &ask(1), 0).await;
    let other = LeaseAsk {
        owner: "two".to_owned(),
        ..ask(2)
    };
    assert_eq!(
        take(&store, &other, 29).await,
        LeaseAnswer::Held(first.clone())
    );
    // A clock that was set forward, or a machine that slept, takes nothing from one's own.
    assert_eq!(
        take(&store, &ask(3), 1_000).await,
        LeaseAnswer::Held(first.clone())
    );
    // Late, but nobody was faster: it is still ours.
    let kept = store.renew_leases("one", Timestamp(60)).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        take(&store, &other, 59).await,
        LeaseAnswer::Held(kept[0].clone())
    );
    store
        .release_lease("production", "hello", &deployment_id(3))
        .await
        .unwrap();
    assert_eq!(taken(&store, &other, 60).await.fence, 2);
    let kept = store.renew_leases("one", Timestamp(90)).await.unwrap();
    assert_eq!(kept, [], "it was lost");
    assert!(!store.adopt_lease(&first).await.unwrap());
    store
        .release_lease("production", "hello", &deployment_id(1))
        .await
        .unwrap();
    let held = store.leases().await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].fence, held[0].owner.as_str()), (2, "two"));
}

pub(crate) async fn what_has_ended_leaves_the_queue(store: Store) {
    for n in 1..=3 {
        take(&store, &ask(n), 0).await;
    }
    let mut row = deployment_row(2);
    row.outcome = Some(Outcome::Cancelled);
    store
        .append_deployment(&row.id, 0, &[deployment_event(1)], &row, &[])
        .await
        .unwrap();
    assert_eq!(store.tidy_lock_queue().await.unwrap(), 1);
    assert_eq!(queue(&store).await, [3]);
}

pub(crate) async fn a_freeze_is_lifted_once_and_remembered(store: Store) {
    let all = store
        .freeze(None, "the fair", "ada", Timestamp(1), None)
        .await
        .unwrap();
    let one = store
        .freeze(
            Some("production"),
            "audit",
            "bob",
            Timestamp(2),
            Some(Timestamp(9)),
        )
        .await
        .unwrap();
    assert_eq!(
        store.open_freezes().await.unwrap(),
        [all.clone(), one.clone()]
    );
    assert!(store.lift_freeze(1, "eve", Timestamp(3)).await.unwrap());
    assert!(!store.lift_freeze(1, "bob", Timestamp(4)).await.unwrap());
    assert!(!store.lift_freeze(7, "bob", Timestamp(4)).await.unwrap());
    assert_eq!(store.open_freezes().await.unwrap(), [one]);
    let remembered = store.freezes(9).await.unwrap();
    assert_eq!(remembered.len(), 2);
    assert_eq!(remembered[1].lifted_by.as_deref(), Some("eve"));
}

pub(crate) async fn samples_are_kept_up_to_a_number(store: Store) {
    let (one, two) = (deployment_id(1), deployment_id(2));
    for (second, kept) in [(60, true), (0, true), (120, false), (60, true)] {
        let body = format!("[{second}]");
        assert_eq!(
            store.put_samples(&one, second, &body, 2).await.unwrap(),
            kept
        );
    }
    store.put_samples(&two, 0, "[]", 2).await.unwrap();
    let kept = [(0, "[0]".to_owned()), (60, "[60]".to_owned())];
    assert_eq!(store.samples(&one, 0).await.unwrap(), kept);
    assert_eq!(store.samples(&one, 1).await.unwrap(), kept[1..]);
    store.forget_samples(&one).await.unwrap();
    assert!(store.samples(&one, 0).await.unwrap().is_empty());
    assert_eq!(store.samples(&two, 0).await.unwrap().len(), 1);
}
