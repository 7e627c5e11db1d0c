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

/// The pattern that names this and nothing else.
fn escaped(name: &str) -> String {
    let special = |c| "\\*?+[]!".contains(c);
    let one = |c: char| {
        if special(c) {
            format!("\\{c}")
        } else {
            c.to_string()
        }
    };
    name.chars().map(one).collect()
}

#[test]
fn fuzz_filters() {
    let corpus = [
        "release/**/x?\0release/a/x",
        "v[0-9]+.*\0v1.2",
        "**.rs\0a/b.rs",
        "!\\*a\0*a",
    ];
    let corpus = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
    let words = [
        "*", "**", "**/", "?", "+", "[a-z]", "[", "]", "-", "!", "\\", "/", "\0", "ß", "\n", "a",
    ];
    let looked = cutover_testkit::fuzz::fuzz(corpus, &words, |input| {
        let text = String::from_utf8_lossy(input);
        let (pattern, name) = text.split_once('\0').unwrap_or((&text, "main"));
        if !name.is_empty() && name.len() < 500 {
            let own = patterns(&[&escaped(name)]);
            assert!(own.matches(name), "`{name}` by itself");
            assert!(!own.matches(&format!("{name}x")) && !own.matches(&format!("x{name}")));
            assert!(patterns(&["**"]).matches(name));
        }
        let read = Pattern::parse(pattern);
        let Ok(one) = read else {
            return 0;
        };
        let is_in = Patterns::new(vec![one]).matches(name);
        if !pattern.starts_with('!') {
            let taken = format!("!{pattern}");
            if let Ok(away) = Pattern::parse(&taken) {
                let all = || Pattern::parse(pattern).unwrap();
                let none = Patterns::new(vec![all(), away.clone()]);
                assert!(!none.matches(name), "put in and taken away");
                let again = Patterns::new(vec![all(), away, all()]);
                assert_eq!(again.matches(name), is_in, "and put in again");
            }
        }
        1 + u64::from(is_in) + 4 * (pattern.len() as u64 / 4)
    });
    if let Err(finding) = looked {
        panic!("{finding}");
    }
}
