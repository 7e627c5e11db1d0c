//! Our glob beside GitHub's: the same tree, the same patterns, the same files in the same order.

mod generated;

use std::{fs, io::Write as _, os::unix::fs::symlink, process::Stdio, thread};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_results::{Glob, GlobOptions};
use serde_json::{Value, json};

use crate::clients;

const FILES: [&str; 16] = [
    "a/x.lock",
    "a.lock",
    "b/x.lock",
    "b/c/y.lock",
    "B.lock",
    ".hidden/z.lock",
    "a/b/c/d",
    "[z]",
    "a-b/é.lock",
    "a b/c",
    "name*",
    ".git/config",
    "node_modules/p/package.json",
    "z/.y/x",
    "back\\slash",
    "1",
];

const PATTERNS: [&str; 40] = [
    "**/*.lock",
    "!a/**\n**/*.lock",
    "**/*.lock\n!a/**",
    "b/**\na/*.lock",
    "a.lock\na/x.lock",
    "**/*.lock\n!b/c/**",
    "**/x.lock\nB.lock",
    "**",
    "**/",
    "*",
    "*/",
    ".",
    "./a",
    "a",
    "a/",
    "a/**",
    "a/**/",
    "a/*/**",
    "**/a/**",
    "**/**/x.lock",
    "a/**/d",
    "!!a",
    "! a\n*",
    "**\n!**/*.lock",
    "**\n!a",
    "**\n!a/",
    "**\n!**/*.lock\nb/x.lock",
    "[az]/*",
    "[!a-y]/**",
    "[^a-y]/**",
    "\\[z\\]",
    "[[]z]",
    "name[*]",
    "name\\*",
    "?",
    "?.lock",
    "# nothing\n\n  a.lock  ",
    "b/c\nb\na",
    "**/.*",
    "link/**\nfile",
];

fn options(number: usize) -> (GlobOptions, Value) {
    let options = GlobOptions {
        follow_links: number & 1 != 0,
        implicit_descendants: number & 2 != 0,
        exclude_hidden: number & 4 != 0,
    };
    let theirs = json!({
        "followSymbolicLinks": options.follow_links,
        "implicitDescendants": options.implicit_descendants,
        "excludeHiddenFiles": options.exclude_hidden,
    });
    (options, theirs)
}

/// What ours and theirs find by these patterns, one after the other; `None` when theirs cannot be asked.
fn both(root: &Utf8Path, cases: &[(String, usize)]) -> Option<Vec<(Value, Value)>> {
    let skipped = |why: &str| eprintln!("SKIPPED: glob.mjs, because {why}");
    let clients = clients::installed().map_err(skipped).ok()?;
    let own = tempfile::tempdir_in(clients).unwrap();
    let script = own.path().join("glob.mjs");
    fs::copy(clients::source().join("glob.mjs"), &script).unwrap();
    let node = std::process::Command::new("node")
        .arg(script)
        .env("HOME", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut node) = node else {
        skipped("`node` could not be started");
        return None;
    };
    let mut ours = Vec::new();
    let mut asked = Vec::new();
    for (patterns, number) in cases {
        let (options, theirs) = options(*number);
        asked.push(json!({"patterns": patterns, "options": theirs}));
        // A path through what is no folder is an error for both.
        let found = Glob::new(patterns, root, Some(root), options)
            .and_then(|glob| Ok(json!({"found": glob.find()?, "paths": glob.search_paths()})));
        ours.push(found.unwrap_or_else(|_| json!({"refused": true})));
    }
    let asked = json!({"root": root, "cases": asked}).to_string();
    // In a thread of its own: both pipes may be full.
    let mut input = node.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(asked.as_bytes()).unwrap());
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let theirs = said.lines().find_map(|line| line.strip_prefix("FOUND "));
    let theirs: Vec<Value> = serde_json::from_str(theirs.unwrap()).unwrap();
    assert_eq!(theirs.len(), ours.len());
    Some(ours.into_iter().zip(theirs).collect())
}

fn write(root: &Utf8Path, file: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{file}\n")).unwrap();
}

#[test]
fn the_same_files_in_the_same_order_as_githubs_glob() {
    let dir = tempfile::Builder::new().prefix("tree").tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
    for file in FILES {
        write(&root, file);
    }
    symlink("b", root.join("link")).unwrap();
    symlink("../a", root.join("b/circle")).unwrap();
    symlink("../b", root.join("a/circle")).unwrap();
    symlink("a.lock", root.join("file")).unwrap();
    let all = (0..8).flat_map(|number| PATTERNS.map(|patterns| (patterns.to_owned(), number)));
    let cases: Vec<(String, usize)> = all.collect();
    for ((ours, theirs), case) in both(&root, &cases).into_iter().flatten().zip(&cases) {
        assert_eq!(ours, theirs, "{case:?}");
    }
}
