//! `# cutover: ignore[CUT-1031]`: comments that keep something from being said, of their own line or of
//! the one below. They are looked for in every line, also in scripts, whose comments look the same.

use std::collections::BTreeMap;

use cutover_model::{Diagnostic, Position};

use crate::{CODES, diagnostic::Code};

const WORDS: &str = "cutover: ignore";

/// What may be ignored: that which is dangerous or cannot be meant, but runs. Nothing that refuses a file
/// may be here, since a run heeds the comments, too.
const IGNORABLE: [Code; 22] = [
    Code::UnusedAnchor,
    Code::DoubleNeed,
    Code::Untrusted,
    Code::Typing,
    Code::OutdatedAction,
    Code::Unlocked,
    Code::MatrixValue,
    Code::NoToken,
    Code::RunnerLabel,
    Code::Credentials,
    Code::VariableName,
    Code::ConstantCondition,
    Code::DeprecatedCommand,
    Code::ForeignSources,
    Code::SteeredFile,
    Code::UnsecureCommands,
    Code::Unmasked,
    Code::OpenCondition,
    Code::NeverTaken,
    Code::Permissions,
    Code::Overlap,
    Code::Movable,
];

/// The comments of one file.
#[derive(Debug, Default)]
pub(crate) struct Ignores {
    list: Vec<Ignore>,
    /// By line and code: which comments it is.
    places: BTreeMap<(u32, String), usize>,
    /// Comments that do not hold, with a hint.
    faults: Vec<(Position, String, Option<String>)>,
}

#[derive(Debug)]
struct Ignore {
    at: Position,
    code: String,
    has_met: bool,
}

impl Ignores {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut ignores = Self::default();
        let text = str::from_utf8(bytes).unwrap_or_default();
        if !text.contains(WORDS) {
            return ignores;
        }
        // Comments that wait for the line that they are about.
        let mut waiting: Vec<usize> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim_start();
            let is_comment = trimmed.starts_with('#');
            if !is_comment && !trimmed.is_empty() {
                for index in waiting.drain(..) {
                    ignores.place(number, index);
                }
            }
            if let Some(found) = ignores.line(number, line)
                && is_comment
            {
                waiting.extend(found);
            }
        }
        ignores
    }

    /// Takes the comment of a line; gives which ones it made.
    fn line(&mut self, number: u32, line: &str) -> Option<std::ops::Range<usize>> {
        let start = line.find(WORDS)?;
        let before = line[..start].trim_end().strip_suffix('#')?;
        let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        let at = Position::new(number, column);
        let rest = line[start + WORDS.len()..].trim_start();
        let codes = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .map(|(codes, _)| codes)
            .filter(|codes| !codes.trim().is_empty());
        let Some(codes) = codes else {
            let hint = Some("for example `# cutover: ignore[CUT-1031]`".to_owned());
            let message = "an ignore needs the codes that it is about".to_owned();
            self.faults.push((at, message, hint));
            return None;
        };
        let first = self.list.len();
        for code in codes.split(',').map(|code| code.trim().to_uppercase()) {
            if !CODES.iter().any(|(id, ..)| *id == code) {
                let message = format!("there is no code `{code}`");
                self.faults.push((at, message, None));
            } else if IGNORABLE.iter().any(|own| own.id() == code) {
                let has_met = false;
                self.list.push(Ignore { at, code, has_met });
                self.place(number, self.list.len() - 1);
            } else {
                let message = format!("`{code}` cannot be ignored: the file would not run");
                self.faults.push((at, message, None));
            }
        }
        Some(first..self.list.len())
    }

    fn place(&mut self, line: u32, index: usize) {
        if let Some(ignore) = self.list.get(index) {
            let key = (line, ignore.code.clone());
            self.places.entry(key).or_insert(index);
        }
    }

    /// Whether something is not to be said.
    pub(crate) fn meets(&mut self, diagnostic: &Diagnostic) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let key = (diagnostic.at.line, diagnostic.code.clone());
        let found = self
            .places
            .get(&key)
            .and_then(|&index| self.list.get_mut(index));
        found.is_some_and(|ignore| {
            ignore.has_met = true;
            true
        })
    }

    /// The comments that do not hold, and those that have met nothing, but for those of some codes.
    pub(crate) fn idle(self, but: &[Code]) -> Vec<(Position, String, Option<String>)> {
        let idle = |it: &Ignore| !it.has_met && !but.iter().any(|code| code.id() == it.code);
        let idle = self.list.into_iter().filter(idle).map(|it| {
            let message = format!("there is no `{}` here to be ignored", it.code);
            (it.at, message, Some("remove it".to_owned()))
        });
        self.faults.into_iter().chain(idle).collect()
    }
}
