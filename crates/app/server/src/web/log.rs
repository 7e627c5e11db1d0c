//! The log of a step as lines for the page: each with its number, its level, the group it is in, and its
//! text in parts. How they come to the browser is in `http::log`.

mod colours;

use std::{collections::VecDeque, mem};

use cutover_executor::{LogReader, Shown};
use cutover_model::run::{Annotation, Level};
use serde::Serialize;

use colours::{Part, Style};

/// Bytes of a line that are shown; the rest is in the log as it is.
const LONGEST: usize = 16 * 1024;

/// Bytes of a line that has not ended which are shown.
const LONGEST_OPEN: usize = 2 * 1024;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Plain,
    /// The head of a group; the lines behind it name its number.
    Group,
    Error,
    Warning,
    Notice,
    Debug,
    /// What a step begins with: the command that is run.
    Command,
}

/// A line as it is shown. The names are short because there are many of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Its number in the log, from 1.
    #[serde(rename = "n")]
    pub(crate) number: u64,
    #[serde(rename = "k", skip_serializing_if = "is_plain")]
    pub(crate) kind: Kind,
    /// The head of the group that it is in.
    #[serde(rename = "g", skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<u64>,
    #[serde(rename = "p")]
    parts: Vec<Part>,
}

impl Line {
    /// Whether the text stands in it; of a text of many lines the first counts.
    pub(crate) fn says(&self, text: &str) -> bool {
        let first = text.lines().next().unwrap_or_default();
        let line: String = self.parts.iter().map(|part| part.text.as_str()).collect();
        !first.is_empty() && line.contains(first)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_plain(kind: &Kind) -> bool {
    matches!(kind, Kind::Plain)
}

/// Reads a log from its first byte on, as it comes.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    reader: LogReader,
    style: Style,
    /// The head of the group that is open.
    head: Option<Line>,
    /// How many lines have ended.
    ended: u64,
    /// The beginning of a line.
    open: Vec<u8>,
    /// How many bytes of it are left out.
    left_out: usize,
}

impl Lines {
    /// The next bytes: what they end is given to `take`, with the remark that it is, if it is one.
    pub(crate) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Line, Option<Annotation>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LONGEST.saturating_sub(self.open.len()).min(text.len());
            self.open.extend_from_slice(&text[..room]);
            self.left_out += text.len() - room;
            if ends {
                self.end(&mut take);
            }
        }
    }

    /// What comes after the last end of a line.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(Line, Option<Annotation>)) {
        if !self.open.is_empty() {
            self.end(&mut take);
        }
    }

    /// The line that has not ended, as far as it has come.
    pub(crate) fn open(&self) -> Option<Line> {
        if self.open.is_empty() {
            return None;
        }
        let bytes = &self.open[..self.open.len().min(LONGEST_OPEN)];
        let text = String::from_utf8_lossy(bytes);
        let mut style = self.style;
        Some(self.line(self.ended + 1, Kind::Plain, style.parts(written(&text))))
    }

    /// The head of the group that goes on with the next line.
    pub(crate) const fn head(&self) -> Option<&Line> {
        self.head.as_ref()
    }

    fn end(&mut self, take: &mut impl FnMut(Line, Option<Annotation>)) {
        let open = mem::take(&mut self.open);
        let mut text = String::from_utf8_lossy(&open).into_owned();
        let left_out = mem::take(&mut self.left_out);
        self.ended += 1;
        let number = self.ended;
        let shown = self.reader.read(text.trim_end_matches('\r'));
        if left_out > 0 {
            text = format!("{text}… {left_out} bytes more");
        }
        let (kind, parts, remark) = match shown {
            Shown::Plain => match written(&text).strip_prefix("[command]") {
                Some(command) => (Kind::Command, self.style.parts(command), None),
                None => (Kind::Plain, self.style.parts(written(&text)), None),
            },
            Shown::EndGroup => return self.head = None,
            Shown::Group(title) => {
                let head = Line {
                    number,
                    kind: Kind::Group,
                    group: None,
                    parts: Style::default().parts(&title),
                };
                self.head = Some(head.clone());
                return take(head, None);
            }
            Shown::Debug(text) => (Kind::Debug, Style::default().parts(&text), None),
            Shown::Remark(remark) => {
                let kind = match remark.level {
                    Level::Error => Kind::Error,
                    Level::Warning => Kind::Warning,
                    Level::Notice => Kind::Notice,
                };
                (kind, Style::default().parts(&said(&remark)), Some(remark))
            }
        };
        take(self.line(number, kind, parts), remark);
    }

    fn line(&self, number: u64, kind: Kind, parts: Vec<Part>) -> Line {
        Line {
            number,
            kind,
            group: self.head.as_ref().map(|head| head.number),
            parts,
        }
    }
}

/// What a line comes to when it was written over: what stands behind the last return of the carriage.
fn written(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit('\r').next().unwrap_or(line)
}

/// A remark as a line.
fn said(remark: &Annotation) -> String {
    let mut text = String::new();
    if let Some(title) = &remark.title {
        text = format!("{title}: ");
    }
    text.push_str(&remark.message);
    if let Some(place) = remark.place() {
        text = format!("{text} ({place})");
    }
    text
}

/// Some lines of a log that follow each other.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Window {
    /// The head of the group in which they begin, and the lines.
    pub(crate) lines: VecDeque<Line>,
    /// Whether there are lines before them, and behind them.
    pub(crate) earlier: bool,
    pub(crate) later: bool,
}

/// Takes a window out of a log that passes by.
#[derive(Debug)]
pub(crate) struct Cut {
    window: Window,
    size: usize,
    /// The first line that is wanted; without it the last ones are.
    from: Option<u64>,
    /// The last head of a group before the window.
    head: Option<Line>,
}

impl Cut {
    pub(crate) fn new(from: Option<u64>, size: usize) -> Self {
        Self {
            window: Window::default(),
            size,
            from,
            head: None,
        }
    }

    /// Whether no line that comes can be in the window any more.
    pub(crate) const fn is_full(&self) -> bool {
        self.window.later
    }

    pub(crate) fn take(&mut self, line: Line) {
        let lines = &mut self.window.lines;
        if let Some(from) = self.from {
            if line.number < from {
                self.window.earlier = true;
                self.passed(line);
            } else if lines.len() == self.size {
                self.window.later = true;
            } else {
                lines.push_back(line);
            }
            return;
        }
        lines.push_back(line);
        if lines.len() > self.size {
            self.window.earlier = true;
            if let Some(first) = lines.pop_front() {
                self.passed(first);
            }
        }
    }

    /// A line that is before the window: what follows may be in its group.
    fn passed(&mut self, line: Line) {
        if line.kind == Kind::Group {
            self.head = Some(line);
        }
    }

    pub(crate) fn finish(mut self) -> Window {
        let group = self.window.lines.front().and_then(|first| first.group);
        let head = self.head.filter(|head| Some(head.number) == group);
        if let Some(head) = head {
            self.window.lines.push_front(head);
        }
        self.window
    }
}

#[cfg(test)]
mod tests;
