//! GitHub Actions workflows, our native dialect: `model` has its words, `parse` reads them, `lower` is
//! the only place where they meet ours.

mod action;
mod background;
mod builtin;
mod call;
mod context;
mod cron;
mod filter;
mod ground;
mod lint;
mod lower;
mod matrix;
mod model;
mod parse;
mod template;
mod trigger;
mod value;

pub(crate) use lint::fixes;
pub(crate) use lower::{compile, lint};
pub use template::{DefaultPermissions, ReadError, ReadOptions, read};
pub(crate) use trigger::{asks_for_nothing, checks, inputs, named, schedules, triggered_by};

use crate::{Lock, SourceTree};

/// Where workflows live.
const FOLDER: &str = ".github/workflows/";

/// The paths of the workflows of a tree, sorted.
pub(crate) fn workflows(tree: &SourceTree) -> Vec<String> {
    tree.paths()
        .filter(|path| {
            path.strip_prefix(FOLDER)
                .and_then(|name| {
                    name.strip_suffix(".yml")
                        .or_else(|| name.strip_suffix(".yaml"))
                })
                .is_some_and(|stem| !stem.is_empty() && !stem.contains('/'))
        })
        .map(str::to_owned)
        .collect()
}

/// A pattern of times in numbers alone.
pub(crate) fn times(cron: &str) -> Option<String> {
    cron::in_numbers(cron).ok()
}

/// Whether a file that was changed reads as well as before.
pub(crate) fn stays_right(tree: &SourceTree, path: &str, text: &str) -> bool {
    // Files of ours that are no YAML are changed by whole lines.
    if path == Lock::PATH {
        return true;
    }
    let count = |bytes: &[u8]| {
        let document = crate::yaml::as_written(bytes);
        let holds = document.root.is_some() && document.faults.is_empty();
        let is_workflow = path.starts_with(FOLDER);
        let objections = || template::objections(path, &document).len();
        holds.then(|| if is_workflow { objections() } else { 0 })
    };
    let before = tree.get(path).and_then(count);
    let after = count(text.as_bytes());
    before
        .zip(after)
        .is_some_and(|(before, after)| after <= before)
}
