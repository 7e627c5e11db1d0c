//! Which refs there are, and what a push did to them.

use std::collections::BTreeMap;

use cutover_model::source::{GitRef, Revision};

use crate::{Error, Repository, git};

/// One ref that a push changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Its full name.
    pub git_ref: GitRef,
    /// Where it stood; absent when it is new.
    pub before: Option<Revision>,
    /// Where it stands, for a tag with a message the commit behind it; absent when it is gone.
    pub after: Option<Revision>,
}

/// Refs with the commits behind them.
pub(crate) type Refs = BTreeMap<String, Revision>;

impl Repository {
    /// All refs with the commits behind them.
    pub async fn refs(&self) -> Result<BTreeMap<GitRef, Revision>, Error> {
        let refs = read(self).await?;
        Ok(refs
            .into_iter()
            .map(|(name, revision)| (GitRef(name), revision))
            .collect())
    }

    /// What a person means by a text: a branch, a tag, a full ref or a whole commit id, in this
    /// order; with the commit behind it.
    pub async fn find(&self, text: &str) -> Result<(Revision, GitRef), Error> {
        let refs = self.refs().await?;
        let names = [
            format!("refs/heads/{text}"),
            format!("refs/tags/{text}"),
            text.to_owned(),
        ];
        for name in names {
            let name = GitRef(name);
            if let Some(revision) = refs.get(&name) {
                return Ok((revision.clone(), name));
            }
        }
        let revision = Revision(text.to_owned());
        if self.has(&revision).await? {
            return Ok((revision.clone(), GitRef(revision.0)));
        }
        Err(Error::Revision(text.to_owned()))
    }
}

pub(crate) async fn read(repository: &Repository) -> Result<Refs, Error> {
    const VERB: &str = "for-each-ref";
    let format = "--format=%(objectname) %(*objectname) %(refname)";
    let text = repository.git(VERB).arg(format).text().await?;
    let mut refs = Refs::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(object), Some(behind), Some(name)) = (words.next(), words.next(), words.next())
        else {
            return Err(git::strange(VERB, line.as_bytes()));
        };
        let object = if behind.is_empty() { object } else { behind };
        refs.insert(name.to_owned(), git::revision(VERB, object)?);
    }
    Ok(refs)
}

/// What differs between two looks, in the order of names.
pub(crate) fn difference(before: &Refs, after: &Refs) -> Vec<RefUpdate> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut names: Vec<&String> = gone.chain(after.keys()).collect();
    names.sort();
    let updates = names.into_iter().map(|name| RefUpdate {
        git_ref: GitRef(name.clone()),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    });
    updates
        .filter(|update| update.before != update.after)
        .collect()
}
