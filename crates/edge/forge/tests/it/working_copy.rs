//! What is done to a working copy after it was made, and copies of repositories of others.

use camino::{Utf8Path, Utf8PathBuf};
use cutover_forge::{ActionStore, LocalRepository, Reach, Submodules, WorkingCopy, WorkingTree};

use crate::bench::{Bench, git, write};

const FILE: [&str; 2] = ["-c", "protocol.file.allow=always"];

fn commit(work: &Utf8Path) -> String {
    git(work, &["add", "--all"]);
    git(work, &["commit", "--quiet", "-m", "x"]);
    git(work, &["rev-parse", "HEAD"])
}

fn repository(bench: &Bench, name: &str, files: &[&str]) -> Utf8PathBuf {
    let work = bench.path(name);
    std::fs::create_dir_all(&work).unwrap();
    git(&work, &["init", "--quiet", "--initial-branch=main"]);
    for file in files {
        write(&work.join(file), &format!("{name} {file}\n"));
    }
    commit(&work);
    work
}

async fn copy_of(bench: &Bench, main: &Utf8Path) -> Utf8PathBuf {
    let copy = bench.path("copy");
    let tree = WorkingTree::open(main).await.unwrap();
    tree.copy_to(&copy).await.unwrap();
    copy
}

/// `main` has `lib` as a submodule at `vendor/lib`, which has `deep` in it; the copy borrows from `main`.
async fn with_submodules(bench: &Bench) -> (Utf8PathBuf, Utf8PathBuf) {
    let deep = repository(bench, "deep", &["d"]);
    let lib = repository(bench, "lib", &["l"]);
    let main = repository(bench, "main", &["top", "a/one", "b/two"]);
    for (outer, inner, path) in [(&lib, &deep, "inner"), (&main, &lib, "vendor/lib")] {
        let add = ["submodule", "--quiet", "add", inner.as_str(), path];
        git(outer, &[&FILE[..], &add].concat());
        commit(outer);
    }
    let copy = copy_of(bench, &main).await;
    (main, copy)
}

fn how(is_recursive: bool, beside: Option<&WorkingTree>) -> Submodules<'_> {
    Submodules {
        is_recursive,
        depth: Some(1),
        beside,
        may_be_here: true,
    }
}

#[tokio::test]
async fn submodules_come_from_their_addresses_and_from_this_machine_only_where_that_may_be() {
    let bench = Bench::new();
    let (_, copy) = with_submodules(&bench).await;
    let of = WorkingCopy::at(&copy);
    let stranger = Submodules {
        may_be_here: false,
        ..how(true, None)
    };
    let refused = of.submodules(stranger).await.unwrap_err().to_string();
    assert!(refused.contains("not allowed"), "{refused}");
    assert!(!copy.join("vendor/lib/l").exists());
    assert!(of.submodules(how(true, None)).await.unwrap().is_empty());
    assert!(copy.join("vendor/lib/l").is_file() && copy.join("vendor/lib/inner/d").is_file());
}

#[tokio::test]
async fn submodules_that_a_person_has_are_copied_as_they_stand() {
    let bench = Bench::new();
    let (main, copy) = with_submodules(&bench).await;
    let tree = WorkingTree::open(&main).await.unwrap();
    write(&main.join("vendor/lib/l"), "changed\n");
    let of = WorkingCopy::at(&copy);
    let copied = of.submodules(how(false, Some(&tree))).await.unwrap();
    assert_eq!(copied, ["vendor/lib"]);
    assert_eq!(
        std::fs::read_to_string(copy.join("vendor/lib/l")).unwrap(),
        "changed\n"
    );
    assert!(!copy.join("vendor/lib/inner/d").exists());
    of.submodules(how(true, Some(&tree))).await.unwrap();
    assert!(copy.join("vendor/lib/inner/d").is_file());
    // A link in the way is not followed.
    std::fs::remove_dir_all(copy.join("vendor")).unwrap();
    let elsewhere = bench.path("elsewhere");
    std::fs::create_dir_all(elsewhere.join("lib")).unwrap();
    write(&elsewhere.join("lib/mine"), "mine\n");
    std::os::unix::fs::symlink(&elsewhere, copy.join("vendor")).unwrap();
    assert!(of.submodules(how(true, Some(&tree))).await.is_err());
    assert!(elsewhere.join("lib/mine").is_file());
}

