//! The files of a revision that compiling needs, read from the objects without a working copy.

use std::process::Stdio;

use cutover_model::source::Revision;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::{
    Error, Files, Repository, files,
    git::{self, hex, strange},
};

/// A path in a tree, and the object that holds its content.
struct Entry {
    path: String,
    object: String,
}

impl Repository {
    /// The files of a revision that compiling needs: `.github/**`, every `action.yml`, `cutover.yml`.
    /// Links are not followed, nor paths that are no UTF-8.
    pub async fn tree(&self, revision: &Revision) -> Result<Files, Error> {
        let entries = self.wanted(revision).await?;
        self.contents(entries).await
    }

    /// Reads the list as it comes: of a large repository only the few wanted paths are kept.
    async fn wanted(&self, revision: &Revision) -> Result<Vec<Entry>, Error> {
        const VERB: &str = "ls-tree";
        let pipe = |source| Error::Pipe { verb: VERB, source };
        let list = self
            .git(VERB)
            .args(["-r", "-z", "--long", "--full-tree", hex(revision)?]);
        let mut child = list.spawn()?;
        let mut entries = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout);
            let mut line = Vec::new();
            while lines.read_until(0, &mut line).await.map_err(pipe)? > 0 {
                line.pop();
                let parsed = parse(&line).ok_or_else(|| strange(VERB, &line))?;
                entries.extend(taken(&parsed)?);
                if entries.len() > files::MOST_FILES {
                    return Err(Error::TooManyFiles {
                        limit: files::MOST_FILES,
                    });
                }
                line.clear();
            }
        }
        let output = child.wait_with_output().await.map_err(pipe)?;
        if output.status.success() {
            Ok(entries)
        } else {
            Err(git::failed(VERB, &output.stderr))
        }
    }

    /// Asks for one object after the other, and never for the next before the answer is read.
    async fn contents(&self, entries: Vec<Entry>) -> Result<Files, Error> {
        use tokio::io::AsyncWriteExt as _;
        const VERB: &str = "cat-file";
        let pipe = |source| Error::Pipe { verb: VERB, source };
        let mut child = self
            .git(VERB)
            .arg("--batch")
            .stdin(Stdio::piped())
            .spawn()?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(pipe(std::io::ErrorKind::BrokenPipe.into()));
        };
        let mut answers = BufReader::new(stdout);
        let mut found = Files::new();
        for entry in entries {
            stdin
                .write_all(format!("{}\n", entry.object).as_bytes())
                .await
                .map_err(pipe)?;
            let mut head = String::new();
            answers.read_line(&mut head).await.map_err(pipe)?;
            let size = head
                .trim_end()
                .rsplit(' ')
                .next()
                .and_then(|size| size.parse::<u64>().ok());
            let Some(size) = size.filter(|size| *size <= files::LARGEST_FILE) else {
                return Err(strange(VERB, head.as_bytes()));
            };
            // One more than its size: a line feed follows.
            let mut bytes = Vec::new();
            (&mut answers)
                .take(size + 1)
                .read_to_end(&mut bytes)
                .await
                .map_err(pipe)?;
            if bytes.pop() != Some(b'\n') {
                return Err(pipe(std::io::ErrorKind::UnexpectedEof.into()));
            }
            files::add(&mut found, entry.path, bytes)?;
        }
        drop(stdin);
        child.wait().await.map_err(pipe)?;
        Ok(found)
    }
}

/// Mode, kind, object and size, then a tab and the path.
struct Line<'a> {
    mode: &'a str,
    object: &'a str,
    size: &'a str,
    path: &'a [u8],
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let mut words = std::str::from_utf8(&line[..tab])
        .ok()?
        .split_ascii_whitespace();
    let (mode, _kind) = (words.next()?, words.next()?);
    let (object, size) = (words.next()?, words.next()?);
    Some(Line {
        mode,
        object,
        size,
        path: &line[tab + 1..],
    })
}

/// The entry, when it is a file that is wanted and not too large.
fn taken(line: &Line<'_>) -> Result<Option<Entry>, Error> {
    let Ok(path) = std::str::from_utf8(line.path) else {
        return Ok(None);
    };
    if !files::is_wanted(path) || !line.mode.starts_with("100") {
        return Ok(None);
    }
    let size = line
        .size
        .parse()
        .map_err(|_| strange("ls-tree", line.size.as_bytes()))?;
    let entry = Entry {
        path: path.to_owned(),
        object: line.object.to_owned(),
    };
    Ok(files::is_taken(path, size)?.then_some(entry))
}
