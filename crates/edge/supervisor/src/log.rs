//! Log files that are written on behalf of somebody else: a full disk must not stop the writer, and
//! what is lost is counted and said.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use camino::{Utf8Path, Utf8PathBuf};

/// A log file to which bytes are only ever added.
#[derive(Debug)]
pub struct Log {
    path: Utf8PathBuf,
    file: File,
    length: u64,
    /// Bytes that found no room since the last that did.
    gap: u64,
    lost: u64,
    cause: Option<String>,
    /// Whether it was said in the file that it ends there.
    is_cut: bool,
}

impl Log {
    /// Opens or creates it, with its directories, readable by its owner only.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let file = match (options.open(path), path.parent()) {
            (Err(error), Some(directory)) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(directory)?;
                options.open(path)?
            }
            (opened, _) => opened?,
        };
        Ok(Self {
            path: path.to_owned(),
            length: file.metadata()?.len(),
            file,
            gap: 0,
            lost: 0,
            cause: None,
            is_cut: false,
        })
    }

    /// Adds bytes. What finds no room is counted; when there is room again, the place is marked.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.gap > 0 && !self.mark() {
            self.lose(bytes.len());
            return;
        }
        let written = self.put(bytes);
        self.lose(bytes.len() - written);
    }

    /// Counts bytes that are not to be written, and says once where that began, and why.
    pub fn cut(&mut self, bytes: usize, why: &str) {
        if !std::mem::replace(&mut self.is_cut, true) {
            self.put(format!("\n[cutover] the log ends here: {why}\n").as_bytes());
            self.cause = Some(why.to_owned());
        }
        self.lost += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Bytes in the file.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that are lost, and why; `None` when all are there.
    pub fn lost(&self) -> Option<(u64, &str)> {
        let cause = self.cause.as_deref()?;
        (self.lost > 0).then_some((self.lost, cause))
    }

    fn mark(&mut self) -> bool {
        let text = format!("\n[cutover] {} bytes of log lost: disk full\n", self.gap);
        let whole = self.put(text.as_bytes()) == text.len();
        if whole {
            self.gap = 0;
        }
        whole
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => break,
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.cause = Some(if crate::record::is_full(&error) {
                        "disk full".to_owned()
                    } else {
                        error.to_string()
                    });
                    break;
                }
            }
        }
        let written = bytes.len() - rest.len();
        self.length += u64::try_from(written).unwrap_or(u64::MAX);
        written
    }

    fn lose(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.gap += count;
        self.lost += count;
    }

    /// Moves a file that has grown to half of `limit` away to `NAME.1`, over the one before, so that
    /// both together stay within it.
    pub(crate) fn rotate(&mut self, limit: u64) {
        if limit == 0 || self.length < limit / 2 {
            return;
        }
        let renamed = fs::rename(&self.path, format!("{}.1", self.path));
        if let (Ok(()), Ok(mut next)) = (renamed, Self::open(&self.path)) {
            next.lost = self.lost;
            next.gap = self.gap;
            next.cause = self.cause.take();
            *self = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_loses_bytes_and_says_how_many() {
        let mut log = Log::open("/dev/full".into()).unwrap();
        log.write(b"twelve bytes");
        log.write(b"and more");
        assert_eq!(log.lost(), Some((20, "disk full")));
        assert_eq!(log.length(), 0);
    }

    #[test]
    fn a_log_that_is_cut_says_so_once_and_counts() {
        let place = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(place.path().join("log")).unwrap();
        let mut log = Log::open(&path).unwrap();
        log.write(b"one\n");
        log.cut(4, "enough");
        log.cut(6, "enough");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "one\n\n[cutover] the log ends here: enough\n");
        assert_eq!(log.lost(), Some((10, "enough")));
    }

    #[test]
    fn two_files_stay_within_the_limit_and_the_last_lines_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(place.path().join("log")).unwrap();
        let mut log = Log::open(&path).unwrap();
        for number in 0..1000 {
            log.rotate(1000);
            log.write(format!("line {number}\n").as_bytes());
        }
        let last = fs::read_to_string(&path).unwrap();
        let before = fs::read_to_string(format!("{path}.1")).unwrap();
        assert!(last.len() + before.len() <= 1020);
        let kept = format!("{before}{last}");
        assert!(kept.ends_with("line 998\nline 999\n"));
        assert!(kept.starts_with("line "));
    }
}
