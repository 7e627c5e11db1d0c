//! Commits and the tags that mark versions among them.

use cutover_model::{Timestamp, source::Revision};
use semver::Version;

use crate::{
    Error, Repository,
    git::{self, hex, strange},
    repository::{Person, signed_by},
};

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: Revision,
    /// All of its message.
    pub message: String,
    /// `Name <address>`, as it claims.
    pub author: String,
    /// When it was committed, as it claims.
    pub at: Timestamp,
}

impl Repository {
    /// The commits that `until` has and `since` has not, the newest first; all without a `since`.
    pub async fn commits(
        &self,
        since: Option<&Revision>,
        until: &Revision,
    ) -> Result<Vec<Commit>, Error> {
        let mut log = self
            .git("log")
            .args(["-z", "--format=%H%n%ct%n%an <%ae>%n%B", hex(until)?]);
        if let Some(since) = since {
            log = log.arg(format!("^{}", hex(since)?));
        }
        let bytes = log.arg("--").bytes().await?;
        let texts = bytes
            .split(|byte| *byte == 0)
            .filter(|text| !text.is_empty());
        texts
            .map(|text| commit(text).ok_or_else(|| strange("log", text)))
            .collect()
    }

    /// When a revision was committed, as it claims.
    pub async fn commit_time(&self, revision: &Revision) -> Result<Timestamp, Error> {
        let log = self
            .git("log")
            .args(["-1", "--format=%ct", hex(revision)?, "--"]);
        let text = log.text().await?;
        seconds(&text).ok_or_else(|| strange("log", text.as_bytes()))
    }

    /// The tag of the highest version (`v1.2.3`, nothing behind it) that `until` has, and its commit.
    pub async fn last_version_tag(
        &self,
        until: &Revision,
    ) -> Result<Option<(String, Revision)>, Error> {
        const VERB: &str = "for-each-ref";
        let tags = self.git(VERB).args([
            "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname:strip=2)",
            &format!("--merged={}", hex(until)?),
            "refs/tags/v*",
        ]);
        let text = tags.text().await?;
        let newest = text
            .lines()
            .filter_map(version_tag)
            .max_by(|a, b| a.0.cmp(&b.0));
        let Some((_, tag, object)) = newest else {
            return Ok(None);
        };
        Ok(Some((tag.to_owned(), git::revision(VERB, object)?)))
    }

    /// Sets a tag with a message. To set it once more at the same revision changes nothing; at
    /// another it is refused.
    pub async fn create_tag(
        &self,
        name: &str,
        revision: &Revision,
        message: &str,
        tagger: &Person,
        at: Timestamp,
    ) -> Result<(), Error> {
        let full = format!("refs/tags/{name}");
        let valid = self
            .git("check-ref-format")
            .arg(&full)
            .answer()
            .await?
            .is_some();
        if !valid || name.starts_with('-') {
            return Err(Error::RefName(name.to_owned()));
        }
        if self.tag_is_at(name, &full, revision).await? {
            return Ok(());
        }
        let tag = self
            .git("tag")
            .args(["--annotate", "--cleanup=verbatim", "--file=-"]);
        let tag = tag
            .args(["--end-of-options", name, hex(revision)?])
            .input(message);
        let made = signed_by(tag, tagger, at).run().await;
        if made.is_err() && self.tag_is_at(name, &full, revision).await? {
            // Somebody else was faster, and said the same.
            return Ok(());
        }
        made
    }

    async fn tag_is_at(&self, tag: &str, full: &str, wanted: &Revision) -> Result<bool, Error> {
        let commit = format!("{full}^{{commit}}");
        let found = self
            .git("rev-parse")
            .args(["--verify", "--quiet", &commit])
            .answer()
            .await?;
        match found {
            None => Ok(false),
            Some(found) if found == wanted.0 => Ok(true),
            Some(found) => Err(Error::TagElsewhere {
                tag: tag.to_owned(),
                found,
                wanted: wanted.to_string(),
            }),
        }
    }
}

fn commit(text: &[u8]) -> Option<Commit> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.splitn(4, '\n');
    let id = git::revision("log", lines.next()?).ok()?;
    let at = seconds(lines.next()?)?;
    let author = lines.next()?.to_owned();
    let message = lines.next()?.trim_end().to_owned();
    Some(Commit {
        id,
        message,
        author,
        at,
    })
}

fn seconds(text: &str) -> Option<Timestamp> {
    text.parse::<i64>().ok()?.checked_mul(1_000).map(Timestamp)
}

/// The version, the name and the commit of a line of tags, when it has all three.
fn version_tag(line: &str) -> Option<(Version, &str, &str)> {
    let words: Vec<&str> = line.split(' ').collect();
    let (["commit", object, "", "", tag] | ["tag", _, "commit", object, tag]) = words[..] else {
        return None;
    };
    let version = Version::parse(tag.strip_prefix('v')?).ok()?;
    (version.pre.is_empty() && version.build.is_empty()).then_some((version, tag, object))
}
