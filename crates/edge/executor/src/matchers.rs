//! Problem matchers: patterns that find remarks of compilers in what a step prints. They are added by
//! a command, and hold for all later steps of the job.

pub(crate) mod memory;
mod written;

use std::fs;

use camino::Utf8Path;
use cutover_model::{
    Position,
    run::{Annotation, Level},
};
use serde::{Deserialize, Serialize};

use self::written::{Document, Expression, Refused, Written};

/// What is read of one line.
const LINE: usize = 4 * 1024;
/// Matchers of one job.
const MOST: usize = 50;
/// Changes of one step.
const CHANGES: usize = 1000;
/// A file of matchers is larger only by mistake.
const FILE: u64 = 1024 * 1024;

/// One that is looked with, and how far it is.
#[derive(Debug, Clone)]
struct Matcher {
    written: Written,
    severity: Option<String>,
    from_path: Option<String>,
    patterns: Vec<Pattern>,
    /// What the lines before have said: for each pattern but the last what it and those before it have
    /// found, while the next one may go on from there.
    found: Vec<Option<Found>>,
}

#[derive(Debug, Clone)]
struct Pattern {
    regexp: Expression,
    file: Option<usize>,
    from_path: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    severity: Option<usize>,
    code: Option<usize>,
    message: Option<usize>,
    repeats: bool,
}

/// An expression would take too long for a line.
struct TooHard;

/// What lines have said.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Added(Written),
    Removed(String),
}

impl Change {
    fn owner(&self) -> &str {
        match self {
            Self::Added(written) => &written.owner,
            Self::Removed(owner) => owner,
        }
    }
}

impl Matchers {
    /// As they are after these changes.
    pub(crate) fn after(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut matchers = Self::default();
        for change in changes {
            matchers.change(&change);
        }
        matchers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What the step that has these has changed.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Adds those of a file, each in the place of the one of the same owner. `name` is for people. Gives
    /// back what is left out, because it cannot be done here.
    pub(crate) fn add(&mut self, path: &Utf8Path, name: &str) -> Result<Vec<String>, String> {
        let read = read(path).map_err(|why| format!("problem matcher `{name}`: {why}"))?;
        self.add_all(read, name)
    }

    /// The same of what was read.
    pub(crate) fn add_all(&mut self, all: Vec<Written>, name: &str) -> Result<Vec<String>, String> {
        let wrong = |why: &dyn std::fmt::Display| format!("problem matcher `{name}`: {why}");
        let mut ready = Vec::new();
        let mut left_out = Vec::new();
        for written in all {
            let same = |one: &Matcher| one.is_of(&written.owner);
            if ready.iter().any(same) {
                return Err(wrong(&format!("`{}` is there twice", written.owner)));
            }
            match Matcher::read(&written) {
                Ok(matcher) => ready.push(matcher),
                Err(Refused::Wrong(why)) => return Err(wrong(&why)),
                Err(Refused::Unsupported(why)) => left_out.push(wrong(&why)),
            }
        }
        for matcher in ready {
            self.discard(&matcher.written.owner);
            if self.all.len() == MOST {
                return Err(wrong(&format!("a job has at most {MOST}")));
            }
            if self.changes.len() == CHANGES {
                return Err(wrong(&format!("a step changes at most {CHANGES}")));
            }
            self.note(Change::Added(matcher.written.clone()));
            self.all.push(matcher);
        }
        Ok(left_out)
    }

    /// Takes away those that a file names.
    pub(crate) fn remove_all(&mut self, path: &Utf8Path, name: &str) -> Result<(), String> {
        let read = read(path).map_err(|why| format!("problem matcher `{name}`: {why}"))?;
        for written in read {
            self.remove(&written.owner);
        }
        Ok(())
    }

    /// Takes over what a step has changed; others, that go beside it, may have changed something too.
    pub(crate) fn take_over(&mut self, of: &Self) {
        for change in &of.changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Removed(owner) => {
                self.discard(owner);
            }
            Change::Added(written) => {
                self.discard(&written.owner);
                // It could be read before, when it was added.
                if let Ok(matcher) = Matcher::read(written)
                    && self.all.len() < MOST
                {
                    self.all.push(matcher);
                }
            }
        }
    }

    /// Takes away the one of this owner, if there is one.
    pub(crate) fn remove(&mut self, owner: &str) {
        if self.discard(owner) {
            self.note(Change::Removed(owner.to_owned()));
        }
    }

