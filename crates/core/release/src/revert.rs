//! Commits that take others back.
//!
//! A commit and its revert in the same release cancel each other, as if neither had been made; a
//! revert of the revert brings the first one back. A revert of something older is a change itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    commit::Commit,
    conventional::{self, Change, Kind},
};

/// The fewest digits that git prints of an id.
const SHORTEST: usize = 7;

/// What is left of the commits (newest first) when reverts and merges are worked out.
pub(crate) fn changes(commits: &[Commit]) -> Vec<Change> {
    let places: BTreeMap<&str, usize> = commits
        .iter()
        .enumerate()
        .map(|(place, commit)| (commit.id.as_str(), place))
        .collect();
    let mut taken_back = BTreeSet::new();
    let mut left = Vec::new();
    for (place, commit) in commits.iter().enumerate() {
        if taken_back.contains(&place) || commit.is_merge() {
            continue;
        }
        let Some(id) = reverted(commit) else {
            left.push(conventional::read(commit));
            continue;
        };
        match find(&places, &id) {
            // Only an older commit can be taken back.
            Some(older) if older > place => {
                taken_back.insert(older);
            }
            _ => left.push(Change {
                kind: Kind::Revert,
                ..conventional::read(commit)
            }),
        }
    }
    left
}

/// The id in `This reverts commit …` (git), or in the footer `Refs:`; only of a commit that says in
/// its first line that it is a revert, since others may tell of one and do more.
fn reverted(commit: &Commit) -> Option<String> {
    let subject = commit.subject().to_ascii_lowercase();
    if !["revert", "reapply"]
        .iter()
        .any(|word| subject.starts_with(word))
    {
        return None;
    }
    let message = &commit.message;
    let named = message
        .split_once("This reverts commit ")
        .map(|(_, rest)| rest);
    let footer = || message.lines().find_map(|line| line.strip_prefix("Refs:"));
    let id: String = named
        .or_else(footer)?
        .trim_start()
        .chars()
        .take_while(char::is_ascii_hexdigit)
        .collect();
    (id.len() >= SHORTEST).then(|| id.to_ascii_lowercase())
}

/// The commit whose id begins so.
fn find(places: &BTreeMap<&str, usize>, id: &str) -> Option<usize> {
    let (found, place) = places.range(id..).next()?;
    found.starts_with(id).then_some(*place)
}
