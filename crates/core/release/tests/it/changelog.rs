//! Sections and where they go.

use cutover_release::changelog::{insert, section};

use crate::bump::commits;

#[test]
fn a_section_is_grouped() {
    let commits = commits(&[
        "feat(api)!: drop v1\n\nBREAKING CHANGE: use /v2",
        "fix: off by one",
        "feat: add search",
        "chore: tidy",
        "Merge branch 'x'",
        "tweak things",
        "refactor!: rename all",
        "deps: raise y",
    ]);
    let wanted = "\
## 2.0.0 - 2026-03-01

### Breaking

- **api**: drop v1 (0000000)
  use /v2
- rename all (6666666)

### Features

- add search (2222222)

### Fixes

- off by one (1111111)

### Other

- tweak things (5555555)
- raise y (7777777)
";
    assert_eq!(
        section(&"2.0.0".parse().unwrap(), "2026-03-01", &commits),
        wanted
    );
}

#[test]
fn a_section_is_never_empty() {
    let text = section(
        &"0.1.0".parse().unwrap(),
        "2026-03-01",
        &commits(&["chore: a"]),
    );
    assert_eq!(text, "## 0.1.0 - 2026-03-01\n\nNo notable changes.\n");
}

const NEW: &str = "## 1.1.0 - 2026-03-01\n\n### Fixes\n\n- a (0000000)\n";

#[test]
fn the_newest_section_is_on_top() {
    let cases = [
        ("", "# Changelog\n\nNEW\n"),
        ("# Changes\nof x\n", "# Changes\nof x\n\nNEW\n"),
        (
            "# C\n\n## 1.0.0\n\n- b\n",
            "# C\n\nNEW\n\n## 1.0.0\n\n- b\n",
        ),
        ("## v1.0.0", "NEW\n\n## v1.0.0"),
        (
            "# C\n## [Unreleased]\n- u\n## [1.0.0] - x\n",
            "# C\n## [Unreleased]\n- u\n\nNEW\n\n## [1.0.0] - x\n",
        ),
    ];
    for (existing, wanted) in cases {
        assert_eq!(
            insert(existing, NEW),
            wanted.replace("NEW", NEW.trim_end()),
            "{existing}"
        );
    }
}

#[test]
fn line_ends_stay_as_they_are() {
    let found = insert("# C\r\n\r\n## 1.0.0\r\n", "## 1.1.0\n\n- a\n");
    assert_eq!(found, "# C\r\n\r\n## 1.1.0\r\n\r\n- a\r\n\r\n## 1.0.0\r\n");
}

#[test]
fn a_version_is_there_once() {
    for existing in [
        "## 1.1.0\n",
        "# C\n\n## [1.1.0] - yesterday\n- x",
        "## v1.1.0 (y)\n",
        "## 2.0.0\n## 1.1.0",
    ] {
        assert_eq!(insert(existing, NEW), existing);
    }
    assert_eq!(insert("# C\n", "no heading"), "# C\n");
}
