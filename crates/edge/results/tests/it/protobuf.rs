//! The same services in protobuf, as clients that are not GitHub's speak to them.

use prost::Message;
use reqwest::header::CONTENT_TYPE;

use crate::world::{Job, World, job};

#[derive(Clone, PartialEq, Message)]
struct Create {
    #[prost(string, tag = "2")]
    key: String,
    #[prost(string, tag = "3")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Finalize {
    #[prost(string, tag = "2")]
    key: String,
    #[prost(int64, tag = "3")]
    size_bytes: i64,
    #[prost(string, tag = "4")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Download {
    #[prost(string, tag = "2")]
    key: String,
    #[prost(string, repeated, tag = "3")]
    restore_keys: Vec<String>,
    #[prost(string, tag = "4")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(bool, tag = "1")]
    ok: bool,
    #[prost(string, tag = "2")]
    url: String,
    #[prost(string, tag = "3")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
struct Done {
    #[prost(bool, tag = "1")]
    ok: bool,
    #[prost(int64, tag = "2")]
    entry_id: i64,
}

async fn call<A: Message + Default>(job: &Job<'_>, method: &str, request: &impl Message) -> A {
    let request = job
        .call_raw("CacheService", method)
        .header(CONTENT_TYPE, "application/protobuf")
        .body(request.encode_to_vec());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/protobuf");
    A::decode(answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_cache_is_saved_and_restored_in_protobuf() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    let (key, version) = ("sccache".to_owned(), "v".to_owned());
    let create = Create {
        key: key.clone(),
        version: version.clone(),
    };
    let created: Answer = call(&job, "CreateCacheEntry", &create).await;
    assert!(created.ok);
    assert_eq!(job.put(&created.url, "four").await.status(), 201);
    let finalize = Finalize {
        key,
        size_bytes: 4,
        version: version.clone(),
    };
    let done: Done = call(&job, "FinalizeCacheEntryUpload", &finalize).await;
    assert!(done.ok && done.entry_id > 0);
    let download = Download {
        key: "none".to_owned(),
        restore_keys: vec!["scc".to_owned()],
        version,
    };
    let found: Answer = call(&job, "GetCacheEntryDownloadURL", &download).await;
    assert_eq!((found.ok, found.text.as_str()), (true, "sccache"));
    assert_eq!(job.get(&found.url).await.text().await.unwrap(), "four");
}

#[tokio::test]
async fn what_is_neither_json_nor_protobuf_is_refused() {
    let world = World::new().await;
    let job = world.job(job("run", "build"));
    for (kind, body) in [
        ("text/plain", "{}"),
        ("application/json", "{"),
        ("application/protobuf", "\u{1}"),
    ] {
        let request = job
            .call_raw("CacheService", "CreateCacheEntry")
            .header(CONTENT_TYPE, kind);
        assert_eq!(
            request.body(body).send().await.unwrap().status(),
            400,
            "{kind}"
        );
    }
    let (status, refused) = job
        .call("CacheService", "DropAll", serde_json::json!({}))
        .await;
    assert_eq!((status, &refused["code"]), (404, &"not_found".into()));
    let large = job
        .call_raw("CacheService", "CreateCacheEntry")
        .header(CONTENT_TYPE, "application/json");
    assert_eq!(
        large
            .body(" ".repeat(1 << 17))
            .send()
            .await
            .unwrap()
            .status(),
        413
    );
}
