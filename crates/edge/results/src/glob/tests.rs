use super::*;

/// A tree of files; each has its own path as contents.
fn tree(files: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
    // Not by its usual name, which begins with a dot.
    let dir = tempfile::Builder::new().prefix("tree").tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
    for file in files {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    (dir, root)
}

const PLAIN: GlobOptions = GlobOptions {
    follow_links: false,
    implicit_descendants: true,
    exclude_hidden: false,
};

fn find(root: &Utf8Path, patterns: &str, options: GlobOptions) -> Vec<String> {
    let glob = Glob::new(patterns, root, Some(root), options).unwrap();
    let found = glob.find().unwrap();
    let name = |path: &Utf8PathBuf| path.strip_prefix(root).unwrap().to_string();
    found.iter().map(name).collect()
}

#[test]
fn the_order_is_that_of_the_search_paths_and_then_of_the_bytes_of_names() {
    let (_dir, root) = tree(&["b/x", "b/c/y", "B", "a/x", "a.z", ".h/z"]);
    let files = |patterns| -> Vec<String> {
        let mut found = find(&root, patterns, PLAIN);
        found.retain(|path| root.join(path).is_file());
        found
    };
    assert_eq!(files("**"), [".h/z", "B", "a/x", "a.z", "b/c/y", "b/x"]);
    assert_eq!(files("b/**\na/x"), ["b/c/y", "b/x", "a/x"]);
    assert_eq!(files("b/c\nb"), ["b/c/y", "b/x"]);
}

#[test]
fn what_is_taken_away_may_be_named_again() {
    let (_dir, root) = tree(&["a/x", "a/y", "b"]);
    assert_eq!(find(&root, "**/*\n!a/**", PLAIN), ["b"]);
    assert_eq!(find(&root, "**/*\n!a/**\na/x", PLAIN), ["a/x", "b"]);
    assert_eq!(find(&root, "!a/**\n**/x", PLAIN), ["a/x"]);
    assert_eq!(find(&root, "!!b", PLAIN), ["b"]);
    assert!(find(&root, "!b", PLAIN).is_empty());
}

#[test]
fn forms_of_names_are_understood() {
    let (_dir, root) = tree(&["a1", "a2", "ab", "[x]", ".a", "c/a1"]);
    assert_eq!(find(&root, "a[0-9]", PLAIN), ["a1", "a2"]);
    assert_eq!(find(&root, "a[!0-9]", PLAIN), ["ab"]);
    assert_eq!(find(&root, "?1", PLAIN), ["a1"]);
    assert_eq!(find(&root, "*a*", PLAIN), [".a", "a1", "a2", "ab"]);
    assert_eq!(find(&root, "\\[x]", PLAIN), ["[x]"]);
    assert_eq!(find(&root, "# no\n\n  ~/**/a1  ", PLAIN), ["a1", "c/a1"]);
    assert_eq!(find(&root, "c/", PLAIN), ["c", "c/a1"]);
}

#[test]
fn links_are_gone_into_only_when_that_is_wanted_and_circles_end() {
    let (_dir, root) = tree(&["real/x"]);
    std::os::unix::fs::symlink("real", root.join("link")).unwrap();
    std::os::unix::fs::symlink("..", root.join("real/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("broken")).unwrap();
    let followed = GlobOptions {
        follow_links: true,
        ..PLAIN
    };
    assert_eq!(find(&root, "**/x", followed), ["link/x", "real/x"]);
    assert_eq!(find(&root, "**/x", PLAIN), ["real/x"]);
    assert_eq!(find(&root, "broken", PLAIN), ["broken"]);
    assert!(find(&root, "broken", followed).is_empty());
}

#[test]
fn what_is_hidden_may_be_passed_over_with_all_below_it() {
    let (_dir, root) = tree(&[".h/x", "a/.x", "a/x"]);
    let visible = GlobOptions {
        exclude_hidden: true,
        ..PLAIN
    };
    assert_eq!(find(&root, "**/*x", visible), ["a/x"]);
}

#[test]
fn a_pattern_that_means_nothing_is_said_to() {
    let root = Utf8Path::new("/w");
    for pattern in ["../x", "a/./b", "!", "~/x"] {
        let refused = Glob::new(pattern, root, None, PLAIN);
        assert!(refused.is_err(), "{pattern}");
    }
}

#[test]
fn a_pattern_of_many_stars_takes_no_longer_than_others() {
    let (_dir, root) = tree(&[&"a/".repeat(30), "b"].map(|path| path.trim_end_matches('/')));
    let pattern = format!("{}zz", "**/*a*a*a*/".repeat(20));
    assert!(find(&root, &pattern, PLAIN).is_empty());
}

/// What the walk relies on: where something is named, the way to it is gone. And no pattern is slow.
#[test]
fn fuzz_patterns() {
    let corpus = [
        "**/*.lock\0/w/a/x.lock",
        "a/**/[!b]?/\0/w/a/b/cd",
        "!/w/\\*/*\0/w/*/a",
        "~/**/**/a*b*c\0/h/x/abc",
        "[.]a/[[]/[]b]\0/w/.a/[",
    ];
    let corpus = corpus.map(|text| text.as_bytes().to_vec()).to_vec();
    let words = [
        "*",
        "**",
        "**/",
        "?",
        "[",
        "]",
        "[a-z]",
        "[!a]",
        "[^",
        "-",
        "!",
        "\\",
        "/",
        "\0",
        ".",
        "..",
        "~",
        "a",
        "*a*a*a*a*a*a*a*",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "ß",
        "\u{1f600}",
        " ",
    ];
    let looked = cutover_testkit::fuzz::fuzz(corpus, &words, |input| {
        let text = String::from_utf8_lossy(input);
        let (line, path) = text.split_once('\0').unwrap_or((&text, "/w/a"));
        let path = Utf8PathBuf::from(format!("/{}", path.trim_matches('/').replace("//", "")));
        let Ok(pattern) = Pattern::new(line, Utf8Path::new("/w"), Some(Utf8Path::new("/h"))) else {
            return 0;
        };
        let mut all = vec![pattern.clone()];
        all.extend(pattern.descendants());
        let mut named = 0;
        for pattern in &all {
            assert!(pattern.search_path.is_absolute(), "{pattern:?}");
            let matched = pattern.matches(&path);
            assert_eq!(pattern.matches(&path), matched, "asked twice");
            assert!(
                matched.folder || !matched.file,
                "a file is named where a folder would be"
            );
            if matched.folder {
                let mut above = path.ancestors().skip(1);
                assert!(
                    above.all(|folder| pattern.may_match_below(folder)),
                    "{pattern:?}"
                );
                named += 1;
            }
        }
        1 + named + 4 * (all.len() as u64) + 16 * (line.len() as u64 / 8)
    });
    if let Err(finding) = looked {
        panic!("{finding}");
    }
}
