//! Actions of other repositories: fetched once by git, kept as git's own objects, and written out file
//! by file with every object held against its id. Which ones a workflow may use is decided elsewhere.
//!
//! Nothing of an action runs here: there is no checkout, hence no hook, no filter and no submodule.

mod import;
mod objects;
mod place;
mod remote;
mod token;
mod working_copy;

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::plan::ActionTree;

pub(crate) use self::token::Token;
pub use self::token::TokenError;
use crate::{
    Error, Files,
    checkout::blocking,
    git::{Git, Place},
};

/// Where actions are fetched when nothing else is said.
pub const DEFAULT_ADDRESS: &str = "https://github.com";

/// The actions that this machine has, and the way to more.
#[derive(Debug, Clone)]
pub struct ActionStore(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    /// One bare repository for each that was asked for.
    root: Utf8PathBuf,
    /// What `owner/repository` stands behind.
    address: String,
    local: Vec<LocalRepository>,
    token: Option<Token>,
}

/// `owner/repository@ref=DIR`: a directory that is taken for a repository at a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRepository {
    /// `owner/repository`.
    pub repository: String,
    /// What stands behind the `@`.
    pub git_ref: String,
    /// A directory with the files as they are to be, or a repository.
    pub directory: Utf8PathBuf,
}

/// A text that does not say which directory stands for which repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say which directory stands for what: write `OWNER/REPO@REF=DIR`")]
pub struct ParseLocalRepositoryError(String);

impl FromStr for LocalRepository {
    type Err = ParseLocalRepositoryError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseLocalRepositoryError(text.to_owned());
        let (name, directory) = text.split_once('=').ok_or_else(wrong)?;
        let (repository, git_ref) = name.split_once('@').ok_or_else(wrong)?;
        let two_parts = repository.split_once('/').is_some_and(|(owner, rest)| {
            !owner.is_empty() && !rest.is_empty() && !rest.contains('/')
        });
        if !two_parts || git_ref.is_empty() || directory.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            repository: repository.to_owned(),
            git_ref: git_ref.to_owned(),
            directory: directory.into(),
        })
    }
}

/// How far to go for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To where it is published, when it is not here.
    Network,
    /// Not beyond this machine.
    Here,
}

/// What somebody has written down about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The commit; empty when it is of none.
    pub commit: String,
    /// The tree.
    pub tree: String,
}

