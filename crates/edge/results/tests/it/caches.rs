//! Caches by hand: who sees whose, what goes first, and the pieces of the first protocol.

use cutover_model::Duration;
use cutover_results::{CacheMode, JobGrant, Limits};
use serde_json::json;

use crate::world::{World, job, on, untrusted};

fn pair(key: &str, body: &str) -> (String, String) {
    (key.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_branch_sees_its_own_then_its_base_then_the_default() {
    let world = World::new().await;
    let main = world.job(on("refs/heads/main", "1"));
    let release = world.job(on("refs/heads/release", "2"));
    let pull = world.job(JobGrant {
        base_ref: Some("release".to_owned()),
        ..on("refs/pull/7/merge", "3")
    });
    assert_eq!(main.save("k-1", "main").await, 200);
    assert_eq!(pull.restore("k-1", &[]).await, Some(pair("k-1", "main")));
    assert_eq!(release.save("k-1", "release").await, 200);
    assert_eq!(pull.restore("k-1", &[]).await, Some(pair("k-1", "release")));
    // What merely begins so, of one's own, comes before the very key of another branch.
    assert_eq!(pull.save("k-12", "pull").await, 200);
    assert_eq!(pull.restore("k-1", &[]).await, Some(pair("k-12", "pull")));
    // The others do not see it, and do not see one another.
    assert_eq!(main.restore("k-12", &[]).await, None);
    assert_eq!(
        release.restore("k-1", &[]).await,
        Some(pair("k-1", "release"))
    );
}

#[tokio::test]
async fn keys_are_looked_for_in_order_exactly_first_and_newest_of_those_that_begin_so() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    for key in ["npm-a-1", "npm-b-1", "npm-b-2", "yarn"] {
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(job.save(key, key).await, 200);
    }
    assert_eq!(job.save("yarn", "again").await, 409);
    assert_eq!(
        job.restore("npm-b-1", &["npm-"]).await,
        Some(pair("npm-b-1", "npm-b-1"))
    );
    assert_eq!(
        job.restore("npm-x", &["npm-a", "npm-"]).await,
        Some(pair("npm-a-1", "npm-a-1"))
    );
    assert_eq!(
        job.restore("npm-", &[]).await,
        Some(pair("npm-b-2", "npm-b-2"))
    );
    assert_eq!(job.restore("pnpm", &["cargo"]).await, None);
    let other = json!({"key": "yarn", "version": "w"});
    let (_, found) = job
        .call("CacheService", "GetCacheEntryDownloadURL", other)
        .await;
    assert_eq!(found["ok"], false);
    for key in [String::new(), "a,b".to_owned(), "k".repeat(513)] {
        assert_eq!(job.save(&key, "x").await, 400, "{key}");
    }
}

#[tokio::test]
async fn what_strangers_save_no_trusted_job_ever_restores() {
    let world = World::new().await;
    let main = world.job(on("refs/heads/main", "1"));
    assert_eq!(main.save("deps", "good").await, 200);
    // Even on a ref of the same name: a fork has a `main` as well.
    for git_ref in ["refs/heads/main", "refs/pull/7/merge"] {
        let stranger = world.job(untrusted(on(git_ref, git_ref)));
        assert_eq!(
            stranger.restore("deps", &[]).await,
            Some(pair("deps", "good"))
        );
        assert_eq!(stranger.save("deps-2", "evil").await, 200);
        assert_eq!(
            stranger.restore("deps-2", &[]).await,
            Some(pair("deps-2", "evil"))
        );
        let trusted = world.job(on(git_ref, "trusted"));
        assert_eq!(trusted.restore("deps-2", &[]).await, None, "{git_ref}");
    }
    let other = world.job(JobGrant {
        repository: "octo/other".to_owned(),
        ..job("4", "build")
    });
    assert_eq!(other.restore("deps", &[]).await, None);
}

#[tokio::test]
async fn a_mode_allows_what_it_says() {
    let world = World::new().await;
    assert_eq!(world.job(job("run", "first")).save("k", "x").await, 200);
    for (mode, name, reads, writes) in [
        (CacheMode::None, "none", false, false),
        (CacheMode::Read, "read", true, false),
        (CacheMode::Write, "write", true, true),
        (CacheMode::WriteOnly, "write-only", false, true),
    ] {
        let job = world.job(JobGrant {
            cache_mode: mode,
            ..job("run", name)
        });
        assert_eq!(job.grant.env["ACTIONS_CACHE_MODE"], name);
        assert_eq!(job.save(name, "x").await == 200, writes, "{name}");
        let wanted = json!({"key": "k", "version": "v"});
        let (status, _) = job
            .call("CacheService", "GetCacheEntryDownloadURL", wanted)
            .await;
        assert_eq!(status == 200, reads, "{name}");
    }
}

#[tokio::test]
async fn the_cache_that_was_used_longest_ago_makes_room() {
    let limits = Limits {
        cache_bytes: 10,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let job = world.job(job("run", "build"));
    for key in ["a", "b", "c"] {
        assert_eq!(job.save(key, "123").await, 200);
        world.clock.advance(Duration::from_secs(1));
    }
    assert!(job.restore("a", &[]).await.is_some());
    assert_eq!(job.save("d", "123").await, 200);
    let keys: Vec<String> = world
        .service
        .caches("octo/hello")
        .into_iter()
        .map(|cache| cache.key)
        .collect();
    assert_eq!(keys, ["a", "c", "d"]);
    assert_eq!(
        std::fs::read_dir(world.dir.path().join("caches"))
            .unwrap()
            .count(),
        3
    );
    // Another repository has its own room.
    let other = world.job(JobGrant {
        repository: "octo/other".to_owned(),
        ..crate::world::job("2", "build")
    });
    assert_eq!(other.save("a", "1234567890").await, 200);
    assert_eq!(world.service.caches("octo/hello").len(), 3);
}

#[tokio::test]
async fn a_cache_that_was_not_used_for_a_week_is_gone_also_after_a_restart() {
    let world = World::new().await;
    let first = world.job(job("run", "build"));
    assert_eq!(first.save("old", "x").await, 200);
    assert_eq!(first.save("used", "x").await, 200);
    world.clock.advance(Duration::from_mins(6 * 24 * 60));
    let later = world.job(job("later", "build"));
    assert!(later.restore("used", &[]).await.is_some());
    let world = world.restarted().await;
    world.clock.advance(Duration::from_mins(2 * 24 * 60));
    let job = world.job(job("again", "build"));
    assert_eq!(job.restore("old", &[]).await, None);
    assert_eq!(world.service.sweep().unwrap().caches, 1);
    assert!(job.restore("used", &[]).await.is_some());
}

#[tokio::test]
async fn the_first_protocol_takes_pieces_in_any_order_and_only_a_whole() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let url = format!("{}/_apis/artifactcache", world.url);
    let post = |path: &str, body: serde_json::Value| {
        let request = world
            .client
            .post(format!("{url}/{path}"))
            .bearer_auth(job.token());
        request.json(&body).send()
    };
    let wanted = json!({"key": "k", "version": "v", "cacheSize": 6});
    let reserved = post("caches", wanted).await.unwrap();
    assert_eq!(reserved.status(), 201);
    let reserved: serde_json::Value = reserved.json().await.unwrap();
    let place = format!("caches/{}", reserved["cacheId"]);
    let piece = |range: &str, body: &'static str| {
        let request = world
            .client
            .patch(format!("{url}/{place}"))
            .bearer_auth(job.token());
        request
            .header("content-range", format!("bytes {range}/*"))
            .body(body)
            .send()
    };
    assert_eq!(piece("3-5", "def").await.unwrap().status(), 204);
    assert_eq!(
        post(&place, json!({"size": 6})).await.unwrap().status(),
        400
    );
    assert_eq!(piece("0-2", "abcd").await.unwrap().status(), 400);
    assert_eq!(piece("0-2", "ab").await.unwrap().status(), 400);
    assert_eq!(piece("0-2", "abc").await.unwrap().status(), 204);
    assert_eq!(
        post(&place, json!({"size": 6})).await.unwrap().status(),
        204
    );
    assert_eq!(piece("0-2", "abc").await.unwrap().status(), 404);
    // Both protocols have the same caches.
    assert_eq!(job.restore("k", &[]).await, Some(pair("k", "abcdef")));
    let list = world
        .client
        .get(format!("{url}/caches?key=k"))
        .bearer_auth(job.token());
    let list: serde_json::Value = list.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&list["totalCount"], &list["artifactCaches"][0]["cacheKey"]),
        (&json!(1), &json!("k"))
    );
    let large = json!({"key": "l", "version": "v", "cacheSize": 1_u64 << 40});
    assert_eq!(post("caches", large).await.unwrap().status(), 413);
}
