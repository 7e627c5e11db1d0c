//! Tables of names and patterns: first the ones that the dialect's documentation promises, then the
//! corners.

use super::{Pattern, PatternError, Patterns};

fn patterns(list: &[&str]) -> Patterns {
    Patterns::new(
        list.iter()
            .map(|text| Pattern::parse(text).unwrap())
            .collect(),
    )
}

#[track_caller]
fn check(list: &[&str], yes: &[&str], no: &[&str]) {
    let patterns = patterns(list);
    for name in yes {
        assert!(patterns.matches(name), "{list:?} should match {name}");
    }
    for name in no {
        assert!(!patterns.matches(name), "{list:?} should not match {name}");
    }
}

#[test]
fn branches_as_documented() {
    check(
        &["feature/*"],
        &["feature/my-branch"],
        &["feature/a/b", "feature"],
    );
    check(
        &["feature/**"],
        &["feature/beta-a/my-branch", "feature/x"],
        &["feature"],
    );
    check(&["main"], &["main"], &["main2", "amain", "MAIN"]);
    check(&["*"], &["main", "releases"], &["all/the/branches"]);
    check(&["**"], &["all/the/branches", "main"], &[]);
    check(
        &["*feature"],
        &["mona-feature", "feature", "ver-10-feature"],
        &["feature-x"],
    );
    check(&["v2*"], &["v2", "v2.0", "v2.9"], &["v1", "v2/x"]);
    check(
        &["v[12].[0-9]+.[0-9]+"],
        &["v1.10.1", "v2.0.0"],
        &["v3.0.0", "v1.10", "v1.x.1", "v1.10.1-rc"],
    );
}

#[test]
fn paths_as_documented() {
    check(
        &["*.jsx?"],
        &["page.js", "page.jsx"],
        &["page.jsxx", "a/page.js"],
    );
    check(&["*.js"], &["app.js"], &["src/app.js"]);
    check(
        &["**.js"],
        &["index.js", "js/index.js", "src/js/app.js"],
        &["a.ts"],
    );
    check(&["docs/*"], &["docs/README.md"], &["docs/a/b.md", "docs"]);
    check(
        &["docs/**"],
        &["docs/README.md", "docs/a/b.md"],
        &["docs", "adocs/x"],
    );
    check(
        &["docs/**/*.md"],
        &["docs/README.md", "docs/mike/hello.md", "docs/a/b/c.md"],
        &["docs/x.txt"],
    );
    check(
        &["**/docs/**"],
        &["docs/hello.md", "dir/docs/my.txt"],
        &["mydocs/x"],
    );
    check(
        &["**/README.md"],
        &["README.md", "js/README.md"],
        &["xREADME.md"],
    );
    check(
        &["**/*src/**"],
        &["a/src/app.js", "my-src/code/js/app.js"],
        &["srcs/a"],
    );
    check(
        &["**/*-post.md"],
        &["my-post.md", "path/their-post.md"],
        &["post.md"],
    );
    check(
        &["**/migrate-*.sql"],
        &["migrate-10909.sql", "db/migrate-v1.0.sql"],
        &["m.sql"],
    );
}

#[test]
fn the_last_pattern_that_matches_decides() {
    check(
        &["*.md", "!README.md"],
        &["hello.md"],
        &["README.md", "docs/hello.md"],
    );
    check(
        &["*.md", "!README.md", "README*"],
        &["hello.md", "README.md", "README.doc"],
        &[],
    );
    check(&["!README.md", "*.md"], &["README.md"], &[]);
    check(
        &["releases/**", "!releases/**-alpha"],
        &["releases/10"],
        &["releases/10-alpha"],
    );
    check(&["!x"], &[], &["x", "y"]);
    assert!(patterns(&["!x", "!y"]).only_negative());
    assert!(!patterns(&["x", "!y"]).only_negative());
    assert!(!patterns(&[]).only_negative());
}

#[test]
fn quantifiers_repeat_one_character_or_set() {
    check(&["ab?c"], &["abc", "ac"], &["abbc"]);
    check(&["ab+c"], &["abc", "abbbc"], &["ac"]);
    check(&["[ab]?x"], &["x", "ax", "bx"], &["abx"]);
    check(&["r[0-9]+/x"], &["r1/x", "r99/x"], &["r/x"]);
    check(&["é+"], &["é", "éé"], &["e"]);
}

#[test]
fn an_escape_takes_the_meaning_away() {
    check(&[r"a\*"], &["a*"], &["ab", r"a\*"]);
    check(&[r"\!x"], &["!x"], &["x"]);
    check(&[r"c\+\+"], &["c++"], &["cc"]);
    check(&[r"what\?"], &["what?"], &["what", "wha"]);
    check(&[r"\[x\]"], &["[x]"], &["x"]);
}

#[test]
fn characters_of_regular_expressions_mean_themselves() {
    check(&["a.b"], &["a.b"], &["axb"]);
    check(&["(a|b){2}$^"], &["(a|b){2}$^"], &["aa"]);
    check(&["[.^-]x"], &[".x", "^x", "-x"], &["ax"]);
    check(&["[!a]x"], &["!x", "ax"], &["bx"]);
    check(&["[&&~~]"], &["&", "~"], &["a"]);
    check(&["a#b c"], &["a#b c"], &["ab"]);
    check(&["*"], &["a\nb"], &[]);
}

#[test]
fn stars_beside_stars() {
    check(&["***"], &["a", "a/b", ""], &[]);
    check(&["a**b"], &["ab", "a/x/b"], &["a/x"]);
    check(&["a/**/b"], &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]);
    check(&["a**/b"], &["a/b", "ax/y/b"], &["ab"]);
    check(&["*/*"], &["a/b"], &["a", "a/b/c"]);
}

#[test]
fn what_is_no_pattern_is_refused() {
    for (text, error) in [
        ("", PatternError::Empty),
        ("!", PatternError::Empty),
        ("+a", PatternError::NothingToRepeat('+')),
        ("?", PatternError::NothingToRepeat('?')),
        ("*?", PatternError::NothingToRepeat('?')),
        ("a++", PatternError::NothingToRepeat('+')),
        ("[ab", PatternError::Unclosed),
        ("a[]b", PatternError::EmptySet),
        ("[9-0]", PatternError::BackwardRange('9', '0')),
        (r"a\", PatternError::TrailingEscape),
    ] {
        assert_eq!(Pattern::parse(text).unwrap_err(), error, "{text}");
    }
    assert_eq!(
        Pattern::parse(&"a".repeat(2000)).unwrap_err(),
        PatternError::TooLong
    );
}

#[test]
fn no_pattern_is_slow() {
    let pattern = Pattern::parse(&"**a".repeat(300)).unwrap();
    assert!(!pattern.regex.is_match(&"a".repeat(299)));
    assert!(pattern.regex.is_match(&"a".repeat(4000)));
}
