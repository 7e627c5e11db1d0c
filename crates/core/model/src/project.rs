//! `cutover.yml`: services, environments, gates, notifications.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Duration,
    delivery::{HealthCheck, RollbackTrigger, Strategy},
    gate::{ApprovalRule, GateSpec},
};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Project {
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// By name.
    pub environments: BTreeMap<String, Environment>,
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
    /// Plain configuration over that of the service.
    pub env: BTreeMap<String, String>,
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
