//! The log of a step on a terminal: groups are set off, remarks have the colour of their level. Where the
//! log goes to a file or to another program it stays as it is.

use cutover_executor::{LogReader, Shown};
use cutover_model::run::{Annotation, Level};

/// A line that is longer is shown as it is.
const MOST_HELD: usize = 64 * 1024;

/// What has been shown of a log so far.
#[derive(Debug, Default)]
pub(super) struct Screen {
    reader: LogReader,
    colours: bool,
    /// Whether a group is open.
    in_group: bool,
    /// The beginning of a line that may be a command.
    held: Vec<u8>,
    /// In the middle of a line that is none.
    through: bool,
}

impl Screen {
    pub(super) fn new(colours: bool) -> Self {
        Self {
            colours,
            ..Self::default()
        }
    }

    /// The next bytes of the log, as they are to be seen.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            if self.through {
                out.extend_from_slice(piece);
                self.through = !ends;
                continue;
            }
            self.held.extend_from_slice(piece);
            if ends {
                self.line(&mut out);
            } else if !LogReader::may_be(&self.held) || self.held.len() > MOST_HELD {
                self.plain(&mut out);
                self.through = true;
            }
        }
        out
    }

    /// The log has ended; what comes next begins a line.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let is_open = self.through || !self.held.is_empty();
        if !self.held.is_empty() {
            self.line(&mut out);
        }
        if is_open && !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        out
    }

    fn line(&mut self, out: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(&self.held);
        let line = match self.reader.read(text.trim_end_matches(['\r', '\n'])) {
            Shown::Plain => return self.plain(out),
            Shown::EndGroup => {
                self.in_group = false;
                String::new()
            }
            Shown::Group(title) => {
                self.in_group = true;
                self.in_colour("1", &format!("▾ {title}")) + "\n"
            }
            Shown::Debug(text) => self.said("2", &text),
            Shown::Remark(remark) => self.remark(&remark),
        };
        self.held.clear();
        out.extend_from_slice(line.as_bytes());
    }

    fn remark(&self, remark: &Annotation) -> String {
        let (level, colour) = match remark.level {
            Level::Error => ("error", "1;31"),
            Level::Warning => ("warning", "1;33"),
            Level::Notice => ("notice", "1;36"),
        };
        let level = self.in_colour(colour, level);
        let title = remark.title.iter().map(|title| format!("{title}: "));
        let text = format!("{level}: {}{}", title.collect::<String>(), remark.message);
        self.said("", &text)
    }

    /// Lines of ours, as far in as those around them.
    fn said(&self, colour: &str, text: &str) -> String {
        let line = |line: &str| format!("{}{}\n", self.margin(), self.in_colour(colour, line));
        text.lines().map(line).collect()
    }

    fn plain(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.margin().as_bytes());
        out.append(&mut self.held);
    }

    const fn margin(&self) -> &'static str {
        if self.in_group { "  " } else { "" }
    }

    fn in_colour(&self, colour: &str, text: &str) -> String {
        if self.colours && !colour.is_empty() {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "one\n::group::Set up %25\ntwo\n::error file=a.rs,line=3,title=E1::no%0Amore\n\
                       ::debug::why\nprogress...\n::endgroup::\n##[warning]old\n:: no command\nlast";

    #[test]
    fn groups_are_set_off_and_remarks_say_their_level_however_it_comes() {
        let expected = "one\n▾ Set up %\n  two\n  error: E1: no\n  more\n  why\n  progress...\n\
                        warning: old\n:: no command\nlast\n";
        for piece in [1, 7, 1000] {
            let mut screen = Screen::new(false);
            let mut seen: Vec<u8> = LOG
                .as_bytes()
                .chunks(piece)
                .flat_map(|bytes| screen.push(bytes))
                .collect();
            seen.extend(screen.finish());
            assert_eq!(String::from_utf8(seen).unwrap(), expected);
        }
    }

    #[test]
    fn what_has_no_end_yet_is_shown_and_a_level_has_its_colour() {
        let mut screen = Screen::new(true);
        assert_eq!(screen.push(b"50 % "), b"50 % ");
        assert_eq!(screen.push(b"::error::\n"), b"::error::\n");
        assert_eq!(screen.push(b"::err"), b"");
        assert_eq!(screen.push(b"or::no\n"), b"\x1b[1;31merror\x1b[0m: no\n");
        assert_eq!(screen.finish(), b"");
    }
}
