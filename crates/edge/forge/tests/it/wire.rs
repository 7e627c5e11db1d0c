//! Fetching and pushing with the real client.

use std::fs;

use camino::Utf8Path;
use cutover_forge::{Error, Host, RefUpdate, Service};
use cutover_model::source::{GitRef, Revision};
use tokio::io::AsyncReadExt as _;

use crate::{
    bench::{Bench, commit, git, try_git, write},
    http,
};

fn update(git_ref: &str, before: Option<&Revision>, after: Option<&Revision>) -> RefUpdate {
    RefUpdate {
        git_ref: GitRef(git_ref.to_owned()),
        before: before.cloned(),
        after: after.cloned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_says_what_it_changed() {
    let bench = Bench::new();
    let host = bench.host();
    host.create("demo/hello").await.unwrap();
    let (address, seen) = http::serve(host.clone()).await;
    let url = format!("{address}/demo/hello");
    let (local, first) = bench.repository("local", &[("a", "1")]).await;

    local.push(&url, "HEAD:refs/heads/main").await.unwrap();
    assert_eq!(
        seen.updates(),
        [update("refs/heads/main", None, Some(&first))]
    );
    local.push(&url, "HEAD:refs/heads/main").await.unwrap();
    assert_eq!(seen.updates(), [], "nothing new, nothing changed");

    write(&bench.path("local/a"), "2");
    let second = commit(&local, "fix: two", 2_000).await;
    git(&bench.path("local"), &["tag", "-m", "one", "v1.0.0"]);
    git(
        &bench.path("local"),
        &[
            "push",
            "-q",
            &url,
            "HEAD:main",
            "v1.0.0",
            "HEAD~1:refs/heads/old",
        ],
    );
    assert_eq!(
        seen.updates(),
        [
            update("refs/heads/main", Some(&first), Some(&second)),
            update("refs/heads/old", None, Some(&first)),
            update("refs/tags/v1.0.0", None, Some(&second)),
        ]
    );
    git(&bench.path("local"), &["push", "-q", &url, ":old"]);
    assert_eq!(
        seen.updates(),
        [update("refs/heads/old", Some(&first), None)]
    );

    // Without --force this is refused by git, and changes nothing.
    git(
        &bench.path("local"),
        &["checkout", "-q", "--orphan", "other"],
    );
    let other = commit(&local, "feat: other", 3_000).await;
    let refused = try_git(&bench.path("local"), &["push", "-q", &url, "other:main"]).unwrap_err();
    assert!(refused.contains("rejected"), "{refused}");
    assert_eq!(seen.updates(), []);
    git(
        &bench.path("local"),
        &["push", "-q", "--force", &url, "other:main"],
    );
    assert_eq!(
        seen.updates(),
        [update("refs/heads/main", Some(&second), Some(&other))]
    );
    let refs = host.repository("demo/hello").unwrap().refs().await.unwrap();
    assert_eq!(refs[&GitRef("refs/heads/main".to_owned())], other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_is_what_was_pushed() {
    let bench = Bench::new();
    let host = bench.host();
    host.create("hello").await.unwrap();
    let (address, _) = http::serve(host).await;
    let url = format!("{address}/hello");
    let (local, _) = bench.repository("local", &[("a", "1")]).await;
    // Enough that neither request nor answer fits into a pipe, and that git sends in chunks.
    let mut noise = String::new();
    let mut state = 1_u64;
    for _ in 0..400_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        noise.push(char::from(b' ' + u8::try_from(state >> 58).unwrap()));
    }
    for file in 0..8 {
        write(&bench.path(&format!("local/noise/{file}")), &noise[file..]);
        write(
            &bench.path(&format!("local/noise/rotated-{file}")),
            &noise.chars().rev().collect::<String>()[file..],
        );
    }
    let head = commit(&local, "feat: noise", 2_000).await;
    local.push(&url, "HEAD:refs/heads/trunk").await.unwrap();

    for (clone, protocol) in [("v2", "version=2"), ("v0", "version=0")] {
        let protocol = protocol.replace("version=", "protocol.version=");
        git(&bench.root, &["-c", &protocol, "clone", "-q", &url, clone]);
        let path = bench.path(clone);
        assert_eq!(git(&path, &["rev-parse", "HEAD"]), head.0);
        assert_eq!(
            git(&path, &["branch", "--show-current"]),
            "trunk",
            "the first push named it"
        );
        assert_eq!(
            fs::read_to_string(path.join("noise/3")).unwrap(),
            noise[3..]
        );
    }
    git(&bench.root, &["clone", "-q", "--depth=1", &url, "shallow"]);
    assert_eq!(
        git(&bench.path("shallow"), &["rev-list", "--count", "HEAD"]),
        "1"
    );
}

/// Git compresses what it asks for when the list of what it has is long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_request_is_understood() {
    let bench = Bench::new();
    let host = bench.host();
    host.create("hello").await.unwrap();
    let (address, seen) = http::serve(host).await;
    let url = format!("{address}/hello");
    let (local, _) = bench.repository("local", &[("a", "1")]).await;
    local.push(&url, "HEAD:refs/heads/main").await.unwrap();
    git(&bench.root, &["clone", "-q", &url, "clone"]);
    // The two sides part, and the clone has much to tell.
    for n in 0..60 {
        git(
            &bench.path("clone"),
            &["commit", "-q", "--allow-empty", "-m", &format!("mine {n}")],
        );
    }
    write(&bench.path("local/b"), "new");
    let theirs = commit(&local, "feat: theirs", 9_000).await;
    local.push(&url, "HEAD:refs/heads/main").await.unwrap();
    git(&bench.path("clone"), &["fetch", "-q"]);
    assert_eq!(
        git(&bench.path("clone"), &["rev-parse", "origin/main"]),
        theirs.0
    );
    assert!(
        seen.compressed() > 0,
        "git sent nothing compressed: this test shows nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pushes_at_once_are_told_apart() {
    let bench = Bench::new();
    let host = bench.host();
    host.create("hello").await.unwrap();
    let (address, seen) = http::serve(host).await;
    let url = format!("{address}/hello");
    let (local, head) = bench.repository("local", &[("a", "1")]).await;
    let pushes = (0..6).map(|n| {
        let (local, url) = (local.clone(), url.clone());
        tokio::spawn(async move { local.push(&url, &format!("HEAD:refs/heads/b{n}")).await })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap().unwrap();
    }
    let mut updates = seen.updates();
    updates.sort_by(|a, b| a.git_ref.cmp(&b.git_ref));
    let expected: Vec<_> = (0..6)
        .map(|n| update(&format!("refs/heads/b{n}"), None, Some(&head)))
        .collect();
    assert_eq!(updates, expected, "each change is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_nobody_acted_upon_is_found_again() {
    let bench = Bench::new();
    let host = bench.host();
    host.create("demo/hello").await.unwrap();
    let (local, first) = bench.repository("local", &[("a", "1")]).await;
    assert_eq!(host.unacknowledged("demo/hello").await.unwrap(), []);
    bench.push(&local, "HEAD:refs/heads/main").await;
    bench.push(&local, "HEAD:refs/heads/side").await;
    let main = update("refs/heads/main", None, Some(&first));
    let side = update("refs/heads/side", None, Some(&first));
    host.acknowledge("demo/hello", std::slice::from_ref(&main))
        .await
        .unwrap();

    let host = bench.host();
    let owed = host.unacknowledged("demo/hello").await.unwrap();
    assert_eq!(owed, [side], "also after a restart");
    host.acknowledge("demo/hello", &owed).await.unwrap();
    assert_eq!(host.unacknowledged("demo/hello").await.unwrap(), []);

    let second = commit(&local, "fix: two", 2_000).await;
    bench.push(&local, "HEAD:refs/heads/main").await;
    bench.push(&local, ":refs/heads/side").await;
    let owed = host.unacknowledged("demo/hello").await.unwrap();
    let moved = update("refs/heads/main", Some(&first), Some(&second));
    let gone = update("refs/heads/side", Some(&first), None);
    assert_eq!(owed, [moved, gone]);
    host.acknowledge("demo/hello", &owed).await.unwrap();
    assert_eq!(host.unacknowledged("demo/hello").await.unwrap(), []);
}

#[tokio::test]
async fn a_push_that_is_too_large_or_broken_changes_nothing() {
    let bench = Bench::new();
    let host = bench.host().with_largest_push(100);
    let repository = host.create("hello").await.unwrap();
    let large = host
        .receive("hello", std::io::Cursor::new(vec![b'0'; 101]), false)
        .await;
    assert!(
        matches!(large, Err(Error::PushTooLarge { limit: 100 })),
        "{large:?}"
    );
    let broken = host
        .receive(
            "hello",
            std::io::Cursor::new(b"00zz nonsense".to_vec()),
            false,
        )
        .await;
    assert!(
        matches!(
            broken,
            Err(Error::Git {
                verb: "receive-pack",
                ..
            })
        ),
        "{broken:?}"
    );
    let no_gzip = host
        .receive("hello", std::io::Cursor::new(b"not gzip".to_vec()), true)
        .await;
    assert!(matches!(no_gzip, Err(Error::Request(_))), "{no_gzip:?}");
    assert!(repository.refs().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_broken_request_to_fetch_ends_with_an_error() {
    let bench = Bench::new();
    let host = bench.host();
    host.create("hello").await.unwrap();
    let body = std::io::Cursor::new(b"00zz nonsense".to_vec());
    let mut reply = host.upload("hello", None, body, false).unwrap();
    let error = reply.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("upload-pack"), "{error}");
}

#[tokio::test]
async fn hooks_of_a_repository_do_not_run() {
    let bench = Bench::new();
    let host = bench.host();
    let directory = bench.path("host/hello.git");
    host.create("hello").await.unwrap();
    let marker = bench.path("it-ran");
    for hook in [
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
    ] {
        let path = directory.join("hooks").join(hook);
        write(&path, &format!("#!/bin/sh\ntouch {marker}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).unwrap();
    }
    let (address, seen) = http::serve(host).await;
    let (local, _) = bench.repository("local", &[("a", "1")]).await;
    local
        .push(&format!("{address}/hello"), "HEAD:refs/heads/main")
        .await
        .unwrap();
    assert_eq!(seen.updates().len(), 1);
    assert!(!marker.exists());
}

#[tokio::test]
async fn repositories_are_made_once_and_listed() {
    let bench = Bench::new();
    let host = Host::new(bench.path("not/there/yet"));
    assert!(host.list().unwrap().is_empty());
    for name in ["b", "demo/hello", "a", "demo/hello"] {
        host.create(name).await.unwrap();
    }
    assert_eq!(host.list().unwrap(), ["a", "b", "demo/hello"]);
    assert!(host.exists("a").unwrap());
    assert!(!host.exists("c").unwrap());
    assert!(matches!(host.repository("c"), Err(Error::NoRepository(_))));
    assert!(matches!(host.exists("../a"), Err(Error::Name(_))));
    let missing = host.info_refs("c", Service::UploadPack, None).await;
    assert!(
        matches!(missing, Err(Error::NoRepository(_))),
        "{missing:?}"
    );
    // What a crash left of a repository is not one, and is finished by the next that asks.
    fs::create_dir_all(bench.path("not/there/yet/half.git/objects")).unwrap();
    assert!(!host.exists("half").unwrap());
    host.create("half").await.unwrap();
    assert!(host.exists("half").unwrap());
    assert!(Utf8Path::new(&bench.path("not/there/yet/half.git/HEAD")).exists());
}
