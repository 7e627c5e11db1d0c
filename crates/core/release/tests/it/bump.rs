//! Commits into versions.

use cutover_release::{Bump, Commit, Kind, bump};

/// Commits of these messages, newest first; ids `000…0`, `111…1` and so on.
pub(crate) fn commits(messages: &[&str]) -> Vec<Commit> {
    let id = |place: usize| format!("{place:x}").repeat(40);
    messages
        .iter()
        .enumerate()
        .map(|(place, message)| Commit::new(id(place), *message))
        .collect()
}

fn check(last: &str, messages: &[&str], wanted: &str) {
    let last = (!last.is_empty()).then(|| last.parse().unwrap());
    let next = bump::next(last.as_ref(), &commits(messages));
    let found = next
        .version
        .map_or_else(|| "none".to_owned(), |version| version.to_string());
    assert_eq!(found, wanted, "{last:?} {messages:?}");
    assert_eq!(next.bump == Bump::None, wanted == "none");
}

#[test]
fn types_of_commits() {
    check("1.2.3", &["fix: a"], "1.2.4");
    check("1.2.3", &["perf(db): a"], "1.2.4");
    check("1.2.3", &["Feat: a", "fix: b"], "1.3.0");
    check("1.2.3", &["feat!: a"], "2.0.0");
    check("1.2.3", &["chore(x)!: drop y"], "2.0.0");
    check(
        "1.2.3",
        &["fix: a\n\nbody\n\nBREAKING CHANGE: gone"],
        "2.0.0",
    );
    check("1.2.3", &["fix: a\n\nBREAKING-CHANGE: gone"], "2.0.0");
    check("1.2.3", &["docs: a", "chore: b", "wip", ""], "none");
    check("1.2.3", &[], "none");
    check("1.2.3+build", &["fix: a"], "1.2.4");
}

#[test]
fn a_message_counts_as_far_as_it_is_understood() {
    check("1.2.3", &["fix: a\nno blank line before"], "1.2.4");
    check("1.2.3", &["\r\nfeat: a\r\n\r\nbody\r\n"], "1.3.0");
    check("1.2.3", &["fix: a\nbody\nBREAKING CHANGE: gone"], "2.0.0");
    check("1.2.3", &["fixed: a", "feature request", "fix a"], "none");
}

#[test]
fn below_one_a_breaking_change_is_a_minor_version() {
    check("0.4.2", &["feat!: a"], "0.5.0");
    check("0.4.2", &["feat: a"], "0.5.0");
    check("0.4.2", &["fix: a"], "0.4.3");
}

#[test]
fn the_first_version() {
    check("", &["fix: a"], "0.1.0");
    check("", &["feat!: a"], "0.1.0");
    check("", &["Initial commit"], "0.1.0");
    check("", &[], "none");
    check("", &["Merge branch 'x'"], "none");
}

#[test]
fn a_pre_release_is_followed_by_what_it_announces() {
    check("1.0.0-rc.1", &["fix: a"], "1.0.0");
    check("1.0.0-rc.1", &["feat!: a"], "1.0.0");
    check("1.1.0-rc.1", &["feat: a"], "1.1.0");
    check("1.1.0-rc.1", &["feat!: a"], "2.0.0");
    check("1.1.1-rc.1", &["feat: a"], "1.2.0");
}

#[test]
fn merges_say_nothing() {
    check(
        "1.0.0",
        &["Merge pull request #1 from a/b\n\nfeat: x"],
        "none",
    );
    check(
        "1.0.0",
        &[
            "Merge branch 'feat: x'",
            "Merge remote-tracking branch 'o/m'",
        ],
        "none",
    );
    check("1.0.0", &["Merge: a", "Merge branching"], "none");
    check("1.0.0", &["fix: Merge branch a"], "1.0.1");
}

#[test]
fn a_revert_cancels_what_it_takes_back() {
    let ones = "1".repeat(40);
    let git = format!("Revert \"feat: a\"\n\nThis reverts commit {ones}.");
    check("1.0.0", &[&git, "feat: a"], "none");
    check("1.0.0", &[&git, "feat: a", "fix: b"], "1.0.1");
    check(
        "1.0.0",
        &["revert: feat: a\n\nRefs: 1111111", "feat: a"],
        "none",
    );
    // The revert itself is taken back.
    let twos = "2".repeat(40);
    let again = format!("Reapply \"feat: a\"\n\nThis reverts commit {ones}.");
    let first = format!("Revert \"feat: a\"\n\nThis reverts commit {twos}.");
    check("1.0.0", &[&again, &first, "feat: a"], "1.1.0");
}

#[test]
fn a_revert_of_something_older_is_a_patch() {
    let message = format!(
        "Revert \"feat: a\"\n\nThis reverts commit {}.",
        "f".repeat(40)
    );
    check("1.0.0", &[&message], "1.0.1");
    check("1.0.0", &["revert: feat: a"], "1.0.1");
    // Telling of a revert is not one.
    let telling = format!("feat: b\n\nThis reverts commit {} in part.", "1".repeat(40));
    check("1.0.0", &[&telling, "feat: a"], "1.1.0");
    // Not itself, and nothing newer than itself.
    let newer = format!("Revert \"x\"\n\nThis reverts commit {}.", "0".repeat(40));
    check("1.0.0", &["feat: a", &newer], "1.1.0");
    check("1.0.0", &[&newer], "1.0.1");
}

#[test]
fn what_the_commits_say_comes_along() {
    let next = bump::next(
        None,
        &commits(&[
            "feat(api)!: a  b\n\nBREAKING CHANGE: c\n d",
            "hello\u{7} you",
        ]),
    );
    let [first, second] = next.changes.as_slice() else {
        panic!("two changes");
    };
    assert_eq!(
        (first.kind, first.scope.as_deref()),
        (Kind::Feature, Some("api"))
    );
    assert_eq!(
        (first.summary.as_str(), first.breaking.as_deref()),
        ("a b", Some("c d"))
    );
    assert_eq!(
        (second.kind, second.summary.as_str()),
        (Kind::Other, "hello you")
    );
}
