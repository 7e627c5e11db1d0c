//! Where actions of other repositories come from, and the lock that says which they are.

use camino::Utf8PathBuf;
use clap::Args;
use cutover_forge::{ActionStore, DEFAULT_ADDRESS, LocalRepository};

use crate::config;

/// Where actions of other repositories come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct Actions {
    /// A directory in place of a repository with actions: its files as they stand, or a repository
    #[arg(
        long = "local-repository",
        value_name = "OWNER/REPO@REF=DIR",
        help_heading = "Actions"
    )]
    pub(crate) local_repositories: Vec<LocalRepository>,
    /// Where `OWNER/REPO` is fetched from
    #[arg(
        long = "actions-url",
        env = "CUTOVER_ACTIONS_URL",
        value_name = "URL",
        default_value = DEFAULT_ADDRESS,
        help_heading = "Actions"
    )]
    pub(crate) address: String,
    /// A file with a token (`TOKEN` or `USER:TOKEN`) for those that are private; or the token in
    /// `CUTOVER_ACTIONS_TOKEN`
    #[arg(
        long = "actions-token-file",
        env = "CUTOVER_ACTIONS_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Actions"
    )]
    pub(crate) token_file: Option<Utf8PathBuf>,
}

impl Actions {
    /// The store that keeps what it fetches below this directory.
    pub(crate) fn store(&self, root: Utf8PathBuf) -> anyhow::Result<ActionStore> {
        let store = ActionStore::new(root, &self.address, self.local_repositories.clone());
        Ok(match config::actions_token(self.token_file.as_deref())? {
            Some(token) => store.with_token(&token)?,
            None => store,
        })
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover lock              write down what is used and not written down yet
  cutover lock --update     take what the refs name now
  cutover lock --check      leave with 1 when it would be written otherwise

`.github/cutover.lock` belongs into the repository: a run that it does not allow does not begin.")]
pub(crate) struct Lock {
    /// The repository
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = "."
    )]
    pub(crate) directory: Utf8PathBuf,
    /// Take what the refs name now, also for what is written down
    #[arg(long)]
    pub(crate) update: bool,
    /// Write nothing; leave with 1 when it would be written otherwise
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) actions: Actions,
}
