//! Working copies for jobs.

use std::{fs, os::unix::fs::symlink};

use cutover_model::source::{GitRef, Revision};

use crate::bench::{Bench, commit, git, snapshot, try_git, write};

fn git_ref(name: &str) -> GitRef {
    GitRef(name.to_owned())
}

#[tokio::test]
async fn a_branch_is_checked_out_under_its_name() {
    let bench = Bench::new();
    let (local, hosted, first) = bench.hosted(&[("a", "1"), ("run.sh", "#!/bin/sh")]).await;
    write(&bench.path("local/a"), "2");
    let second = commit(&local, "fix: two", 2_000).await;
    bench.push(&local, "HEAD:refs/heads/main").await;
    let into = bench.path("work/space");
    hosted
        .checkout(&second, &git_ref("refs/heads/main"), &into, Some(1))
        .await
        .unwrap();
    assert_eq!(git(&into, &["rev-parse", "HEAD"]), second.0);
    assert_eq!(git(&into, &["branch", "--show-current"]), "main");
    assert_eq!(git(&into, &["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(git(&into, &["status", "--porcelain"]), "");
    assert_eq!(fs::read_to_string(into.join("a")).unwrap(), "2");

    // The branch has moved on since the trigger: what is wanted is the revision.
    hosted
        .checkout(&first, &git_ref("refs/heads/main"), &into, Some(1))
        .await
        .unwrap();
    assert_eq!(git(&into, &["rev-parse", "HEAD"]), first.0);
    assert_eq!(fs::read_to_string(into.join("a")).unwrap(), "1");
}

#[tokio::test]
async fn a_tag_and_a_pull_request_are_checked_out_as_revisions() {
    let bench = Bench::new();
    let (local, hosted, revision) = bench.hosted(&[("a", "1")]).await;
    git(&bench.path("local"), &["tag", "v1.0.0"]);
    bench.push(&local, "v1.0.0").await;
    bench.push(&local, "HEAD:refs/pull/7/merge").await;
    for (name, local_name) in [
        ("refs/tags/v1.0.0", "refs/tags/v1.0.0"),
        ("refs/pull/7/merge", "refs/remotes/pull/7/merge"),
    ] {
        let into = bench.path("space");
        hosted
            .checkout(&revision, &git_ref(name), &into, Some(1))
            .await
            .unwrap();
        assert_eq!(git(&into, &["branch", "--show-current"]), "", "{name}");
        assert_eq!(git(&into, &["rev-parse", local_name]), revision.0);
    }
}

#[tokio::test]
async fn all_history_has_all_branches_and_tags() {
    let bench = Bench::new();
    let (local, hosted, _) = bench.hosted(&[("a", "1")]).await;
    git(&bench.path("local"), &["tag", "-m", "one", "v1.0.0"]);
    let second = commit(&local, "fix: two", 2_000).await;
    for refspec in ["HEAD:refs/heads/main", "HEAD:refs/heads/side", "v1.0.0"] {
        bench.push(&local, refspec).await;
    }
    let into = bench.path("space");
    hosted
        .checkout(&second, &git_ref("refs/heads/main"), &into, None)
        .await
        .unwrap();
    assert_eq!(git(&into, &["rev-list", "--count", "HEAD"]), "2");
    assert_eq!(
        git(&into, &["describe"]),
        format!("v1.0.0-1-g{}", second.short())
    );
    assert_eq!(git(&into, &["rev-parse", "origin/side"]), second.0);
}

#[tokio::test]
async fn what_a_crash_left_does_not_matter() {
    let bench = Bench::new();
    let (_, hosted, revision) = bench.hosted(&[("a", "1"), ("dir/b", "2")]).await;
    let fresh = bench.path("fresh");
    let main = git_ref("refs/heads/main");
    hosted
        .checkout(&revision, &main, &fresh, Some(1))
        .await
        .unwrap();

    let into = bench.path("space");
    write(&into.join("dir"), "a file where a directory belongs");
    write(&into.join("left/over"), "x");
    write(&into.join(".git/index.lock"), "");
    write(&into.join(".git/HEAD"), "nonsense");
    let outside = bench.path("outside");
    write(&outside.join("precious"), "x");
    symlink(&outside, into.join("a")).unwrap();
    hosted
        .checkout(&revision, &main, &into, Some(1))
        .await
        .unwrap();

    let files = |path| -> Vec<String> {
        snapshot(path)
            .into_iter()
            .filter(|line| !line.starts_with(".git"))
            .collect()
    };
    assert_eq!(files(&into), files(&fresh));
    assert_eq!(git(&into, &["status", "--porcelain"]), "");
    assert!(
        outside.join("precious").exists(),
        "links are removed, not followed"
    );
}

#[tokio::test]
async fn a_revision_that_is_nowhere_is_an_error_in_words() {
    let bench = Bench::new();
    let (_, hosted, _) = bench.hosted(&[("a", "1")]).await;
    let nowhere = Revision("1".repeat(40));
    let into = bench.path("space");
    let main = git_ref("refs/heads/main");
    let error = hosted
        .checkout(&nowhere, &main, &into, Some(1))
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("`git fetch` failed: "),
        "{error}"
    );
    assert!(error.to_string().contains("not our ref"), "{error}");
}

#[tokio::test]
async fn a_step_can_fetch_more_without_a_network() {
    let bench = Bench::new();
    let (local, hosted, _) = bench.hosted(&[("a", "1")]).await;
    let second = commit(&local, "fix: two", 2_000).await;
    bench.push(&local, "HEAD:refs/heads/main").await;
    let into = bench.path("space");
    hosted
        .checkout(&second, &git_ref("refs/heads/main"), &into, Some(1))
        .await
        .unwrap();
    try_git(&into, &["fetch", "-q", "--unshallow", "origin"]).unwrap();
    assert_eq!(git(&into, &["rev-list", "--count", "HEAD"]), "2");
}
