//! Git's objects, asked for one after the other, each held against its id before anybody sees it.

use std::process::Stdio;

use camino::Utf8Path;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout},
};

use super::{ActionError, git};
use crate::Error;

const VERB: &str = "cat-file";

/// The largest object that any action has.
const LARGEST: u64 = 256 << 20;

/// A conversation about the objects of one repository.
pub(super) struct Objects {
    stdin: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Ends with us.
    _child: Child,
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Executable,
    Link,
    /// A commit of another repository: its files are not part of this one.
    Submodule,
}

impl Objects {
    pub(super) fn open(bare: &Utf8Path) -> Result<Self, ActionError> {
        let mut child = git(bare, VERB)
            .arg("--batch")
            .stdin(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken(std::io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self {
            stdin,
            answers: BufReader::with_capacity(1 << 16, stdout),
            _child: child,
        })
    }

    /// The bytes of a file or the text of a link.
    pub(super) async fn blob(&mut self, id: &str) -> Result<Vec<u8>, ActionError> {
        self.read(id, "blob").await
    }

    /// The entries of a tree.
    pub(super) async fn tree(&mut self, id: &str) -> Result<Vec<Entry>, ActionError> {
        let bytes = self.read(id, "tree").await?;
        entries(&bytes, id.len() / 2).map_err(|fault| ActionError::object(id, fault))
    }

    async fn read(&mut self, id: &str, kind: &str) -> Result<Vec<u8>, ActionError> {
        self.stdin
            .write_all(format!("{id}\n").as_bytes())
            .await
            .map_err(broken)?;
        let mut head = String::new();
        self.answers.read_line(&mut head).await.map_err(broken)?;
        let mut words = head.trim_end().split(' ').skip(1);
        let (found, size) = (words.next().unwrap_or_default(), words.next());
        let Some(size) = size.and_then(|size| size.parse::<u64>().ok()) else {
            return Err(ActionError::object(id, "is not there"));
        };
        if found != kind || size > LARGEST {
            let fault = format!("is a {found} of {size} bytes, which is not what an action has");
            return Err(ActionError::object(id, fault));
        }
        // One more than its size: a line feed follows.
        let mut bytes = Vec::new();
        (&mut self.answers)
            .take(size + 1)
            .read_to_end(&mut bytes)
            .await
            .map_err(broken)?;
        bytes.pop();
        if name_of(kind, &bytes, id.len()) != id {
            return Err(ActionError::object(id, "is not what its id says"));
        }
        Ok(bytes)
    }
}

fn broken(source: std::io::Error) -> ActionError {
    ActionError::Forge(Error::Pipe { verb: VERB, source })
}

/// The id of an object, by its kind and content; of the length that ids have in its repository.
fn name_of(kind: &str, bytes: &[u8], digits: usize) -> String {
    let head = format!("{kind} {}\0", bytes.len());
    if digits == 64 {
        let hash = Sha256::new().chain_update(&head).chain_update(bytes);
        hex::encode(hash.finalize())
    } else {
        let hash = Sha1::new().chain_update(&head).chain_update(bytes);
        hex::encode(hash.finalize())
    }
}

/// Reads `MODE NAME\0ID`, again and again.
fn entries(mut bytes: &[u8], id_length: usize) -> Result<Vec<Entry>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (entry, rest) = entry(bytes, id_length).ok_or("is not a tree that can be read")?;
        found.push(entry?);
        bytes = rest;
    }
    Ok(found)
}

fn entry(bytes: &[u8], id_length: usize) -> Option<(Result<Entry, String>, &[u8])> {
    let blank = bytes.iter().position(|byte| *byte == b' ')?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (mode, name) = (bytes.get(..blank)?, bytes.get(blank + 1..end)?);
    let id = bytes.get(end + 1..end + 1 + id_length)?;
    let rest = bytes.get(end + 1 + id_length..)?;
    let id = hex::encode(id);
    let made = match (kind(mode), std::str::from_utf8(name)) {
        (Some(kind), Ok(name)) if is_plain(name) => Ok(Entry {
            name: name.to_owned(),
            id,
            kind,
        }),
        _ => Err(format!(
            "has an entry `{}` that no action may have",
            String::from_utf8_lossy(name)
        )),
    };
    Some((made, rest))
}

fn kind(mode: &[u8]) -> Option<Kind> {
    Some(match mode {
        b"40000" | b"040000" => Kind::Directory,
        b"100755" => Kind::Executable,
        b"120000" => Kind::Link,
        b"160000" => Kind::Submodule,
        mode if mode.starts_with(b"100") => Kind::File,
        _ => return None,
    })
}

/// A name that stays where it is written.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.eq_ignore_ascii_case(".git")
        && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        assert_eq!(name_of("tree", b"", 40), empty);
        let hello = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(name_of("blob", b"hello\n", 40), hello);
        assert_eq!(name_of("blob", b"", 64).len(), 64);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let tree = |name: &str| {
            let mut bytes = format!("100644 {name}\0").into_bytes();
            bytes.extend([7; 20]);
            bytes
        };
        assert_eq!(entries(&tree("a.js"), 20).unwrap()[0].name, "a.js");
        for wrong in ["..", ".", "", ".GIT", "a/b", "a\\b"] {
            assert!(entries(&tree(wrong), 20).is_err(), "{wrong}");
        }
        assert!(entries(b"100644 a", 20).is_err());
        assert!(entries(b"777777 a\0aaaaaaaaaaaaaaaaaaaa", 20).is_err());
    }
}