/// Why an action cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// Nobody may go and look.
    #[error("`{0}` has not been fetched yet")]
    NotHere(String),
    /// There is no such ref.
    #[error("`{repository}` has no branch or tag `{git_ref}`")]
    NoRef {
        /// The repository.
        repository: String,
        /// The ref.
        git_ref: String,
    },
    /// Whoever has it wants to know who asks, or does not know of it.
    #[error(
        "`{repository}` is private, or not there: {}",
        if *.with_token { "the token for actions does not open it" } else {
            "a token for it goes into `CUTOVER_ACTIONS_TOKEN` or the file of `--actions-token-file`"
        }
    )]
    Closed {
        /// The repository.
        repository: String,
        /// Whether there was a token.
        with_token: bool,
    },
    /// The one that is there is not the one that was written down.
    #[error("`{name}` has the tree {found}, and the lock says {wanted}: nothing of it is run")]
    OtherTree {
        /// `owner/repository@ref`.
        name: String,
        /// What is there.
        found: String,
        /// What was written down.
        wanted: String,
    },
    /// A directory stands for it, and cannot.
    #[error("`{directory}` cannot stand for `{name}`")]
    Local {
        /// `owner/repository@ref`.
        name: String,
        /// The directory.
        directory: Utf8PathBuf,
        /// Why not.
        #[source]
        source: Box<Self>,
    },
    /// An object is not what its id says, or no action could have it.
    #[error("`{what}` in the store of actions {fault}")]
    Object {
        /// Which.
        what: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Git, or the disk.
    #[error(transparent)]
    Forge(#[from] Error),
}

impl ActionError {
    /// The whole of it in one line, causes included.
    pub fn in_full(&self) -> String {
        use std::error::Error as _;
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(next) = cause {
            text = format!("{text}: {next}");
            cause = next.source();
        }
        text
    }

    fn object(what: impl fmt::Display, fault: impl Into<String>) -> Self {
        Self::Object {
            what: what.to_string(),
            fault: fault.into(),
        }
    }
}

/// An action that is here.
#[derive(Debug, Clone)]
pub struct FoundAction {
    /// Which files exactly.
    pub tree: ActionTree,
    /// Those of them that compiling needs.
    pub files: Files,
}

impl ActionStore {
    /// Keeps what it fetches below `root`; `address` is where `owner/repository` is looked for, a URL or
    /// a directory.
    pub fn new(root: Utf8PathBuf, address: &str, local: Vec<LocalRepository>) -> Self {
        Self(Arc::new(Inner {
            root,
            address: address.trim_end_matches('/').to_owned(),
            local,
            token: None,
        }))
    }

    fn lending(&self, token: Token) -> Self {
        Self(Arc::new(Inner {
            token: Some(token),
            ..Inner::clone(&self.0)
        }))
    }

    /// Whether a directory of this machine stands for it.
    pub fn is_local(&self, repository: &str, git_ref: &str) -> bool {
        self.local(repository, git_ref).is_some()
    }

    fn local(&self, repository: &str, git_ref: &str) -> Option<&LocalRepository> {
        self.0.local.iter().find(|local| {
            local.repository.eq_ignore_ascii_case(repository) && local.git_ref == git_ref
        })
    }

    /// The action of a repository at a ref. With a pin it is what the pin says, or an error; without
    /// one it is what the ref names now.
    pub async fn find(
        &self,
        repository: &str,
        git_ref: &str,
        pin: Option<&Pinned>,
        reach: Reach,
    ) -> Result<FoundAction, ActionError> {
        let bare = self.bare(repository).await?;
        let (commit, tree) = match self.local(repository, git_ref) {
            Some(local) => {
                import::import(&bare, local)
                    .await
                    .map_err(|error| ActionError::Local {
                        name: format!("{repository}@{git_ref}"),
                        directory: local.directory.clone(),
                        source: Box::new(error),
                    })?
            }
            None => {
                self.published(&bare, repository, git_ref, pin, reach)
                    .await?
            }
        };
        if let Some(pin) = pin.filter(|pin| pin.tree != tree) {
            return Err(ActionError::OtherTree {
                name: format!("{repository}@{git_ref}"),
                found: tree,
                wanted: pin.tree.clone(),
            });
        }
        let files = place::definitions(&bare, &tree).await?;
        Ok(FoundAction {
            tree: ActionTree {
                repository: repository.to_owned(),
                git_ref: git_ref.to_owned(),
                commit: pin.map_or(commit, |pin| pin.commit.clone()),
                tree,
            },
            files,
        })
    }

    /// Commit and tree of what is published under a ref.
    async fn published(
        &self,
        bare: &Utf8Path,
        repository: &str,
        git_ref: &str,
        pin: Option<&Pinned>,
        reach: Reach,
    ) -> Result<(String, String), ActionError> {
        if let Some(pin) = pin
            && remote::is_complete(bare, &pin.tree).await?
        {
            return Ok((pin.commit.clone(), pin.tree.clone()));
        }
        let remote = remote::Remote {
            bare,
            url: format!("{}/{repository}", self.0.address),
            repository,
            git_ref,
            token: self.0.token.as_ref(),
        };
        let pinned = pin.map(|pin| pin.commit.as_str());
        remote
            .get(pinned.filter(|commit| !commit.is_empty()), reach)
            .await
    }

    /// Writes the files of an action into a directory that nobody else uses, each object held against
    /// its id on the way: what is there afterwards is what the tree says. What is there before is left
    /// as it is.
    pub async fn place(&self, action: &ActionTree, into: &Utf8Path) -> Result<(), ActionError> {
        let bare = self.bare(&action.repository).await?;
        let (tree, into) = (action.tree.clone(), into.to_owned());
        place::place(&bare, &tree, &into).await
    }

    /// The repository in which the objects of another one are kept.
    async fn bare(&self, repository: &str) -> Result<Utf8PathBuf, ActionError> {
        let path = self
            .0
            .root
            .join(format!("{}.git", repository.to_ascii_lowercase()));
        if path.join("HEAD").exists() {
            return Ok(path);
        }
        let parent = path.clone();
        blocking(move || std::fs::create_dir_all(&parent).map_err(Error::file("create", parent)))
            .await?;
        Git::new(&Place::Nowhere, "init")
            .args(["--quiet", "--bare", "--template=", "--"])
            .arg(&path)
            .run()
            .await?;
        Ok(path)
    }
}

/// A call of git in one of our own repositories.
fn git(bare: &Utf8Path, verb: &'static str) -> Git {
    let place = Place::Ours {
        git_dir: bare,
        work_tree: None,
    };
    // Nothing is asked for but by these ways, whatever an address or an answer says.
    Git::new(&place, verb).env("GIT_ALLOW_PROTOCOL", "https:http:file")
}

/// The definitions of an action's files, by path.
type Definitions = BTreeMap<String, Vec<u8>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_directory_stands_for_what() {
        let local: LocalRepository = "some/tools@v1=../tools".parse().unwrap();
        assert_eq!(
            (local.repository.as_str(), local.git_ref.as_str()),
            ("some/tools", "v1")
        );
        assert_eq!(local.directory, "../tools");
        for wrong in ["", "a@v1=d", "a/b=d", "a/b@=d", "a/b@v1=", "a/b/c@v1=d"] {
            assert!(wrong.parse::<LocalRepository>().is_err(), "{wrong}");
        }
    }
}
