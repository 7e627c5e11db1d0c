//! `cutover.yml`: services, environments, gates, notifications.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Duration,
    delivery::{HealthCheck, JudgeSpec, Migrations, RollbackTrigger, Strategy},
    gate::{ApprovalRule, GateSpec},
    guard::{FreezeWindow, Guards, OnSuperseded, RollbackRule},
    traffic::TrafficSpec,
};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Project {
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// By name.
    pub environments: BTreeMap<String, Environment>,
    /// Variables that the jobs of an environment see, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_vars: BTreeMap<String, BTreeMap<String, String>>,
    /// By name.
    pub gates: BTreeMap<String, GateSpec>,
    /// In the order written.
    pub notify: Vec<NotifyRule>,
}

/// Something that answers requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// How it is built.
    pub build: BuildSpec,
    /// How a process bundle is started, from its root; `PORT` is in its environment.
    pub command: Vec<String>,
    /// The port an image listens on (`PORT` is set to it too).
    pub port: Option<u16>,
    /// Plain configuration, in its environment.
    pub env: BTreeMap<String, String>,
    /// How we know that an instance can serve.
    pub health: HealthCheck,
    /// How long an instance may take to become healthy.
    pub start_timeout: Duration,
    /// How long requests in flight may take when an instance is drained.
    pub drain_timeout: Duration,
    /// How long after SIGTERM an instance is killed.
    pub stop_grace: Duration,
    /// Paths of files whose content belongs to a release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<String>,
    /// Names of the secrets that instances find in their environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Path of the file of feature flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// What a release does to the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Migrations>,
    /// What the balancer does with its requests, in all environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Box<TrafficSpec>>,
}

/// `build:` of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSpec {
    /// Directory in the workspace that is built or bundled.
    pub context: String,
    /// The Dockerfile, from the workspace's root; absent means a process bundle.
    pub dockerfile: Option<String>,
}

/// A named place with its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Only what this environment runs, or ran, may come here.
    pub after: Option<String>,
    /// Where releases live.
    pub target: TargetSpec,
    /// `host:port` on which the balancer answers for it; absent: a free port, kept for ever.
    pub listen: Option<String>,
    /// Who must agree.
    pub approvals: Option<ApprovalRule>,
    /// How a release takes over.
    pub strategy: Strategy,
    /// When it is taken back.
    pub rollback_triggers: Vec<RollbackTrigger>,
    /// How candidates are compared with what serves; absent for the usual way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeSpec>,
    /// Plain configuration over that of the service.
    pub env: BTreeMap<String, String>,
    /// What a deployment must get past: `hooks`, `smoke`, `progress_deadline`, `pause_limit`.
    #[serde(default, skip_serializing_if = "Guards::is_usual")]
    pub guards: Guards,
    /// What a rollback means for what comes after it.
    #[serde(default, skip_serializing_if = "RollbackRule::is_usual")]
    pub rollback: RollbackRule,
    /// What a newer deployment does to one that is under way.
    #[serde(default, skip_serializing_if = "OnSuperseded::is_usual")]
    pub on_superseded: OnSuperseded,
    /// When nothing may be deployed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<FreezeWindow>,
    /// What the balancer does with requests here, over what the services say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Box<TrafficSpec>>,
}

/// `target:` of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TargetSpec {
    /// Processes of this machine.
    Process {
        /// How many copies.
        instances: u32,
    },
    /// Containers of a Docker engine.
    Docker {
        /// How many copies.
        instances: u32,
    },
}

impl TargetSpec {
    /// How many copies.
    pub const fn instances(&self) -> u32 {
        match self {
            Self::Process { instances } | Self::Docker { instances } => *instances,
        }
    }
}

/// One rule of `notify:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyRule {
    /// Topics: `run.failed`, `deployment.*`, `approval.requested`, `*`.
    pub on: Vec<String>,
    /// Where it goes.
    pub to: Channel,
    /// The address; may hold `${{ secrets.NAME }}`.
    pub url: String,
}

/// A way to reach people or programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A POST of JSON.
    Webhook,
}
