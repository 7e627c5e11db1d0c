//! What any target can do. Each order is idempotent and carries its age: asked twice, done once;
//! asked late, not done.

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc};

use camino::Utf8PathBuf;
use cutover_model::{
    DeploymentId, Duration,
    delivery::{Package, Release},
};

use crate::{docker::DockerTarget, error::Error, fence::Generation, process::ProcessTarget};

/// Whose instances: those of a service in an environment that this deployment has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The deployment that made them; also the key under which they are found.
    pub deployment: DeploymentId,
    /// The environment's name.
    pub environment: String,
    /// The service's name.
    pub service: String,
}

impl Place {
    /// The end of the deployment's id: its beginning is time, and equal among neighbours.
    pub(crate) fn short(&self) -> &str {
        let text = self.deployment.as_str();
        text.get(text.len().saturating_sub(12)..).unwrap_or(text)
    }

    /// The name of one instance.
    pub(crate) fn instance_id(&self, index: u32) -> String {
        format!("{}-{index}", self.short())
    }
}

/// Let there be instances.
#[derive(Clone, PartialEq, Eq)]
pub struct InstancesOrder {
    /// Whose.
    pub place: Place,
    /// What runs.
    pub release: Release,
    /// How many, at least.
    pub count: u32,
    /// Configuration of the environment over that of the release.
    pub env: BTreeMap<String, String>,
    /// How old the order is.
    pub generation: Generation,
}

impl fmt::Debug for InstancesOrder {
    /// Values of variables may be secrets; their names are not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancesOrder")
            .field("place", &self.place)
            .field("release", &self.release.id)
            .field("count", &self.count)
            .field("env", &self.env.keys())
            .field("generation", &self.generation)
            .finish()
    }
}

impl InstancesOrder {
    /// What the service asked for, and over it what it cannot know by itself.
    pub(crate) fn environment(&self, port: u16) -> BTreeMap<String, String> {
        let mut all = self.release.env.clone();
        all.extend(self.env.clone());
        all.insert("PORT".to_owned(), port.to_string());
        all.insert("CUTOVER_VERSION".to_owned(), self.release.version.clone());
        all.insert(
            "CUTOVER_ENVIRONMENT".to_owned(),
            self.place.environment.clone(),
        );
        all
    }

    pub(crate) fn wrong_package(&self, wanted: &'static str) -> Error {
        Error::WrongPackage {
            release: format!("{}@{}", self.release.service, self.release.version),
            found: match self.release.package {
                Package::Image { .. } => "an image",
                Package::Bundle { .. } => "a process bundle",
            },
            wanted,
        }
    }
}

/// One running copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The end of the deployment's id, and the index.
    pub id: String,
    /// Where it is to answer.
    pub address: SocketAddr,
    /// Counted from zero.
    pub index: u32,
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i64),
    /// By a signal.
    Signal(i32),
    /// By the kernel, for want of memory.
    OutOfMemory,
    /// Nobody saw it: the machine went down, or its supervisor was killed.
    Lost,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::OutOfMemory => f.write_str("killed for want of memory"),
            Self::Lost => f.write_str("ended unseen: the machine or its supervisor went down"),
        }
    }
}

/// How an instance is: what people need when it does not become healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceState {
    /// Which.
    pub instance: Instance,
    /// Whether its process lives.
    pub alive: bool,
    /// How it ended last, when it is not alive.
    pub exit: Option<Exit>,
    /// How often the target started it again by itself.
    pub restarts: u32,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
    /// The ports on which it really listens; inside, for a container.
    pub listening_ports: Vec<u16>,
}

/// A thing that can run a release. Clones are the same target.
#[derive(Debug, Clone)]
pub enum Target {
    /// Processes of this machine.
    Process(Arc<ProcessTarget>),
    /// Containers of a Docker engine.
    Docker(Arc<DockerTarget>),
}

impl Target {
    /// Starts what is missing of the indices below `count`, and stops nothing. One that runs is
    /// returned as it is; so is one that has ended by itself, which [`Self::observe`] reports: to
    /// start it again is a decision, see [`Self::revive`]. What a reboot has ended is started.
    pub async fn ensure(&self, order: &InstancesOrder) -> Result<Vec<Instance>, Error> {
        match self {
            Self::Process(target) => Box::pin(target.ensure(order)).await,
            Self::Docker(target) => Box::pin(target.ensure(order)).await,
        }
    }

    /// The same, and what has ended by itself is started again. How soon and how often is for the
    /// caller to say; an engine does it without being asked.
    pub async fn revive(&self, order: &InstancesOrder) -> Result<Vec<Instance>, Error> {
        match self {
            Self::Process(target) => Box::pin(target.revive(order)).await,
            Self::Docker(target) => Box::pin(target.ensure(order)).await,
        }
    }

    /// How the instances are that should be there, by index.
    pub async fn observe(&self, place: &Place) -> Result<Vec<InstanceState>, Error> {
        match self {
            Self::Process(target) => target.observe(place).await,
            Self::Docker(target) => Box::pin(target.observe(place)).await,
        }
    }

    /// Ends all but the lowest `keep` indices, together: SIGTERM, and SIGKILL after `grace`.
    pub async fn stop(
        &self,
        place: &Place,
        keep: u32,
        grace: Duration,
        generation: Generation,
    ) -> Result<(), Error> {
        match self {
            Self::Process(target) => target.stop(place, keep, grace, generation).await,
            Self::Docker(target) => Box::pin(target.stop(place, keep, grace, generation)).await,
        }
    }

    /// Takes away what is left, killing what still runs; log files are kept. Orders of before make
    /// nothing any more.
    pub async fn remove(&self, place: &Place) -> Result<(), Error> {
        match self {
            Self::Process(target) => target.remove(place).await,
            Self::Docker(target) => Box::pin(target.remove(place)).await,
        }
    }

    /// Where the log of an instance is; for a container, from when it was stopped.
    pub fn log_path(&self, place: &Place, index: u32) -> Utf8PathBuf {
        match self {
            Self::Process(target) => target.log_path(place, index),
            Self::Docker(target) => target.log_path(place, index),
        }
    }
}
