//! Our glob beside GitHub's: the same tree, the same patterns, the same files in the same order.

use std::{fs, io::Write as _, os::unix::fs::symlink, process::Stdio};

use camino::Utf8PathBuf;
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

#[test]
fn the_same_files_in_the_same_order_as_githubs_glob() {
    let clients = match clients::installed() {
        Ok(clients) => clients,
        Err(why) => {
            eprintln!("SKIPPED: glob.mjs, because {why}");
            return;
        }
    };
    let dir = tempfile::Builder::new().prefix("tree").tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
    for file in FILES {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{file}\n")).unwrap();
    }
    symlink("b", root.join("link")).unwrap();
    symlink("../a", root.join("b/circle")).unwrap();
    symlink("../b", root.join("a/circle")).unwrap();
    symlink("a.lock", root.join("file")).unwrap();
    let mut cases = Vec::new();
    let mut ours = Vec::new();
    for patterns in PATTERNS {
        for number in 0..8 {
            let (options, theirs) = options(number);
            cases.push(json!({"patterns": patterns, "options": theirs}));
            let glob = Glob::new(patterns, &root, None, options).unwrap();
            ours.push(json!({"found": glob.find().unwrap(), "paths": glob.search_paths()}));
        }
    }
    let own = tempfile::tempdir_in(clients).unwrap();
    let script = own.path().join("glob.mjs");
    fs::copy(clients::source().join("glob.mjs"), &script).unwrap();
    let node = std::process::Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut node) = node else {
        eprintln!("SKIPPED: glob.mjs, because `node` could not be started");
        return;
    };
    let asked = json!({"root": root, "cases": cases}).to_string();
    let mut input = node.stdin.take().unwrap();
    input.write_all(asked.as_bytes()).unwrap();
    drop(input);
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let theirs = said.lines().find_map(|line| line.strip_prefix("FOUND "));
    let theirs: Vec<Value> = serde_json::from_str(theirs.unwrap()).unwrap();
    assert_eq!(theirs.len(), ours.len());
    for ((theirs, ours), case) in theirs.iter().zip(&ours).zip(&cases) {
        assert_eq!(theirs, ours, "{case}");
    }
}
