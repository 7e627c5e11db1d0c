//! Problem matchers: patterns that find remarks of compilers in what a step prints. They are added by
//! a command, and hold for all later steps of the job.

use std::fs;

use camino::Utf8Path;
use cutover_model::{
    Position,
    run::{Annotation, Level},
};
use regex::Regex;
use serde::Deserialize;

/// What is read of one line.
const LINE: usize = 4 * 1024;
/// Matchers of one job.
const MOST: usize = 50;
/// A file of matchers is larger only by mistake.
const FILE: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "problemMatcher")]
    matchers: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    owner: String,
    severity: Option<String>,
    #[serde(rename = "fromPath")]
    from_path: Option<String>,
    pattern: Vec<WrittenPattern>,
}

#[derive(Deserialize)]
struct WrittenPattern {
    regexp: String,
    file: Option<usize>,
    #[serde(rename = "fromPath")]
    from_path: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    severity: Option<usize>,
    code: Option<usize>,
    message: Option<usize>,
    #[serde(default, rename = "loop")]
    repeats: bool,
}

/// One that is looked with, and how far it is.
#[derive(Debug, Clone)]
struct Matcher {
    owner: String,
    severity: Option<String>,
    from_path: Option<String>,
    patterns: Vec<Pattern>,
    /// What the lines before have said, one for each pattern that has matched.
    found: Vec<Found>,
}

#[derive(Debug, Clone)]
struct Pattern {
    regexp: Regex,
    file: Option<usize>,
    from_path: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    severity: Option<usize>,
    code: Option<usize>,
    message: Option<usize>,
    repeats: bool,
}

/// What one line has said.
#[derive(Debug, Clone, Default)]
struct Found {
    file: Option<String>,
    from_path: Option<String>,
    line: Option<String>,
    column: Option<String>,
    severity: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

/// The matchers of a job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matchers {
    all: Vec<Matcher>,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// What the step that has these has changed.
    changes: Vec<Change>,
}

/// What a step did to the matchers of its job.
#[derive(Debug, Clone)]
enum Change {
    Added(Matcher),
    Removed(String),
}

impl Matchers {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds those of a file, each in the place of the one of the same owner.
    pub(crate) fn add(&mut self, workspace: &Utf8Path, file: &str) -> Result<(), String> {
        let path = workspace.join(file);
        let wrong = |why: &dyn std::fmt::Display| format!("problem matcher `{file}`: {why}");
        let size = fs::metadata(&path).map_err(|error| wrong(&error))?.len();
        if size > FILE {
            return Err(wrong(&"it is larger than 1 MiB"));
        }
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        self.add_text(&text).map_err(|why| wrong(&why))
    }

    /// Adds those of the text of a file.
    pub(crate) fn add_text(&mut self, text: &str) -> Result<(), String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for written in document.matchers {
            let matcher = Matcher::read(written)?;
            self.remove(&matcher.owner);
            if self.all.len() == MOST {
                return Err(format!("a job has at most {MOST}"));
            }
            self.changes.push(Change::Added(matcher.clone()));
            self.all.push(matcher);
        }
        Ok(())
    }

    /// Takes over what a step has changed; others, that go beside it, may have changed something too.
    pub(crate) fn take_over(&mut self, of: &Self) {
        for change in &of.changes {
            match change {
                Change::Removed(owner) => self.discard(owner),
                Change::Added(matcher) => {
                    self.discard(&matcher.owner);
                    if self.all.len() < MOST {
                        self.all.push(matcher.clone());
                    }
                }
            }
        }
    }

    /// Takes away the one of this owner, if there is one.
    pub(crate) fn remove(&mut self, owner: &str) {
        self.discard(owner);
        self.changes.push(Change::Removed(owner.to_owned()));
    }

    fn discard(&mut self, owner: &str) {
        self.all
            .retain(|matcher| !matcher.owner.eq_ignore_ascii_case(owner));
    }

    /// Looks at the next bytes; tells each remark to `heed`.
    pub(crate) fn look(&mut self, bytes: &[u8], mut heed: impl FnMut(Annotation)) {
        if self.all.is_empty() {
            self.line.clear();
            return;
        }
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.hold(&rest[..end]);
            rest = &rest[end + 1..];
            self.end_line(&mut heed);
        }
        self.hold(rest);
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The line is whole, or the step has ended.
    pub(crate) fn end_line(&mut self, heed: &mut impl FnMut(Annotation)) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = plain(text.trim_end_matches('\r'));
        // The newest first; who finds something makes the others begin anew.
        let finder = (0..self.all.len())
            .rev()
            .find_map(|place| Some((place, self.all[place].look(&text)?)));
        if let Some((finder, annotation)) = finder {
            for (place, matcher) in self.all.iter_mut().enumerate() {
                if place != finder {
                    matcher.found.clear();
                }
            }
            heed(annotation);
        }
        self.line = line;
        self.line.clear();
    }

    /// A new step begins with the same matchers, and nothing half found.
    pub(crate) fn begin_anew(&mut self) {
        self.line.clear();
        self.changes.clear();
        for matcher in &mut self.all {
            matcher.found.clear();
        }
    }
}

