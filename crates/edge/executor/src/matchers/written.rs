//! The file of problem matchers as it is written, and what is wrong in it: the rules of the official
//! runner, so that a file that is taken here is taken there.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::{Matcher, Pattern};

/// What one expression may cost when it is made ready.
const REGEX: usize = 1024 * 1024;
/// How often one that looks around may begin again in a line.
const TRIES: usize = 50_000;

/// An expression that lines are looked at with.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    /// It takes a time that grows with the line, whatever it is.
    Plain(Regex),
    /// It looks ahead or behind, or back at a group: that has to be bounded.
    Fancy(fancy_regex::Regex),
}

/// What the file of matchers holds.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(rename = "problemMatcher")]
    pub(super) matchers: Vec<Written>,
}

/// One matcher, as written; this is also how it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    #[serde(default)]
    pub(super) owner: String,
    severity: Option<String>,
    #[serde(rename = "fromPath")]
    from_path: Option<String>,
    #[serde(default)]
    pattern: Vec<WrittenPattern>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WrittenPattern {
    #[serde(default)]
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

/// Why a matcher is not taken.
pub(super) enum Refused {
    /// Nobody could look with it.
    Wrong(String),
    /// The official runner could.
    Unsupported(String),
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

impl Matcher {
    /// One that can be looked with.
    pub(super) fn read(written: &Written) -> Result<Self, Refused> {
        let Written {
            owner,
            severity,
            from_path,
            pattern,
        } = written;
        if owner.is_empty() {
            return Err(Refused::Wrong("an owner is missing".to_owned()));
        }
        let known = ["", "error", "warning", "notice"];
        if let Some(severity) = severity
            && !known.iter().any(|one| one.eq_ignore_ascii_case(severity))
        {
            let why =
                format!("`severity` of `{owner}` is `{severity}`, not error, warning or notice");
            return Err(Refused::Wrong(why));
        }
        if pattern.is_empty() {
            return Err(Refused::Wrong(format!("`{owner}` has no pattern")));
        }
        let mut patterns = Vec::with_capacity(pattern.len());
        let mut taken = Vec::new();
        for (place, one) in pattern.iter().enumerate() {
            let repeats_where_it_can = place > 0 && place + 1 == pattern.len();
            if one.repeats && !repeats_where_it_can {
                let why = format!("`loop` of `{owner}` is for the last of several patterns");
                return Err(Refused::Wrong(why));
            }
            if one.repeats && one.message.is_none() {
                let why = format!("the pattern of `{owner}` with `loop` has no `message`");
                return Err(Refused::Wrong(why));
            }
            let regexp = Expression::ready(&one.regexp)
                .map_err(|why| Refused::Unsupported(format!("`{owner}`: {why}")))?;
            one.check(owner, regexp.groups(), &mut taken)?;
            patterns.push(one.with(regexp));
        }
        if !taken.contains(&"message") {
            let why = format!("no pattern of `{owner}` has a `message`");
            return Err(Refused::Wrong(why));
        }
        Ok(Self {
            written: written.clone(),
            severity: severity.clone(),
            from_path: from_path.clone(),
            found: vec![None; patterns.len() - 1],
            patterns,
        })
    }
}

impl WrittenPattern {
    /// Each property once in all patterns, with a group that is there.
    fn check(
        &self,
        owner: &str,
        groups: usize,
        taken: &mut Vec<&'static str>,
    ) -> Result<(), String> {
        for (name, group) in [
            ("file", self.file),
            ("fromPath", self.from_path),
            ("line", self.line),
            ("column", self.column),
            ("severity", self.severity),
            ("code", self.code),
            ("message", self.message),
        ] {
            let Some(group) = group else {
                continue;
            };
            if taken.contains(&name) {
                return Err(format!("`{name}` of `{owner}` is set twice"));
            }
            if group >= groups {
                return Err(format!(
                    "`{name}` of `{owner}` is group {group}, and there are {groups} with the whole"
                ));
            }
            taken.push(name);
        }
        Ok(())
    }

    fn with(&self, regexp: Expression) -> Pattern {
        Pattern {
            regexp,
            file: self.file,
            from_path: self.from_path,
            line: self.line,
            column: self.column,
            severity: self.severity,
            code: self.code,
            message: self.message,
            repeats: self.repeats,
        }
    }
}

impl Expression {
    fn ready(text: &str) -> Result<Self, String> {
        let plain = RegexBuilder::new(text).size_limit(REGEX).build();
        let wrong = match plain {
            Ok(plain) => return Ok(Self::Plain(plain)),
            Err(wrong) => wrong,
        };
        let fancy = fancy_regex::RegexBuilder::new(text)
            .backtrack_limit(TRIES)
            .delegate_size_limit(REGEX)
            .build();
        fancy
            .map(Self::Fancy)
            .map_err(|_| format!("`{text}`: {wrong}"))
    }

    /// With that of the whole.
    fn groups(&self) -> usize {
        match self {
            Self::Plain(regexp) => regexp.captures_len(),
            Self::Fancy(regexp) => regexp.captures_len(),
        }
    }
}
