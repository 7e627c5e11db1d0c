//! Which runs of `cutover run` are meant.

use camino::Utf8PathBuf;
use clap::Args;

use super::Connection;
use crate::config;

#[derive(Debug, Clone, Args)]
pub(crate) struct Local {
    /// The repository in which `cutover run` was said; no server is asked then
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        help_heading = "Runs of `cutover run`"
    )]
    pub(crate) directory: Option<Utf8PathBuf>,
    /// Where runs are kept: what was said with `cutover run --data-dir`
    #[arg(
        long,
        env = "CUTOVER_RUN_DIR",
        value_name = "DIR",
        help_heading = "Runs of `cutover run`"
    )]
    pub(crate) run_dir: Option<Utf8PathBuf>,
}

impl Local {
    /// What says that no server is meant. The environment is for whoever says nothing.
    pub(crate) fn said(&self) -> Option<&'static str> {
        let run_dir = self.run_dir.as_ref().map(|dir| dir.as_str());
        if self.directory.is_some() {
            Some("-C")
        } else if is_said(run_dir, "CUTOVER_RUN_DIR") {
            Some("--run-dir")
        } else {
            None
        }
    }
}

impl Connection {
    /// What says which server is meant.
    pub(crate) fn said(&self) -> Option<&'static str> {
        let data_dir = self.data_dir.as_ref().map(|dir| dir.as_str());
        if is_said(self.server.as_deref(), "CUTOVER_SERVER") {
            Some("--server")
        } else if is_said(data_dir, "CUTOVER_DATA_DIR") {
            Some("--data-dir")
        } else {
            None
        }
    }
}

fn is_said(said: Option<&str>, name: &str) -> bool {
    said.is_some() && config::environment(name).as_deref() != said
}
