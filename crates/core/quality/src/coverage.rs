//! Which lines of which files were covered: the common ground of lcov and Cobertura.
//!
//! Reports of the same files are put together line by line, so that a line counts once, and as
//! covered if any of them covered it.

use std::collections::BTreeMap;

use cutover_model::evidence::Coverage;

use crate::{cobertura, error::ReadError, evidence::Found, lcov, xml};

/// Lines by file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    files: BTreeMap<String, File>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct File {
    /// Whether each line was covered.
    lines: BTreeMap<u64, bool>,
    /// What the report says in total, for one that lists no lines.
    total: Coverage,
}

impl Lines {
    /// A line of a file was covered or not.
    pub(crate) fn line(&mut self, file: &str, line: u64, covered: bool) {
        let known = self.file(file).lines.entry(line).or_default();
        *known |= covered;
    }

    /// A file's own sum; it counts only if none of its lines is known.
    pub(crate) fn total_of(&mut self, file: &str, total: Coverage) {
        let known = &mut self.file(file).total;
        if total.lines > known.lines {
            *known = total;
        } else if total.lines == known.lines {
            known.covered = known.covered.max(total.covered);
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.entry(name.to_owned()).or_default()
    }

    /// Adds what another report says.
    pub fn merge(&mut self, other: Self) {
        for (name, file) in other.files {
            for (line, covered) in file.lines {
                self.line(&name, line, covered);
            }
            self.total_of(&name, file.total);
        }
    }

    /// The sum over all files.
    pub fn total(&self) -> Coverage {
        let mut sum = Coverage::default();
        for file in self.files.values() {
            let (lines, covered) = if file.lines.is_empty() {
                (file.total.lines, file.total.covered.min(file.total.lines))
            } else {
                let covered = file.lines.values().filter(|covered| **covered).count();
                (count(file.lines.len()), count(covered))
            };
            sum.lines = sum.lines.saturating_add(lines);
            sum.covered = sum.covered.saturating_add(covered);
        }
        sum
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Reads one file of either format.
pub fn read(bytes: &[u8]) -> Result<Coverage, ReadError> {
    read_lines(bytes).map(|lines| lines.total())
}

/// Reads one file of either format, line by line. What begins with `<` is Cobertura.
pub fn read_lines(bytes: &[u8]) -> Result<Lines, ReadError> {
    if xml::text(bytes)?.trim_start().starts_with('<') {
        cobertura::read(bytes)
    } else {
        lcov::read(bytes)
    }
}

/// Reads all files of a gate. One that cannot be read spoils them all.
pub fn read_all<'a>(
    looked_for: &[String],
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Found<Coverage> {
    Found::read_all(looked_for, files, read_lines, |reports| {
        let mut sum = Lines::default();
        for report in reports {
            sum.merge(report);
        }
        sum.total()
    })
}
