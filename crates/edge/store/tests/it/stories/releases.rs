//! Stories of releases and of where they serve.

use cutover_model::Timestamp;
use cutover_store::{Error, Store};

use crate::sample::{deployment_id, digest, release, release_id};

pub(crate) async fn a_release_never_changes(store: Store) {
    for n in 1..=3 {
        store.put_release(&release(n)).await.unwrap();
    }
    store.put_release(&release(2)).await.unwrap();
    let mut other = release(2);
    "9.9.9".clone_into(&mut other.version);
    let refused = store.put_release(&other).await;
    assert!(
        matches!(refused, Err(Error::ReleaseDiffers(_))),
        "{refused:?}"
    );
    assert_eq!(
        store.release(&release_id(2)).await.unwrap(),
        Some(release(2))
    );
    assert_eq!(store.release(&release_id(9)).await.unwrap(), None);
    assert_eq!(
        store.releases("hello", 2).await.unwrap(),
        [release(3), release(2)]
    );
}

pub(crate) async fn a_release_is_found_by_what_people_say(store: Store) {
    for n in 1..=3 {
        store.put_release(&release(n)).await.unwrap();
    }
    let find = async |text: &str| store.find_release("hello", text).await.unwrap();
    assert_eq!(find("1.2.0").await, [release(2)]);
    assert_eq!(find(release_id(3).as_str()).await, [release(3)]);
    assert_eq!(find(&digest(2).0).await, [release(2)]);
    assert_eq!(find("0002AB").await, [release(2)]);
    assert_eq!(find("sha256:0002").await, [release(2)]);
    assert_eq!(find("000").await, [], "too short for a digest");
    assert_eq!(find("%").await, []);
    assert_eq!(find("").await, []);
    assert_eq!(store.find_release("other", "1.2.0").await.unwrap(), []);
}

pub(crate) async fn a_rollback_goes_to_the_last_good_release(store: Store) {
    for n in 1..=4 {
        store.put_release(&release(n)).await.unwrap();
    }
    let place = async |fence: u64, n: u64| {
        let deployment = deployment_id(fence);
        let at = Timestamp(i64::try_from(fence).unwrap());
        store
            .set_current(
                "production",
                "hello",
                &release_id(n),
                &deployment,
                fence,
                at,
            )
            .await
    };
    let previous = async || store.previous("production", "hello").await.unwrap();
    assert_eq!(store.current("production", "hello").await.unwrap(), None);
    assert_eq!(previous().await, None);
    place(1, 1).await.unwrap();
    assert_eq!(previous().await, None);
    place(2, 2).await.unwrap();
    place(3, 3).await.unwrap();
    assert_eq!(previous().await, Some(release(2)));
    place(4, 2).await.unwrap();
    assert_eq!(previous().await, Some(release(1)), "3 was taken back");
    place(5, 4).await.unwrap();
    assert_eq!(previous().await, Some(release(2)));

    let current = store.current("production", "hello").await.unwrap().unwrap();
    assert_eq!(
        (current.release, current.deployment),
        (release(4), deployment_id(5))
    );
    assert_eq!((current.since, current.fence), (Timestamp(5), 5));
    assert_eq!(store.current("staging", "hello").await.unwrap(), None);

    let places = [("production".to_owned(), "hello".to_owned())];
    assert_eq!(store.places().await.unwrap(), places);
    let last = store.served_last("production", "hello", 3).await.unwrap();
    assert_eq!(last, [release(4), release(2), release(3)]);
}

pub(crate) async fn an_older_fence_is_refused(store: Store) {
    for n in 1..=2 {
        store.put_release(&release(n)).await.unwrap();
    }
    let place = async |fence: u64, n: u64, at: i64| {
        let (release, deployment) = (release_id(n), deployment_id(fence));
        let at = Timestamp(at);
        store
            .set_current("production", "hello", &release, &deployment, fence, at)
            .await
    };
    place(7, 1, 10).await.unwrap();
    place(7, 1, 20).await.unwrap();
    let stale = place(6, 2, 30).await;
    assert!(
        matches!(
            stale,
            Err(Error::StaleFence {
                fence: 6,
                newest: 7,
                ..
            })
        ),
        "{stale:?}"
    );
    let current = store.current("production", "hello").await.unwrap().unwrap();
    assert_eq!(
        (current.release, current.since),
        (release(1), Timestamp(10))
    );
    assert_eq!(store.previous("production", "hello").await.unwrap(), None);
    let unknown = place(8, 99, 40).await;
    assert!(matches!(unknown, Err(Error::Database(_))), "{unknown:?}");
}
