//! The verbs of deployments: from asking for one to cleaning up after many.

use clap::Args;

use super::Listing;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover history production --outcome rolled_back
  cutover history --actor ada --since 7d
  cutover history dep_01…                  from its creation to its end")]
pub(crate) struct History {
    /// Only this environment; or a deployment's id: all that happened to it
    #[arg(value_name = "ENVIRONMENT|DEPLOYMENT")]
    pub(crate) environment: Option<String>,
    /// Only this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Only those that ended so: `succeeded`, `failed`, `rolled_back`, `cancelled`
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// Only of this version
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// Only those that this user wanted
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Only those of so long ago or less: `24h`, `7d`
    #[arg(long, value_name = "LENGTH")]
    pub(crate) since: Option<cutover_model::Duration>,
    /// Only those that have not ended
    #[arg(long)]
    pub(crate) unfinished: bool,
    /// How many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover diff production                  what the newest release would change there
  cutover diff production 1.4.0
  cutover diff staging production
  cutover diff 1.3.0 1.4.0")]
pub(crate) struct Diff {
    /// An environment, or a release
    pub(crate) from: String,
    /// Another one; default: the newest release
    pub(crate) to: Option<String>,
    /// The service, when names alone are not enough
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover deploy 1.4.0 production
  cutover deploy hello@1.4.0 staging --strategy blue_green --detach
  cutover deploy 1.4.1 production --break-glass 'stops the leak of incident 17'

Leaves with 0 when it has succeeded, 1 when it has failed or was taken back, 3 when a rule or a person said no.")]
pub(crate) struct Deploy {
    /// The release: version, `service@version`, id or the beginning of a digest
    pub(crate) release: String,
    /// The environment
    pub(crate) environment: String,
    /// The service, when versions alone are not enough
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Another strategy than the environment's: `rolling`, `blue_green`, `canary`, `linear`, `recreate`
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<String>,
    /// Deploy although the environment is frozen, and say why; it is recorded
    #[arg(long, value_name = "REASON")]
    pub(crate) break_glass: Option<String>,
    /// End the hold that an earlier rollback has put on the service
    #[arg(long)]
    pub(crate) lift_hold: bool,
    /// Do not wait for its end
    #[arg(long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover resume production                 let what is paused there go on
  cutover resume --environment production   lift the hold that a rollback has put on it")]
pub(crate) struct Resume {
    /// The deployment: its id, or where it is under way (`production`, `hello@production`)
    #[arg(
        required_unless_present = "environment",
        conflicts_with = "environment"
    )]
    pub(crate) deployment: Option<String>,
    /// Lift the hold of an earlier rollback at this environment
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    /// The service, when the environment has several
    #[arg(long, value_name = "NAME", requires = "environment")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover promote production            the present step is enough
  cutover promote production --step 2   nothing when step 2 is over already
  cutover promote dep_01… --full        straight to the end")]
pub(crate) struct Promote {
    /// The deployment: its id, or where it is under way (`production`, `hello@production`)
    pub(crate) deployment: String,
    /// All steps that are left, straight to the end
    #[arg(long)]
    pub(crate) full: bool,
    /// Only while this step lasts, counted from 1: saying it twice skips one
    #[arg(long, value_name = "N", conflicts_with = "full", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) step: Option<u32>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover rollback production
  cutover rollback production --to 1.2.0")]
pub(crate) struct Rollback {
    /// The environment
    pub(crate) environment: String,
    /// The service, when the environment has several
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Another release than the one before the current one
    #[arg(long, value_name = "RELEASE")]
    pub(crate) to: Option<String>,
    /// Do not wait for its end
    #[arg(long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
pub(crate) struct OneDeployment {
    /// The deployment: its id, or where it is under way (`production`, `hello@production`)
    pub(crate) deployment: String,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover rejudge production
  cutover rejudge dep_01… --alpha 0.05 --p-max 0.005")]
pub(crate) struct Rejudge {
    /// The deployment: its id, or where it was (`production`, `hello@production`): the newest there
    pub(crate) deployment: String,
    /// The chance to accuse wrongly: `0.01`
    #[arg(long, value_name = "SHARE")]
    pub(crate) alpha: Option<f64>,
    /// The share of bad answers that is accepted of any release: `0.005`
    #[arg(long, value_name = "SHARE")]
    pub(crate) p_max: Option<f64>,
    /// How many times as bad it must be at least: `1.5`
    #[arg(long, value_name = "RATIO")]
    pub(crate) min_ratio: Option<f64>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover freeze production --reason 'the fair' --for 3d
  cutover freeze --all --reason 'incident 17'
  cutover freeze --list")]
pub(crate) struct Freeze {
    /// The environment
    #[arg(required_unless_present_any = ["all", "list"], conflicts_with = "all")]
    pub(crate) environment: Option<String>,
    /// All environments, also those that come
    #[arg(long)]
    pub(crate) all: bool,
    /// Why
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    pub(crate) reason: Option<String>,
    /// Until when: `2026-12-27T06:00:00+01:00`; default: until it is lifted
    #[arg(long, value_name = "INSTANT", conflicts_with = "length")]
    pub(crate) until: Option<String>,
    /// For how long: `90m`, `3d`
    #[arg(long = "for", value_name = "LENGTH")]
    pub(crate) length: Option<cutover_model::Duration>,
    /// Show what is frozen, and what was
    #[arg(long, conflicts_with_all = ["environment", "all", "reason", "until", "length"])]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover unfreeze production
  cutover unfreeze --all")]
pub(crate) struct Unfreeze {
    /// The environment
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) environment: Option<String>,
    /// The freeze of all environments; those of single ones stay
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover gc --dry-run
  cutover gc")]
pub(crate) struct Gc {
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
}
