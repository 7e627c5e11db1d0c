//! Commits, versions, tags.

use cutover_forge::{Error, Repository};
use cutover_model::Timestamp;

use crate::bench::{Bench, commit, git, person};

#[tokio::test]
async fn commits_since_a_revision_come_newest_first() {
    let bench = Bench::new();
    let (local, first) = bench.repository("local", &[]).await;
    let message = "feat!: two\n\nA body.\n\nBREAKING CHANGE: all of it: ä";
    let second = commit(&local, message, 2_000).await;
    let third = commit(&local, "", 3_000).await;
    let commits = local.commits(Some(&first), &third).await.unwrap();
    let ids: Vec<_> = commits.iter().map(|commit| &commit.id).collect();
    assert_eq!(ids, [&third, &second]);
    assert_eq!(commits[0].message, "");
    assert_eq!(commits[1].message, message);
    assert_eq!(commits[1].author, "Ada Example <ada@example.org>");
    assert_eq!(commits[1].at, Timestamp(2_000_000));
    assert_eq!(local.commits(None, &third).await.unwrap().len(), 3);
    assert!(
        local
            .commits(Some(&third), &third)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        local.commit_time(&second).await.unwrap(),
        Timestamp(2_000_000)
    );
}

#[tokio::test]
async fn the_highest_version_that_is_reachable_counts() {
    let bench = Bench::new();
    let (local, first) = bench.repository("local", &[]).await;
    assert_eq!(local.last_version_tag(&first).await.unwrap(), None);
    let path = bench.path("local");
    for tag in [
        "v1.9.0",
        "v1.10.0",
        "v2.0.0-rc.1",
        "v1",
        "1.99.0",
        "vintage",
        "v01.0.0",
    ] {
        git(&path, &["tag", tag]);
    }
    git(&path, &["tag", "v3.0.0", "HEAD^{tree}"]);
    let second = commit(&local, "feat: two", 2_000).await;
    git(&path, &["tag", "-m", "two", "v2.0.0"]);
    let last = async |revision| local.last_version_tag(revision).await.unwrap();
    assert_eq!(
        last(&first).await,
        Some(("v1.10.0".to_owned(), first.clone()))
    );
    assert_eq!(
        last(&second).await,
        Some(("v2.0.0".to_owned(), second.clone()))
    );
}

#[tokio::test]
async fn a_tag_is_set_once() {
    let bench = Bench::new();
    let (local, first) = bench.repository("local", &[]).await;
    let second = commit(&local, "feat: two", 2_000).await;
    let tag = async |name: &str, revision| {
        local
            .create_tag(
                name,
                revision,
                "1.0.0\n\n# notes\n",
                &person(),
                Timestamp(5_000_000),
            )
            .await
    };
    tag("v1.0.0", &first).await.unwrap();
    tag("v1.0.0", &first).await.unwrap();
    let moved = tag("v1.0.0", &second).await;
    assert!(
        matches!(moved, Err(Error::TagElsewhere { .. })),
        "{moved:?}"
    );
    let text = git(&bench.path("local"), &["cat-file", "tag", "v1.0.0"]);
    assert!(
        text.contains("tagger Ada Example <ada@example.org> 5000 +0000"),
        "{text}"
    );
    assert!(text.ends_with("1.0.0\n\n# notes"), "{text}");
    for name in ["", "-d", "a..b", "a b", "x~1", "x.lock"] {
        let refused = tag(name, &first).await;
        assert!(
            matches!(refused, Err(Error::RefName(_))),
            "{name}: {refused:?}"
        );
    }
    let (one, two) = tokio::join!(tag("v2.0.0", &second), tag("v2.0.0", &second));
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn a_repository_is_found_from_inside() {
    let bench = Bench::new();
    let (_, hosted, first) = bench.hosted(&[("dir/a", "1")]).await;
    let inside = Repository::open(&bench.path("local/dir")).await.unwrap();
    assert_eq!(inside.head().await.unwrap(), first);
    let bare = Repository::open(&bench.path("host/demo/hello.git"))
        .await
        .unwrap();
    assert_eq!(bare.refs().await.unwrap(), hosted.refs().await.unwrap());
    // Whatever directory it was found from, a commit is of all files.
    std::fs::write(bench.path("local/dir/b"), "2").unwrap();
    let second = commit(&inside, "fix: two", 2_000).await;
    let changed = inside
        .changed_paths(&first, &second)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed, ["dir/b"]);
    let nowhere = Repository::open(&bench.path("not/there")).await;
    assert!(
        matches!(nowhere, Err(Error::NoWorkingTree(_))),
        "{nowhere:?}"
    );
}
