//! Containers of jobs: made from what people write, with all the flags that they may write, found by
//! name, never started again by the engine. Containers of deployments are in `container.rs`.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    errors::Error as Bollard,
    models::{
        ContainerCreateBody, DeviceMapping, EndpointSettings, HealthConfig, HostConfig,
        NetworkingConfig, ResourcesUlimits,
    },
    query_parameters::CreateContainerOptionsBuilder,
};
use cutover_model::plan::container::{ContainerOptions, Health};

use crate::{
    engine::Engine,
    error::{Error, is_absent},
    ports,
};

const MAKE: &str = "make a container";
const START: &str = "start a container";

/// A container of a job.
#[derive(Clone, Default)]
pub struct JobContainerOrder {
    /// Its name; `options` may give another one.
    pub name: String,
    /// The image, which is there.
    pub image: String,
    /// `NAME=VALUE`, over what the image has.
    pub env: Vec<String>,
    /// By which it is found again.
    pub labels: BTreeMap<String, String>,
    /// In place of the image's.
    pub entrypoint: Option<Vec<String>>,
    /// In place of the image's.
    pub command: Option<Vec<String>>,
    /// Where its program runs.
    pub workdir: Option<String>,
    /// `SOURCE:PATH[:ro]`, or a path alone.
    pub volumes: Vec<String>,
    /// `[[ADDRESS:]HOST:]INSIDE[/udp]`.
    pub ports: Vec<String>,
    /// The network that it is in, and its names there; `host` for that of the machine.
    pub network: Option<(String, Vec<String>)>,
    /// What its flags say.
    pub options: ContainerOptions,
}

/// A container of a job that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobContainer {
    /// The engine's id.
    pub id: String,
    /// Its ports, as written inside (`5432`, `53/udp`), and where they are on this machine.
    pub ports: BTreeMap<String, String>,
    /// Its `PATH`.
    pub path: Option<String>,
}

impl Engine {
    /// Makes a container without starting it; says its id.
    pub async fn make(&self, order: &JobContainerOrder) -> Result<String, Error> {
        let name = order.options.name.as_deref().unwrap_or(&order.name);
        let mut options = CreateContainerOptionsBuilder::default().name(name);
        if let Some(platform) = &order.options.platform {
            options = options.platform(platform);
        }
        let body = body(order)?;
        let made = self
            .client()
            .create_container(Some(options.build()), body)
            .await;
        match made {
            Ok(made) => Ok(made.id),
            Err(Bollard::DockerResponseServerError {
                status_code: 409,
                message,
            }) => Err(Error::Taken {
                name: name.to_owned(),
                difference: message,
            }),
            Err(error) => Err(Error::from_client(MAKE, error)),
        }
    }

    /// Starts what was made.
    pub async fn begin(&self, id: &str) -> Result<(), Error> {
        let started = self.client().start_container(id, None).await;
        started.map_err(|error| Error::from_client(START, error))
    }

    /// Where a container that runs is reached.
    pub async fn reached(&self, id: &str) -> Result<JobContainer, Error> {
        let answer = match self.client().inspect_container(id, None).await {
            Err(error) if is_absent(&error) => {
                return Err(Error::Absent {
                    name: id.to_owned(),
                });
            }
            answer => answer.map_err(|error| Error::from_client("look at a container", error))?,
        };
        let bound = answer.network_settings.and_then(|network| network.ports);
        let mut ports = BTreeMap::new();
        for (inside, bindings) in bound.into_iter().flatten() {
            let host = bindings.into_iter().flatten().find_map(|one| one.host_port);
            if let Some(host) = host.filter(|host| !host.is_empty()) {
                ports.insert(inside.trim_end_matches("/tcp").to_owned(), host);
            }
        }
        let env = answer.config.and_then(|config| config.env);
        let path = env.into_iter().flatten();
        Ok(JobContainer {
            id: answer.id.unwrap_or_default(),
            ports,
            path: path
                .filter_map(|pair| Some(pair.strip_prefix("PATH=")?.to_owned()))
                .next_back(),
        })
    }
}

