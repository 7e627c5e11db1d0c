//! Which version comes next.
//!
//! `fix`, `perf` and a revert make a patch, `feat` a minor version, a breaking change a major one.
//! Before 1.0.0 a breaking change makes a minor version, as semantic versioning reads a leading
//! zero: that 1.0.0 is reached is for people to say, by tagging it. Without a tag, everything is
//! new, and the version is 0.1.0. Everything else makes no release.

use semver::{BuildMetadata, Prerelease, Version};

use crate::{
    commit::Commit,
    conventional::{Change, Kind},
    revert,
};

/// How far a version goes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bump {
    /// Not at all: there is nothing to release.
    None,
    /// `x.y.Z`.
    Patch,
    /// `x.Y.0`.
    Minor,
    /// `X.0.0`.
    Major,
}

/// What to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The version; `None` if there is nothing to release.
    pub version: Option<Version>,
    /// How far it is from the last one.
    pub bump: Bump,
    /// What the commits say, newest first, without merges and without what was taken back.
    pub changes: Vec<Change>,
}

/// The version after `last` (`None`: nothing was released yet) with these commits, newest first.
pub fn next(last: Option<&Version>, commits: &[Commit]) -> Next {
    let changes = revert::changes(commits);
    let Some(last) = last else {
        let first = (!changes.is_empty()).then(|| Version::new(0, 1, 0));
        return Next {
            bump: if first.is_some() {
                Bump::Minor
            } else {
                Bump::None
            },
            version: first,
            changes,
        };
    };
    let wanted = changes.iter().map(of).max().unwrap_or(Bump::None);
    let bump = match wanted {
        Bump::Major if last.major == 0 => Bump::Minor,
        other => other,
    };
    Next {
        version: raise(last, bump),
        bump,
        changes,
    }
}

fn of(change: &Change) -> Bump {
    if change.breaking.is_some() {
        return Bump::Major;
    }
    match change.kind {
        Kind::Feature => Bump::Minor,
        Kind::Fix | Kind::Performance | Kind::Revert => Bump::Patch,
        Kind::Maintenance | Kind::Other => Bump::None,
    }
}

/// The next version up. A pre-release is followed by what it announces, if that goes far enough.
fn raise(last: &Version, bump: Bump) -> Option<Version> {
    let announced = !last.pre.is_empty();
    let up = |number: u64, done: bool| {
        if done {
            number
        } else {
            number.saturating_add(1)
        }
    };
    let (major, minor, patch) = (last.major, last.minor, last.patch);
    let (major, minor, patch) = match bump {
        Bump::None => return None,
        Bump::Patch => (major, minor, up(patch, announced)),
        Bump::Minor => (major, up(minor, announced && patch == 0), 0),
        Bump::Major => (up(major, announced && minor == 0 && patch == 0), 0, 0),
    };
    Some(Version {
        major,
        minor,
        patch,
        pre: Prerelease::EMPTY,
        build: BuildMetadata::EMPTY,
    })
}
