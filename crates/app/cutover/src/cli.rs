//! The command line: verbs, their arguments, their help.

mod actions;
mod delivery;
mod local;
mod retry;
pub(crate) mod values;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use cutover_model::source::TriggerKind;

pub(crate) use actions::{Actions, Lock};
pub(crate) use delivery::{
    Deploy, Diff, Freeze, Gc, History, OneDeployment, Promote, Rejudge, Resume, Rollback, Unfreeze,
};
pub(crate) use local::Local;
pub(crate) use retry::Retry;
use values::{env, event, log, matrix_value, pair, place, var};

/// From git push to safe production traffic, in one binary.
#[derive(Debug, Parser)]
#[command(name = "cutover", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  cutover demo                        see the whole way on this machine, in a minute
  cutover run                         run what a push would run, here, on the tree as it stands
  cutover serve                       host repositories, run their workflows, deploy
  cutover status                      what runs, waits and bakes, and on what

Exit codes: 0 done · 1 the thing failed · 2 usage · 3 a gate or a person said no · 4 nothing to do · 70 our fault";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole way: push, test, gate, release, build, deploy, break, roll back
    Demo(Demo),
    /// Run workflows here, now, on the working tree as it stands
    Run(Run),
    /// Compile workflows and `cutover.yml`, and say what is wrong in them
    Lint(Lint),
    /// Show the compiled plan of a workflow, or what a deployment would do
    Plan(Plan),
    /// Write down which actions of other repositories are used, by commit and tree
    Lock(Lock),
    /// The server: git hosting, runs, approvals, deployments, the page
    Serve(Serve),
    /// What runs, waits and bakes, and on what
    Status(Status),
    /// List runs
    Runs(Runs),
    /// Show the log of a run
    Logs(Logs),
    /// List what a run has kept, or bring it here
    Artifacts(Artifacts),
    /// List releases: what can be deployed
    Releases(Releases),
    /// List deployments, or tell one from beginning to end
    History(History),
    /// What differs between environments and releases
    Diff(Diff),
    /// Deploy a release to an environment
    Deploy(Deploy),
    /// Deploy the release before the current one
    Rollback(Rollback),
    /// Stop a rollout; traffic goes back
    #[command(after_help = "Examples:
  cutover abort production
  cutover abort dep_01…")]
    Abort(OneDeployment),
    /// Hold a rollout where it is
    #[command(after_help = "Examples:
  cutover pause production
  cutover pause dep_01…")]
    Pause(OneDeployment),
    /// Let a rollout go on, or lift the hold of a rollback
    Resume(Resume),
    /// Let the present step of a rollout be enough
    Promote(Promote),
    /// Do more of a run that has ended, or deploy once more what failed or was taken back
    Retry(Retry),
    /// Judge a deployment again, by other numbers; nothing comes of it
    Rejudge(Rejudge),
    /// Let nothing be deployed for a while; the way back stays open
    Freeze(Freeze),
    /// Lift a freeze
    Unfreeze(Unfreeze),
    /// Throw away packages that nobody goes back to
    Gc(Gc),
    /// Say yes to an open question
    Approve(AnswerGate),
    /// Say no to an open question
    Reject(AnswerGate),
    /// Ask for a workflow by hand, or for whatever listens to a word
    Dispatch(Dispatch),
    /// End a run
    Cancel(Cancel),
    /// Users and their tokens
    #[command(subcommand)]
    User(User),
    /// Stop every instance and the balancer of a server
    #[command(after_help = "Examples:
  cutover down
  cutover down --data-dir /srv/cutover")]
    Down(Listing),
    /// Tell why something did or did not run, or more about an error code
    Explain(Explain),
    /// Evaluate expressions of workflows
    Expr(Expr),
    /// Print shell completions
    Completions(Completions),
    /// The load balancer's process
    #[command(hide = true)]
    Balancer(Balancer),
    /// The demo's little HTTP service
    #[command(hide = true)]
    DemoService(DemoService),
    /// Steady requests against an address, and what became of them
    #[command(hide = true)]
    Load(Load),
}

