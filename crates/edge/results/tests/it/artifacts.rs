//! Artifacts by hand: blocks, digests, who may do what to whose, and what is left behind.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cutover_model::Duration;
use cutover_results::{JobGrant, Limits};
use serde_json::json;

use crate::world::{Job, World, job, untrusted};

async fn create(job: &Job<'_>, name: &str) -> String {
    let (status, created) = job.artifacts("CreateArtifact", json!({"name": name})).await;
    assert_eq!(status, 200, "{created}");
    created["signed_upload_url"].as_str().unwrap().to_owned()
}

async fn put(job: &Job<'_>, url: &str, query: &str, body: &str) -> u16 {
    job.put(&format!("{url}&{query}"), body)
        .await
        .status()
        .as_u16()
}

async fn stage(job: &Job<'_>, url: &str, block: &str, body: &str) -> u16 {
    let id = STANDARD.encode(block).replace('=', "%3D");
    put(job, url, &format!("comp=block&blockid={id}"), body).await
}

async fn commit(job: &Job<'_>, url: &str, blocks: &[&str]) -> u16 {
    let ids = blocks
        .iter()
        .map(|block| format!("<Latest>{}</Latest>", STANDARD.encode(block)));
    let list = format!("<BlockList>{}</BlockList>", ids.collect::<String>());
    put(job, url, "comp=blocklist", &list).await
}

#[tokio::test]
async fn blocks_in_any_order_are_put_in_that_of_the_list() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let url = create(&job, "a").await;
    assert_eq!(stage(&job, &url, "2", "world").await, 201);
    assert_eq!(stage(&job, &url, "1", "never").await, 201);
    assert_eq!(stage(&job, &url, "1", "hello ").await, 201);
    assert_eq!(commit(&job, &url, &["1", "3"]).await, 400);
    assert_eq!(commit(&job, &url, &["1", "2", "1"]).await, 201);
    // The answer was lost; it is asked once more.
    assert_eq!(commit(&job, &url, &["1", "2", "1"]).await, 201);
    let sum = "sha256:e8c3b0b0db2d3e3a7a2a4ab4ac2c0d2b2ab3ac4f41a7a1a62c1a59c8a7d6b4bd";
    let wrong = json!({"name": "a", "size": "17", "hash": sum});
    let (status, refused) = job.artifacts("FinalizeArtifact", wrong).await;
    assert_eq!(
        (status, &refused["code"]),
        (400, &json!("invalid_argument")),
        "{refused}"
    );
    // What was wrong is over.
    assert_eq!(stage(&job, &url, "1", "x").await, 404);
    assert!(world.service.artifacts("run").unwrap().is_empty());
}

#[tokio::test]
async fn an_artifact_is_read_in_parts_and_never_written_again() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let upload = create(&job, "a").await;
    assert_eq!(job.put(&upload, "0123456789").await.status(), 201);
    let request = json!({"name": "a", "size": "10",
        "hash": "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"});
    let (status, one) = job.artifacts("FinalizeArtifact", request.clone()).await;
    let (_, again) = job.artifacts("FinalizeArtifact", request).await;
    assert_eq!((status, &one), (200, &again));
    assert_eq!(job.put(&upload, "x").await.status(), 404);

    let (_, signed) = job
        .artifacts("GetSignedArtifactURL", json!({"name": "a"}))
        .await;
    let url = signed["signed_url"].as_str().unwrap();
    let part = world
        .client
        .get(url)
        .header("range", "bytes=2-4")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(part.text().await.unwrap(), "234");
    let beyond = world
        .client
        .get(url)
        .header("range", "bytes=10-")
        .send()
        .await
        .unwrap();
    assert_eq!(beyond.status(), 416);
    let head = world.client.head(url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(job.put(url, "x").await.status(), 403);
    assert_eq!(job.get(url).await.text().await.unwrap(), "0123456789");
}

#[tokio::test]
async fn an_append_blob_grows_where_the_client_thinks_it_ends() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let url = create(&job, "a").await;
    assert_eq!(put(&job, &url, "comp=appendblock", "x").await, 404);
    let begin = world
        .client
        .put(&url)
        .header("x-ms-blob-type", "AppendBlob");
    assert_eq!(begin.send().await.unwrap().status(), 201);
    assert_eq!(put(&job, &url, "comp=appendblock", "one").await, 201);
    let appended = |at: &str, body: &'static str| {
        let request = world.client.put(format!("{url}&comp=appendblock"));
        request
            .header("x-ms-blob-condition-appendpos", at)
            .body(body)
            .send()
    };
    assert_eq!(appended("0", "one").await.unwrap().status(), 412);
    assert_eq!(appended("3", "two").await.unwrap().status(), 201);
    let (status, done) = job
        .artifacts("FinalizeArtifact", json!({"name": "a", "size": 6}))
        .await;
    assert_eq!(status, 200, "{done}");
    assert_eq!(put(&job, &url, "comp=pages", "x").await, 404);
}

