//! Releases, the places they go to, and the way they get there.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    DeploymentId, Duration, ReleaseId, RunId, Timestamp,
    gate::ApprovalRule,
    guard::{Guards, OnSuperseded, RollbackRule},
    project::{NotifyRule, TargetSpec},
    run::{Attempt, JobKey, Outcome, StepPath, WaitingOn},
    source::Revision,
    traffic::{RequestMatch, TrafficSpec},
};

pub use crate::{
    judge::{InvalidJudge, JudgeSpec, Judgement, OnInsufficient, Split},
    trigger::{
        ExternalMetric, InvalidTrigger, Metric, MetricSource, Missing, Operator, RollbackTrigger,
        Scope, Statistic,
    },
};

/// A digest: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl Digest {
    /// The hexadecimal part.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }
    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or(self.hex())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a build leaves behind; from then on known by its digest only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Package {
    /// A container image.
    Image {
        /// Its id: the digest of its configuration.
        digest: Digest,
    },
    /// A directory in an archive.
    Bundle {
        /// The digest of the archive.
        digest: Digest,
    },
}

impl Package {
    /// Its digest.
    pub const fn digest(&self) -> &Digest {
        match self {
            Self::Image { digest } | Self::Bundle { digest } => digest,
        }
    }
}

/// An immutable, versioned bundle of all that runs: rollback restores the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// What it is a release of.
    pub service: String,
    /// `1.4.0`.
    pub version: String,
    /// What runs.
    pub package: Package,
    /// What it was built from.
    pub revision: Revision,
    /// How a bundle is started.
    pub command: Vec<String>,
    /// The port an image listens on.
    pub port: Option<u16>,
    /// Plain configuration of the service at that revision.
    pub env: BTreeMap<String, String>,
    /// What else belongs to it, so that going back brings back all of it.
    #[serde(default, skip_serializing_if = "Contents::is_empty")]
    pub contents: Contents,
    /// The run that built it.
    pub run: RunId,
    /// When.
    pub created_at: Timestamp,
}

/// What a release has beside its package and its environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contents {
    /// Files of configuration, by their path in the sources.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, Digest>,
    /// Secrets by name, each with the version that was in force; absent while nobody knows it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Option<String>>,
    /// The file of feature flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Digest>,
    /// What it does to the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Migrations>,
}

impl Contents {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `migrations:` of a service: which releases can live with the database as this one leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Migrations {
    /// The oldest version that still works once this one has run: nobody goes back below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// The command that adds to the schema; it runs before the first instance starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// A share of traffic in hundredths of a percent: 10 000 is all of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Weight(u16);

impl Weight {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(10_000);

    /// From hundredths of a percent; `None` above 10 000.
    pub const fn from_basis_points(points: u16) -> Option<Self> {
        if points <= 10_000 {
            Some(Self(points))
        } else {
            None
        }
    }

    /// From whole percent; `None` above 100.
    pub const fn from_percent(percent: u16) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent * 100))
        } else {
            None
        }
    }

    /// In hundredths of a percent.
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// What is left for the other side.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(10_000 - self.0)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 100 {
            0 => write!(f, "{} %", self.0 / 100),
            rest => write!(f, "{}.{rest:02} %", self.0 / 100),
        }
    }
}

/// How a release takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Strategy {
    /// A few instances at a time.
    Rolling {
        /// How many more than a whole side may run at once (`surge`).
        batch: u32,
        /// How many fewer than a whole side may serve.
        #[serde(default, skip_serializing_if = "is_none")]
        max_unavailable: u32,
        /// How long both sides are watched at the end.
        bake: Duration,
    },
    /// All of the candidate beside all of the current side, then one switch.
    BlueGreen {
        /// Smaller shares before the switch.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        canary: Vec<Step>,
        /// How long the old side stays after the switch.
        bake: Duration,
    },
    /// Traffic by steps.
    Canary {
        /// The candidate's share at each step; the last is everything.
        steps: Vec<Step>,
        /// How long a step lasts that does not say it itself.
        interval: Duration,
        /// Whether the candidate has only as many instances as its share asks for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        scaled: bool,
        /// How long the old side stays after the last step.
        bake: Duration,
    },
    /// Traffic by equal steps.
    Linear {
        /// How much more at each step.
        increment: Weight,
        /// How long each step lasts.
        interval: Duration,
        /// How long the old side stays after the last step.
        bake: Duration,
    },
    /// The old side goes before the new one comes; requests wait in the balancer meanwhile.
    Recreate {
        /// How long a request waits at most.
        hold: Duration,
        /// How long the candidate is watched.
        bake: Duration,
    },
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference to what decides whether a field is written"
)]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

