//! In which quotes of a shell script its expressions stand, as far as that is beyond doubt.

use std::ops::Range;

/// How the value of a variable is put where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Plain,
    Double,
    Single,
}

impl Context {
    pub(super) fn variable(self, name: &str) -> String {
        match self {
            Self::Plain => format!("\"${name}\""),
            Self::Double => format!("${{{name}}}"),
            Self::Single => format!("'\"${name}\"'"),
        }
    }
}

/// Programs that read what they are given as a program, and flags that say so. What is handed to them
/// stays dangerous as a variable, too.
const PROGRAMS: [&str; 22] = [
    "-c", "-e", ".", "awk", "eval", "for", "jq", "mysql", "node", "perl", "php", "psql", "python",
    "python3", "ruby", "sed", "source", "sqlite3", "ssh", "trap", "xargs", "yq",
];

/// The context of each range, in order; nothing where that is in doubt.
pub(super) fn contexts(script: &str, ranges: &[Range<usize>]) -> Vec<Option<Context>> {
    let mut found = vec![None; ranges.len()];
    let mut walk = Walk {
        script,
        stack: vec![Level::Command],
        at: 0,
    };
    for (index, range) in ranges.iter().enumerate() {
        if walk.until(range.start).is_none() {
            break;
        }
        if walk.at == range.start {
            found[index] = walk.context(range);
        }
        walk.at = walk.at.max(range.end);
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The script, or `$( … )`, or `( … )`.
    Command,
    Double,
    Single,
    Comment,
}

struct Walk<'a> {
    script: &'a str,
    stack: Vec<Level>,
    at: usize,
}

impl Walk<'_> {
    fn level(&self) -> Level {
        self.stack.last().copied().unwrap_or(Level::Command)
    }

    /// Goes on to a byte; nothing when something comes that is not understood.
    fn until(&mut self, end: usize) -> Option<()> {
        while self.at < end {
            let rest = &self.script[self.at..];
            let letter = rest.chars().next()?;
            self.at += self.step(letter, rest)?;
        }
        Some(())
    }

    /// Takes a letter, or what belongs together with it; gives how many bytes that were.
    fn step(&mut self, letter: char, rest: &str) -> Option<usize> {
        let length = letter.len_utf8();
        match (self.level(), letter) {
            (Level::Comment, '\n') | (Level::Single, '\'') | (Level::Double, '"') => {
                self.stack.pop();
            }
            (Level::Comment | Level::Single, _) => {}
            // Whatever stands in an expression is not the shell's.
            (_, '$') if rest.starts_with("${{") => return Some(rest.find("}}")? + 2),
            (_, '\\') => return Some(1 + rest[1..].chars().next().map_or(0, char::len_utf8)),
            (_, '`') => return None,
            (_, '$') if rest.starts_with("$((") || rest.starts_with("$'") => return None,
            (_, '$') if rest.starts_with("${") => {
                let end = rest.find('}')?;
                let inner = &rest[2..end];
                let is_plain = !inner.contains(['{', '$', '"', '\'', '\n']);
                return is_plain.then_some(end + 1);
            }
            (_, '$') if rest.starts_with("$(") => {
                self.stack.push(Level::Command);
                return Some(2);
            }
            (Level::Command, '"') => self.stack.push(Level::Double),
            (Level::Command, '\'') => self.stack.push(Level::Single),
            (Level::Command, '(') if rest.starts_with("((") => return None,
            (Level::Command, '(') => self.stack.push(Level::Command),
            (Level::Command, ')') => {
                // `case … in a)` has no bracket to it.
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
            }
            (Level::Command, '<') if rest.starts_with("<<<") => return Some(3),
            (Level::Command, '<') if rest.starts_with("<<") => return None,
            (Level::Command, '#') if self.is_at_word() => self.stack.push(Level::Comment),
            (Level::Command | Level::Double, _) => {}
        }
        Some(length)
    }

    fn is_at_word(&self) -> bool {
        let before = self.script[..self.at].chars().next_back();
        before.is_none_or(|letter| letter.is_whitespace() || ";|&(".contains(letter))
    }

    fn context(&self, range: &Range<usize>) -> Option<Context> {
        let before = &self.script[..range.start];
        if before.ends_with(['\\', '$']) || self.is_handed_to_a_program(range) {
            return None;
        }
        match self.level() {
            Level::Comment => None,
            Level::Single => Some(Context::Single),
            Level::Double => Some(Context::Double),
            Level::Command => {
                let before = before.trim_end_matches([' ', '\t']);
                // As a command, or as a pattern, it is something else in quotes.
                let is_command =
                    before.is_empty() || before.ends_with(['\n', ';', '|', '&', '(', '{', '!']);
                (!is_command && !before.ends_with("=~")).then_some(Context::Plain)
            }
        }
    }

    /// Whether a word of its line says that something is a program. Lines that go on count as one.
    fn is_handed_to_a_program(&self, range: &Range<usize>) -> bool {
        let goes_on = |text: &str| text.trim_end_matches(['\n', '\r']).ends_with('\\');
        let mut start = range.start;
        loop {
            start = self.script[..start].rfind('\n').map_or(0, |at| at + 1);
            if start == 0 || !goes_on(&self.script[..start]) {
                break;
            }
            start -= 1;
        }
        let mut end = range.end;
        loop {
            let rest = &self.script[end..];
            end += rest.find('\n').unwrap_or(rest.len());
            if end >= self.script.len() || !self.script[..end].ends_with('\\') {
                break;
            }
            end += 1;
        }
        let line = &self.script[start..end];
        let mut words =
            line.split(|letter: char| letter.is_whitespace() || "\"'();|&".contains(letter));
        words.any(|word| {
            PROGRAMS.contains(&word.rsplit('/').next().unwrap_or(word)) || PROGRAMS.contains(&word)
        })
    }
}
