//! What is asked of the engine for a step. Only ever in memory and on pipes: it holds secrets.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use cutover_model::plan::container::ContainerOptions;
use serde::{Deserialize, Serialize};

use super::Mounts;

/// That a step has to do with containers, and how.
#[derive(Clone, Serialize, Deserialize)]
pub struct InContainers {
    /// The engine's address (`DOCKER_HOST`); absent: the usual one.
    pub engine: Option<String>,
    /// What is seen inside.
    pub mounts: Mounts,
    /// The network of the job, when it has one; else the engine's usual one.
    #[serde(default)]
    pub network: Option<String>,
    /// What is done.
    pub work: ContainerWork,
}

/// What a step does with containers.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerWork {
    /// Its script runs in the container of its job.
    Script {
        /// The engine's id of the container.
        container: String,
        /// The `PATH` of the container.
        path: String,
        /// Whether it has no capabilities: then its processes hear nobody but their own user.
        limited: bool,
    },
    /// It is a container of its own.
    Call(Box<CallOrder>),
    /// It makes the containers of its job ready.
    SetUp(Box<SetUpOrder>),
}

/// A step that is a container.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct CallOrder {
    /// The container's name.
    pub name: String,
    /// By which it is found again.
    pub labels: BTreeMap<String, String>,
    /// What it is made of.
    pub source: CallSource,
    /// In place of the image's.
    pub entrypoint: Option<String>,
    /// In place of the image's command; empty: as the image says.
    pub args: Vec<String>,
    /// The network of the job, when it has one; else the engine's usual one.
    pub network: Option<String>,
    /// What flags would say.
    pub options: ContainerOptions,
}

/// What the container of a step is made of.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallSource {
    /// An image of a registry.
    Image(String),
    /// Built from a directory, once for each content.
    Build {
        /// The directory.
        directory: Utf8PathBuf,
        /// The Dockerfile.
        file: Utf8PathBuf,
    },
}

impl Default for CallSource {
    fn default() -> Self {
        Self::Image(String::new())
    }
}

/// The containers of a job.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct SetUpOrder {
    /// The name of their network.
    pub network: String,
    /// By which all are found again.
    pub labels: BTreeMap<String, String>,
    /// Those that are to be well before the first step.
    pub services: Vec<SetUpService>,
    /// The one in which the steps run; it sees the mounts.
    pub container: Option<SetUpService>,
    /// Where the job's own container works.
    pub workdir: String,
}

/// One container of a job.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct SetUpService {
    /// The name by which it is reached.
    pub alias: String,
    /// The container's name.
    pub name: String,
    /// The image's reference.
    pub image: String,
    /// A name and a password for the registry.
    pub credentials: Option<(String, String)>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Its ports, as written.
    pub ports: Vec<String>,
    /// Its volumes, as written.
    pub volumes: Vec<String>,
    /// What its flags say.
    pub options: ContainerOptions,
    /// In place of the image's.
    pub entrypoint: Option<String>,
    /// In place of the image's.
    pub command: Vec<String>,
}

/// The order for the process that asks the engine.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) engine: Option<String>,
    /// How long what was told to end has for it, in milliseconds.
    pub(crate) patience: u64,
    /// Where to say that it could not be done.
    pub(crate) fault: Utf8PathBuf,
    pub(crate) task: Task,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    Script {
        container: String,
        argv: Vec<String>,
        env: Vec<String>,
        directory: String,
        /// Of the processes inside.
        mark: String,
        /// As whom they are signalled; as themselves when absent.
        signal_as: Option<String>,
    },
    Call {
        order: Box<CallOrder>,
        env: Vec<String>,
        volumes: Vec<String>,
    },
    SetUp {
        order: Box<SetUpOrder>,
        volumes: Vec<String>,
        /// Where to say what there is now.
        output: Utf8PathBuf,
    },
}
