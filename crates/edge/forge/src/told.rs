//! What is told of commits to whoever asks what a push brought: who, when, what for, which files.

use cutover_model::source::Revision;

use crate::{
    Error, Repository, WorkingTree,
    git::{Git, hex, strange},
    repository::Person,
};

/// A commit with the files that it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: Revision,
    /// The id of its tree.
    pub tree: String,
    /// The commits before it, the first one first.
    pub parents: Vec<Revision>,
    /// Who wrote it, as it claims.
    pub author: Person,
    /// Who committed it, as it claims.
    pub committer: Person,
    /// When it was committed, as it claims: RFC 3339.
    pub at: String,
    /// All of its message.
    pub message: String,
    /// Paths that are new in it, against its first parent.
    pub added: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
    /// Paths that differ.
    pub modified: Vec<String>,
}

/// The most commits that are told of.
const MOST: &str = "--max-count=100";

/// Parts are set apart by characters that nobody types.
const FORMAT: &str = "--format=%x1e%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%cn%x1f%ce%x1f%cI%x1f%B%x1d";

impl Repository {
    /// The newest commits that `until` has and `since` has not, at most 100, the oldest first. Without
    /// a `since`, or when it is gone, only the last one.
    pub async fn told(
        &self,
        since: Option<&Revision>,
        until: &Revision,
    ) -> Result<Vec<Told>, Error> {
        let log = asked(self.git(VERB)).args([MOST, hex(until)?]);
        let since = match since {
            Some(since) if self.has(since).await? => Some(since),
            Some(_) | None => None,
        };
        let log = match since {
            Some(since) => log.arg(format!("^{}", hex(since)?)),
            None => log.arg("--max-count=1"),
        };
        let mut told = read(&log.arg("--").bytes().await?)?;
        told.reverse();
        Ok(told)
    }
}

impl WorkingTree {
    /// The commit that is checked out; `None` before the first.
    pub async fn told(&self) -> Result<Option<Told>, Error> {
        let log = asked(self.git(VERB)).args(["--max-count=1", "HEAD", "--"]);
        let output = log.finish().await?;
        if !output.status.success() {
            return Ok(None);
        }
        Ok(read(&output.stdout)?.pop())
    }

    /// The paths that differ from a commit as the files stand, or are new and not ignored.
    pub async fn changed_since(&self, since: &Revision) -> Result<Vec<String>, Error> {
        let diff = self
            .git("diff")
            .args(["--name-only", "--no-renames", "-z", hex(since)?, "--"]);
        let new =
            self.git("ls-files")
                .args(["-z", "--others", "--exclude-standard", "--full-name"]);
        let (diff, new) = tokio::try_join!(diff.bytes(), new.bytes())?;
        let mut paths: Vec<String> = [diff, new]
            .iter()
            .flat_map(|bytes| bytes.split(|byte| *byte == 0))
            .filter(|path| !path.is_empty())
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect();
        paths.sort_unstable();
        paths.dedup();
        Ok(paths)
    }
}

const VERB: &str = "log";

fn asked(git: Git) -> Git {
    git.args([
        "-z",
        "--name-status",
        "--no-renames",
        "--no-color",
        "--no-show-signature",
        "--diff-merges=first-parent",
        "--root",
        FORMAT,
    ])
}

fn read(bytes: &[u8]) -> Result<Vec<Told>, Error> {
    let text = String::from_utf8_lossy(bytes);
    text.split('\u{1e}')
        .skip(1)
        .map(|part| one(part).ok_or_else(|| strange(VERB, part.as_bytes())))
        .collect()
}

fn one(text: &str) -> Option<Told> {
    let (facts, files) = text.split_once('\u{1d}')?;
    let facts: Vec<&str> = facts.splitn(9, '\u{1f}').collect();
    let [id, tree, parents, name, email, by, by_email, at, message] = facts.as_slice() else {
        return None;
    };
    let person = |name: &str, email: &str| Person {
        name: name.to_owned(),
        email: email.to_owned(),
    };
    let mut told = Told {
        id: Revision((*id).to_owned()),
        tree: (*tree).to_owned(),
        parents: parents
            .split_whitespace()
            .map(|id| Revision(id.to_owned()))
            .collect(),
        author: person(name, email),
        committer: person(by, by_email),
        at: (*at).to_owned(),
        message: message.trim_end().to_owned(),
        added: Vec::new(),
        removed: Vec::new(),
        modified: Vec::new(),
    };
    let mut words = files
        .split('\0')
        .map(|word| word.trim_start_matches('\n'))
        .filter(|word| !word.is_empty());
    while let (Some(status), Some(path)) = (words.next(), words.next()) {
        let list = match status {
            "A" => &mut told.added,
            "D" => &mut told.removed,
            _ => &mut told.modified,
        };
        list.push(path.to_owned());
    }
    Some(told)
}
