//! Cobertura XML: `<coverage>`, and the `<line number hits>` of each `<class filename>`.
//!
//! Methods repeat the lines of their class; a line counts once per file.

use cutover_model::evidence::Coverage;

use crate::{
    coverage::Lines,
    error::ReadError,
    xml::{Document, Element, Piece},
};

/// Reads one file.
pub fn read(bytes: &[u8]) -> Result<Lines, ReadError> {
    let mut document = Document::new(bytes)?;
    let mut lines = Lines::default();
    let mut root: Option<Coverage> = None;
    let mut has_lines = false;
    let mut file = None;
    while let Some(piece) = document.next_piece()? {
        match piece {
            Piece::Open(element) if root.is_none() => {
                root = Some(total(&document, &element)?);
            }
            Piece::Open(element) if element.name == "class" => {
                file = Some(file_name(&document, &element)?);
            }
            Piece::Open(element) if element.name == "line" => {
                if let Some(file) = &file {
                    let line = document.count(&element, "number")?;
                    let hits = document.count(&element, "hits")?;
                    lines.line(file, line, hits > 0);
                    has_lines = true;
                }
            }
            Piece::Close(name) if name == "class" => file = None,
            Piece::Open(_) | Piece::Close(_) | Piece::Text(_) => {}
        }
    }
    if !has_lines {
        // Some writers leave the lines out and only say the sum.
        lines.total_of("", root.unwrap_or_default());
    }
    Ok(lines)
}

fn total(document: &Document<'_>, element: &Element) -> Result<Coverage, ReadError> {
    if element.name != "coverage" {
        return Err(ReadError::Unexpected {
            at: document.position(element.offset),
            wanted: "`<coverage>` of a Cobertura report",
            found: format!("`<{}>`", element.name),
        });
    }
    Ok(Coverage {
        lines: document.count(element, "lines-valid")?,
        covered: document.count(element, "lines-covered")?,
    })
}

fn file_name(document: &Document<'_>, element: &Element) -> Result<String, ReadError> {
    let name = element
        .attribute("filename")
        .filter(|name| !name.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| ReadError::Unexpected {
            at: document.position(element.offset),
            wanted: "`filename` of a `<class>`",
            found: "none".to_owned(),
        })
}