#[tokio::test]
async fn a_copy_is_narrowed_to_folders_or_patterns_and_what_differs_stays() {
    let bench = Bench::new();
    let main = repository(&bench, "main", &["top", "a/one", "b/two", "b/c/three"]);
    write(&main.join("b/two"), "changed\n");
    let copy = copy_of(&bench, &main).await;
    let of = WorkingCopy::at(&copy);
    of.narrow(&["a".to_owned()], true).await.unwrap();
    assert!(copy.join("top").exists() && copy.join("a/one").exists());
    assert!(copy.join("b/two").exists() && !copy.join("b/c/three").exists());
    of.narrow(&["/b/c/".to_owned()], false).await.unwrap();
    assert!(copy.join("b/c/three").exists() && !copy.join("a/one").exists());
    assert!(!copy.join("top").exists());
}

#[tokio::test]
async fn a_copy_may_take_what_it_borrows_and_be_called_safe() {
    let bench = Bench::new();
    let main = repository(&bench, "main", &["top"]);
    write(&main.join("top"), "later\n");
    commit(&main);
    let copy = copy_of(&bench, &main).await;
    let of = WorkingCopy::at(&copy);
    of.stand_alone().await.unwrap();
    of.stand_alone().await.unwrap();
    std::fs::remove_dir_all(&main).unwrap();
    assert_eq!(git(&copy, &["rev-list", "--count", "HEAD"]), "2");
    assert_eq!(git(&copy, &["fsck", "--connectivity-only"]), "");
    let settings = bench.path("settings");
    for name in ["/__w/a/a", "/__w/a/a", "/__w/a/a/b"] {
        WorkingCopy::note_as_safe(&settings, name).await.unwrap();
    }
    let all = [
        "config",
        "--file",
        settings.as_str(),
        "--get-all",
        "safe.directory",
    ];
    assert_eq!(git(&copy, &all), "/__w/a/a\n/__w/a/a/b");
}

#[tokio::test]
async fn tags_come_when_they_are_asked_for() {
    let bench = Bench::new();
    let main = repository(&bench, "main", &["top"]);
    git(&main, &["tag", "v1"]);
    write(&main.join("top"), "later\n");
    commit(&main);
    let copy = bench.path("copy");
    let repository = cutover_forge::Repository::open(&main).await.unwrap();
    let (revision, git_ref) = repository.find("main").await.unwrap();
    repository
        .checkout(&revision, &git_ref, &copy, Some(1))
        .await
        .unwrap();
    assert_eq!(git(&copy, &["tag"]), "");
    WorkingCopy::at(&copy).fetch_tags(Some(1)).await.unwrap();
    assert_eq!(git(&copy, &["tag"]), "v1");
}

#[tokio::test]
async fn a_repository_of_others_becomes_a_copy_with_its_commit() {
    let bench = Bench::new();
    let tools = repository(&bench, "others/some/tools", &["run.sh"]);
    git(&tools, &["tag", "v1"]);
    write(&tools.join("run.sh"), "later\n");
    let head = commit(&tools);
    let store = ActionStore::new(
        bench.path("store"),
        bench.path("others").as_str(),
        Vec::new(),
    );
    let into = bench.path("w/tools");
    let check_out = async |git_ref: &str, depth, reach| {
        store
            .check_out("some/tools", git_ref, &into, depth, reach)
            .await
    };
    assert!(check_out("HEAD", Some(1), Reach::Here).await.is_err());
    let revision = check_out("HEAD", Some(1), Reach::Network).await.unwrap();
    assert_eq!(revision.0, head);
    assert_eq!(git(&into, &["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(
        std::fs::read_to_string(into.join("run.sh")).unwrap(),
        "later\n"
    );
    check_out("main", None, Reach::Network).await.unwrap();
    assert_eq!(git(&into, &["rev-list", "--count", "HEAD"]), "2");
    check_out("v1", Some(1), Reach::Network).await.unwrap();
    assert_eq!(git(&into, &["status", "--porcelain"]), "");
    assert_eq!(
        std::fs::read_to_string(into.join("run.sh")).unwrap(),
        "others/some/tools run.sh\n"
    );
    // A directory of this machine stands for it, whether it has a commit or not.
    let plain = bench.path("plain");
    write(&plain.join("file"), "plain\n");
    let local: LocalRepository = format!("some/tools@v9={plain}").parse().unwrap();
    let store = ActionStore::new(bench.path("store2"), "https://example.invalid", vec![local]);
    let copied = store
        .check_out("some/tools", "v9", &into, Some(1), Reach::Here)
        .await;
    let revision = copied.unwrap();
    assert_eq!(git(&into, &["rev-parse", "HEAD"]), revision.0);
    assert_eq!(
        std::fs::read_to_string(into.join("file")).unwrap(),
        "plain\n"
    );
}
