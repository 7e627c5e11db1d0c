//! Containers by name: run, look, stop, remove. Each may be asked twice.
//!
//! They are started with `unless-stopped`: the engine brings them back after its own restart, after
//! that of the machine and after a crash, also while we are away. The price is that a container
//! that cannot live is started again and again; `restarts` and `exit_code` tell. An engine that was
//! killed itself leaves them ended when it comes back (seen with 20.10): then `run` starts them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bollard::{
    errors::Error as Bollard,
    models::{
        ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigLogConfig,
        PortBinding, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
        StopContainerOptionsBuilder,
    },
};
use futures_util::StreamExt as _;

use crate::{
    engine::Engine,
    error::{Error, is_absent},
};

const RUN: &str = "run a container";
const LOOK: &str = "look at a container";
/// The engine keeps logs for ever unless told otherwise.
const LOG_FILES: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerOrder {
    /// Its name; the key under which it is found again.
    pub name: String,
    /// The image's id.
    pub image: String,
    /// Its environment, over that of the image.
    pub env: BTreeMap<String, String>,
    /// What it is; a container of the same name with other values is somebody else's.
    pub labels: BTreeMap<String, String>,
    /// Labels that are not compared.
    pub remarks: BTreeMap<String, String>,
    /// The port it listens on, inside.
    pub port: u16,
    /// The port of 127.0.0.1 under which it is reached. Given and not chosen by the engine, which
    /// would choose another one at every restart.
    pub host_port: u16,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInfo {
    /// The engine's id.
    pub id: String,
    /// The port of 127.0.0.1; that of the first order when there were several.
    pub host_port: u16,
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerState {
    /// The engine's id.
    pub id: String,
    /// The id of its image.
    pub image: String,
    /// Whether its process lives.
    pub running: bool,
    /// Whether it died and the engine is about to start it again.
    pub restarting: bool,
    /// How often that has happened.
    pub restarts: u32,
    /// How its process ended last, when it is not running.
    pub exit_code: Option<i64>,
    /// Whether it ended for want of memory.
    pub out_of_memory: bool,
    /// Why it did not even start.
    pub error: Option<String>,
    /// The port of 127.0.0.1 under which it is reached.
    pub host_port: Option<u16>,
    /// Its first process, as this machine counts.
    pub pid: Option<u32>,
    /// Its labels, with those of the image.
    pub labels: BTreeMap<String, String>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether its process lives.
    pub running: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// Makes it run. One that is there already, with the same labels and image, is started when it
    /// does not run and otherwise left alone. After [`Error::PortTaken`] nothing is left behind.
    pub async fn run(&self, order: &ContainerOrder) -> Result<ContainerInfo, Error> {
        let state = match self.inspect(&order.name).await? {
            Some(state) => state,
            None => self.create(order).await?,
        };
        if let Some(difference) = difference(order, &state) {
            return Err(Error::Taken {
                name: order.name.clone(),
                difference,
            });
        }
        let host_port = state.host_port.unwrap_or(order.host_port);
        if !state.running && !state.restarting {
            self.start(&order.name, host_port).await?;
        }
        Ok(ContainerInfo {
            id: state.id,
            host_port,
        })
    }

    async fn create(&self, order: &ContainerOrder) -> Result<ContainerState, Error> {
        let options = CreateContainerOptionsBuilder::default()
            .name(&order.name)
            .build();
        match self
            .client()
            .create_container(Some(options), body(order))
            .await
        {
            // Somebody was faster: the labels will tell whether it was another one of us.
            Ok(_)
            | Err(Bollard::DockerResponseServerError {
                status_code: 409, ..
            }) => {}
            Err(error) => return Err(Error::from_client(RUN, error)),
        }
        self.inspect(&order.name)
            .await?
            .ok_or_else(|| Error::Absent {
                name: order.name.clone(),
            })
    }

    async fn start(&self, name: &str, host_port: u16) -> Result<(), Error> {
        let Err(error) = self.client().start_container(name, None).await else {
            return Ok(());
        };
        match &error {
            Bollard::DockerResponseServerError { message, .. } if is_port_taken(message) => {
                self.remove(name).await?;
                Err(Error::PortTaken { port: host_port })
            }
            _ => Err(Error::from_client(RUN, error)),
        }
    }

    /// How the container of that name is; `None` when there is none.
    pub async fn inspect(&self, name: &str) -> Result<Option<ContainerState>, Error> {
        match self.client().inspect_container(name, None).await {
            Ok(answer) => Ok(Some(state(answer))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(Error::from_client(LOOK, error)),
        }
    }

    /// SIGTERM, and SIGKILL after `grace` (in whole seconds, rounded up); it is not started again.
    /// A container that is stopped or absent is fine.
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<(), Error> {
        let seconds = grace.as_millis().div_ceil(1_000);
        let options = StopContainerOptionsBuilder::default()
            .t(i32::try_from(seconds).unwrap_or(i32::MAX))
            .build();
        match self
            .patient(grace)
            .stop_container(name, Some(options))
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(Error::from_client("stop a container", error)),
        }
    }

    /// Takes it away with its anonymous volumes, killing it when it runs. One that is absent is fine.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        match self.client().remove_container(name, Some(options)).await {
            // 409: a removal is on its way.
            Ok(())
            | Err(Bollard::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => Ok(()),
            Err(error) => Err(Error::from_client("remove a container", error)),
        }
    }

    /// All containers, running or not, with this label (`key` or `key=value`), by name.
    pub async fn list(&self, label: &str) -> Result<Vec<Listed>, Error> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let answer = self.client().list_containers(Some(options)).await;
        let mut list: Vec<_> = answer
            .map_err(|error| Error::from_client("list containers", error))?
            .into_iter()
            .filter_map(|summary| {
                let name = summary.names?.into_iter().next()?;
                Some(Listed {
                    name: name.trim_start_matches('/').to_owned(),
                    running: summary
                        .state
                        .is_some_and(|word| word.to_string() == "running"),
                    labels: summary.labels.unwrap_or_default().into_iter().collect(),
                })
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// Waits until it does not run, and says its exit code.
    pub async fn wait(&self, name: &str) -> Result<i64, Error> {
        let mut answer = Box::pin(self.client().wait_container(name, None));
        match answer.next().await {
            Some(Ok(end)) => Ok(end.status_code),
            // The client library takes a non-zero exit for an error.
            Some(Err(Bollard::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) if is_absent(&error) => Err(Error::Absent {
                name: name.to_owned(),
            }),
            Some(Err(error)) => Err(Error::from_client("wait for a container", error)),
            None => Err(Error::Broken {
                verb: "wait for a container",
                detail: "the connection ended".to_owned(),
            }),
        }
    }
}

fn is_port_taken(message: &str) -> bool {
    message.contains("port is already allocated") || message.contains("address already in use")
}

fn inside(port: u16) -> String {
    format!("{port}/tcp")
}

fn body(order: &ContainerOrder) -> ContainerCreateBody {
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(order.host_port.to_string()),
    };
    let labels = order
        .labels
        .clone()
        .into_iter()
        .chain(order.remarks.clone());
    ContainerCreateBody {
        image: Some(order.image.clone()),
        env: Some(
            order
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        labels: Some(labels.collect()),
        exposed_ports: Some(vec![inside(order.port)]),
        host_config: Some(HostConfig {
            port_bindings: Some(HashMap::from([(inside(order.port), Some(vec![binding]))])),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            }),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(
                    LOG_FILES
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .into(),
                ),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The first thing in which a container is not the one that was ordered.
fn difference(order: &ContainerOrder, state: &ContainerState) -> Option<String> {
    if state.image != order.image {
        return Some(format!(
            "its image is `{}`, not `{}`",
            state.image, order.image
        ));
    }
    order.labels.iter().find_map(|(name, wanted)| {
        let found = state.labels.get(name);
        (found != Some(wanted)).then(|| match found {
            Some(found) => format!("its label `{name}` is `{found}`, not `{wanted}`"),
            None => format!("it has no label `{name}`"),
        })
    })
}

fn state(answer: ContainerInspectResponse) -> ContainerState {
    let inner = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let restarting = inner.restarting.unwrap_or(false);
    // The engine calls one that waits for its next start `running` as well.
    let running = inner.running.unwrap_or(false) && !restarting;
    let ended = inner.finished_at.is_some_and(|at| !at.starts_with("0001-"));
    ContainerState {
        id: answer.id.unwrap_or_default(),
        image: answer.image.unwrap_or_default(),
        running,
        restarting,
        restarts: u32::try_from(answer.restart_count.unwrap_or(0)).unwrap_or(0),
        exit_code: inner.exit_code.filter(|_| !running && ended),
        out_of_memory: inner.oom_killed.unwrap_or(false),
        error: inner.error.filter(|text| !text.is_empty()),
        host_port: answer
            .host_config
            .and_then(|host| host.port_bindings)
            .into_iter()
            .flatten()
            .find_map(|(_, bindings)| bindings?.into_iter().next()?.host_port?.parse().ok()),
        pid: inner
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
    }
}
