//! One repository somewhere else: what a ref names there, and the objects of one commit.

use camino::Utf8Path;

use super::{ActionError, Reach, git, token::Token};
use crate::{Error, checkout::blocking, git::Git};

/// A repository somewhere else, at a ref.
pub(super) struct Remote<'a> {
    /// Where its objects are kept.
    pub(super) bare: &'a Utf8Path,
    pub(super) url: String,
    pub(super) repository: &'a str,
    pub(super) git_ref: &'a str,
    pub(super) token: Option<&'a Token>,
}

impl Remote<'_> {
    /// The commit and its tree, fetched when they are not here. `pinned` is the commit that is to be
    /// had, whatever the ref names now.
    pub(super) async fn get(
        &self,
        pinned: Option<&str>,
        reach: Reach,
    ) -> Result<(String, String), ActionError> {
        let fixed = pinned.or_else(|| is_id(self.git_ref).then_some(self.git_ref));
        let commit = match (fixed, reach) {
            (Some(commit), _) => commit.to_owned(),
            (None, Reach::Network) => self.ask().await?,
            (None, Reach::Here) => self.remembered().await?.ok_or_else(|| self.not_here())?,
        };
        if !is_id(&commit) {
            return Err(ActionError::object(commit, "is not the id of a commit"));
        }
        if let Some(tree) = self.tree_of(&commit).await? {
            self.remember(&commit).await?;
            return Ok((commit, tree));
        }
        if reach == Reach::Here {
            return Err(self.not_here());
        }
        self.fetch(&commit).await?;
        let tree = self.tree_of(&commit).await?;
        let tree = tree.ok_or_else(|| ActionError::object(&commit, "did not come"))?;
        self.remember(&commit).await?;
        Ok((commit, tree))
    }

    fn not_here(&self) -> ActionError {
        ActionError::NotHere(format!("{}@{}", self.repository, self.git_ref))
    }

    /// What the ref names there now; a tag before a branch of the same name.
    async fn ask(&self) -> Result<String, ActionError> {
        let tag = format!("refs/tags/{}", self.git_ref);
        let peeled = format!("{tag}^{{}}");
        let branch = format!("refs/heads/{}", self.git_ref);
        let mut wanted = vec![peeled, tag, branch];
        if self.git_ref == "HEAD" || self.git_ref.starts_with("refs/") {
            wanted.push(self.git_ref.to_owned());
        }
        let answer = self
            .patient("ls-remote")
            .args(["--quiet", "--"])
            .arg(&self.url)
            .args(&wanted)
            .text()
            .await
            .map_err(|error| self.fault(error))?;
        let named = |name: &str| {
            answer.lines().find_map(|line| {
                let (id, found) = line.split_once('\t')?;
                (found == name).then(|| id.to_owned())
            })
        };
        let found = wanted.iter().find_map(|name| named(name));
        found.ok_or_else(|| ActionError::NoRef {
            repository: self.repository.to_owned(),
            git_ref: self.git_ref.to_owned(),
        })
    }

    /// Brings one commit with its files and without its history.
    async fn fetch(&self, commit: &str) -> Result<(), ActionError> {
        let lock = self.bare.join("cutover.lock");
        // Two of us at once would find the files of git's own locks in their way.
        let held = blocking(move || {
            let file = std::fs::File::create(&lock).map_err(Error::file("create", &lock))?;
            file.lock().map_err(Error::file("lock", &lock))?;
            Ok(file)
        })
        .await?;
        self.patient("fetch")
            .args([
                "--quiet",
                "--depth=1",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--no-auto-maintenance",
                "--",
            ])
            .arg(&self.url)
            .arg(commit)
            .run()
            .await
            .map_err(|error| self.fault(error))?;
        drop(held);
        Ok(())
    }

    /// A call that speaks to the other side. Gives up on a line on which nothing comes; asks no person for
    /// a password.
    fn patient(&self, verb: &'static str) -> Git {
        let git = git(self.bare, verb)
            .env("GIT_HTTP_LOW_SPEED_LIMIT", "100")
            .env("GIT_HTTP_LOW_SPEED_TIME", "30")
            .env("GIT_LFS_SKIP_SMUDGE", "1");
        match self.token {
            Some(token) => token.lend(git),
            None => git,
        }
    }

    /// What git says when it was asked who it is, in our words.
    fn fault(&self, error: Error) -> ActionError {
        let is_closed = |said: &str| {
            ["could not read Username", "Authentication failed"]
                .iter()
                .any(|sign| said.contains(sign))
        };
        match &error {
            Error::Git { stderr, .. } if is_closed(stderr) => ActionError::Closed {
                repository: self.repository.to_owned(),
                with_token: self.token.is_some(),
            },
            _ => error.into(),
        }
    }

    /// The tree of a commit whose objects are all here; `None` when it has not been fetched.
    async fn tree_of(&self, commit: &str) -> Result<Option<String>, ActionError> {
        let tree = git(self.bare, "rev-parse")
            .args(["--verify", "--quiet", "--end-of-options"])
            .arg(format!("{commit}^{{tree}}"))
            .answer()
            .await?;
        Ok(tree.filter(|tree| is_id(tree)))
    }

    async fn remember(&self, commit: &str) -> Result<(), ActionError> {
        let name = self.memory();
        git(self.bare, "update-ref")
            .args([name.as_str(), commit])
            .run()
            .await?;
        Ok(())
    }

    async fn remembered(&self) -> Result<Option<String>, ActionError> {
        let found = git(self.bare, "rev-parse")
            .args(["--verify", "--quiet", "--end-of-options"])
            .arg(self.memory())
            .answer()
            .await?;
        Ok(found)
    }

    /// A ref of ours for theirs; as digits, so that none is in the way of another.
    fn memory(&self) -> String {
        format!("refs/cutover/{}", hex::encode(self.git_ref))
    }
}

/// Whether a tree is here, and was fetched or imported as a whole.
pub(super) async fn is_complete(bare: &Utf8Path, tree: &str) -> Result<bool, ActionError> {
    if !is_id(tree) {
        return Err(ActionError::object(tree, "is not the id of a tree"));
    }
    let there = git(bare, "cat-file")
        .args(["-e", &format!("{tree}^{{tree}}")])
        .answer()
        .await?;
    Ok(there.is_some())
}

/// The digits of an object of either kind of repository.
pub(super) fn is_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    matches!(text.len(), 40 | 64) && text.bytes().all(digit)
}
