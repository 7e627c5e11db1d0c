//! `.dockerignore`: which paths are not sent. The rules are those of the engine's own client: the
//! last line that matches decides, `!` takes back, a directory that matches takes its content along.

use regex::Regex;

use crate::error::Error;

/// A parsed `.dockerignore`.
#[derive(Debug, Default)]
pub(crate) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    regex: Regex,
    takes_back: bool,
}

/// Which rules matched a directory, to be handed to the paths below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matched(Vec<bool>);

impl Ignore {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut rules = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (takes_back, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, clean(rest.trim())),
                None => (false, clean(line)),
            };
            let wrong = || Error::Pattern {
                line: index + 1,
                pattern: line.to_owned(),
            };
            if pattern.is_empty() {
                if takes_back {
                    return Err(wrong());
                }
                continue;
            }
            let regex = Regex::new(&translate(&pattern).ok_or_else(wrong)?).map_err(|_| wrong())?;
            rules.push(Rule { regex, takes_back });
        }
        Ok(Self { rules })
    }

    /// Judges a path (from the root, with `/`) below a directory that was judged before.
    pub(crate) fn judge(&self, path: &str, parent: &Matched) -> (bool, Matched) {
        let mut ignored = false;
        let mut matched = Vec::with_capacity(self.rules.len());
        for (index, rule) in self.rules.iter().enumerate() {
            let hit = parent.0.get(index).copied().unwrap_or(false) || rule.regex.is_match(path);
            matched.push(hit);
            if hit {
                ignored = !rule.takes_back;
            }
        }
        (ignored, Matched(matched))
    }

    /// Whether something below an ignored directory may still be wanted.
    pub(crate) fn may_take_back(&self) -> bool {
        self.rules.iter().any(|rule| rule.takes_back)
    }
}

/// `/a//b/./../c/` is `a/c`.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A pattern as a regular expression over the whole path; `None` when a bracket is not closed.
fn translate(pattern: &str) -> Option<String> {
    let mut out = String::from("(?s)^");
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                    out.push_str("(?:.*/)?");
                } else {
                    out.push_str(".*");
                }
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => out.push_str(&class(&mut rest)?),
            '\\' => out.push_str(&regex::escape(&rest.next()?.to_string())),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    Some(out)
}

/// The inside of `[…]` up to and with its end; everything but `^` in front and `-` is literal.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut out = String::from("[");
    if rest.peek() == Some(&'^') {
        rest.next();
        out.push('^');
    }
    loop {
        match rest.next()? {
            ']' if out.len() > 1 => {
                out.push(']');
                return Some(out);
            }
            '-' => out.push('-'),
            '\\' => out.push_str(&regex::escape(&rest.next()?.to_string())),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges a path with all its parents, as the walk does.
    fn ignored(ignore: &Ignore, path: &str) -> bool {
        let mut parent = Matched::default();
        let mut verdict = false;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            (verdict, parent) = ignore.judge(&path[..end], &parent);
        }
        verdict
    }

    fn check(text: &str, gone: &[&str], kept: &[&str]) {
        let ignore = Ignore::parse(text).unwrap();
        for path in gone {
            assert!(
                ignored(&ignore, path),
                "`{path}` should be ignored by {text:?}"
            );
        }
        for path in kept {
            assert!(
                !ignored(&ignore, path),
                "`{path}` should be kept by {text:?}"
            );
        }
    }

    #[test]
    fn plain_names_are_from_the_root_and_take_their_content() {
        check(
            "# comment\n\n target/ \n/docs\n./x//y",
            &["target", "target/a/b", "docs/i", "x/y"],
            &["src/target", "docsx", "x", "# comment"],
        );
    }

    #[test]
    fn stars_stop_at_slashes_unless_doubled() {
        check("*.log", &["a.log"], &["d/a.log", "alog"]);
        check("**/*.log", &["a.log", "d/e/a.log"], &["a.logs"]);
        check("a/**", &["a/b", "a/b/c"], &["a", "b/a"]);
        check("a/**/z", &["a/z", "a/b/c/z"], &["az", "a/bz"]);
        check(
            "*/temp*",
            &["x/temporary", "x/temp/y"],
            &["temp", "x/y/temp"],
        );
        check("v?.tx[^a-s]", &["v1.txt"], &["v1.txs", "v.txt", "v/.txt"]);
    }

    #[test]
    fn the_last_line_that_matches_decides() {
        check(
            "*.md\n!README*.md\nREADME-secret.md",
            &["a.md", "README-secret.md"],
            &["README.md", "README-x.md"],
        );
        check(
            "*\n!src\n!Cargo.toml",
            &["a", "a/src"],
            &["src", "src/x/y", "Cargo.toml"],
        );
        check("*\n!src\nsrc/gen", &["src/gen/x"], &["src/main.rs"]);
    }

    #[test]
    fn letters_of_regular_expressions_are_letters() {
        check("a+b(c)|d.e", &["a+b(c)|d.e"], &["aab(c)|d.e", "a+b(c)|dxe"]);
        check("[&&a]\n[x~~y]", &["&", "a", "x", "~"], &["b"]);
        check("\\*", &["*"], &["a"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_line() {
        for text in ["ok\n[a", "ok\n!", "ok\n[z-a]", "ok\na\\"] {
            match Ignore::parse(text) {
                Err(Error::Pattern { line: 2, .. }) => {}
                other => panic!("{text:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_hostile_pattern_takes_linear_time() {
        let ignore = Ignore::parse(&format!("{}/z", "**/a".repeat(40))).unwrap();
        assert!(!ignored(&ignore, &"a/".repeat(2_000)));
    }
}
