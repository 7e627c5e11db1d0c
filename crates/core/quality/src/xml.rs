//! XML as the report readers want it: one root, closed elements, no document type ever interpreted,
//! no entity but XML's own five.

use std::fmt;

use cutover_model::Position;
use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
};

use crate::error::ReadError;

/// Reads a document piece by piece.
pub(crate) struct Document<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    open: Vec<String>,
    has_root: bool,
}

/// A piece of a document.
pub(crate) enum Piece {
    /// An element begins.
    Open(Element),
    /// Text, or a part of one.
    Text(String),
    /// The element of this name ends.
    Close(String),
}

/// The beginning of an element.
pub(crate) struct Element {
    /// Its name without a namespace.
    pub(crate) name: String,
    /// Byte offset in the file.
    pub(crate) offset: usize,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl<'a> Document<'a> {
    /// A document at its beginning.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let text = text(bytes)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self {
            text,
            reader,
            open: Vec::new(),
            has_root: false,
        })
    }

    /// The innermost open element.
    pub(crate) fn current(&self) -> Option<&str> {
        self.open.last().map(String::as_str)
    }

    /// The next piece; `None` behind the root element.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Piece>, ReadError> {
        loop {
            let offset = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
            let event = self.reader.read_event();
            let piece = match event.map_err(|error| self.broken(&error))? {
                Event::Start(start) => self.start(&start, offset)?,
                Event::End(_) => Piece::Close(self.open.pop().unwrap_or_default()),
                Event::Text(text) if self.open.is_empty() => {
                    if !text.xml10_content().trim().is_empty() {
                        return Err(self.wrong(offset, &"text outside of the root element"));
                    }
                    continue;
                }
                Event::Text(text) => Piece::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Piece::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(reference) => Piece::Text(self.resolve(&reference, offset)?),
                Event::Eof => return self.end().map(|()| None),
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_) => continue,
            };
            return Ok(Some(piece));
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, offset: usize) -> Result<Piece, ReadError> {
        if self.open.is_empty() && self.has_root {
            return Err(self.wrong(offset, &"a second root element"));
        }
        self.has_root = true;
        let mut attributes = Vec::new();
        // Looking for doubles is quadratic in the number of attributes; the first one counts.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.wrong(offset, &error))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| self.wrong(offset, &error))?;
            let key = attribute.key.local_name().into_inner().to_owned();
            attributes.push((key, value.into_owned()));
        }
        let name = start.local_name().into_inner().to_owned();
        self.open.push(name.clone());
        Ok(Piece::Open(Element {
            name,
            offset,
            attributes,
        }))
    }

    fn resolve(&self, reference: &BytesRef<'_>, offset: usize) -> Result<String, ReadError> {
        let character = reference
            .resolve_char_ref()
            .map_err(|error| self.wrong(offset, &error))?;
        if let Some(character) = character {
            return Ok(character.to_string());
        }
        let name = reference.xml10_content();
        let text = resolve_predefined_entity(&name);
        text.map(str::to_owned)
            .ok_or_else(|| self.wrong(offset, &format!("`&{name};` is not known")))
    }

    fn end(&self) -> Result<(), ReadError> {
        if let Some(open) = self.current() {
            return Err(ReadError::Truncated {
                at: self.position(self.text.len()),
                open: format!("<{open}>"),
            });
        }
        if self.has_root {
            return Ok(());
        }
        Err(self.wrong(self.text.len(), &"the file has no element"))
    }

    fn broken(&self, error: &quick_xml::Error) -> ReadError {
        let offset = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
        self.wrong(offset, error)
    }

    fn wrong(&self, offset: usize, why: &dyn fmt::Display) -> ReadError {
        ReadError::Xml {
            at: self.position(offset),
            why: why.to_string(),
        }
    }

    /// A whole number of an attribute; one that is not there is zero.
    pub(crate) fn count(&self, element: &Element, name: &'static str) -> Result<u64, ReadError> {
        let found = element.attribute(name).unwrap_or_default().trim();
        if found.is_empty() {
            return Ok(0);
        }
        found.parse().map_err(|_| ReadError::Number {
            at: self.position(element.offset),
            name,
            found: found.to_owned(),
        })
    }

    /// The place of a byte.
    pub(crate) fn position(&self, offset: usize) -> Position {
        position(self.text, offset)
    }
}

/// The bytes as text, without a byte order mark.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, ReadError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ReadError::NotText {
        byte: error.valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Line and column of a byte offset.
fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let (lines, last) = match before.rfind('\n') {
        Some(end) => {
            let (head, tail) = before.split_at(end + 1);
            (head.bytes().filter(|byte| *byte == b'\n').count(), tail)
        }
        None => (0, before),
    };
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    Position::new(number(lines), number(last.chars().count()))
}
