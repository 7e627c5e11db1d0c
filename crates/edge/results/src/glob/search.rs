//! The walk: from each search path down, only into folders where something may be.

use std::{collections::BTreeSet, fs, io};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    GlobError, GlobOptions,
    pattern::{Match, Pattern},
};

/// Where the search begins, in the order of the patterns, without those that lie in another one.
pub(super) fn paths(patterns: &[Pattern]) -> Vec<Utf8PathBuf> {
    let wanted = || patterns.iter().filter(|pattern| !pattern.is_negated);
    let all: BTreeSet<&Utf8Path> = wanted()
        .map(|pattern| pattern.search_path.as_path())
        .collect();
    let mut found: Vec<Utf8PathBuf> = Vec::new();
    let mut seen = BTreeSet::new();
    for pattern in wanted() {
        let path = pattern.search_path.as_path();
        let lies_in_another = path.ancestors().skip(1).any(|above| all.contains(above));
        if !lies_in_another && seen.insert(path) {
            found.push(path.to_owned());
        }
    }
    found
}

/// Something to look at, and how deep it lies.
struct Item {
    path: Utf8PathBuf,
    level: usize,
}

pub(super) fn find(
    patterns: &[Pattern],
    options: GlobOptions,
) -> Result<Vec<Utf8PathBuf>, GlobError> {
    let mut left = Vec::new();
    for path in paths(patterns) {
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            there => {
                there.map_err(failed(&path))?;
                left.push(Item { path, level: 1 });
            }
        }
    }
    left.reverse();
    let mut found = Vec::new();
    // The folders above, as they really are: a link that leads into one of them is a circle.
    let mut above: Vec<Utf8PathBuf> = Vec::new();
    while let Some(item) = left.pop() {
        let path = &item.path;
        let matched = matched(patterns, path);
        let may_be_below = || {
            let mut wanted = patterns.iter().filter(|pattern| !pattern.is_negated);
            wanted.any(|pattern| pattern.may_match_below(path))
        };
        if matched == Match::default() && !may_be_below() {
            continue;
        }
        let Some(is_folder) = look(&item, options, &mut above)? else {
            continue;
        };
        let is_hidden = path.file_name().is_some_and(|name| name.starts_with('.'));
        if options.exclude_hidden && is_hidden {
            continue;
        }
        if is_folder {
            left.extend(below(&item)?);
        }
        let is_named = if is_folder {
            matched.folder
        } else {
            matched.file
        };
        if is_named {
            found.push(item.path);
        }
    }
    Ok(found)
}

/// What the patterns say of it, one after the other.
fn matched(patterns: &[Pattern], path: &Utf8Path) -> Match {
    let mut all = Match::default();
    for pattern in patterns {
        let one = pattern.matches(path);
        if pattern.is_negated {
            all.folder &= !one.folder;
            all.file &= !one.file;
        } else {
            all.folder |= one.folder;
            all.file |= one.file;
        }
    }
    all
}

/// Whether it is a folder; `None` when it is a link that leads nowhere or in a circle, or is gone.
fn look(
    item: &Item,
    options: GlobOptions,
    above: &mut Vec<Utf8PathBuf>,
) -> Result<Option<bool>, GlobError> {
    let path = &item.path;
    let there = if options.follow_links {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    let is_folder = match there {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        there => there.map_err(failed(path))?.is_dir(),
    };
    if is_folder && options.follow_links {
        let real = path.canonicalize_utf8().map_err(failed(path))?;
        above.truncate(item.level - 1);
        if above.contains(&real) {
            return Ok(None);
        }
        above.push(real);
    }
    Ok(Some(is_folder))
}

/// What is in a folder: by the bytes of the names, the last one first.
fn below(item: &Item) -> Result<Vec<Item>, GlobError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&item.path).map_err(failed(&item.path))? {
        let name = entry.map_err(failed(&item.path))?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort_unstable_by(|left, right| right.cmp(left));
    let level = item.level + 1;
    let items = names.into_iter().map(|name| Item {
        path: item.path.join(name),
        level,
    });
    Ok(items.collect())
}

fn failed(path: &Utf8Path) -> impl FnOnce(io::Error) -> GlobError {
    let path = path.to_owned();
    move |error| GlobError::Io { path, error }
}
