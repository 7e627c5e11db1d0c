//! lcov's tracefiles: `SF:`, `DA:`, `LF:`, `LH:`, `end_of_record`. Functions and branches are passed over.

use cutover_model::{Position, evidence::Coverage};

use crate::{coverage::Lines, error::ReadError, xml};

/// Reads one file.
pub fn read(bytes: &[u8]) -> Result<Lines, ReadError> {
    let mut lines = Lines::default();
    let mut record: Option<Record<'_>> = None;
    let mut at = Position::new(1, 1);
    let mut records = 0_usize;
    for (number, line) in xml::text(bytes)?.lines().enumerate() {
        at = Position::new(u32::try_from(number + 1).unwrap_or(u32::MAX), 1);
        let line = line.trim_end();
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        match (key, record.as_mut()) {
            ("SF", None) => record = Some(Record::new(value)),
            ("end_of_record", Some(done)) => {
                lines.total_of(done.file, done.total.clone());
                record = None;
                records += 1;
            }
            ("DA", Some(record)) => {
                let (line, covered) = hit(value, at)?;
                lines.line(record.file, line, covered);
            }
            ("LF", Some(record)) => record.total.lines = whole(value, "LF", at)?,
            ("LH", Some(record)) => record.total.covered = whole(value, "LH", at)?,
            (key, record) if is_ignored(key, record.is_some()) => {}
            _ => return Err(unexpected(line, at)),
        }
    }
    match record {
        Some(open) => Err(ReadError::Truncated {
            at,
            open: format!("SF:{}", open.file),
        }),
        None if records == 0 => Err(unexpected("", at)),
        None => Ok(lines),
    }
}

struct Record<'a> {
    file: &'a str,
    total: Coverage,
}

impl<'a> Record<'a> {
    fn new(file: &'a str) -> Self {
        Self {
            file,
            total: Coverage::default(),
        }
    }
}

/// Line number and whether it was executed, of `line,hits[,checksum]`. Overflown, that is negative,
/// hit counts come from some compilers and do not count.
fn hit(value: &str, at: Position) -> Result<(u64, bool), ReadError> {
    let mut fields = value.split(',');
    let line = whole(fields.next().unwrap_or_default(), "DA", at)?;
    let hits = fields.next().unwrap_or_default().trim();
    let hits: i128 = hits.parse().map_err(|_| number("DA", value, at))?;
    Ok((line, hits > 0))
}

fn whole(value: &str, name: &'static str, at: Position) -> Result<u64, ReadError> {
    value.trim().parse().map_err(|_| number(name, value, at))
}

fn number(name: &'static str, value: &str, at: Position) -> ReadError {
    ReadError::Number {
        at,
        name,
        found: value.to_owned(),
    }
}

fn is_ignored(key: &str, in_record: bool) -> bool {
    let comment = key.is_empty() || key.starts_with('#') || key == "TN";
    let detail = matches!(
        key,
        "VER"
            | "FN"
            | "FNDA"
            | "FNF"
            | "FNH"
            | "FNL"
            | "FNA"
            | "BA"
            | "BRDA"
            | "BRF"
            | "BRH"
            | "MCDC"
            | "MCF"
            | "MCH"
    );
    comment || (in_record && detail)
}

fn unexpected(line: &str, at: Position) -> ReadError {
    ReadError::Unexpected {
        at,
        wanted: "a record of an lcov report",
        found: match line {
            "" => "nothing".to_owned(),
            line => format!("`{}`", line.chars().take(80).collect::<String>()),
        },
    }
}
