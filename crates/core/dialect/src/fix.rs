//! Changes of files that mend what a diagnostic is about: which bytes become what. They are found beside
//! the rules, and put into the text here; who writes files does that elsewhere.

use std::collections::BTreeMap;

use cutover_model::{Diagnostic, Position};
use serde::Serialize;

use crate::{SourceTree, github};

/// A change that mends something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The code of what it mends.
    pub code: String,
    /// The file in which that is.
    pub path: String,
    /// The places of what it mends.
    pub mends: Vec<Position>,
    /// What it does, for people.
    pub title: String,
    /// Whether what the workflow does stays the same, but for what was wrong.
    pub is_safe: bool,
    /// All of them belong together.
    pub edits: Vec<Edit>,
}

/// A text in the place of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edit {
    /// The file.
    pub path: String,
    /// The first byte that goes.
    pub start: usize,
    /// The byte behind the last one that goes; the same as `start` when nothing does.
    pub end: usize,
    /// The place of the first byte.
    pub from: Position,
    /// The place behind the last one.
    pub to: Position,
    /// What comes.
    pub replacement: String,
}

impl Fix {
    /// Whether it mends a diagnostic.
    pub fn is_for(&self, diagnostic: &Diagnostic) -> bool {
        self.code == diagnostic.code
            && self.path == diagnostic.path
            && self.mends.contains(&diagnostic.at)
    }
}

/// What can be mended of what was said of a file. Of one that is not right otherwise, nothing.
pub fn fixes(tree: &SourceTree, path: &str, diagnostics: &[Diagnostic]) -> Vec<Fix> {
    github::fixes(tree, path, diagnostics)
}

/// The files as they are with these changes, and which of them were made. Two that want the same bytes
/// are not made at once: the later one is for another time. A file that would not be right any more stays
/// as it was.
pub fn apply<'f>(
    tree: &SourceTree,
    fixes: impl IntoIterator<Item = &'f Fix>,
) -> (BTreeMap<String, String>, Vec<&'f Fix>) {
    let mut edits: BTreeMap<&str, Vec<&Edit>> = BTreeMap::new();
    let mut made: Vec<&Fix> = Vec::new();
    for fix in fixes {
        let meets = |edit: &Edit| {
            let others = edits.get(edit.path.as_str()).into_iter().flatten();
            others
                .clone()
                .any(|other| *other != edit && overlap(other, edit))
        };
        if fix.edits.iter().any(meets) {
            continue;
        }
        made.push(fix);
        for edit in &fix.edits {
            let own = edits.entry(&edit.path).or_default();
            if !own.contains(&edit) {
                own.push(edit);
            }
        }
    }
    let mut files = BTreeMap::new();
    let mut wrong: Vec<&str> = Vec::new();
    for (path, edits) in &edits {
        let text = tree.get(path).and_then(|bytes| str::from_utf8(bytes).ok());
        let changed = text.and_then(|text| changed(text, edits));
        match changed.filter(|text| github::stays_right(tree, path, text)) {
            Some(text) => drop(files.insert((*path).to_owned(), text)),
            None => wrong.push(path),
        }
    }
    let touches = |fix: &&Fix, path: &str| fix.edits.iter().any(|edit| edit.path == path);
    made.retain(|fix| !wrong.iter().any(|path| touches(fix, path)));
    // What was to be changed together with a file that stays, stays too.
    files.retain(|path, _| made.iter().any(|fix| touches(fix, path)));
    (files, made)
}

fn overlap(one: &Edit, two: &Edit) -> bool {
    let is_empty = one.start == one.end && two.start == two.end;
    (is_empty && one.start == two.start) || (one.start < two.end && two.start < one.end)
}

fn changed(text: &str, edits: &[&Edit]) -> Option<String> {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut changed = String::with_capacity(text.len() + 256);
    let mut behind = 0;
    for edit in edits {
        changed.push_str(text.get(behind..edit.start)?);
        changed.push_str(&edit.replacement);
        behind = edit.end;
    }
    changed.push_str(text.get(behind..)?);
    Some(changed)
}
