//! The short way is by the same rules, and what went one way comes the other.

use camino::{Utf8Path, Utf8PathBuf};
use cutover_results::{CacheMode, Error, JobGrant};
use serde_json::json;

use crate::world::{World, job};

fn file(world: &World, contents: &str) -> Utf8PathBuf {
    let path = Utf8Path::from_path(world.dir.path()).unwrap().join("ours");
    std::fs::write(&path, contents).unwrap();
    path
}

#[tokio::test]
async fn an_artifact_that_is_moved_is_one_that_clients_download() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let ours = file(&world, "0123456789");
    let keep = |name: &str| {
        world
            .service
            .keep_artifact(&job.grant.id, name, "text/plain", &ours, None)
    };
    assert!(matches!(keep("../a"), Err(Error::Refused(_))));
    let artifact = keep("a").unwrap();
    assert_eq!(artifact.size, 10);
    assert_eq!(
        artifact.sha256,
        "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
    );
    assert!(!ours.exists());
    let (_, signed) = job
        .artifacts("GetSignedArtifactURL", json!({"name": "a"}))
        .await;
    let read = job.get(signed["signed_url"].as_str().unwrap()).await;
    assert_eq!(read.text().await.unwrap(), "0123456789");
    file(&world, "again");
    assert!(matches!(keep("a"), Err(Error::Refused(_))));
    world.service.revoke(&job.grant.id).unwrap();
    assert!(matches!(keep("b"), Err(Error::Refused(_))));
}

#[tokio::test]
async fn a_cache_that_is_moved_is_one_that_clients_restore() {
    let world = World::new().await;
    let one = world.job(job("run", "build"));
    let ours = file(&world, "deps");
    let id = &one.grant.id;
    assert!(world.service.save_cache(id, "k-1", "v", &ours).unwrap());
    let ours = file(&world, "other");
    assert!(!world.service.save_cache(id, "k-1", "v", &ours).unwrap());
    assert!(ours.exists());
    assert_eq!(
        one.restore("k-", &[]).await,
        Some(("k-1".to_owned(), "deps".to_owned()))
    );
    let (cache, found) = world
        .service
        .find_cache(id, &["k-".to_owned()], "v")
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            cache.key.as_str(),
            std::fs::read_to_string(found).unwrap().as_str()
        ),
        ("k-1", "deps")
    );
    assert!(
        world
            .service
            .find_cache(id, &["k-1".to_owned()], "w")
            .unwrap()
            .is_none()
    );
    let reader = world.job(JobGrant {
        cache_mode: CacheMode::Read,
        ..job("run", "read")
    });
    let refused = world
        .service
        .save_cache(&reader.grant.id, "k-2", "v", &ours);
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(
        std::fs::read_dir(world.dir.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
}
