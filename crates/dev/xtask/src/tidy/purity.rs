//! What decides does no I/O, reads no clock, waits for nothing, and iterates in an order that is the
//! same tomorrow. A crate may not be forbidden parts of `std`, so its text is looked at.

use std::path::Path;

use super::source::{self, File};

const FORBIDDEN: &[(&str, &str)] = &[
    ("std::fs", "does I/O"),
    ("std::net", "does I/O"),
    ("std::env", "reads the environment"),
    ("std::process", "starts processes"),
    ("std::thread", "starts threads"),
    ("async fn", "waits"),
    ("Instant::now", "reads the clock"),
    ("SystemTime", "reads the clock"),
    ("Timestamp::now", "reads the clock"),
    ("Zoned::now", "reads the clock"),
    ("HashMap", "has no order; use `BTreeMap`"),
    ("HashSet", "has no order; use `BTreeSet`"),
];

/// Where code that decides does what it may not.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let files = source::files(root, &["crates/core"], ".rs")?;
    Ok(files
        .iter()
        .filter(|file| file.is_shipped())
        .flat_map(check_file)
        .collect())
}

pub(crate) fn check_file(file: &File) -> Vec<String> {
    let code = file.code();
    let found = FORBIDDEN.iter().filter(|(word, _)| code.contains(word));
    found
        .map(|(word, why)| format!("{}: `{word}` in core: it {why}", file.path))
        .collect()
}
