//! Instances as containers, found again by name and label; their ports are bound to 127.0.0.1.
//!
//! The engine starts a container again when it dies or when the machine comes back. Stopping one
//! also takes it away, after the end of its log was written to `ROOT/<deployment>/logs/`: what is
//! there should run, so nothing else has to be remembered.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_docker::{ContainerOrder, ContainerState, Engine, Error as EngineError};
use cutover_model::{
    Duration,
    delivery::{Digest, Package},
};
use futures_util::future::join_all;
use tokio::task::spawn_blocking;

use crate::{
    error::Error,
    fence::{self, Generation},
    listening,
    locks::Locks,
    ports::Ports,
    tail,
    target::{Exit, Instance, InstanceState, InstancesOrder, Place},
};

/// The port of a service that names none.
const DEFAULT_PORT: u16 = 8080;
/// How often another port is tried when somebody takes one between our look and the start.
const PORT_TRIES: u32 = 8;
/// How much of a log is kept of a container that is taken away.
const KEPT_LINES: usize = 5_000;

/// Runs images on an engine.
#[derive(Debug)]
pub struct DockerTarget {
    engine: Engine,
    root: Utf8PathBuf,
    ports: Ports,
    locks: Locks,
}

impl DockerTarget {
    /// A target on this engine; what was ordered and what was logged is kept below `root`.
    pub fn new(engine: Engine, root: impl Into<Utf8PathBuf>) -> Self {
        Self {
            engine,
            root: root.into(),
            ports: Ports::default(),
            locks: Locks::default(),
        }
    }

    fn directory(&self, place: &Place) -> Utf8PathBuf {
        self.root.join(place.deployment.as_str())
    }

    /// Where the log of an instance is, from when it was stopped.
    pub fn log_path(&self, place: &Place, index: u32) -> Utf8PathBuf {
        self.directory(place)
            .join("logs")
            .join(format!("{index}.log"))
    }

    /// See [`crate::Target::ensure`].
    pub async fn ensure(&self, order: &InstancesOrder) -> Result<Vec<Instance>, Error> {
        let place = &order.place;
        let _one_at_a_time = self.locks.take(&place.deployment).await;
        let directory = self.directory(place);
        fence::admit(&directory, &place.deployment, order.generation, true)?;
        let Package::Image { digest } = &order.release.package else {
            return Err(order.wrong_package("images"));
        };
        let mut instances = Vec::new();
        for index in 0..order.count {
            let port = self.run(order, digest, index).await?;
            instances.push(instance_of(place, index, port));
        }
        Ok(instances)
    }