impl Strategy {
    /// The word in files, in the log and on the page.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Rolling { .. } => "rolling",
            Self::BlueGreen { .. } => "blue_green",
            Self::Canary { .. } => "canary",
            Self::Linear { .. } => "linear",
            Self::Recreate { .. } => "recreate",
        }
    }

    /// Whether it keeps both sides under traffic for the sake of comparing them.
    pub const fn compares_sides(&self) -> bool {
        match self {
            Self::Canary { .. } | Self::Linear { .. } => true,
            Self::BlueGreen { canary, .. } => !canary.is_empty(),
            Self::Rolling { .. } | Self::Recreate { .. } => false,
        }
    }
}

/// One step of traffic. In the log a plain one is the number of its weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StepShape", into = "StepShape")]
pub struct Step {
    /// The candidate's share.
    pub weight: Weight,
    /// How long it is watched, when it is not as long as the others.
    pub length: Option<Duration>,
    /// Whether it then waits until a person lets it go on.
    pub pause: bool,
    /// Requests that go to the candidate from this step on, whatever its share.
    pub matches: Vec<RequestMatch>,
}

impl Step {
    /// One that has nothing but a weight.
    pub const fn of(weight: Weight) -> Self {
        Self {
            weight,
            length: None,
            pause: false,
            matches: Vec::new(),
        }
    }

    fn is_plain(&self) -> bool {
        *self == Self::of(self.weight)
    }
}

/// How a step is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StepShape {
    Plain(Weight),
    Full {
        weight: Weight,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<Duration>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pause: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        matches: Vec<RequestMatch>,
    },
}

impl From<StepShape> for Step {
    fn from(shape: StepShape) -> Self {
        match shape {
            StepShape::Plain(weight) => Self::of(weight),
            StepShape::Full {
                weight,
                length,
                pause,
                matches,
            } => Self {
                weight,
                length,
                pause,
                matches,
            },
        }
    }
}

impl From<Step> for StepShape {
    fn from(step: Step) -> Self {
        if step.is_plain() {
            return Self::Plain(step.weight);
        }
        Self::Full {
            weight: step.weight,
            length: step.length,
            pause: step.pause,
            matches: step.matches,
        }
    }
}

/// How we know that an instance can serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Asked by GET; a status of 200 to 399 is a yes.
    pub path: String,
    /// Between two questions.
    pub interval: Duration,
    /// For one answer.
    pub timeout: Duration,
    /// How many yes in a row make it healthy.
    pub healthy: u32,
    /// How many no in a row make it unhealthy.
    pub unhealthy: u32,
}

impl Default for HealthCheck {
    /// The fast preset: 2 × 2 s.
    fn default() -> Self {
        Self {
            path: "/health".to_owned(),
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            healthy: 2,
            unhealthy: 2,
        }
    }
}

/// The two sides of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What served before.
    Current,
    /// What is to serve.
    Candidate,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "current",
            Self::Candidate => "candidate",
        })
    }
}

/// Why there is a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// A step of a run.
    Step {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Its attempt.
        attempt: Attempt,
    },
    /// A person, by `cutover deploy`.
    Person {
        /// Who.
        by: String,
    },
    /// A person, by `cutover retry`: the same release once more.
    Retry {
        /// Who.
        by: String,
        /// What is tried again.
        of: DeploymentId,
    },
    /// A person, by `cutover rollback`.
    Rollback {
        /// Who.
        by: String,
        /// What is taken back.
        of: DeploymentId,
    },
}

impl Cause {
    /// Whether nobody asked for it by name.
    pub const fn is_automatic(&self) -> bool {
        matches!(self, Self::Step { .. })
    }
}

