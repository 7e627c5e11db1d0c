//! The changelog: the section of one version, and its place in the file.
//!
//! Maintenance (`chore`, `docs`, `test` …) is left out; what is no conventional commit is listed.

use semver::Version;

use crate::{
    commit::Commit,
    conventional::{Change, Kind},
    revert,
};

/// How much of an id is shown.
const SHORT: usize = 7;

/// The section of a version: `date` as it shall be printed (`YYYY-MM-DD`), commits newest first.
pub fn section(version: &Version, date: &str, commits: &[Commit]) -> String {
    let changes = revert::changes(commits);
    let of_kind =
        |kind: Kind| move |change: &&Change| change.breaking.is_none() && change.kind == kind;
    let breaking = changes.iter().filter(|change| change.breaking.is_some());
    let groups = [
        group("Breaking", breaking),
        group("Features", changes.iter().filter(of_kind(Kind::Feature))),
        group("Fixes", changes.iter().filter(of_kind(Kind::Fix))),
        group(
            "Performance",
            changes.iter().filter(of_kind(Kind::Performance)),
        ),
        group("Reverts", changes.iter().filter(of_kind(Kind::Revert))),
        group("Other", changes.iter().filter(of_kind(Kind::Other))),
    ];
    let body = groups.concat();
    let body = if body.is_empty() {
        "\nNo notable changes.\n"
    } else {
        &body
    };
    format!("## {version} - {date}\n{body}")
}

fn group<'a>(title: &str, changes: impl Iterator<Item = &'a Change>) -> String {
    let entries: String = changes.map(entry).collect();
    if entries.is_empty() {
        return entries;
    }
    format!("\n### {title}\n\n{entries}")
}

fn entry(change: &Change) -> String {
    let scope = change.scope.as_ref();
    let scope = scope
        .map(|scope| format!("**{scope}**: "))
        .unwrap_or_default();
    let id: String = change.id.chars().take(SHORT).collect();
    let why = change
        .breaking
        .as_ref()
        .filter(|why| **why != change.summary);
    let why = why.map(|why| format!("  {why}\n")).unwrap_or_default();
    format!("- {scope}{} ({id})\n{why}", change.summary)
}

/// The file with the section above all older ones, below its introduction and what is unreleased.
/// A file that has a section of this version already stays as it is, and so does any file if
/// `section` does not begin with a heading of a version.
pub fn insert(existing: &str, section: &str) -> String {
    let Some(version) = section.lines().find_map(heading) else {
        return existing.to_owned();
    };
    if existing
        .lines()
        .filter_map(heading)
        .any(|known| known == version)
    {
        return existing.to_owned();
    }
    let existing = if existing.trim().is_empty() {
        "# Changelog\n"
    } else {
        existing
    };
    let newline = if existing.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let section: Vec<&str> = section.trim().lines().collect();
    let section = section.join(newline);
    let (above, below) = existing.split_at(place(existing));
    let above = above.trim_end();
    let gap = newline.repeat(2);
    if below.is_empty() {
        format!("{above}{gap}{section}{newline}")
    } else if above.is_empty() {
        format!("{section}{gap}{below}")
    } else {
        format!("{above}{gap}{section}{gap}{below}")
    }
}

/// Where the first section of a version begins, else the end.
fn place(text: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if heading(line).is_some() {
            return at;
        }
        at += line.len();
    }
    at
}

/// The version that a line is the heading of: `## 1.2.3 …`, `## v1.2.3`, `## [1.2.3] …`.
fn heading(line: &str) -> Option<Version> {
    let text = line.strip_prefix("## ")?.trim_start();
    let text = text.strip_prefix('[').unwrap_or(text);
    let text = text.strip_prefix('v').unwrap_or(text);
    let end =
        text.find(|character: char| character.is_whitespace() || matches!(character, ']' | '('));
    Version::parse(text.get(..end.unwrap_or(text.len()))?).ok()
}
