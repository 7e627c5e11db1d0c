//! What a person is working on, copied as it stands.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use camino::Utf8Path;
use cutover_forge::{Error, Repository, WorkingTree};

use crate::bench::{Bench, commit, git, snapshot, write};

/// A tree with one of everything that can be dirty.
async fn dirty(bench: &Bench) -> WorkingTree {
    bench
        .repository(
            "tree",
            &[
                (".gitignore", "target/\n*.log\n"),
                (".github/workflows/ci.yml", "on: push"),
                ("same", "1"),
                ("changed", "1"),
                ("removed", "1"),
                ("dir/inner", "1"),
                ("script.sh", "#!/bin/sh"),
            ],
        )
        .await;
    let path = bench.path("tree");
    write(&path.join("changed"), "2");
    write(&path.join("new/file ä"), "new");
    write(&path.join(".github/workflows/new.yml"), "on: pull_request");
    write(&path.join("target/large"), "ignored");
    write(&path.join("x.log"), "ignored");
    fs::remove_file(path.join("removed")).unwrap();
    fs::set_permissions(path.join("script.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("same", path.join("link")).unwrap();
    symlink("/nowhere/at/all", path.join("dangling")).unwrap();
    git(&path, &["add", "new"]);
    WorkingTree::open(&path.join("dir")).await.unwrap()
}

#[tokio::test]
async fn a_copy_is_the_tree_as_it_stands() {
    let bench = Bench::new();
    let tree = dirty(&bench).await;
    let original = bench.path("tree");
    let before = snapshot(&original);
    let into = bench.path("copy");
    write(&into.join("left/over"), "of a crash");
    tree.copy_to(&into).await.unwrap();

    let status = |path: &Utf8Path| git(path, &["status", "--porcelain", "--untracked-files=all"]);
    let read = |name: &str| fs::read_to_string(into.join(name)).unwrap();
    assert_eq!(
        (read("changed"), read("new/file ä")),
        ("2".to_owned(), "new".to_owned())
    );
    for gone in ["removed", "target", "x.log", "left"] {
        assert!(!into.join(gone).exists(), "{gone}");
    }
    assert_eq!(
        into.join("script.sh")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    assert_eq!(
        fs::read_link(into.join("link")).unwrap().to_str(),
        Some("same")
    );
    assert_eq!(
        fs::read_link(into.join("dangling")).unwrap().to_str(),
        Some("/nowhere/at/all")
    );

    assert_eq!(
        git(&into, &["rev-parse", "HEAD"]),
        git(&original, &["rev-parse", "HEAD"])
    );
    assert_eq!(git(&into, &["branch", "--show-current"]), "main");
    let copied = status(&into);
    for line in [" M changed", " D removed", " M script.sh", "?? link"] {
        assert!(
            copied.lines().any(|found| found == line),
            "{line} in\n{copied}"
        );
    }
    git(&into, &["add", "--all"]);
    git(&into, &["commit", "-q", "-m", "in the copy"]);
    assert_eq!(
        snapshot(&original),
        before,
        "not one byte of the original has changed"
    );
}

#[tokio::test]
async fn it_knows_where_it_stands() {
    let bench = Bench::new();
    let tree = dirty(&bench).await;
    assert_eq!(tree.root(), bench.path("tree"));
    assert_eq!(tree.branch().await.unwrap().as_deref(), Some("main"));
    assert!(tree.is_dirty().await.unwrap());
    let files = tree.tree().await.unwrap();
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [".github/workflows/ci.yml", ".github/workflows/new.yml"]
    );

    git(&bench.path("tree"), &["add", "--all"]);
    git(&bench.path("tree"), &["commit", "-q", "-m", "all"]);
    assert!(!tree.is_dirty().await.unwrap());
    let head = tree.head().await.unwrap().unwrap();
    assert_eq!(head.0, git(&bench.path("tree"), &["rev-parse", "HEAD"]));
    git(&bench.path("tree"), &["checkout", "-q", "--detach"]);
    assert_eq!(tree.branch().await.unwrap(), None);
}

#[tokio::test]
async fn a_tree_before_its_first_commit_can_be_copied() {
    let bench = Bench::new();
    Repository::init(&bench.path("tree")).await.unwrap();
    write(&bench.path("tree/a"), "1");
    let tree = WorkingTree::open(&bench.path("tree")).await.unwrap();
    assert_eq!(tree.head().await.unwrap(), None);
    assert_eq!(tree.branch().await.unwrap().as_deref(), Some("main"));
    tree.copy_to(&bench.path("copy")).await.unwrap();
    assert_eq!(fs::read_to_string(bench.path("copy/a")).unwrap(), "1");
    assert_eq!(git(&bench.path("copy"), &["status", "--porcelain"]), "?? a");
}

#[tokio::test]
async fn nothing_outside_is_read_through_a_link() {
    let bench = Bench::new();
    let (local, _) = bench
        .repository("tree", &[(".github/workflows/ci.yml", "on: push")])
        .await;
    write(&bench.path("tree/dir/inner"), "mine");
    commit(&local, "feat: dir", 2_000).await;
    let outside = bench.path("outside");
    write(&outside.join("inner"), "theirs");
    write(&outside.join("ci.yml"), "theirs");
    for (folder, link) in [("tree/dir", &outside), ("tree/.github/workflows", &outside)] {
        fs::remove_dir_all(bench.path(folder)).unwrap();
        symlink(link, bench.path(folder)).unwrap();
    }
    let tree = WorkingTree::open(&bench.path("tree")).await.unwrap();
    assert!(tree.tree().await.unwrap().is_empty());
    let into = bench.path("copy");
    tree.copy_to(&into).await.unwrap();
    assert!(into.join("dir").is_symlink());
    assert_eq!(fs::read_to_string(outside.join("inner")).unwrap(), "theirs");
}

#[tokio::test]
async fn a_linked_working_tree_is_copied_as_well() {
    let bench = Bench::new();
    let (_, head) = bench.repository("tree", &[("a", "1")]).await;
    git(
        &bench.path("tree"),
        &["worktree", "add", "-q", "-b", "side", "../side"],
    );
    write(&bench.path("side/a"), "2");
    let tree = WorkingTree::open(&bench.path("side")).await.unwrap();
    tree.copy_to(&bench.path("copy")).await.unwrap();
    assert_eq!(
        git(&bench.path("copy"), &["branch", "--show-current"]),
        "side"
    );
    assert_eq!(git(&bench.path("copy"), &["rev-parse", "HEAD"]), head.0);
    assert_eq!(git(&bench.path("copy"), &["status", "--porcelain"]), " M a");
}

#[tokio::test]
async fn a_copy_never_takes_the_place_of_its_original() {
    let bench = Bench::new();
    let tree = dirty(&bench).await;
    for into in [bench.path("tree"), bench.root.clone()] {
        let refused = tree.copy_to(&into).await;
        assert!(matches!(refused, Err(Error::Overlap { .. })), "{refused:?}");
    }
    assert!(bench.path("tree/same").exists());
    // Inside an ignored directory of the tree it is welcome.
    tree.copy_to(&bench.path("tree/target/copy")).await.unwrap();
    assert!(bench.path("tree/target/copy/same").exists());
}

#[tokio::test]
async fn where_everything_ends_is_read_without_asking() {
    let bench = Bench::new();
    let (_, head) = bench.repository("tree", &[("a", "1")]).await;
    let path = bench.path("tree");
    let tree = WorkingTree::open(&path).await.unwrap();
    git(&path, &["branch", "-M", "master"]);
    assert_eq!(tree.default_branch().as_deref(), Some("master"));
    assert_eq!(tree.tip("master"), Some(head.clone()));
    assert_eq!(tree.tip("main"), None);
    git(&path, &["pack-refs", "--all"]);
    assert_eq!(tree.default_branch().as_deref(), Some("master"));
    assert_eq!(tree.tip("master"), Some(head.clone()));
    git(&path, &["update-ref", "refs/remotes/origin/trunk", "HEAD"]);
    let origin = "refs/remotes/origin/HEAD";
    git(
        &path,
        &["symbolic-ref", origin, "refs/remotes/origin/trunk"],
    );
    assert_eq!(tree.default_branch().as_deref(), Some("trunk"));
    assert_eq!(tree.tip("trunk"), Some(head));
}

#[tokio::test]
async fn a_directory_without_git_is_refused_in_words() {
    let bench = Bench::new();
    for path in [bench.root.clone(), bench.path("not/there")] {
        let refused = WorkingTree::open(&path).await.unwrap_err();
        assert!(matches!(refused, Error::NoWorkingTree(_)), "{refused:?}");
        assert!(refused.to_string().contains("git init"), "{refused}");
    }
}