    /// Whether there was one.
    fn discard(&mut self, owner: &str) -> bool {
        let before = self.all.len();
        self.all.retain(|matcher| !matcher.is_of(owner));
        self.all.len() < before
    }

    /// Of each owner the last change counts.
    fn note(&mut self, change: Change) {
        let owner = change.owner().to_owned();
        self.changes
            .retain(|before| !before.owner().eq_ignore_ascii_case(&owner));
        self.changes.push(change);
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
        let mut place = self.all.len();
        while place > 0 {
            place -= 1;
            match self.all[place].look(&text) {
                Ok(None) => {}
                Ok(Some(annotation)) => {
                    let others = self.all.iter_mut().enumerate();
                    let others = others.filter(|(other, _)| *other != place);
                    others.for_each(|(_, matcher)| matcher.begin_anew());
                    heed(annotation);
                    break;
                }
                Err(TooHard) => {
                    let owner = self.all[place].written.owner.clone();
                    let text = format!(
                        "problem matcher `{owner}` is removed: it takes too long for a line"
                    );
                    heed(Annotation::new(Level::Warning, text));
                    self.remove(&owner);
                }
            }
        }
        self.line = line;
        self.line.clear();
    }

    /// A new step begins with the same matchers, and nothing half found.
    pub(crate) fn begin_anew(&mut self) {
        self.line.clear();
        self.changes.clear();
        self.all.iter_mut().for_each(Matcher::begin_anew);
    }
}

/// Only what is a file: a pipe would never end.
fn read(path: &Utf8Path) -> Result<Vec<Written>, String> {
    let data = fs::metadata(path).map_err(|error| error.to_string())?;
    if !data.is_file() {
        return Err("it is not a file".to_owned());
    }
    if data.len() > FILE {
        return Err("it is larger than 1 MiB".to_owned());
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text)
}

/// The matchers of the text of a file.
pub(crate) fn parse(text: &str) -> Result<Vec<Written>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(document.matchers)
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
    fn is_of(&self, owner: &str) -> bool {
        self.written.owner.eq_ignore_ascii_case(owner)
    }

    fn begin_anew(&mut self) {
        self.found.fill(None);
    }

    /// Looks at a whole line; gives a remark when the last pattern has matched. The later patterns come
    /// first: a line that goes on with one find may also begin another.
    fn look(&mut self, line: &str) -> Result<Option<Annotation>, TooHard> {
        let last = self.patterns.len() - 1;
        for (turn, pattern) in self.patterns.iter().enumerate().rev() {
            let before = match turn.checked_sub(1) {
                None => Found::default(),
                Some(before) => match &self.found[before] {
                    None => continue,
                    Some(found) => found.clone(),
                },
            };
            let found = pattern.read(line)?;
            let found = found.map(|found| before.clone().or(found));
            if turn < last {
                self.found[turn] = found;
                continue;
            }
            let Some(found) = found else {
                // A loop has ended, or what was begun is not what it seemed.
                if let Some(before) = turn.checked_sub(1) {
                    self.found[before] = None;
                }
                continue;
            };
            let repeats = pattern.repeats;
            self.found.fill(None);
            if repeats && let Some(turn) = turn.checked_sub(1) {
                self.found[turn] = Some(before);
            }
            return Ok(self.remark(found));
        }
        Ok(None)
    }

    fn remark(&self, found: Found) -> Option<Annotation> {
        let message = found.message.filter(|text| !text.is_empty())?;
        let severity = found.severity.or_else(|| self.severity.clone());
        let level = match severity.unwrap_or_default().to_ascii_lowercase().as_str() {
            "warning" => Level::Warning,
            "notice" => Level::Notice,
            "" | "error" => Level::Error,
            // Another word of another tool is no reason to cry.
            _ => return None,
        };
        // Places count from 1.
        let number = |text: Option<String>| text?.trim().parse().ok().filter(|number| *number > 0);
        let from = found.from_path.or_else(|| self.from_path.clone());
        let line = number(found.line);
        let column = number(found.column).unwrap_or(1);
        Some(Annotation {
            title: found.code,
            file: found.file.map(|file| beside(from.as_deref(), &file)),
            at: line.map(|line| Position::new(line, column)),
            ..Annotation::new(level, message)
        })
    }
}

