//! The last lines of a log file, without reading the rest of it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use camino::Utf8Path;

/// What people are shown of an instance that does not live.
pub(crate) const LINES: usize = 20;
/// No more than this is read.
const WINDOW: u64 = 64 * 1024;

/// The last lines; none when there is no file. Bytes that are not UTF-8 are replaced.
pub(crate) fn tail(path: &Utf8Path) -> io::Result<Vec<String>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(LINES);
    Ok(lines[first..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_end() {
        let kept = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(kept.path()).unwrap().join("log");
        assert!(tail(&path).unwrap().is_empty());
        std::fs::write(&path, "one\ntwoé\n").unwrap();
        assert_eq!(tail(&path).unwrap(), ["one", "twoé"]);
        let many = "a line\n".repeat(100_000) + "the last";
        std::fs::write(&path, many).unwrap();
        let lines = tail(&path).unwrap();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[LINES - 1], "the last");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(tail(&path).unwrap().len(), 1);
    }
}
