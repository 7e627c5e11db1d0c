//! A file as it lies on the disk: bytes of places, places of bytes.

use cutover_model::Position;

use crate::{Edit, github::lint::model::Text, yaml::Layout};

pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// How a text is quoted by YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    Block,
    Plain,
    Single,
    Double,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        Self { path, text, lines }
    }

    /// The byte of a place.
    pub(super) fn byte(&self, at: Position) -> Option<usize> {
        let line = usize::try_from(at.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        let start = *self.lines.get(line)?;
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..end)?;
        let offset = rest
            .char_indices()
            .map(|(at, _)| at)
            .chain([rest.len()])
            .nth(column)?;
        Some(start + offset)
    }

    /// The place of a byte.
    pub(super) fn place(&self, byte: usize) -> Option<Position> {
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = *self.lines.get(line.checked_sub(1)?)?;
        let column = self.text.get(start..byte)?.chars().count() + 1;
        Some(Position::new(
            line.try_into().ok()?,
            column.try_into().ok()?,
        ))
    }

    /// The byte in the file of a byte of a scalar, where the two are written alike from there on for
    /// some bytes.
    pub(super) fn byte_of(&self, text: Text<'_>, at: usize, length: usize) -> Option<usize> {
        let scalar = text.node.scalar()?;
        if !matches!(scalar.layout, Layout::Line(_) | Layout::Block(_)) {
            return None;
        }
        let byte = self.byte(text.node.place_of(at))?;
        let own = scalar.text.get(at..at + length)?;
        (self.text.get(byte..byte + length) == Some(own)).then_some(byte)
    }

    /// How a scalar is written, when its text stands in the file as it is.
    pub(super) fn quote(&self, text: Text<'_>) -> Option<Quote> {
        match text.node.scalar()?.layout {
            Layout::Block(_) => Some(Quote::Block),
            Layout::Line(start) => {
                let byte = self.byte(start)?;
                let before = self.text.get(..byte)?;
                // A plain text begins with no quote, so one before it is its own.
                match before.chars().next_back() {
                    Some('\'') => Some(Quote::Single),
                    Some('"') => Some(Quote::Double),
                    _ => Some(Quote::Plain),
                }
            }
            Layout::Opaque | Layout::Recursive => None,
        }
    }

    /// What stands before a byte in its line.
    pub(super) fn line_before(&self, byte: usize) -> Option<&'a str> {
        let line = self.lines.partition_point(|start| *start <= byte);
        self.text.get(*self.lines.get(line.checked_sub(1)?)?..byte)
    }

    /// What stands behind a byte in its line, without the break.
    pub(super) fn line_behind(&self, byte: usize) -> Option<&'a str> {
        let rest = self.text.get(byte..)?;
        Some(rest.split(['\n', '\r']).next().unwrap_or_default())
    }

    pub(super) fn edit(&self, start: usize, end: usize, replacement: String) -> Option<Edit> {
        Some(Edit {
            path: self.path.to_owned(),
            start,
            end,
            from: self.place(start)?,
            to: self.place(end)?,
            replacement,
        })
    }
}
