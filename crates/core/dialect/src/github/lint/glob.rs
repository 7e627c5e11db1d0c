//! Patterns of filters: what makes one useless, or never match a name that git allows.

use std::{iter::Peekable, str::CharIndices};

use super::model::Text;
use crate::diagnostic::{Code, Sink};

/// Patterns for branches, tags and versions.
pub(super) fn check_refs(patterns: &[Text<'_>], sink: &mut Sink) {
    for pattern in patterns {
        check(*pattern, true, sink);
    }
}

/// Patterns for files.
pub(super) fn check_paths(patterns: &[Text<'_>], sink: &mut Sink) {
    for pattern in patterns {
        check(*pattern, false, sink);
    }
}

fn check(pattern: Text<'_>, is_ref: bool, sink: &mut Sink) {
    let text = pattern.text();
    if text.is_empty() {
        return;
    }
    let mut slips = Vec::new();
    if !is_ref {
        slips.extend(path_slips(text));
    }
    if slips.is_empty() {
        let mut scan = Scan {
            text,
            letters: text.char_indices().peekable(),
            is_ref,
            repeatable: false,
            slips,
        };
        scan.run();
        slips = scan.slips;
    }
    for (byte, why) in slips {
        let at = if byte == 0 && text.contains('\n') {
            pattern.at()
        } else {
            pattern.place(byte)
        };
        sink.error(
            Code::BadPattern,
            at,
            format!("pattern `{}`: {why}", text.trim_end()),
        );
    }
}

fn path_slips(text: &str) -> Option<(usize, String)> {
    let bare = text.strip_prefix('!').unwrap_or(text);
    if text.trim() != text {
        return Some((0, "blanks at its ends match no path".to_owned()));
    }
    let dotted = matches!(bare, "." | "..") || bare.starts_with("./") || bare.starts_with("../");
    dotted.then(|| {
        (
            0,
            "paths begin at the root, without `.` and `..`".to_owned(),
        )
    })
}

struct Scan<'a> {
    text: &'a str,
    letters: Peekable<CharIndices<'a>>,
    is_ref: bool,
    /// Whether `?` and `+` may follow.
    repeatable: bool,
    slips: Vec<(usize, String)>,
}

impl Scan<'_> {
    fn slip(&mut self, at: usize, why: impl Into<String>) {
        self.slips.push((at, why.into()));
    }

    fn peek(&mut self) -> Option<char> {
        self.letters.peek().map(|(_, letter)| *letter)
    }

    fn run(&mut self) {
        match self.peek() {
            Some('/') if self.is_ref => {
                self.letters.next();
                self.slip(0, "names do not begin with `/`");
                self.repeatable = true;
            }
            Some('!') => {
                self.letters.next();
                if self.peek().is_none() {
                    self.slip(0, "something must follow the `!`");
                    return;
                }
            }
            _ => {}
        }
        while let Some((at, letter)) = self.letters.next() {
            let last = self.one(at, letter);
            if self.peek().is_none() && self.is_ref && matches!(last, Some('/' | '.')) {
                let end = self.text.len() - 1;
                self.slip(end, "names do not end with `/` or `.`");
            }
        }
    }

    /// Looks at one letter and what belongs to it; the last letter that it took, if it stands for itself.
    fn one(&mut self, at: usize, letter: char) -> Option<char> {
        let mut repeatable = true;
        let mut last = Some(letter);
        match letter {
            '\\' => last = self.escape(at),
            '?' | '+' => {
                if !self.repeatable {
                    self.slip(
                        at,
                        format!("`{letter}` has nothing before it that it could repeat"),
                    );
                }
                repeatable = false;
            }
            '*' => repeatable = false,
            '[' => {
                self.set(at);
                last = None;
            }
            '\r' | '\n' => self.slip(0, "there is a line break in it"),
            ' ' | '\t' | '~' | '^' | ':' if self.is_ref => {
                self.slip(at, format!("git allows no `{letter}` in names"));
            }
            _ => {}
        }
        self.repeatable = repeatable;
        last
    }

    fn escape(&mut self, at: usize) -> Option<char> {
        match self.peek() {
            Some(special @ ('[' | '?' | '*')) => {
                self.letters.next();
                if self.is_ref {
                    self.slip(at + 1, format!("git allows no `{special}` in names"));
                }
                None
            }
            Some('+' | '\\' | '!') => {
                self.letters.next();
                None
            }
            _ if self.is_ref => {
                let next = self.letters.next();
                self.slip(
                    at,
                    "`\\` may stand before `[`, `?`, `+`, `*`, `\\` and `!` alone",
                );
                next.map(|(_, letter)| letter)
            }
            _ => None,
        }
    }

    fn set(&mut self, open: usize) {
        let mut count = 0_usize;
        let mut end = open;
        while let Some((at, letter)) = self.letters.next() {
            end = at;
            if letter == ']' {
                match count {
                    0 => self.slip(at, "`[]` has nothing in it"),
                    1 => self.slip(at, "`[]` with one character is that character"),
                    _ => {}
                }
                return;
            }
            count += 1;
            if self.peek() != Some('-') {
                continue;
            }
            self.letters.next();
            count += 1;
            match self.letters.peek().copied() {
                Some((at, ']')) => {
                    self.letters.next();
                    self.slip(at, "the range has no end");
                    return;
                }
                Some((at, high)) => {
                    self.letters.next();
                    end = at;
                    if letter > high {
                        self.slip(at, format!("the range `{letter}-{high}` runs backwards"));
                    }
                }
                None => end = self.text.len() - 1,
            }
        }
        self.slip(end, "`[` is not closed");
    }
}