/// Which server is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Address of the server; default: the one that runs on the data directory
    #[arg(
        long,
        env = "CUTOVER_SERVER",
        value_name = "URL",
        help_heading = "Server"
    )]
    pub(crate) server: Option<String>,
    /// Token of a user; default: the one in the data directory
    #[arg(
        long,
        env = "CUTOVER_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub(crate) token: Option<String>,
    /// The server's data directory
    #[arg(
        long,
        env = "CUTOVER_DATA_DIR",
        value_name = "DIR",
        help_heading = "Server"
    )]
    pub(crate) data_dir: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover demo                             until Ctrl-C, with a page to look at
  cutover demo --once --rate 50")]
pub(crate) struct Demo {
    /// End after the table; exit 0 only if everything held
    #[arg(long)]
    pub(crate) once: bool,
    /// Print what happened as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Requests per second while deploying
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub(crate) rate: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover run                              what a push of this branch would run
  cutover run ci.yml --job test            one job and what it needs
  cutover run deploy.yml --event workflow_dispatch --input environment=staging
  cutover run --secret-file .secrets --var REGION=eu-north-1")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and they do not depend on each other"
)]
pub(crate) struct Run {
    /// Workflow: its path or its file's name; default: all that a push would run
    pub(crate) workflow: Option<String>,
    /// The workflow, as above, for those who like it named
    #[arg(
        short = 'W',
        long = "workflow",
        value_name = "FILE",
        conflicts_with = "workflow"
    )]
    pub(crate) file: Option<String>,
    /// The repository
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = "."
    )]
    pub(crate) directory: Utf8PathBuf,
    /// The event to run it for; default: push, else the first that the workflow wants
    #[arg(long, value_name = "NAME", value_parser = event(), hide_possible_values = true)]
    pub(crate) event: Option<TriggerKind>,
    /// What the event says (`github.event`): a file with a JSON object; default: what git knows
    #[arg(long, value_name = "FILE")]
    pub(crate) event_file: Option<Utf8PathBuf>,
    /// Only this job and what it needs
    #[arg(long, value_name = "JOB")]
    pub(crate) job: Option<String>,
    /// Only the legs with this value of a matrix
    #[arg(long = "matrix", value_name = "K:V", value_parser = matrix_value)]
    pub(crate) matrix: Vec<(String, String)>,
    /// A variable of the environment of all steps, unless the workflow says otherwise
    #[arg(long = "env", value_name = "K=V", value_parser = env)]
    pub(crate) env: Vec<(String, String)>,
    /// Where jobs of a label run: `host`, or `docker://IMAGE`; without it, on this machine
    #[arg(long = "runs-on", value_name = "LABEL=PLACE", value_parser = place)]
    pub(crate) runs_on: Vec<(String, String)>,
    /// Who is said to have done it
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// An input of workflow_dispatch
    #[arg(long = "input", value_name = "K=V", value_parser = pair)]
    pub(crate) inputs: Vec<(String, String)>,
    /// A variable (`vars.K`)
    #[arg(long = "var", value_name = "K=V", value_parser = var)]
    pub(crate) vars: Vec<(String, String)>,
    /// A secret (`secrets.K`); without a value, from the environment variable of the same name
    #[arg(long = "secret", value_name = "K[=V]")]
    pub(crate) secrets: Vec<String>,
    /// A file with secrets, `K=V` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<Utf8PathBuf>,
    /// How many jobs at once; default: the number of processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Run also when an action is lacking; the step that uses it faults when it is reached
    #[arg(long)]
    pub(crate) as_far_as_possible: bool,
    /// Tell in the end why each job did or did not run
    #[arg(long, conflicts_with = "json")]
    pub(crate) explain: bool,
    /// What happens at a step that fails: `shell` opens one in its place, with its directory, its
    /// environment and its files. Leave it with 0, and the step counts as done; with 75, and it is done
    /// once more; with anything else, and it has failed. Nothing is masked in there
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "json")]
    pub(crate) on_failure: Option<OnFailure>,
    /// Go on with the run that was interrupted here
    #[arg(long, conflicts_with_all = ["workflow", "file", "event", "event_file", "job"])]
    pub(crate) resume: bool,
    /// One JSON event a line instead of the log
    #[arg(long)]
    pub(crate) json: bool,
    /// Where runs are kept; default: below the user's state directory
    #[arg(long, env = "CUTOVER_RUN_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) actions: Actions,
}