/// Without the codes that colour it.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find("\u{1b}[") {
        out.push_str(&rest[..place]);
        let code = &rest[place + 2..];
        let end = code.find(|letter: char| !letter.is_ascii_digit() && letter != ';');
        rest = end.map_or("", |end| code[end..].get(1..).unwrap_or(&code[end..]));
    }
    out.push_str(rest);
    out
}

impl Matcher {
    fn read(written: Written) -> Result<Self, String> {
        let Written {
            owner,
            severity,
            from_path,
            pattern,
        } = written;
        let last = pattern.len().checked_sub(1);
        let last = last.ok_or_else(|| format!("`{owner}` has no pattern"))?;
        if owner.is_empty() {
            return Err("an owner is missing".to_owned());
        }
        let says = |pick: fn(&WrittenPattern) -> Option<usize>| {
            pattern.iter().any(|one| pick(one).is_some())
        };
        if !says(|one| one.message) {
            return Err(format!("no pattern of `{owner}` has a `message`"));
        }
        let mut patterns = Vec::with_capacity(pattern.len());
        for (place, one) in pattern.into_iter().enumerate() {
            if one.repeats && (place != last || place == 0) {
                return Err(format!(
                    "`loop` of `{owner}` is for the last of several patterns"
                ));
            }
            let regexp = Regex::new(&one.regexp)
                .map_err(|error| format!("`{}` of `{owner}`: {error}", one.regexp))?;
            patterns.push(Pattern {
                regexp,
                file: one.file,
                from_path: one.from_path,
                line: one.line,
                column: one.column,
                severity: one.severity,
                code: one.code,
                message: one.message,
                repeats: one.repeats,
            });
        }
        Ok(Self {
            owner,
            severity,
            from_path,
            patterns,
            found: Vec::new(),
        })
    }

    /// Looks at a whole line; gives a remark when the last pattern has matched.
    fn look(&mut self, line: &str) -> Option<Annotation> {
        let last = self.patterns.len() - 1;
        // A loop goes on as long as its lines match; then it may begin anew with this very line.
        let turn = self.found.len();
        if turn > 0 {
            if let Some(found) = self.patterns[turn].read(line) {
                return self.advance(turn, found);
            }
            self.found.clear();
        }
        let found = self.patterns[0].read(line)?;
        if last == 0 {
            return self.remark(&[found]);
        }
        self.found.push(found);
        None
    }

    fn advance(&mut self, turn: usize, found: Found) -> Option<Annotation> {
        if turn < self.patterns.len() - 1 {
            self.found.push(found);
            return None;
        }
        let mut all = self.found.clone();
        all.push(found);
        if !self.patterns[turn].repeats {
            self.found.clear();
        }
        self.remark(&all)
    }

    /// What the lines say together: the later one has the last word.
    fn remark(&self, found: &[Found]) -> Option<Annotation> {
        let last = |pick: fn(&Found) -> &Option<String>| {
            found.iter().rev().find_map(|one| pick(one).clone())
        };
        let message = last(|one| &one.message).filter(|text| !text.is_empty())?;
        let severity = last(|one| &one.severity).or_else(|| self.severity.clone());
        let level = match severity.unwrap_or_default().to_ascii_lowercase().as_str() {
            "warning" => Level::Warning,
            "notice" => Level::Notice,
            "" | "error" => Level::Error,
            // Another word of another tool is no reason to cry.
            _ => return None,
        };
        // Places count from 1.
        let number = |text: Option<String>| text?.trim().parse().ok().filter(|number| *number > 0);
        let from = last(|one| &one.from_path).or_else(|| self.from_path.clone());
        let file = last(|one| &one.file).map(|file| beside(from.as_deref(), &file));
        let line = number(last(|one| &one.line));
        let column = number(last(|one| &one.column)).unwrap_or(1);
        Some(Annotation {
            level,
            message,
            title: last(|one| &one.code),
            file,
            at: line.map(|line| Position::new(line, column)),
        })
    }
}

