//! The balancer's log: JSON lines in the state folder, turned over once when it gets long.
//!
//! Changes only: no line per request. It never fails anything: a full disk must not stop traffic.

use std::{
    fs::{self, File},
    io::Write as _,
    sync::Mutex,
};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::{clock, lock::locked};

const NAME: &str = "balancer.log";
const OLD_NAME: &str = "balancer.log.1";
/// Bytes of one file. There are two at most.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Where the balancer writes what it does.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: Utf8PathBuf,
    limit: u64,
    open: Mutex<Option<Page>>,
}

#[derive(Debug)]
struct Page {
    file: File,
    bytes: u64,
}

impl Journal {
    pub(crate) fn new(folder: &Utf8Path) -> Self {
        Self {
            folder: folder.to_owned(),
            limit: LIMIT,
            open: Mutex::default(),
        }
    }

    /// Writes that something happened, with what belongs to it.
    pub(crate) fn note(&self, what: &str, fields: &[(&str, Value)]) {
        let now = clock::since_epoch();
        let mut line = serde_json::Map::new();
        line.insert(
            "unix_ms".to_owned(),
            Value::from(u64::try_from(now.as_millis()).unwrap_or(0)),
        );
        line.insert("event".to_owned(), Value::from(what));
        for (name, value) in fields {
            line.insert((*name).to_owned(), value.clone());
        }
        self.write(&format!("{}\n", Value::Object(line)));
    }

    fn write(&self, line: &str) {
        let mut open = locked(&self.open);
        if open.as_ref().is_some_and(|page| page.bytes >= self.limit) {
            *open = None;
            let _kept = fs::rename(self.folder.join(NAME), self.folder.join(OLD_NAME));
        }
        if open.is_none() {
            *open = self.page();
        }
        if let Some(page) = open.as_mut() {
            let _written = page.file.write_all(line.as_bytes());
            page.bytes += line.len() as u64;
        }
    }

    fn page(&self) -> Option<Page> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(NAME))
            .ok()?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        Some(Page { file, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_and_the_log_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(dir.path()).unwrap();
        let journal = Journal {
            limit: 1_000,
            ..Journal::new(folder)
        };
        for number in 0..200 {
            journal.note("counted", &[("number", Value::from(number))]);
        }
        let (new, old) = (folder.join(NAME), folder.join(OLD_NAME));
        assert!(fs::metadata(&new).unwrap().len() < 1_100);
        assert!(fs::metadata(&old).unwrap().len() < 1_100);
        let text = fs::read_to_string(&new).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["event"], &last["number"]),
            (&Value::from("counted"), &Value::from(199))
        );
    }
}
