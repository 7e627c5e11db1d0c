//! Trees and patterns that nobody would write, by a seed: ours and GitHub's find the same in them.
//!
//! `CUTOVER_FUZZ_SECONDS` looks for as long, `CUTOVER_FUZZ_SEED` begins elsewhere.

use std::{
    fs,
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::both;

/// Trees without a time given, and cases of each.
const TREES: u64 = 2;
const CASES: usize = 150;
const NAMES: [&str; 35] = [
    "a", "b", "c", "ab", "abc", ".a", ".b", "A", "B", "a.b", "b.a", "é", "x é", "a b", "[a]", "a]",
    "[", "{a,b}", "+(a)", "!(a)", "!a", "#a", "~", "a*b", "*", "**", "?", "-", "^a", "(a)", "a|b",
    "a\\b", "$", "😀", "x😀",
];
const PARTS: [&str; 56] = [
    "a",
    "b",
    "ab",
    "*",
    "**",
    "**",
    "?",
    "a*",
    "*b",
    "*.*",
    ".*",
    "[ab]",
    "[!a]",
    "[^a]",
    "[a-c]",
    "[.]a",
    ".a",
    "[[]",
    "[]a]",
    "[!]a]",
    "[a",
    "a]",
    "\\a",
    "\\*",
    "\\[a\\]",
    "{a,b}",
    "+(a)",
    "!(a)",
    "@(a|b)",
    "**a",
    "a**",
    "***",
    "?*",
    "[b-a]",
    "[a-]",
    "[-a]",
    "[\\]]",
    "é",
    "?é",
    "A",
    "[A-Z]",
    "a b",
    "#a",
    "!a",
    "~",
    "$",
    "^a",
    "(a)",
    "a|b",
    "?.?",
    "*a*b*",
    "[a-z][!.]*",
    "??",
    "x?",
    "[😀]",
    "[\\a]",
];

fn one<'t>(rng: &mut SmallRng, of: &[&'t str]) -> &'t str {
    of[rng.random_range(0..of.len())]
}

fn path(rng: &mut SmallRng, of: &[&str]) -> String {
    let parts: Vec<&str> = (0..rng.random_range(1..=4)).map(|_| one(rng, of)).collect();
    parts.join("/")
}

/// What cannot be made, because something else has the name, is left out.
fn tree(rng: &mut SmallRng) -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::Builder::new().prefix("tree").tempdir().unwrap();
    let above = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
    let root = above.join(one(rng, &["w", "a b", "[w]", "w*", "w[", "?"]));
    fs::create_dir(&root).unwrap();
    for _ in 0..rng.random_range(3..25) {
        let file = root.join(path(rng, &NAMES));
        let made = fs::create_dir_all(file.parent().unwrap());
        drop(made.and_then(|()| fs::write(&file, "")));
    }
    for _ in 0..rng.random_range(0..4) {
        let place = root.join(path(rng, &NAMES));
        let to = one(
            rng,
            &["a", "b", "..", ".", "../a", "../../b", "nowhere", "c/ab"],
        );
        drop(symlink(to, place));
    }
    (dir, root)
}

fn line(rng: &mut SmallRng, root: &Utf8Path) -> String {
    let mut text = String::new();
    if rng.random_range(0..4) == 0 {
        text.push_str(one(rng, &["!", "!", "!!", "! ", "  ", "#"]));
    }
    match rng.random_range(0..16) {
        0 => text.push_str("./"),
        1 => text.push_str("~/"),
        2 if !root.as_str().contains(['[', '*', '?']) => {
            text.push_str(root.as_str());
            text.push('/');
        }
        3 => text.push_str(one(
            rng,
            &[
                ".", "~", "", "..", "a/../b", "a/./b", "a/[.]/", "~a/", ".//",
            ],
        )),
        _ => {}
    }
    text.push_str(&path(rng, &PARTS));
    if rng.random_range(0..6) == 0 {
        text.push_str(one(rng, &["/", "//", "//a", " ", "\\", "\r", "/."]));
    }
    text
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long it looks is said from outside"
)]
fn fuzz_glob_beside_githubs() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("CUTOVER_FUZZ_SEED").unwrap_or(1);
    let limit = number("CUTOVER_FUZZ_SECONDS").map(Duration::from_secs);
    let began = Instant::now();
    for tree_number in 0.. {
        if limit.map_or(tree_number >= TREES, |limit| began.elapsed() >= limit) {
            return;
        }
        let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(1_000_003) + tree_number);
        let (_dir, root) = tree(&mut rng);
        let mut cases = Vec::new();
        for _ in 0..CASES {
            let lines = (0..rng.random_range(1..=3)).map(|_| line(&mut rng, &root));
            let lines: Vec<String> = lines.collect();
            cases.push((lines.join("\n"), rng.random_range(0..8)));
        }
        let Some(found) = both(&root, &cases) else {
            return;
        };
        let differing = found
            .iter()
            .zip(&cases)
            .filter(|((ours, theirs), _)| ours != theirs);
        let differing: Vec<String> = differing
            .map(|((ours, theirs), case)| format!("{case:?}: ours {ours}, theirs {theirs}"))
            .collect();
        assert!(
            differing.is_empty(),
            "in {root} (tree {tree_number} of seed {seed}):\n{}",
            differing.join("\n")
        );
    }
}