/// What happens at a step that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// A shell opens in its place
    Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover lint                             all workflows, and cutover.yml
  cutover lint ci.yml cutover.yml
  cutover lint --fix --diff                what could be mended by itself
  cutover lint --json | jq '.diagnostics[].code'

Leaves with 1 when there is an error; warnings alone are none. `cutover explain CUT-1010` says more.")]
pub(crate) struct Lint {
    /// Workflows; default: all of them, and `cutover.yml`
    pub(crate) files: Vec<String>,
    /// The repository
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = "."
    )]
    pub(crate) directory: Utf8PathBuf,
    /// Print diagnostics as JSON, with what would mend them: `--format json`
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// How diagnostics are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// Mend what can be mended, in the files; what is left is told
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "safe"
    )]
    pub(crate) fix: Option<FixKind>,
    /// With `--fix`: show what would be changed, and change nothing; 1 when there is something
    #[arg(long, requires = "fix")]
    pub(crate) diff: bool,
    #[command(flatten)]
    pub(crate) actions: Actions,
}

/// How diagnostics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, with the lines they are about
    Text,
    /// With the edits that would mend them
    Json,
    /// SARIF 2.1.0, for services that show findings
    Sarif,
    /// Commands that become annotations on GitHub
    Github,
}

/// How far mending goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FixKind {
    /// What the workflow does stays the same, but for what was wrong
    Safe,
    /// Also `permissions` where there are none: look at the jobs before you keep it
    Unsafe,
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  cutover plan ci.yml
  cutover plan deploy 1.4.0 --to production"
)]
pub(crate) struct Plan {
    #[command(subcommand)]
    pub(crate) of: Option<PlanOf>,
    /// Workflow: its path or its file's name
    #[arg(required = true)]
    pub(crate) workflow: Option<String>,
    /// The repository
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = "."
    )]
    pub(crate) directory: Utf8PathBuf,
    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) actions: Actions,
}

/// What else there are plans of.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanOf {
    /// What a deployment would do, what is in its way, and whether there is a way back
    Deploy(PlanDeploy),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover plan deploy 1.4.0 --to production
  cutover plan deploy hello@1.4.0 --to staging --strategy recreate

Leaves with 3 when the deployment would be refused. It does nothing.")]
pub(crate) struct PlanDeploy {
    /// The release: version, `service@version`, id or the beginning of a digest
    pub(crate) release: String,
    /// The environment
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) to: String,
    /// The service, when versions alone are not enough
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Another strategy than the environment's
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover serve
  cutover serve --data-dir /srv/cutover --listen 127.0.0.1:7800 --secret-file /etc/cutover/secrets

Then: git push http://USER:TOKEN@127.0.0.1:7800/git/NAME.git HEAD:main")]
pub(crate) struct Serve {
    /// Where everything is kept
    #[arg(long, env = "CUTOVER_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<Utf8PathBuf>,
    /// Where to listen; beyond loopback every request needs a token
    #[arg(long, default_value = "127.0.0.1:7800", value_name = "ADDR")]
    pub(crate) listen: std::net::SocketAddr,
    /// How many jobs at once; default: the number of processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// A file with secrets, `K=V` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<Utf8PathBuf>,
    /// A variable (`vars.K`)
    #[arg(long = "var", value_name = "K=V", value_parser = var)]
    pub(crate) vars: Vec<(String, String)>,
    /// How much is told on stderr: `error`, `warn`, `info`, `debug`
    #[arg(
        long,
        env = "CUTOVER_LOG",
        default_value = "warn",
        value_name = "LEVEL",
        value_parser = log
    )]
    pub(crate) log: String,
    #[command(flatten)]
    pub(crate) actions: Actions,
}

