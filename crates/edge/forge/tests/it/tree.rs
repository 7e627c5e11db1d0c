//! The files that compiling needs, from a revision.

use std::os::unix::fs::symlink;

use cutover_forge::Error;
use cutover_model::source::Revision;

use crate::bench::{Bench, commit, write};

const CI: &str = ".github/workflows/ci.yml";

#[tokio::test]
async fn only_what_compiling_needs_is_read() {
    let bench = Bench::new();
    let (local, _) = bench
        .repository(
            "local",
            &[(CI, "on: push\n"), ("src/main.rs", "fn main() {}")],
        )
        .await;
    write(&bench.path("local/deep/er/action.yml"), "");
    write(&bench.path("local/cutover.yml"), "# grüße\n");
    write(&bench.path("local/.github/with space\nand line"), "odd");
    write(
        &bench.path("local/.github/logo.png"),
        &"x".repeat((1 << 20) + 1),
    );
    symlink(
        "/etc/passwd",
        bench.path("local/.github/workflows/evil.yml"),
    )
    .unwrap();
    let revision = commit(&local, "feat: more", 2_000).await;
    let files = local.tree(&revision).await.unwrap();
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            ".github/with space\nand line",
            CI,
            "cutover.yml",
            "deep/er/action.yml"
        ]
    );
    assert_eq!(files[CI], b"on: push\n");
    assert_eq!(files["cutover.yml"], "# grüße\n".as_bytes());
    assert_eq!(files["deep/er/action.yml"], b"");
}

#[tokio::test]
async fn too_large_and_too_many_are_refused() {
    let bench = Bench::new();
    let (local, _) = bench.repository("local", &[("a", "1")]).await;
    write(&bench.path("local").join(CI), &"#".repeat((1 << 20) + 1));
    let large = commit(&local, "feat: large", 2_000).await;
    let refused = local.tree(&large).await.unwrap_err();
    assert!(
        matches!(&refused, Error::FileTooLarge { path, .. } if path == CI),
        "{refused:?}"
    );
    write(&bench.path("local").join(CI), "on: push");
    for n in 0..2_000 {
        write(&bench.path(&format!("local/.github/many/{n}")), "x");
    }
    let many = commit(&local, "feat: many", 3_000).await;
    let refused = local.tree(&many).await.unwrap_err();
    assert!(
        matches!(refused, Error::TooManyFiles { limit: 2_000 }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_text_that_is_no_revision_never_reaches_git() {
    let bench = Bench::new();
    let (local, _) = bench.repository("local", &[("a", "1")]).await;
    for text in [
        "",
        "HEAD",
        "--help",
        "main",
        "0123",
        &"G".repeat(40),
        &"A".repeat(40),
    ] {
        let refused = local.tree(&Revision(text.to_owned())).await;
        assert!(
            matches!(refused, Err(Error::Revision(_))),
            "{text}: {refused:?}"
        );
    }
    let unknown = local.tree(&Revision("1".repeat(40))).await.unwrap_err();
    assert!(
        matches!(
            unknown,
            Error::Git {
                verb: "ls-tree",
                ..
            }
        ),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn changed_paths_are_known_as_long_as_both_ends_are() {
    let bench = Bench::new();
    let (local, first) = bench
        .repository("local", &[("a", "1"), ("gone", "1"), ("same", "1")])
        .await;
    write(&bench.path("local/a"), "2");
    write(&bench.path("local/dir/new ä"), "2");
    std::fs::remove_file(bench.path("local/gone")).unwrap();
    let second = commit(&local, "fix: it", 2_000).await;
    let changed = local.changed_paths(&first, &second).await.unwrap().unwrap();
    assert_eq!(changed, ["a", "dir/new ä", "gone"]);
    assert_eq!(
        local.changed_paths(&second, &second).await.unwrap(),
        Some(vec![])
    );
    let unknown = Revision("1".repeat(40));
    assert_eq!(local.changed_paths(&unknown, &second).await.unwrap(), None);
}
