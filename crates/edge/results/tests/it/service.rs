//! Who gets in, for how long, and what a job leaves behind when it ends.

use camino::Utf8Path;
use cutover_model::Duration;
use cutover_results::{Error, GrantId, Service, Settings};
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::{World, job};

#[tokio::test]
async fn nobody_gets_in_without_a_token_of_a_job_that_runs() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let ask = |token: &str| {
        let url = format!("{}/_apis/artifactcache/caches", world.url);
        world.client.get(url).header("authorization", token).send()
    };
    let token = job.token().to_owned();
    for (wrong, status) in [
        ("", 401),
        ("Bearer", 401),
        ("Bearer x.y.z", 401),
        (&format!("Basic {token}"), 401),
    ] {
        assert_eq!(ask(wrong).await.unwrap().status(), status, "{wrong}");
    }
    assert_eq!(ask(&format!("Bearer {token}")).await.unwrap().status(), 200);
    world.clock.advance(Duration::from_mins(600));
    assert_eq!(ask(&format!("Bearer {token}")).await.unwrap().status(), 401);
}

#[tokio::test]
async fn when_a_job_ends_its_tokens_its_addresses_and_its_half_uploads_end() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    job.upload("whole", "x").await;
    let (_, signed) = job
        .artifacts("GetSignedArtifactURL", json!({"name": "whole"}))
        .await;
    let read = signed["signed_url"].as_str().unwrap();
    let (_, created) = job
        .artifacts("CreateArtifact", json!({"name": "half"}))
        .await;
    let write = created["signed_upload_url"].as_str().unwrap();
    assert_eq!(job.put(write, "x").await.status(), 201);
    world.service.revoke(&job.grant.id).unwrap();
    world.service.revoke(&job.grant.id).unwrap();
    assert_eq!(job.get(read).await.status(), 401);
    assert_eq!(job.put(write, "x").await.status(), 401);
    assert_eq!(job.artifacts("ListArtifacts", json!({})).await.0, 401);
    for folder in ["uploads", "grants"] {
        assert_eq!(
            std::fs::read_dir(world.dir.path().join(folder))
                .unwrap()
                .count(),
            0,
            "{folder}"
        );
    }
    assert_eq!(world.service.artifacts("run").unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_outlives_a_restart_of_the_server_and_its_half_upload_does_not() {
    let world = World::new().await;
    let (token, id) = {
        let job = world.job(job("run", "build"));
        job.upload("whole", "x").await;
        job.artifacts("CreateArtifact", json!({"name": "half"}))
            .await;
        (job.token().to_owned(), job.grant.id.clone())
    };
    assert_eq!(id, GrantId::of("run", "build", 1));
    let world = world.restarted().await;
    assert_eq!(
        std::fs::read_dir(world.dir.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
    let list = world
        .client
        .get(format!("{}/_apis/artifactcache/caches", world.url));
    assert_eq!(list.bearer_auth(&token).send().await.unwrap().status(), 200);
    // It is granted once more: what it has, and what it is given now, are equally good.
    let again = world.job(job("run", "build"));
    assert_eq!(again.token(), token);
    let (_, listed) = again.artifacts("ListArtifacts", json!({})).await;
    assert_eq!(listed["artifacts"][0]["name"], "whole");
}

#[tokio::test]
async fn a_job_that_never_ended_is_swept_when_its_time_is_over() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    job.artifacts("CreateArtifact", json!({"name": "half"}))
        .await;
    assert_eq!(world.service.sweep().unwrap().uploads, 0);
    world.clock.advance(Duration::from_mins(600));
    assert_eq!(world.service.sweep().unwrap().uploads, 1);
    assert_eq!(
        std::fs::read_dir(world.dir.path().join("grants"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn addresses_cannot_be_bent() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    job.upload("a", "secret").await;
    let (_, signed) = job
        .artifacts("GetSignedArtifactURL", json!({"name": "a"}))
        .await;
    let url = signed["signed_url"].as_str().unwrap();
    let other = |from: &str, to: &str| url.replacen(from, to, 1);
    let bent = [
        other("sp=r", "sp=w"),
        other("/blobs/artifact/", "/blobs/cache/"),
        other("/blobs/artifact/", "/blobs/artifact/..%2F"),
        other("se=", "se=9"),
        other("sig=", "sig=A"),
        url.split("&sig").next().unwrap().to_owned(),
    ];
    for bent in bent {
        let status = job.get(&bent).await.status().as_u16();
        assert!([400, 403, 404].contains(&status), "{bent}: {status}");
    }
    world.clock.advance(Duration::from_mins(60));
    assert_eq!(job.get(url).await.status(), 403);
}

#[tokio::test]
async fn a_listener_that_others_can_reach_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let settings = Settings::at(listener.local_addr().unwrap());
    let service = Service::open(Utf8Path::from_path(dir.path()).unwrap(), settings).unwrap();
    let served = service.serve(listener, std::future::pending()).await;
    assert!(matches!(served, Err(Error::NotLoopback(_))), "{served:?}");
}

#[tokio::test]
async fn no_token_is_printed_with_its_grant() {
    let world = World::new().await;
    let mut wanted = job("run", "build");
    wanted.id_token = true;
    let job = world.job(wanted);
    let printed = format!("{:?}", job.grant);
    assert!(printed.contains("ACTIONS_RUNTIME_TOKEN"), "{printed}");
    assert!(!printed.contains("eyJ"), "{printed}");
}

#[tokio::test]
async fn a_network_has_a_door_of_its_own_that_lets_in_nobody_else() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let bind = async |address: &str| TcpListener::bind(address).await.unwrap();
    // The whole of loopback stands for networks: each of its addresses can be spoken from.
    for (address, network) in [
        ("0.0.0.0:0", "127.9.0.0/16"),
        ("127.8.0.1:0", "127.9.0.0/16"),
        ("127.9.0.1:0", "0.0.0.0/0"),
    ] {
        let refused = world
            .service
            .serve_network(bind(address).await, network.parse().unwrap(), async {})
            .await;
        assert!(
            matches!(refused, Err(Error::NotInNetwork { .. })),
            "{address} {network}"
        );
    }
    let listener = bind("127.9.0.1:0").await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = world.service.clone();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let network = "127.9.0.0/16".parse().unwrap();
        let end = async { drop(ended.await) };
        service.serve_network(listener, network, end).await
    });
    let create =
        format!("{url}/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact");
    let ids = job.ids();
    let from = |address: &str| {
        let client = reqwest::Client::builder().local_address(Some(address.parse().unwrap()));
        let client = client.no_proxy().build().unwrap();
        let asked = client.post(&create).bearer_auth(job.token());
        asked.json(&json!({
            "workflow_run_backend_id": ids.0, "workflow_job_run_backend_id": ids.1,
            "name": "inside", "version": 4,
        }))
    };
    from("127.8.0.2").send().await.unwrap_err();
    let answer = from("127.9.0.2").send().await.unwrap();
    let created: serde_json::Value = answer.json().await.unwrap();
    // What it says next is where the one who asked can go.
    let signed = created["signed_upload_url"].as_str().unwrap();
    assert!(signed.starts_with(&format!("{url}/blobs/")), "{created}");
    let client = reqwest::Client::builder().local_address(Some([127, 9, 0, 3].into()));
    let put = client.no_proxy().build().unwrap().put(signed);
    let put = put.header("x-ms-blob-type", "BlockBlob").body("x");
    assert_eq!(put.send().await.unwrap().status(), 201);
    end.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