#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// Print as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover status
  cutover status --watch
  cutover status --json | jq '.locks[].holder.deployment'")]
pub(crate) struct Status {
    /// Go on telling, until it is interrupted: redrawn on a terminal, else what is new line by line
    #[arg(short, long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover runs --unfinished
  cutover runs --limit 5 --json

Without a server that answers, these are the runs of `cutover run` in this repository.")]
pub(crate) struct Runs {
    /// How many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: u32,
    /// Only those that have not ended
    #[arg(long)]
    pub(crate) unfinished: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover releases
  cutover releases --service hello --limit 5 --json")]
pub(crate) struct Releases {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// How many of each service
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover logs 12               every step of run #12
  cutover logs hello#12         … of the repository `hello`, when others have a #12 too
  cutover logs 12 -f            follow it to its end
  cutover logs 12 --job test --step 2

Without a server that answers, a run is one of `cutover run` in this repository; so it is with -C.")]
pub(crate) struct Logs {
    /// The run: its number, `hello#12` where several repositories have that number, or its id
    pub(crate) run: String,
    /// Follow it to its end
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only this job
    #[arg(long, value_name = "JOB")]
    pub(crate) job: Option<String>,
    /// Only this step, by its place from 0
    #[arg(long, value_name = "STEP", requires = "job")]
    pub(crate) step: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover artifacts 12                  lists them
  cutover artifacts 12 report --to out  unpacks `report` into out/report

Without a server that answers, a run is one of `cutover run` in this repository; so it is with -C.")]
pub(crate) struct Artifacts {
    /// The run: its number, `hello#12` where several repositories have that number, or its id
    pub(crate) run: String,
    /// Only these
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Unpack each into a folder of its name in this one
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<camino::Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) listing: Listing,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover status                       lists the open questions
  cutover approve gate_01… -m 'looks good on staging'
  cutover reject gate_01… -m 'not on a Friday'")]
pub(crate) struct AnswerGate {
    /// The question's id, as `cutover status` shows it
    pub(crate) gate: String,
    /// Why
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover cancel 12
  cutover cancel run_01… -m 'the wrong branch'

What cleans up (`if: always()`) still runs; said a second time, it ends too.")]
pub(crate) struct Cancel {
    /// The run: its number, `hello#12` where several repositories have that number, or its id
    pub(crate) run: String,
    /// Why
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  cutover user add ada
  cutover user list")]
pub(crate) enum User {
    /// Create a user, or give one a new token; it is shown once
    #[command(after_help = "Examples:
  cutover user add ada

Then: git push http://ada:TOKEN@127.0.0.1:7800/git/NAME.git HEAD:main")]
    Add {
        /// The name
        name: String,
        #[command(flatten)]
        listing: Listing,
    },
    /// List users
    #[command(after_help = "Examples:
  cutover user list
  cutover user list --json")]
    List(Listing),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover explain                                 why each job of the newest run did or did not run
  cutover explain 12 deploy                       one job and its steps, with the condition part by part
  cutover explain 12 deploy 3                     one step
  cutover explain --event push --ref release ci.yml
  cutover explain CUT-1001

Without a server that answers, a run is one of `cutover run` in this repository; so it is with -C.
With a workflow or --event it asks nobody: the working tree says what would start, filter by filter.")]
pub(crate) struct Explain {
    /// The run (default: the newest; `hello#12` of a repository), a workflow, or a code such as `CUT-1001`
    pub(crate) what: Option<String>,
    /// The job: its id, or the key of a leg; `caller.inner` is a job of a called workflow
    #[arg(requires = "what")]
    pub(crate) job: Option<String>,
    /// The step, by its place from 0
    #[arg(requires = "job")]
    pub(crate) step: Option<String>,
    /// Whether this event would start the workflows of the working tree
    #[arg(long, value_name = "NAME", value_parser = event(), hide_possible_values = true, conflicts_with = "job")]
    pub(crate) event: Option<TriggerKind>,
    /// The branch, or the whole ref, instead of the one that is checked out
    #[arg(long = "ref", value_name = "REF", conflicts_with = "job")]
    pub(crate) git_ref: Option<String>,
    /// What the event says: a file with a JSON object
    #[arg(long, value_name = "FILE", conflicts_with = "job")]
    pub(crate) event_file: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) listing: Listing,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover dispatch hello deploy.yml --input environment=staging
  cutover dispatch hello --type rebuilt --payload '{\"image\":\"base\"}'")]
pub(crate) struct Dispatch {
    /// The repository
    pub(crate) repository: String,
    /// The workflow, which has `workflow_dispatch`: its path or its file's name
    #[arg(required_unless_present = "event_type")]
    pub(crate) workflow: Option<String>,
    /// The branch, the tag or the revision
    #[arg(long = "ref", value_name = "REF", default_value = "main")]
    pub(crate) git_ref: String,
    /// An input
    #[arg(long = "input", value_name = "K=V", value_parser = pair)]
    pub(crate) inputs: Vec<(String, String)>,
    /// Instead of a workflow, all of the default branch that have `repository_dispatch` of this type
    #[arg(long = "type", value_name = "TYPE", conflicts_with_all = ["workflow", "inputs"])]
    pub(crate) event_type: Option<String>,
    /// What they find as `github.event.client_payload`: JSON, or a file with it as `@FILE`
    #[arg(long, value_name = "JSON", requires = "event_type")]
    pub(crate) payload: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover expr \"format('{0}-{1}', github.ref_name, 7)\" --contexts '{\"github\":{\"ref_name\":\"main\"}}'
  cutover expr --stdin-ndjson < cases.ndjson")]
pub(crate) struct Expr {
    /// The expression, without `${{` and `}}`
    #[arg(
        required_unless_present = "stdin_ndjson",
        conflicts_with = "stdin_ndjson",
        allow_hyphen_values = true
    )]
    pub(crate) expression: Option<String>,
    /// What it can see: a JSON object of contexts
    #[arg(long, value_name = "JSON", conflicts_with = "stdin_ndjson")]
    pub(crate) contexts: Option<String>,
    /// Read `{"expr", "contexts"?}` a line, and answer each with `{"kind", "value"}` or
    /// `{"error": {"phase", "message"}}`
    #[arg(long)]
    pub(crate) stdin_ndjson: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(cutover completions bash)
  cutover completions zsh > ~/.zfunc/_cutover        with ~/.zfunc in fpath
  cutover completions fish > ~/.config/fish/completions/cutover.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Balancer {
    /// Where its table and its socket lie
    #[arg(long)]
    pub(crate) state_dir: Utf8PathBuf,
    /// Take the place of the one that runs there, with its sockets
    #[arg(long, conflicts_with = "reload")]
    pub(crate) take_over: bool,
    /// Have the one that runs there look at its certificate files now
    #[arg(long)]
    pub(crate) reload: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoService {
    #[command(subcommand)]
    pub(crate) verb: Option<DemoVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoVerb {
    /// Ask one that serves
    Get {
        /// The file in which it wrote its port
        port_file: String,
        /// The path to ask for
        path: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// `http://host:port/path`
    pub(crate) url: String,
    /// Requests per second
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: u32,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// A new connection for each request
    #[arg(long)]
    pub(crate) no_keep_alive: bool,
}

/// Whether the verb that was said was asked for JSON.
pub(crate) fn wants_json(matches: &clap::ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, of)) => wants_json(of),
        None => matches!(matches.try_get_one::<bool>("json"), Ok(Some(true))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_is_asked_for_by_the_verb_that_is_meant() {
        let wants = |line: &str| {
            let words = line.split(' ');
            wants_json(&Cli::command().try_get_matches_from(words).unwrap())
        };
        assert!(wants("cutover status --json"));
        assert!(wants("cutover plan deploy 1.0.0 --to staging --json"));
        assert!(!wants("cutover status"));
        assert!(!wants("cutover explain CUT-1001"));
    }
}