/// Everything a deployment needs to know, fixed when it is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// Its id.
    pub id: DeploymentId,
    /// Where.
    pub environment: String,
    /// What.
    pub release: Release,
    /// How many copies, and of what kind.
    pub target: TargetSpec,
    /// How it takes over.
    pub strategy: Strategy,
    /// When it is taken back.
    pub triggers: Vec<RollbackTrigger>,
    /// How the candidate is compared with the current side; absent for the usual way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeSpec>,
    /// How we know that an instance can serve.
    pub health: HealthCheck,
    /// How long instances may take to become healthy, all together.
    pub start_timeout: Duration,
    /// How long requests in flight may take when a side is drained.
    pub drain_timeout: Duration,
    /// How long after SIGTERM an instance is killed.
    pub stop_grace: Duration,
    /// Plain configuration of the environment over that of the release.
    pub env: BTreeMap<String, String>,
    /// Address on which the balancer answers for this service here, when one is asked for.
    pub listen: Option<String>,
    /// Who must agree first; absent when nobody, or when the run's job has already asked.
    pub approval: Option<ApprovalRule>,
    /// Why.
    pub cause: Cause,
    /// Who wants to hear of it.
    pub notify: Vec<NotifyRule>,
    /// What it must get past on its way, and how long it may take.
    #[serde(default, skip_serializing_if = "Guards::is_usual")]
    pub guards: Guards,
    /// What a rollback means for what comes after it.
    #[serde(default, skip_serializing_if = "RollbackRule::is_usual")]
    pub rollback: RollbackRule,
    /// Whether it waits for those that were there before it, or takes their place.
    #[serde(default, skip_serializing_if = "OnSuperseded::is_usual")]
    pub on_superseded: OnSuperseded,
    /// A person said that the hold of an earlier rollback ends with this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lift_hold: bool,
    /// Why it may go on although the environment is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
    /// What the balancer does with requests besides sharing them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Box<TrafficSpec>>,
}

impl DeploymentSpec {
    /// The judge's parameters: those that were asked for, else the usual ones where a strategy
    /// compares the sides; `None` when nobody judges.
    pub fn judged_by(&self) -> Option<JudgeSpec> {
        let usual = self.strategy.compares_sides().then(JudgeSpec::default);
        self.judge.or(usual).filter(|spec| spec.enabled)
    }
}

/// The state of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DeploymentState {
    /// Nothing has happened yet.
    Pending,
    /// It could go on but for this.
    Waiting {
        /// On what.
        on: WaitingOn,
        /// Since when.
        since: Timestamp,
    },
    /// Instances of the candidate start and are asked for their health.
    Provisioning {
        /// Since when.
        since: Timestamp,
    },
    /// A hook or a smoke test has the word.
    Checking {
        /// Which, for people.
        what: String,
        /// Since when.
        since: Timestamp,
    },
    /// Traffic moves: the candidate's share.
    Shifting {
        /// The share.
        weight: Weight,
        /// Since when.
        since: Timestamp,
    },
    /// Both sides run, and the triggers look.
    Baking {
        /// The candidate's share.
        weight: Weight,
        /// Until when, unless something happens.
        until: Timestamp,
    },
    /// The side that lost finishes its requests.
    Draining {
        /// Which.
        side: Side,
        /// Since when.
        since: Timestamp,
    },
    /// It has ended.
    Finished {
        /// How.
        outcome: Outcome,
        /// Why, for people.
        reason: String,
        /// When.
        at: Timestamp,
    },
}

impl DeploymentState {
    /// How it ended, when it has.
    pub const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Finished { outcome, .. } => Some(*outcome),
            Self::Pending
            | Self::Waiting { .. }
            | Self::Provisioning { .. }
            | Self::Checking { .. }
            | Self::Shifting { .. }
            | Self::Baking { .. }
            | Self::Draining { .. } => None,
        }
    }

    /// The word in the log, in the API and on the page.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting { .. } => "waiting",
            Self::Provisioning { .. } => "provisioning",
            Self::Checking { .. } => "checking",
            Self::Shifting { .. } => "shifting",
            Self::Baking { .. } => "baking",
            Self::Draining { .. } => "draining",
            Self::Finished { outcome, .. } => outcome.word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_two_sides_that_make_a_whole() {
        let tenth = Weight::from_percent(10).unwrap();
        assert_eq!(tenth.basis_points() + tenth.rest().basis_points(), 10_000);
        assert_eq!(tenth.to_string(), "10 %");
        assert_eq!(Weight::from_basis_points(1).unwrap().to_string(), "0.01 %");
        assert_eq!(Weight::from_basis_points(10_001), None);
        assert_eq!(Weight::from_percent(101), None);
    }

    #[test]
    fn a_plain_step_is_written_as_its_weight() {
        let tenth = Step::of(Weight::from_percent(10).unwrap());
        let full = Step {
            pause: true,
            length: Some(Duration::from_secs(30)),
            matches: vec![RequestMatch::Header {
                name: "x-beta".to_owned(),
                value: "1".to_owned(),
            }],
            ..tenth.clone()
        };
        let written = serde_json::to_string(&[tenth.clone(), full.clone()]).unwrap();
        assert_eq!(
            written,
            r#"[1000,{"weight":1000,"length":"30s","pause":true,"matches":[{"kind":"header","name":"x-beta","value":"1"}]}]"#
        );
        let read: Vec<Step> = serde_json::from_str(&written).unwrap();
        assert_eq!(read, [tenth, full]);
    }
}