/// A file as a tool names it that was started for the project in `from`.
fn beside(from: Option<&str>, file: &str) -> String {
    let folder = from.and_then(|from| Utf8Path::new(from).parent());
    match folder {
        Some(folder) if !Utf8Path::new(file).is_absolute() => folder.join(file).into_string(),
        _ => file.to_owned(),
    }
}

impl Pattern {
    fn read(&self, line: &str) -> Option<Found> {
        let captures = self.regexp.captures(line)?;
        let group = |place: Option<usize>| {
            let text = captures.get(place?)?.as_str().trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        Some(Found {
            file: group(self.file),
            from_path: group(self.from_path),
            line: group(self.line),
            column: group(self.column),
            severity: group(self.severity),
            code: group(self.code),
            message: group(self.message),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matchers(json: &str) -> Matchers {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(place.path()).unwrap();
        fs::write(root.join("m.json"), json).unwrap();
        let mut matchers = Matchers::default();
        matchers.add(root, "m.json").unwrap();
        matchers
    }

    fn remarks(matchers: &mut Matchers, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        // However it arrives.
        for part in text.as_bytes().chunks(7) {
            matchers.look(part, |one| found.push(one));
        }
        let show = |one: Annotation| {
            let at = one.at.map(|at| format!("{}:{}", at.line, at.column));
            let file = one.file.unwrap_or_default();
            format!(
                "{:?} {file}:{} {}",
                one.level,
                at.unwrap_or_default(),
                one.message
            )
        };
        found.into_iter().map(show).collect()
    }

    #[test]
    fn one_line_in_whatever_colour() {
        let mut matchers = matchers(
            r#"{"problemMatcher":[{"owner":"tsc","pattern":[{
                "regexp":"^(.+)\\((\\d+),(\\d+)\\): (error|warning) (TS\\d+): (.+)$",
                "file":1,"line":2,"column":3,"severity":4,"code":5,"message":6}]}]}"#,
        );
        let text = "fine\n\u{1b}[31msrc/a.ts\u{1b}[0m(3,7): error TS2304: Cannot find name 'x'.\r\n\
                    src/b.ts(1,1): warning TS1: careful\n";
        assert_eq!(
            remarks(&mut matchers, text),
            [
                "Error src/a.ts:3:7 Cannot find name 'x'.",
                "Warning src/b.ts:1:1 careful"
            ]
        );
        matchers.remove("TSC");
        assert!(remarks(&mut matchers, text).is_empty());
    }

    #[test]
    fn several_lines_of_which_the_last_repeats() {
        let mut matchers = matchers(
            r#"{"problemMatcher":[{"owner":"eslint","severity":"warning","pattern":[
                {"regexp":"^([^\\s].*)$","file":1},
                {"regexp":"^\\s+(\\d+):(\\d+)\\s+(error|warning)\\s+(.*)$",
                 "line":1,"column":2,"severity":3,"message":4,"loop":true}]}]}"#,
        );
        let text = "a.js\n  1:2  error  first\n  3:4  warning  second\nb.js\n  5:6  error  third\n";
        assert_eq!(
            remarks(&mut matchers, text),
            [
                "Error a.js:1:2 first",
                "Warning a.js:3:4 second",
                "Error b.js:5:6 third"
            ]
        );
    }

    #[test]
    fn one_that_cannot_work_is_refused_with_a_reason() {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(place.path()).unwrap();
        for (json, expected) in [
            ("{", "EOF"),
            (
                r#"{"problemMatcher":[{"owner":"a","pattern":[]}]}"#,
                "has no pattern",
            ),
            (
                r#"{"problemMatcher":[{"owner":"a","pattern":[{"regexp":"x"}]}]}"#,
                "has a `message`",
            ),
            (
                r#"{"problemMatcher":[{"owner":"a","pattern":[{"regexp":"(","message":1}]}]}"#,
                "unclosed group",
            ),
            (
                r#"{"problemMatcher":[{"owner":"a","pattern":[{"regexp":"x","message":0,"loop":true}]}]}"#,
                "`loop` of `a`",
            ),
        ] {
            fs::write(root.join("m.json"), json).unwrap();
            let error = Matchers::default().add(root, "m.json").unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
