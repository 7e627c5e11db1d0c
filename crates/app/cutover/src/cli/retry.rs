//! Doing more of what has ended: a run, or a deployment.

use camino::Utf8PathBuf;
use clap::Args;

use super::{Actions, Listing, Local};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover retry run_01…                    what failed, each job from the step that failed first
  cutover retry 12 --from 'Run the tests'  from one step on, with the workspace as it was before it
  cutover retry 12 --job test              a job from its beginning, and what needs it
  cutover retry production                 the deployment that failed or was taken back there last
  cutover retry dep_01… --detach

A number is a run of the server when one runs on the data directory, else one of `cutover run` here.
What succeeded keeps its results and its outputs. Secrets of `cutover run` are not kept: give them again.")]
pub(crate) struct Retry {
    /// A run: its number, `hello#12` where several repositories have that number, or its id. Or a deployment: its id, or where it was (`production`,
    /// `hello@production`): the newest there
    #[arg(value_name = "RUN|DEPLOYMENT")]
    pub(crate) what: String,
    /// Of a run: what failed, each job from the step that failed first; so it is when nothing is said
    #[arg(long, conflicts_with_all = ["from", "job"])]
    pub(crate) failed: bool,
    /// Of a run: from this step on; its place from 0, its id or its name
    #[arg(long, value_name = "STEP")]
    pub(crate) from: Option<String>,
    /// Of a run: this job, from its beginning; with --from, the job that has the step
    #[arg(long, value_name = "JOB")]
    pub(crate) job: Option<String>,
    /// Do not wait for its end
    #[arg(long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
    #[command(flatten)]
    pub(crate) here: Here,
}

/// What a run of `cutover run` needs to go on.
#[derive(Debug, Clone, Args)]
pub(crate) struct Here {
    #[command(flatten)]
    pub(crate) local: Local,
    /// A secret (`secrets.K`); without a value, from the environment variable of the same name
    #[arg(
        long = "secret",
        value_name = "K[=V]",
        help_heading = "Runs of `cutover run`"
    )]
    pub(crate) secrets: Vec<String>,
    /// A file with secrets, `K=V` a line
    #[arg(long, value_name = "FILE", help_heading = "Runs of `cutover run`")]
    pub(crate) secret_file: Option<Utf8PathBuf>,
    /// How many jobs at once; default: the number of processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Runs of `cutover run`")]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) actions: Actions,
}

impl Retry {
    /// What is only said of runs, when it was said.
    pub(crate) fn of_runs(&self) -> Option<&'static str> {
        let here = &self.here;
        [
            (self.failed, "--failed"),
            (self.from.is_some(), "--from"),
            (self.job.is_some(), "--job"),
            (here.local.directory.is_some(), "-C"),
            (!here.secrets.is_empty(), "--secret"),
            (here.secret_file.is_some(), "--secret-file"),
            (here.jobs.is_some(), "--jobs"),
        ]
        .into_iter()
        .find_map(|(said, name)| said.then_some(name))
    }
}
