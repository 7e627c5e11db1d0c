//! Laws: versions only go up, more commits never make a smaller step, inserting twice is inserting once.

use cutover_release::{Bump, Commit, bump, changelog};
use proptest::prelude::*;
use semver::Version;

fn version() -> impl Strategy<Value = Version> {
    let pre = prop::sample::select(vec!["", "-rc.1", "-alpha"]);
    (0..3_u64, 0..3_u64, 0..3_u64, pre).prop_map(|(major, minor, patch, pre)| {
        format!("{major}.{minor}.{patch}{pre}").parse().unwrap()
    })
}

fn plain() -> impl Strategy<Value = Vec<Commit>> {
    let message = prop::sample::select(vec![
        "fix: a",
        "feat: b",
        "feat!: c",
        "chore: d",
        "e",
        "",
        "Merge branch 'x'",
        "docs: f\ng",
    ]);
    let commit = ("[0-9a-f]{40}", message).prop_map(|(id, message)| Commit::new(id, message));
    prop::collection::vec(commit, 0..8)
}

fn wild() -> impl Strategy<Value = Vec<Commit>> {
    let message = prop_oneof![
        any::<String>(),
        "(feat|fix|revert|x)(\\(a\\))?!?: ?.{0,20}(\n\n?.{0,20}){0,3}",
        "Revert \"x\"\n\nThis reverts commit [01]{7,9}",
    ];
    let commit = ("[01]{7,9}", message).prop_map(|(id, message)| Commit::new(id, message));
    prop::collection::vec(commit, 0..8)
}

fn file() -> impl Strategy<Value = String> {
    let lines = prop::sample::select(vec![
        "# Changelog",
        "## 1.0.0",
        "## [0.9.0] - x",
        "## Unreleased",
        "",
        "- a",
        "```",
        "\r",
        "## v2.0.0-rc.1",
        " ",
    ]);
    prop_oneof![
        prop::collection::vec(lines, 0..8).prop_map(|lines| lines.join("\n")),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn versions_only_go_up(last in version(), commits in wild()) {
        let next = bump::next(Some(&last), &commits);
        prop_assert_eq!(next.version.is_none(), next.bump == Bump::None);
        if let Some(version) = next.version {
            prop_assert!(version > last, "{} after {}", version, last);
        }
    }

    #[test]
    fn more_commits_never_make_a_smaller_step(last in version(), commits in plain(), more in plain()) {
        let few = bump::next(Some(&last), &commits);
        let all: Vec<Commit> = more.into_iter().chain(commits).collect();
        let many = bump::next(Some(&last), &all);
        prop_assert!(many.bump >= few.bump && many.version >= few.version);
    }

    #[test]
    fn inserting_twice_is_inserting_once(existing in file(), version in version(), commits in wild()) {
        let section = changelog::section(&version, "2026-03-01", &commits);
        let once = changelog::insert(&existing, &section);
        prop_assert_eq!(&changelog::insert(&once, &section), &once);
        let heading = format!("## {version} ");
        let there = once == existing;
        prop_assert!(there || once.lines().filter(|line| line.starts_with(&heading)).count() == 1);
    }

    #[test]
    fn only_the_heading_of_a_section_looks_like_one(commits in wild()) {
        let section = changelog::section(&Version::new(1, 0, 0), "2026-03-01", &commits);
        prop_assert_eq!(section.lines().filter(|line| line.starts_with("## ")).count(), 1);
    }
}