#[tokio::test]
async fn too_much_is_refused_and_leaves_nothing() {
    let limits = Limits {
        artifact_bytes: 10,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let job = world.job(job("run", "build"));
    let url = create(&job, "a").await;
    assert_eq!(stage(&job, &url, "1", "123456").await, 201);
    assert_eq!(stage(&job, &url, "2", "123456").await, 413);
    // A block in the place of another counts once, and what was refused does not count.
    assert_eq!(stage(&job, &url, "1", "1234").await, 201);
    assert_eq!(stage(&job, &url, "2", "123456").await, 201);
    assert_eq!(job.put(&url, "12345678901").await.status(), 413);
    let uploads = world.dir.path().join("uploads");
    let upload = std::fs::read_dir(uploads)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(std::fs::read_dir(upload).unwrap().count(), 2);
    let announced = json!({"name": "a", "size": 10});
    assert_eq!(job.artifacts("FinalizeArtifact", announced).await.0, 412);
}

#[tokio::test]
async fn a_name_is_taken_once_in_a_run_but_for_a_later_attempt() {
    let world = World::new().await;
    let one = world.job(job("run", "build"));
    let two = world.job(job("run", "test"));
    let waiting = create(&one, "a").await;
    assert_eq!(
        two.artifacts("CreateArtifact", json!({"name": "a"}))
            .await
            .0,
        409
    );
    // The same job begins anew; the first one is over.
    let id = one.upload("a", "one").await;
    assert_eq!(one.put(&waiting, "x").await.status(), 404);
    assert_eq!(
        two.artifacts("CreateArtifact", json!({"name": "a"}))
            .await
            .0,
        409
    );
    let retried = world.job(JobGrant {
        attempt: 2,
        ..job("run", "build")
    });
    assert!(retried.upload("a", "two").await > id);
    let (_, signed) = two
        .artifacts("GetSignedArtifactURL", json!({"name": "a"}))
        .await;
    let newest = two.get(signed["signed_url"].as_str().unwrap()).await;
    assert_eq!(newest.text().await.unwrap(), "two");
    let (_, listed) = two
        .artifacts("ListArtifacts", json!({"name_filter": "a"}))
        .await;
    assert_eq!(listed["artifacts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn names_that_are_paths_are_refused() {
    let world = World::new().await;
    let job = world.job(job("../../escape", "build"));
    for name in ["../a", "a/b", "", "..", "a\u{0}b"] {
        let (status, refused) = job.artifacts("CreateArtifact", json!({"name": name})).await;
        assert_eq!(
            (status, &refused["code"]),
            (400, &json!("invalid_argument")),
            "{name}"
        );
    }
    job.upload("a", "x").await;
    let artifact = &world.service.artifacts("../../escape").unwrap()[0];
    let file = world.service.artifact_file(artifact);
    assert!(
        file.as_std_path()
            .starts_with(world.dir.path().join("artifacts"))
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), "x");
}

#[tokio::test]
async fn a_job_reaches_its_own_run_and_those_it_was_allowed_to_read() {
    let world = World::new().await;
    let theirs = world.job(untrusted(job("theirs", "build")));
    theirs.upload("a", "theirs").await;
    let stranger = world.job(job("mine", "build"));
    let reader = world.job(JobGrant {
        readable_runs: ["theirs".to_owned()].into(),
        ..job("mine", "read")
    });
    let (run, job_id) = theirs.ids();
    let named =
        json!({"workflow_run_backend_id": run, "workflow_job_run_backend_id": job_id, "name": "a"});
    for method in [
        "ListArtifacts",
        "GetSignedArtifactURL",
        "DeleteArtifact",
        "CreateArtifact",
        "FinalizeArtifact",
    ] {
        let (status, refused) = stranger
            .call("ArtifactService", method, named.clone())
            .await;
        assert_eq!(
            (status, &refused["code"]),
            (403, &json!("permission_denied")),
            "{method}"
        );
    }
    let (status, signed) = reader
        .call("ArtifactService", "GetSignedArtifactURL", named.clone())
        .await;
    assert_eq!(status, 200, "{signed}");
    let read = reader.get(signed["signed_url"].as_str().unwrap()).await;
    assert_eq!(read.text().await.unwrap(), "theirs");
    assert_eq!(
        reader
            .call("ArtifactService", "DeleteArtifact", named)
            .await
            .0,
        403
    );
    assert!(!world.service.artifacts("theirs").unwrap()[0].is_trusted);
}

#[tokio::test]
async fn an_artifact_is_kept_as_long_as_it_was_to_be_and_no_longer() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let past = json!({"name": "a", "expires_at": "2026-11-20T00:00:00Z"});
    assert_eq!(job.artifacts("CreateArtifact", past).await.0, 400);
    let soon = json!({"name": "a", "expires_at": "2026-11-21T01:00:00Z"});
    let (_, created) = job.artifacts("CreateArtifact", soon).await;
    job.put(created["signed_upload_url"].as_str().unwrap(), "x")
        .await;
    assert_eq!(
        job.artifacts("FinalizeArtifact", json!({"name": "a", "size": 1}))
            .await
            .0,
        200
    );
    job.upload("b", "yy").await;
    world.clock.advance(Duration::from_mins(60));
    let (_, listed) = job.artifacts("ListArtifacts", json!({})).await;
    assert_eq!(listed["artifacts"].as_array().unwrap().len(), 1);
    let swept = world.service.sweep().unwrap();
    assert_eq!((swept.artifacts, swept.bytes), (1, 1));
    world.clock.advance(Duration::from_mins(90 * 24 * 60));
    assert_eq!(world.service.sweep().unwrap().artifacts, 1);
    assert_eq!(
        std::fs::read_dir(world.dir.path().join("artifacts"))
            .unwrap()
            .count(),
        0
    );
}
