//! Commits, versions, tags.

use cutover_forge::{Error, RefUpdate, Repository, WorkingTree};
use cutover_model::{
    Timestamp,
    source::{GitRef, Revision},
};

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

#[tokio::test]
async fn a_push_is_told_with_the_files_of_each_commit() {
    let bench = Bench::new();
    let (local, first) = bench
        .repository("local", &[("kept", "1"), ("gone", "1")])
        .await;
    let path = bench.path("local");
    std::fs::remove_file(path.join("gone")).unwrap();
    std::fs::write(path.join("kept"), "2").unwrap();
    std::fs::write(path.join("näw one"), "2").unwrap();
    let second = commit(&local, "feat: two\n\nAt length.", 2_000).await;
    let third = commit(&local, "three", 3_000).await;

    let told = local.told(Some(&first), &third).await.unwrap();
    let ids: Vec<_> = told.iter().map(|one| &one.id).collect();
    assert_eq!(ids, [&second, &third], "the oldest first");
    assert_eq!(told[0].message, "feat: two\n\nAt length.");
    assert_eq!(told[0].parents, std::slice::from_ref(&first));
    assert_eq!(told[0].author.name, "Ada Example");
    // Versions of git differ in how they write the zone.
    assert!(
        told[0].at.starts_with("1970-01-01T00:33:20"),
        "{}",
        told[0].at
    );
    assert_eq!(told[0].added, ["näw one"]);
    assert_eq!(told[0].removed, ["gone"]);
    assert_eq!(told[0].modified, ["kept"]);
    assert!(told[1].added.is_empty());
    // The first commit is against nothing; what is not there is not asked for.
    let root = local.told(None, &first).await.unwrap();
    assert_eq!(root[0].added, ["gone", "kept"]);
    let nowhere = Revision("0".repeat(40));
    assert_eq!(local.told(Some(&nowhere), &third).await.unwrap().len(), 1);

    let tree = WorkingTree::open(&path).await.unwrap();
    assert_eq!(tree.told().await.unwrap().unwrap().id, third);
    std::fs::write(path.join("later"), "3").unwrap();
    let changed = tree.changed_since(&second).await.unwrap();
    assert_eq!(changed, ["later"]);
    let changed = tree.changed_since(&first).await.unwrap();
    assert_eq!(changed, ["gone", "kept", "later", "näw one"]);
}

#[tokio::test]
async fn a_push_that_takes_something_away_is_forced() {
    let bench = Bench::new();
    let (local, first) = bench.repository("local", &[("a", "1")]).await;
    let path = bench.path("local");
    let mut commits = Vec::new();
    for text in ["2", "3"] {
        git(&path, &["reset", "--quiet", "--hard", &first.0]);
        std::fs::write(path.join("a"), text).unwrap();
        commits.push(commit(&local, text, 2_000).await);
    }
    let gone = Revision("0123456789".repeat(4));
    for (name, before, after, forced) in [
        ("refs/heads/main", None, Some(&first), false),
        ("refs/heads/main", Some(&first), Some(&commits[0]), false),
        ("refs/heads/main", Some(&commits[0]), Some(&first), true),
        (
            "refs/heads/main",
            Some(&commits[0]),
            Some(&commits[1]),
            true,
        ),
        ("refs/heads/main", Some(&gone), Some(&first), true),
        ("refs/heads/main", Some(&first), None, false),
        ("refs/tags/v1", Some(&first), Some(&commits[0]), true),
    ] {
        let update = RefUpdate {
            git_ref: GitRef(name.to_owned()),
            before: before.cloned(),
            after: after.cloned(),
        };
        assert_eq!(
            local.is_forced(&update).await.unwrap(),
            forced,
            "{update:?}"
        );
    }
}