impl Found {
    /// What an earlier line has said counts.
    fn or(self, later: Self) -> Self {
        Self {
            file: self.file.or(later.file),
            from_path: self.from_path.or(later.from_path),
            line: self.line.or(later.line),
            column: self.column.or(later.column),
            severity: self.severity.or(later.severity),
            code: self.code.or(later.code),
            message: self.message.or(later.message),
        }
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
    fn read(&self, line: &str) -> Result<Option<Found>, TooHard> {
        Ok(match &self.regexp {
            Expression::Plain(regexp) => regexp.captures(line).map(|captures| {
                self.found(|group| captures.get(group).map(|found| found.as_str()))
            }),
            Expression::Fancy(regexp) => {
                let captures = regexp.captures(line).map_err(|_| TooHard)?;
                captures.map(|captures| {
                    self.found(|group| captures.get(group).map(|found| found.as_str()))
                })
            }
        })
    }

    fn found<'a>(&self, group: impl Fn(usize) -> Option<&'a str>) -> Found {
        let group = |place: Option<usize>| {
            let text = group(place?)?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        Found {
            file: group(self.file),
            from_path: group(self.from_path),
            line: group(self.line),
            column: group(self.column),
            severity: group(self.severity),
            code: group(self.code),
            message: group(self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(matchers: &mut Matchers, json: &str) -> Result<Vec<String>, String> {
        let place = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(place.path()).unwrap().join("m.json");
        fs::write(&path, json).unwrap();
        matchers.add(&path, "m.json")
    }

    fn matchers(json: &str) -> Matchers {
        let mut matchers = Matchers::default();
        assert_eq!(add(&mut matchers, json).unwrap(), [""; 0]);
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
    fn a_line_that_goes_on_may_also_begin() {
        let mut matchers = matchers(
            r#"{"problemMatcher":[{"owner":"three","pattern":[
                {"regexp":"^(\\w+)\\.c.*$","file":1},
                {"regexp":"^.*at (\\d+)$","line":1},
                {"regexp":"^> (.*)$","message":1}]}]}"#,
        );
        let text = "a.c\nb.c at 3\n> of a\n";
        assert_eq!(remarks(&mut matchers, text), ["Error a:3:1 of a"]);
        // What seemed to go on with `a` began with `b`.
        let text = "a.c\nb.c at 3\nat 4\n> of b\n";
        assert_eq!(remarks(&mut matchers, text), ["Error b:4:1 of b"]);
        let text = "a.c\nat 3\nbetween\n> of nothing\n";
        assert!(remarks(&mut matchers, text).is_empty());
    }

    #[test]
    fn severity_is_the_groups_then_the_matchers_then_error() {
        let of = |severity: &str| {
            matchers(&format!(
                r#"{{"problemMatcher":[{{"owner":"a",{severity}"pattern":[{{
                    "regexp":"^(?:(\\w+): )?!(.*)$","severity":1,"message":2}}]}}]}}"#
            ))
        };
        let text = "Warning: !one\n!two\nhint: !three\nNOTICE: !four\n";
        assert_eq!(
            remarks(&mut of(""), text),
            ["Warning : one", "Error : two", "Notice : four"]
        );
        assert_eq!(
            remarks(&mut of(r#""severity":"notice","#), "!two\n"),
            ["Notice : two"]
        );
    }

    #[test]
    fn a_file_is_found_from_the_project_that_says_it() {
        let mut matchers = matchers(
            r#"{"problemMatcher":[{"owner":"msbuild","pattern":[{
                "regexp":"^(.+)\\((\\d+)\\): (.+) \\[(.+)\\]$",
                "file":1,"line":2,"message":3,"fromPath":4}]}]}"#,
        );
        let text = "a.cs(3): no [src/app/app.csproj]\n/b.cs(4): no [src/app/app.csproj]\n";
        assert_eq!(
            remarks(&mut matchers, text),
            ["Error src/app/a.cs:3:1 no", "Error /b.cs:4:1 no"]
        );
    }

    #[test]
    fn the_newer_one_looks_first_and_one_owner_has_one() {
        let one = |owner: &str, level: &str| {
            format!(
                r#"{{"problemMatcher":[{{"owner":"{owner}","severity":"{level}","pattern":[{{
                    "regexp":"^(no.*)$","message":1}}]}}]}}"#
            )
        };
        let mut matchers = Matchers::default();
        add(&mut matchers, &one("a", "warning")).unwrap();
        add(&mut matchers, &one("b", "notice")).unwrap();
        assert_eq!(remarks(&mut matchers, "no\n"), ["Notice : no"]);
        add(&mut matchers, &one("A", "error")).unwrap();
        assert_eq!(remarks(&mut matchers, "no\n"), ["Error : no"]);
        matchers.remove("a");
        assert_eq!(remarks(&mut matchers, "no\n"), ["Notice : no"]);
        // Whoever goes on sees the same.
        let mut again = Matchers::after(matchers.changes().iter().cloned());
        assert_eq!(remarks(&mut again, "no\n"), ["Notice : no"]);
    }

    #[test]
    fn one_that_cannot_work_is_refused_with_a_reason() {
        let pattern =
            |text: &str| format!(r#"{{"problemMatcher":[{{"owner":"a","pattern":[{text}]}}]}}"#);
        for (json, expected) in [
            ("{".to_owned(), "EOF"),
            (pattern(""), "has no pattern"),
            (pattern(r#"{"regexp":"x"}"#), "has a `message`"),
            (
                pattern(r#"{"regexp":"x","message":0,"loop":true}"#),
                "`loop` of `a`",
            ),
            (
                pattern(r#"{"regexp":"x","message":0},{"regexp":"y","loop":true}"#),
                "with `loop` has no `message`",
            ),
            (
                pattern(r#"{"regexp":"x","message":0},{"regexp":"y","message":0}"#),
                "`message` of `a` is set twice",
            ),
            (
                pattern(r#"{"regexp":"(x)","message":2}"#),
                "is group 2, and there are 2 with the whole",
            ),
            (
                r#"{"problemMatcher":[{"owner":"a","severity":"bad","pattern":[]}]}"#.to_owned(),
                "`severity` of `a` is `bad`",
            ),
            (
                r#"{"problemMatcher":[{"pattern":[]}]}"#.to_owned(),
                "an owner is missing",
            ),
            (
                r#"{"problemMatcher":[
                    {"owner":"a","pattern":[{"regexp":"x","message":0}]},
                    {"owner":"A","pattern":[{"regexp":"x","message":0}]}]}"#
                    .to_owned(),
                "`A` is there twice",
            ),
        ] {
            let error = add(&mut Matchers::default(), &json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_expression_may_look_around_and_back_and_one_that_is_none_is_left_out() {
        let mut matchers = Matchers::default();
        let left_out = add(
            &mut matchers,
            r#"{"problemMatcher":[
                {"owner":"csc","pattern":[{
                    "regexp":"^([^\\s].*)\\((\\d+)\\): ([A-Z]+(?<!MSB)\\d+): (.*)$",
                    "file":1,"line":2,"code":3,"message":4}]},
                {"owner":"twice","pattern":[{"regexp":"^(\\w+) \\1$","message":1}]},
                {"owner":"none","pattern":[{"regexp":"(x","message":1}]}]}"#,
        );
        let left_out = left_out.unwrap();
        assert_eq!(left_out.len(), 1);
        assert!(left_out[0].contains("`none`: `(x`"), "{left_out:?}");
        let text = "a.cs(3): CS12: no\na.cs(4): MSB12: not seen\nso so\n";
        assert_eq!(
            remarks(&mut matchers, text),
            ["Error a.cs:3:1 no", "Error : so"]
        );
    }

    #[test]
    fn one_that_takes_too_long_is_removed_and_says_so() {
        let mut matchers = matchers(
            r#"{"problemMatcher":[
                {"owner":"fine","pattern":[{"regexp":"^(a+)b?$","message":1}]},
                {"owner":"slow","pattern":[{"regexp":"^(?=(a+)+$)(a|aa|aaa)+\\2b$","message":1}]}]}"#,
        );
        let line = "a".repeat(200) + "\n";
        let found = remarks(&mut matchers, &line);
        assert_eq!(
            found[0],
            "Warning : problem matcher `slow` is removed: it takes too long for a line"
        );
        assert!(found[1].starts_with("Error : aaa"));
        assert_eq!(
            matchers.changes().last(),
            Some(&Change::Removed("slow".to_owned()))
        );
        assert_eq!(remarks(&mut matchers, &line).len(), 1);
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_holds_nobody_up() {
        let place = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(place.path()).unwrap().join("m.json");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let error = Matchers::default().add(&path, "m.json").unwrap_err();
        assert!(error.contains("it is not a file"), "{error}");
    }
}