    /// Runs one, and says its port.
    async fn run(&self, order: &InstancesOrder, digest: &Digest, index: u32) -> Result<u16, Error> {
        let id = order.place.instance_id(index);
        let mut taken = Vec::new();
        let run = loop {
            let host_port = self.ports.take(&id, None)?;
            taken.push(host_port);
            match self
                .engine
                .run(&container(order, digest, index, host_port))
                .await
            {
                Err(EngineError::PortTaken { .. }) if taken.len() < PORT_TRIES as usize => {}
                other => break other,
            }
        };
        // From here on the engine holds the port itself.
        for port in taken {
            self.ports.give_back(port);
        }
        match run {
            Ok(info) => Ok(info.host_port),
            Err(EngineError::Refused { status: 404, .. }) => Err(Error::PackageGone {
                digest: digest.clone(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of the containers of a place, by index.
    async fn names(&self, place: &Place) -> Result<BTreeMap<u32, String>, Error> {
        let label = format!("{}={}", label::DEPLOYMENT, place.deployment);
        let listed = self.engine.list(&label).await?;
        Ok(listed
            .into_iter()
            .filter_map(|found| {
                let index = found.labels.get(label::INDEX)?.parse().ok()?;
                Some((index, found.name))
            })
            .collect())
    }

    /// See [`crate::Target::observe`].
    pub async fn observe(&self, place: &Place) -> Result<Vec<InstanceState>, Error> {
        let mut states = Vec::new();
        for (index, name) in self.names(place).await? {
            // One that is gone by now was taken away by somebody.
            let Some(state) = self.engine.inspect(&name).await? else {
                continue;
            };
            let log_tail = match self.engine.logs_tail(&name, tail::LINES).await {
                Err(EngineError::Absent { .. }) => continue,
                other => other?,
            };
            let pid = state.pid;
            let listening_ports =
                spawn_blocking(move || pid.map(listening::in_network_of).unwrap_or_default())
                    .await?;
            states.push(InstanceState {
                instance: instance_of(place, index, state.host_port.unwrap_or(0)),
                alive: state.running,
                exit: exit(&state),
                restarts: state.restarts,
                log_tail: state.error.into_iter().chain(log_tail).collect(),
                listening_ports,
            });
        }
        Ok(states)
    }

    /// See [`crate::Target::stop`].
    pub async fn stop(
        &self,
        place: &Place,
        keep: u32,
        grace: Duration,
        generation: Generation,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.locks.take(&place.deployment).await;
        fence::admit(&self.directory(place), &place.deployment, generation, false)?;
        self.end(place, keep, grace).await
    }

    /// See [`crate::Target::remove`].
    pub async fn remove(&self, place: &Place) -> Result<(), Error> {
        let _one_at_a_time = self.locks.take(&place.deployment).await;
        fence::close(&self.directory(place))?;
        self.end(place, 0, Duration::ZERO).await
    }

    async fn end(&self, place: &Place, keep: u32, grace: Duration) -> Result<(), Error> {
        let names = self.names(place).await?;
        let ended = names
            .iter()
            .filter(|(index, _)| **index >= keep)
            .map(|(index, name)| self.end_one(self.log_path(place, *index), name, grace));
        join_all(ended).await.into_iter().collect()
    }

    async fn end_one(&self, log: Utf8PathBuf, name: &str, grace: Duration) -> Result<(), Error> {
        self.engine.stop(name, grace.to_std()).await?;
        match self.engine.logs_tail(name, KEPT_LINES).await {
            Ok(lines) => spawn_blocking(move || keep_log(&log, &lines)).await??,
            // We were here before.
            Err(EngineError::Absent { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        Ok(self.engine.remove(name).await?)
    }
}

/// Written as a whole: asked twice, it does not hold everything twice.
fn keep_log(path: &Utf8Path, lines: &[String]) -> Result<(), Error> {
    let mut text = lines.join("\n");
    text.push('\n');
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(Error::io(path))
}

/// Under which labels a container is found.
mod label {
    pub(super) const DEPLOYMENT: &str = "cutover.deployment";
    pub(super) const ENVIRONMENT: &str = "cutover.environment";
    pub(super) const SERVICE: &str = "cutover.service";
    pub(super) const INDEX: &str = "cutover.index";
    pub(super) const GENERATION: &str = "cutover.generation";
}

fn container(
    order: &InstancesOrder,
    digest: &Digest,
    index: u32,
    host_port: u16,
) -> ContainerOrder {
    let place = &order.place;
    let port = order.release.port.unwrap_or(DEFAULT_PORT);
    ContainerOrder {
        name: format!("cutover-{}", place.instance_id(index)),
        image: digest.0.clone(),
        env: order.environment(port),
        labels: [
            (label::DEPLOYMENT, place.deployment.to_string()),
            (label::ENVIRONMENT, place.environment.clone()),
            (label::SERVICE, place.service.clone()),
            (label::INDEX, index.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        // Of the order that made it: a younger one about the same instance changes nothing.
        remarks: [(label::GENERATION.to_owned(), order.generation.to_string())].into(),
        port,
        host_port,
    }
}

fn instance_of(place: &Place, index: u32, port: u16) -> Instance {
    Instance {
        id: place.instance_id(index),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        index,
    }
}

fn exit(state: &ContainerState) -> Option<Exit> {
    if state.running {
        None
    } else if state.out_of_memory {
        Some(Exit::OutOfMemory)
    } else {
        state.exit_code.map(Exit::Code)
    }
}