fn body(order: &JobContainerOrder) -> Result<ContainerCreateBody, Error> {
    let options = &order.options;
    let pairs = options
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let mut labels: HashMap<String, String> = options.labels.iter().cloned().collect();
    labels.extend(order.labels.clone());
    let written = order.ports.iter().chain(&options.publish);
    let bound = ports::bindings(written).map_err(|port| Error::Port { port })?;
    let exposed = bound
        .keys()
        .cloned()
        .chain(options.expose.iter().map(|port| ports::inside(port)));
    let volumes = || order.volumes.iter().chain(&options.volumes).cloned();
    Ok(ContainerCreateBody {
        image: Some(order.image.clone()),
        env: Some(order.env.iter().cloned().chain(pairs).collect()),
        labels: Some(labels),
        entrypoint: order.entrypoint.clone(),
        cmd: order.command.clone(),
        working_dir: options.workdir.clone().or_else(|| order.workdir.clone()),
        user: options.user.clone(),
        hostname: options.hostname.clone(),
        domainname: options.domainname.clone(),
        tty: Some(options.tty),
        stop_signal: options.stop_signal.clone(),
        exposed_ports: Some(exposed.collect()),
        volumes: Some(volumes().filter(|volume| !volume.contains(':')).collect()),
        healthcheck: health(&options.health),
        host_config: Some(HostConfig {
            binds: Some(volumes().filter(|volume| volume.contains(':')).collect()),
            port_bindings: Some(bound),
            network_mode: order.network.as_ref().map(|(name, _)| name.clone()),
            ..host(options)
        }),
        networking_config: order
            .network
            .as_ref()
            .filter(|(name, _)| name != "host")
            .map(|(name, aliases)| NetworkingConfig {
                endpoints_config: Some(HashMap::from([(
                    name.clone(),
                    EndpointSettings {
                        aliases: Some(aliases.iter().chain(&options.aliases).cloned().collect()),
                        ..EndpointSettings::default()
                    },
                )])),
            }),
        ..ContainerCreateBody::default()
    })
}

fn host(options: &ContainerOptions) -> HostConfig {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    HostConfig {
        extra_hosts: some(&options.add_hosts),
        cap_add: some(&options.cap_add),
        cap_drop: some(&options.cap_drop),
        cpu_shares: options.cpu_shares,
        nano_cpus: options.nano_cpus,
        cpuset_cpus: options.cpuset_cpus.clone(),
        devices: Some(options.devices.iter().map(|text| device(text)).collect()),
        dns: some(&options.dns),
        dns_options: some(&options.dns_options),
        dns_search: some(&options.dns_search),
        group_add: some(&options.group_add),
        init: options.init.then_some(true),
        ipc_mode: options.ipc.clone(),
        memory: options.memory,
        memory_reservation: options.memory_reservation,
        memory_swap: options.memory_swap,
        pid_mode: options.pid.clone(),
        pids_limit: options.pids_limit,
        privileged: Some(options.privileged),
        readonly_rootfs: Some(options.read_only),
        security_opt: some(&options.security_opt),
        shm_size: options.shm_size,
        sysctls: Some(options.sysctls.iter().cloned().collect()),
        tmpfs: Some(options.tmpfs.iter().cloned().collect()),
        ulimits: Some(
            options
                .ulimits
                .iter()
                .map(|(name, soft, hard)| ResourcesUlimits {
                    name: Some(name.clone()),
                    soft: Some(*soft),
                    hard: Some(*hard),
                })
                .collect(),
        ),
        userns_mode: options.userns.clone(),
        ..HostConfig::default()
    }
}

fn device(text: &str) -> DeviceMapping {
    let mut parts = text.splitn(3, ':');
    let outside = parts.next().unwrap_or_default().to_owned();
    let inside = parts.next().map_or_else(|| outside.clone(), str::to_owned);
    DeviceMapping {
        path_in_container: Some(inside),
        cgroup_permissions: Some(parts.next().unwrap_or("rwm").to_owned()),
        path_on_host: Some(outside),
    }
}

/// `None`: as the image says.
fn health(health: &Health) -> Option<HealthConfig> {
    if health.none {
        return Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        });
    }
    if *health == Health::default() {
        return None;
    }
    let nanos = |time: Option<cutover_model::Duration>| {
        let time = time?;
        Some(i64::try_from(time.to_std().as_nanos()).unwrap_or(i64::MAX))
    };
    Some(HealthConfig {
        test: health
            .command
            .clone()
            .map(|command| vec!["CMD-SHELL".to_owned(), command]),
        interval: nanos(health.interval),
        timeout: nanos(health.timeout),
        start_period: nanos(health.start_period),
        retries: health.retries,
        ..HealthConfig::default()
    })
}
