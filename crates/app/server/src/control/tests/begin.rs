//! Beginning: once, however often it is asked for; and only what may be and is still there.

use cutover_model::{
    delivery::Migrations,
    traffic::{Protocol, TrafficSpec},
};

use super::*;
use crate::Error;

/// A place that serves 1.1.0, and served 1.0.0 before. Both packages are there.
struct Shop {
    _kept: tempfile::TempDir,
    control: Control,
    specs: Vec<DeploymentSpec>,
}

/// `change` is given each deployment before it is stored; the third one has failed.
async fn shop(change: impl Fn(&mut DeploymentSpec)) -> Shop {
    let kept = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(kept.path()).unwrap().join("data");
    let store = store(&dir).await;
    let content = Utf8Path::from_path(kept.path()).unwrap().join("content");
    tokio::fs::create_dir_all(&content).await.unwrap();
    let mut specs = Vec::new();
    for (number, version) in (1..).zip(["1.0.0", "1.1.0", "0.9.0"]) {
        let text = tokio::fs::write(content.join("hello"), version);
        text.await.unwrap();
        let digest = Bundles::new(dir.join("bundles")).pack(&content).unwrap();
        let mut release = Release {
            id: ReleaseId::derived(&["hello", version]),
            version: version.to_owned(),
            ..release(digest)
        };
        if version == "1.1.0" {
            release.contents.migrations = Some(Migrations {
                floor: Some("1.0.0".to_owned()),
                expand: Vec::new(),
            });
        }
        store.put_release(&release).await.unwrap();
        let mut spec = spec(number, "production", &release);
        change(&mut spec);
        let second = i64::try_from(number).unwrap();
        let outcome = if number < 3 {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        };
        keep(&store, &spec, second, vec![ended(outcome)]).await;
        if number < 3 {
            let at = Timestamp(second);
            let placed =
                store.set_current("production", "hello", &release.id, &spec.id, number, at);
            placed.await.unwrap();
        }
        specs.push(spec);
    }
    drop(store);
    Shop {
        _kept: kept,
        control: open(&dir, false).await,
        specs,
    }
}

fn refusal<T: std::fmt::Debug>(done: Result<T, Error>) -> String {
    match done {
        Err(Error::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// Ends what waits, so that it can be tried again.
async fn abort(control: &Control, id: &DeploymentId) {
    control.abort_deployment(id, "ada").await.unwrap();
    let driven = control.drive_deployment(id).await.unwrap();
    driven.finished().await;
}

#[tokio::test]
async fn who_tries_again_at_the_same_time_tries_once_and_after_its_end_once_more() {
    let shop = shop(|spec| {
        // Nobody is to begin while this looks on.
        spec.approval = serde_json::from_value(serde_json::json!({
            "required": 1, "from": [], "expires": "1h"
        }))
        .unwrap();
        if spec.release.version == "0.9.0" {
            spec.release.version = "1.2.0".to_owned();
        }
    })
    .await;
    let (control, of) = (&shop.control, &shop.specs[2].id);
    let again = async || control.retry_deployment(of, "ada").await.unwrap();
    let (one, other) = tokio::join!(again(), again());
    assert_eq!(one.id, other.id);
    assert_ne!(one.already, other.already, "one append is the first");
    abort(control, &one.id).await;
    let next = again().await;
    assert!(!next.already && next.id != one.id);
    let spec = control.deployment(&next.id).await.unwrap();
    let cause = &spec.spec().unwrap().cause;
    assert!(matches!(cause, Cause::Retry { of, .. } if *of == one.id));
    control.settle().await;
}

#[tokio::test]
async fn nothing_begins_below_the_floor_of_what_serves() {
    let shop = shop(|_| {}).await;
    let done = shop.control.retry_deployment(&shop.specs[2].id, "ada");
    let why = refusal(done.await);
    assert!(why.contains("1.0.0") && why.contains("0.9.0"), "{why}");
    shop.control.settle().await;
}

#[tokio::test]
async fn what_begins_while_packages_are_thrown_away_is_kept_or_refused() {
    let shop = shop(|_| {}).await;
    let control = &shop.control;
    let cleaning = control.packages().write().await;
    let back = control.rollback(Some("hello"), "production", None, "ada");
    tokio::pin!(back);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut back).await;
    assert!(early.is_err(), "it has begun although packages go");
    let digest = shop.specs[0].release.package.digest();
    control.bundles().remove(digest).unwrap();
    drop(cleaning);
    let why = refusal(back.await);
    assert!(why.contains("is gone; build it again"), "{why}");
    control.settle().await;
}

#[tokio::test]
async fn a_way_back_leaves_the_addresses_and_limits_of_today() {
    let traffic = |preview: &str, protocol| {
        Some(Box::new(TrafficSpec {
            preview: Some(preview.to_owned()),
            protocol: Some(protocol),
            ..TrafficSpec::default()
        }))
    };
    let shop = shop(|spec| {
        spec.traffic = match spec.release.version.as_str() {
            "1.0.0" => traffic("127.0.0.1:1", Protocol::H1),
            _ => traffic("127.0.0.1:2", Protocol::H2),
        };
    })
    .await;
    let back = shop
        .control
        .rollback(Some("hello"), "production", None, "ada")
        .await
        .unwrap();
    let back = shop.control.deployment(&back.id).await.unwrap();
    let wanted = traffic("127.0.0.1:2", Protocol::H1);
    assert_eq!(back.spec().unwrap().traffic, wanted);
    shop.control.settle().await;
}
